/**
 * An open loop: requests are issued at moments fixed beforehand, whatever became of those before.
 *
 * Each is told the moment it was meant for, and latency counts from there: a client that waits for a stalled server, or a
 * generator that was held up itself, hides nothing (Tene's "coordinated omission").
 */

import type { CancelTimer, Clock } from "../../src/util/clock.ts";

export interface OpenLoopOptions {
  readonly clock: Clock;
  /** From 0 on, in milliseconds, never falling. */
  readonly arrivals: Iterator<number, never>;
  /** What resolves when it is done is waited for by `stop`, and never rejects. @param intendedMs - on the clock */
  readonly issue: (intendedMs: number) => Promise<void> | void;
}

export class OpenLoop {
  readonly #options: OpenLoopOptions;
  #startedMs = 0;
  #nextMs = 0;
  #cancel: CancelTimer | undefined;
  #behindMs = 0;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: OpenLoopOptions) {
    this.#options = options;
  }

  /** The longest that a request was issued after it was meant to be: what this process could not keep up with. */
  get behindMs(): number {
    return this.#behindMs;
  }

  start(): void {
    this.#startedMs = this.#options.clock.now();
    this.#nextMs = this.#advance();
    this.#wait();
  }

  /** Issues nothing more. Resolves when all that was issued is done. */
  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    await Promise.all(this.#underWay);
  }

  #wait(): void {
    const delayMs = Math.max(0, this.#nextMs - this.#options.clock.now());
    this.#cancel = this.#options.clock.schedule(delayMs, () => {
      this.#issueDue();
      if (this.#cancel !== undefined) this.#wait();
    });
  }

  #issueDue(): void {
    const nowMs = this.#options.clock.now();
    this.#behindMs = Math.max(this.#behindMs, nowMs - this.#nextMs);
    for (; this.#nextMs <= nowMs && this.#cancel !== undefined; this.#nextMs = this.#advance()) {
      this.#issue(this.#nextMs);
    }
  }

  #issue(intendedMs: number): void {
    const issued = this.#options.issue(intendedMs);
    if (issued === undefined) return;
    const work = issued.finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  #advance(): number {
    return this.#startedMs + this.#options.arrivals.next().value;
  }
}
