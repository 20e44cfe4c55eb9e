/**
 * This node's read barriers: those of one turn share a request, a lost request is asked again, and each ends when this node
 * has applied what was committed when it began (R54, R56).
 */

import type { CancelTimer, Clock } from "../util/clock.ts";
import { RaftError } from "./index.ts";
import type { RaftMetrics } from "./metrics.ts";

export interface ReadsParts {
  readonly clock: Clock;
  /** A request unanswered for this long is asked again. */
  readonly retryMs: number;
  readonly ask: (requests: readonly number[]) => void;
  /**
   * Where this start of the node begins to count, drawn at random: a late answer to the node's former life must not
   * confirm a read of this one (R54).
   */
  readonly firstRequest: number;
  readonly metrics: Pick<RaftMetrics, "read">;
}

interface Barrier {
  readonly beganAt: number;
  readonly cancelTimeout: CancelTimer;
  readonly resolve: () => void;
  readonly reject: (error: RaftError) => void;
}

export class Reads {
  readonly #parts: ReadsParts;
  /** Asked for, not yet confirmed. */
  readonly #asked = new Map<number, Barrier[]>();
  /** Confirmed at an index that is not yet applied. */
  #confirmed: { readonly index: number; readonly barriers: readonly Barrier[] }[] = [];
  #gathering: Barrier[] = [];
  #nextRequest: number;
  #cancelRetry: CancelTimer | null = null;

  constructor(parts: ReadsParts) {
    this.#parts = parts;
    this.#nextRequest = parts.firstRequest;
  }

  /** @throws RaftError NO_LEADER when no leader confirmed it in time */
  wait(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const { clock } = this.#parts;
      const barrier: Barrier = {
        beganAt: clock.now(),
        cancelTimeout: clock.schedule(timeoutMs, () => this.#timedOut(barrier)),
        resolve,
        reject,
      };
      if (this.#gathering.push(barrier) === 1) clock.soon(() => this.#askGathered());
    });
  }

  /** The leader led when `request` was asked, and had committed everything up to `index`. */
  confirmed(request: number, index: number, appliedIndex: number): void {
    const barriers = this.#asked.get(request);
    if (barriers === undefined) return;
    this.#asked.delete(request);
    if (appliedIndex >= index) this.#finish(barriers);
    else this.#confirmed.push({ index, barriers });
  }

  applied(index: number): void {
    if (this.#confirmed.length === 0) return;
    for (const { barriers } of this.#confirmed.filter((entry) => entry.index <= index)) {
      this.#finish(barriers);
    }
    this.#confirmed = this.#confirmed.filter((entry) => entry.index > index);
  }

  /** Not confirmed: no leader, or it lost its office. Asked again until the wait ends. */
  refused(request: number): void {
    if (this.#asked.has(request)) this.#armRetry();
  }

  leaderChanged(): void {
    this.#askAgain();
  }

  stop(): void {
    this.#cancelRetry?.();
    const all = [...this.#asked.values(), ...this.#confirmed.map(({ barriers }) => barriers), this.#gathering].flat();
    this.#asked.clear();
    this.#confirmed = [];
    this.#gathering = [];
    for (const barrier of all) {
      barrier.cancelTimeout();
      this.#parts.metrics.read("STOPPED");
      barrier.reject(new RaftError("this node is stopping", { code: "STOPPED" }));
    }
  }

  #finish(barriers: readonly Barrier[]): void {
    for (const barrier of barriers) {
      barrier.cancelTimeout();
      this.#parts.metrics.read("done");
      barrier.resolve();
    }
  }

  #askGathered(): void {
    const barriers = this.#gathering;
    this.#gathering = [];
    if (barriers.length === 0) return;
    const request = this.#nextRequest++;
    this.#asked.set(request, barriers);
    this.#armRetry();
    this.#parts.ask([request]);
  }

  #armRetry(): void {
    if (this.#cancelRetry !== null) return;
    this.#cancelRetry = this.#parts.clock.schedule(this.#parts.retryMs, () => {
      this.#cancelRetry = null;
      this.#askAgain();
    });
  }

  /** Under a new number: an answer to the old one, should it still come, counts for nothing. */
  #askAgain(): void {
    const barriers = [...this.#asked.values()].flat();
    this.#asked.clear();
    if (barriers.length === 0) return;
    this.#gathering.push(...barriers);
    this.#askGathered();
  }

  #timedOut(barrier: Barrier): void {
    const isOther = (candidate: Barrier) => candidate !== barrier;
    for (const [request, barriers] of this.#asked) this.#asked.set(request, barriers.filter(isOther));
    this.#confirmed = this.#confirmed.map(({ index, barriers }) => ({ index, barriers: barriers.filter(isOther) }));
    this.#gathering = this.#gathering.filter(isOther);
    const waitedMs = Math.round(this.#parts.clock.now() - barrier.beganAt);
    this.#parts.metrics.read("NO_LEADER");
    barrier.reject(new RaftError("no leader confirmed the read within the wait", { code: "NO_LEADER", waitedMs }));
  }
}
