/**
 * Time, and the order of events, as one process lives them.
 *
 * Its clock may run fast or slow and stand still; its timers wait while it is paused, and then fire before what arrived
 * meanwhile, as Node's do (R59). After its end nothing happens to it any more.
 */

import type { CancelTimer, Clock } from "../../src/util/clock.ts";
import type { EventQueue, ScheduledEvent } from "./raft-sim-queue.ts";

/** The clocks of a machine; they go on when its processes end. */
export interface Hardware {
  /** Milliseconds of its monotonic clock in one of the world's. */
  readonly rate: number;
  /** How far its wall clock is off. */
  wallOffsetMs: number;
}

interface ProcessTimer {
  /** On the process's own clock. */
  readonly due: number;
  /** Null once it fired or was cancelled. */
  run: (() => void) | null;
  event: ScheduledEvent | null;
}

const EPOCH_MS = 1_700_000_000_000;
/** Own time and the world's differ by rounding. */
const ROUNDING_MS = 1e-6;

export class ProcessLoop implements Clock {
  readonly #queue: EventQueue;
  readonly #hardware: Hardware;
  readonly #onUncaught: (error: unknown) => void;
  readonly #bornAt: number;
  #frozenMs = 0;
  #pause: { readonly since: number; readonly isFrozen: boolean } | null = null;
  /** What was due, and what arrived, during the pause. */
  #missedTimers: ProcessTimer[] = [];
  #missed: (() => void)[] = [];
  #hasEnded = false;

  /** @param onUncaught - told of what a callback threw: the end of a real process */
  constructor(queue: EventQueue, hardware: Hardware, onUncaught: (error: unknown) => void) {
    this.#queue = queue;
    this.#hardware = hardware;
    this.#onUncaught = onUncaught;
    this.#bornAt = queue.now;
  }

  get isPaused(): boolean {
    return this.#pause !== null;
  }

  now(): number {
    const worldNow = this.#pause?.isFrozen ? this.#pause.since : this.#queue.now;
    return 1 + (worldNow - this.#bornAt - this.#frozenMs) * this.#hardware.rate;
  }

  wallTime(): number {
    return Math.floor(EPOCH_MS + this.#queue.now + this.#hardware.wallOffsetMs);
  }

  schedule(delayMs: number, run: () => void): CancelTimer {
    const timer: ProcessTimer = { due: this.now() + Math.max(0, delayMs), run, event: null };
    this.#arm(timer);
    return () => {
      timer.run = null;
      if (timer.event !== null) timer.event.run = null;
    };
  }

  /** A turn of the real loop brings more than one event; here each has its own. */
  soon(run: () => void): void {
    queueMicrotask(run);
  }

  afterIo(run: () => void): void {
    // Whatever fires or arrives at this moment is in the queue before it.
    this.#queue.schedule(0, () => this.receive(run));
  }

  /** Something reached the process: it is handled now, or after the pause. */
  receive(run: () => void): void {
    if (this.#hasEnded) return;
    if (this.#pause === null) this.#guard(run);
    else this.#missed.push(run);
  }

  /** @param isFrozen - the monotonic clock stands still as well, as that of a suspended machine does */
  pause(isFrozen: boolean): void {
    this.#pause ??= { since: this.#queue.now, isFrozen };
  }

  resume(): void {
    if (this.#pause === null) return;
    if (this.#pause.isFrozen) this.#frozenMs += this.#queue.now - this.#pause.since;
    this.#pause = null;
    const [timers, arrived] = [this.#missedTimers, this.#missed];
    this.#missedTimers = [];
    this.#missed = [];
    for (const timer of timers) timer.event = this.#queue.schedule(0, () => this.#fire(timer));
    for (const run of arrived) this.#queue.schedule(0, () => this.receive(run));
  }

  end(): void {
    this.#hasEnded = true;
    this.#missedTimers = [];
    this.#missed = [];
  }

  #arm(timer: ProcessTimer): void {
    if (this.#hasEnded) return;
    const delayMs = (timer.due - this.now()) / this.#hardware.rate;
    timer.event = this.#queue.schedule(delayMs, () => this.#fire(timer));
  }

  #fire(timer: ProcessTimer): void {
    const { run } = timer;
    if (this.#hasEnded || run === null) return;
    timer.event = null;
    if (this.#pause !== null) this.#missedTimers.push(timer);
    else if (this.now() < timer.due - ROUNDING_MS) this.#arm(timer);
    else {
      timer.run = null;
      this.#guard(run);
    }
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#onUncaught(error);
    }
  }
}
