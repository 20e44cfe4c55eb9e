/** Who waits for a change of the group's members to be committed. */

import type { LogEntry } from "../types/raft.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { RaftError } from "./index.ts";

interface Wait {
  /** Of the entry that carries the change. */
  readonly index: number;
  readonly term: number;
  readonly beganAt: number;
  readonly cancelTimeout: CancelTimer;
  readonly resolve: (outcome: { readonly index: number }) => void;
  readonly reject: (error: RaftError) => void;
}

export class MembershipWaits {
  readonly #clock: Clock;
  readonly #waits = new Set<Wait>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Resolves when the entry is applied.
   *
   * @throws RaftError NO_LEADER when another leader's entry took its place; OUTCOME_UNKNOWN when the wait ended
   */
  for(
    entry: { readonly index: number; readonly term: number },
    timeoutMs: number,
  ): Promise<{ readonly index: number }> {
    return new Promise((resolve, reject) => {
      const wait: Wait = {
        ...entry,
        beganAt: this.#clock.now(),
        cancelTimeout: this.#clock.schedule(timeoutMs, () => this.#giveUp(wait)),
        resolve,
        reject,
      };
      this.#waits.add(wait);
    });
  }

  applied({ index, term }: LogEntry): void {
    for (const wait of this.#waits) {
      if (wait.index !== index) continue;
      this.#forget(wait);
      if (wait.term === term) wait.resolve({ index });
      else
        wait.reject(new RaftError("the leader lost its office", { code: "NO_LEADER", waitedMs: this.#waited(wait) }));
    }
  }

  /** Nobody will tell any more what became of the changes: this node stops, or a snapshot went over them. */
  giveUpAll(): void {
    for (const wait of this.#waits) this.#giveUp(wait);
  }

  #giveUp(wait: Wait): void {
    this.#forget(wait);
    const detail = { code: "OUTCOME_UNKNOWN", waitedMs: this.#waited(wait) } as const;
    wait.reject(new RaftError("proposed, but whether the members changed is not known", detail));
  }

  #forget(wait: Wait): void {
    wait.cancelTimeout();
    this.#waits.delete(wait);
  }

  #waited(wait: Wait): number {
    return Math.round(this.#clock.now() - wait.beganAt);
  }
}
