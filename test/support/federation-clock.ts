/** Virtual time for the federation's tests: timers run in order of their due time, and everything they set off runs out before the next. */

import type { CancelTimer, Clock } from "../../src/util/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

export class FederationClock implements Clock {
  #nowMs = 1_000;
  #timers: Timer[] = [];

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  schedule(delayMs: number, run: () => void): CancelTimer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), run };
    const later = this.#timers.findIndex((other) => other.dueMs > timer.dueMs);
    this.#timers.splice(later === -1 ? this.#timers.length : later, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  afterIo(run: () => void): void {
    this.schedule(0, run);
  }

  /** Lets `ms` pass. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let timer = this.#timers[0]; timer !== undefined && timer.dueMs <= endMs; timer = this.#timers[0]) {
      this.#timers.shift();
      this.#nowMs = timer.dueMs;
      timer.run();
      await settle();
    }
    this.#nowMs = endMs;
  }

  /** Lets time pass until `promise` has settled, at most `limitMs`. */
  async until<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let isSettled = false;
    const note = () => {
      isSettled = true;
    };
    promise.then(note, note);
    await settle();
    for (let passedMs = 0; !isSettled && passedMs < limitMs; passedMs++) await this.advance(1);
    if (!isSettled) throw new Error(`nothing settled within ${limitMs} ms`);
    return promise;
  }
}

/** Promises that are ready, and those that they make ready, run before a turn of the event loop ends. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
