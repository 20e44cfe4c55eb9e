/** Says when the members that a node was configured with are not those that its region has. */

import type { GroupStatus } from "../raft/index.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";

/** Longer than most changes of members take, so that what is said is what they lead to. */
const CHECK_MS = 10_000;

export class ConfiguredMembers {
  readonly #configured: string;
  readonly #status: () => GroupStatus;
  readonly #logger: Logger;
  readonly #cancel: CancelTimer;
  /** The members that were said last. */
  #said: string | null = null;

  /** Looks now and then, until stopped. */
  constructor(names: readonly string[], status: () => GroupStatus, clock: Clock, logger: Logger) {
    this.#configured = listed(names);
    this.#status = status;
    this.#logger = logger;
    this.#cancel = repeat(clock, CHECK_MS, () => this.#check());
  }

  stop(): void {
    this.#cancel();
  }

  /** Each difference is said once. */
  #check(): void {
    const { membership, isChanging } = this.#status();
    const { voters, learners } = membership;
    if (isChanging || voters.length === 0 || learners.some(({ replaces }) => replaces !== null)) return;
    const actual = listed([...voters, ...learners].map(({ name }) => name));
    if (actual === this.#configured || actual === this.#said) return;
    this.#said = actual;
    this.#logger.warn(
      { code: "MEMBERS_DIFFER", configured: this.#configured, actual },
      "the region has other members than node.members names; name them, so that a node with an empty disk finds its region",
    );
  }
}

function listed(names: readonly string[]): string {
  return [...names].sort().join(" ");
}
