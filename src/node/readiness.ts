/**
 * Whether this node can serve, and what keeps it from it: for `/ready`, and for the log when it lasts.
 *
 * The reasons are for operators: each says what to do, or whom the node waits for.
 */

import type { GroupStatus } from "../raft/index.ts";
import type { NodeId } from "../types/ids.ts";
import type { Member } from "../types/membership.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import type { Condition } from "./conditions.ts";

export interface ReadinessParts {
  readonly self: NodeId;
  readonly status: () => GroupStatus;
  readonly isLinked: (id: NodeId) => boolean;
  /** What keeps this node out of its region; null once it belongs to it. */
  readonly waitsFor: () => string | null;
  readonly isShuttingDown: () => boolean;
  /** What it does without, while it serves the rest. */
  readonly conditions: () => readonly Condition[];
  /** A leader heard of within this long is a live one. */
  readonly livePathMs: number;
}

export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly degraded: readonly Condition[];
}

export function readinessOf(parts: ReadinessParts): Readiness {
  const reasons = parts.isShuttingDown() ? ["this node is shutting down"] : [];
  const reason = parts.waitsFor() ?? whatIsMissing(parts);
  if (reason !== null) reasons.push(reason);
  return { ready: reasons.length === 0, reasons, degraded: parts.conditions() };
}

function whatIsMissing({ self, status, isLinked, livePathMs }: ReadinessParts): string | null {
  const { membership, sinceLeaderMs, stalenessMs } = status();
  if (sinceLeaderMs > livePathMs) {
    const isHere = ({ id }: Member) => id === self || isLinked(id);
    for (const voters of [membership.voters, membership.outgoing]) {
      const here = voters.filter(isHere).length;
      if (2 * here <= voters.length && voters.length > 0) return withoutQuorum(here, voters);
    }
    return "no leader of the region is known";
  }
  // Nothing that a leader committed was ever seen here: what is not found may well exist.
  return stalenessMs === Number.POSITIVE_INFINITY ? "this node has not caught up with its region yet" : null;
}

function withoutQuorum(here: number, voters: readonly Member[]): string {
  const needed = Math.floor(voters.length / 2) + 1;
  return (
    `the region is without quorum: ${here} of its ${voters.length} voters are connected, ${needed} are needed; ` +
    "bring the others back"
  );
}

/** How often readiness is looked at. */
const CHECK_MS = 1_000;
/** Shorter spells, such as elections, are nobody's business. */
const LASTING_MS = 5_000;

/** Says in the log when the node can not serve for longer than an election takes, and when it can again. */
export class ReadinessLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #readiness: () => Readiness;
  #cancel: CancelTimer = () => {};
  #readyAt: number;
  /** The reasons that were said, until it is ready again. */
  #said: string | null = null;

  constructor(clock: Clock, logger: Logger, readiness: () => Readiness) {
    this.#clock = clock;
    this.#logger = logger;
    this.#readiness = readiness;
    this.#readyAt = clock.now();
  }

  start(): void {
    this.#cancel = repeat(this.#clock, CHECK_MS, () => this.#check());
  }

  stop(): void {
    this.#cancel();
  }

  #check(): void {
    const { ready, reasons } = this.#readiness();
    if (ready) {
      this.#readyAt = this.#clock.now();
      if (this.#said !== null) this.#logger.info({ code: "NODE_READY" }, "this node can serve again");
      this.#said = null;
      return;
    }
    const said = reasons.join("; ");
    if (said === this.#said || this.#clock.now() - this.#readyAt < LASTING_MS) return;
    this.#said = said;
    this.#logger.warn({ code: "NODE_NOT_READY", reasons }, `this node can not serve: ${said}`);
  }
}
