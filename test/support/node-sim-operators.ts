/** What operators want done to the members of a region, tried through any node until it is done or makes no sense any more. */

import { ClusterError } from "../../src/api/cluster-error.ts";
import type { Random } from "../../src/util/random.ts";
import type { Answer } from "./node-sim-clients.ts";
import type { NodeProcess } from "./node-sim-process.ts";

export interface OperatorWorld {
  /** One that has a place in the region. */
  anyMember(random: Random): NodeProcess | undefined;
  schedule(delayMs: number, run: () => void): void;
  ask<T>(
    process: NodeProcess,
    patienceMs: number,
    ask: (process: NodeProcess) => Promise<T>,
    hear: (answer: Answer<T>) => void,
  ): void;
  count(what: string): void;
}

/** Longer than a node tries by itself. */
const PATIENCE_MS = 6_000;
const AGAIN_MS = 1_000;
const REMOVE = "remove";
/** Trying again would change nothing. */
const FINAL: ReadonlySet<string> = new Set([
  "MEMBER_EXISTS",
  "MEMBER_UNKNOWN",
  "MEMBER_REMOVED",
  "LAST_VOTER",
  "TOO_MANY_MEMBERS",
]);

export class Operator {
  readonly #world: OperatorWorld;
  readonly #random: Random;
  /** What is still to be done. */
  readonly wishes: string[] = [];
  #isDoneRemoving = false;

  constructor(world: OperatorWorld, random: Random) {
    this.#world = world;
    this.#random = random;
  }

  /** @param isThere - whether there still is a node of this name to be added */
  add(name: string, becomes: "voter" | "learner", isThere: () => boolean): void {
    const what = `add ${name} as ${becomes}`;
    if (this.wishes.includes(what)) return;
    this.#wish(what, ({ admin }) => admin.addMember(name, becomes), isThere);
  }

  get isRemoving(): boolean {
    return this.wishes.some((wish) => wish.startsWith(REMOVE));
  }

  remove(member: string): void {
    this.#wish(
      `${REMOVE} ${member}`,
      ({ admin }) => admin.removeMember(member),
      () => !this.#isDoneRemoving,
    );
  }

  /** Forgets who was to be removed and could not be, such as those whom a quorum needs. */
  giveUpRemoving(): void {
    this.#isDoneRemoving = true;
  }

  #wish(what: string, ask: (process: NodeProcess) => Promise<unknown>, isWanted: () => boolean): void {
    this.wishes.push(what);
    const forget = () => this.wishes.splice(this.wishes.indexOf(what), 1);
    const again = () => {
      if (!isWanted()) return void forget();
      const process = this.#world.anyMember(this.#random);
      if (process === undefined) return this.#world.schedule(AGAIN_MS, again);
      this.#world.ask(process, PATIENCE_MS, ask, (answer) => {
        if (answer.is === "error" && !(answer.error instanceof ClusterError)) throw answer.error;
        const code = answer.is === "error" ? (answer.error as ClusterError).detail.code : null;
        if (answer.is !== "ok" && (code === null || !FINAL.has(code))) return this.#world.schedule(AGAIN_MS, again);
        this.#world.count(answer.is === "ok" ? "members changed by an operator" : `operator: ${code}`);
        forget();
      });
    };
    again();
  }
}
