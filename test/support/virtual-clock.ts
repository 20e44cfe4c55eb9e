/** Time that passes when a test says so. Timers run in the order they are due, and what they set off runs out before the next. */

import type { CancelTimer, Clock } from "../../src/util/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 1_000;
  #wallOffsetMs = 1_700_000_000_000;
  #timers: Timer[] = [];

  now(): number {
    return this.#nowMs;
  }

  wallTime(): number {
    return this.#wallOffsetMs + this.#nowMs;
  }

  schedule(delayMs: number, run: () => void): CancelTimer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), run };
    const later = this.#timers.findIndex(({ dueMs }) => dueMs > timer.dueMs);
    this.#timers.splice(later === -1 ? this.#timers.length : later, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** A turn of the real loop brings more than one event; here each has its own. */
  soon(run: () => void): void {
    queueMicrotask(run);
  }

  afterIo(run: () => void): void {
    this.schedule(0, run);
  }

  /** Lets `ms` pass, running what is due on the way. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let timer = this.#timers[0]; timer !== undefined && timer.dueMs <= endMs; timer = this.#timers[0]) {
      this.#timers.shift();
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      timer.run();
      await settle();
    }
    this.#nowMs = endMs;
  }

  /** Lets turns go by, but no time, until `promise` settles: for work that gives way to other work. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const note = () => {
      isSettled = true;
    };
    promise.then(note, note);
    while (!isSettled) await this.advance(0);
    return promise;
  }

  /** Lets `ms` pass while nothing runs, as when the process was stopped: what became due is late. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  /** Moves the wall clock alone, as an operator or a time server would. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }
}

/** Promises that are ready, and those that they make ready, run before a turn of the event loop ends. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
