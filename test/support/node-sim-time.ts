/**
 * Virtual time for production code, which waits with promises.
 *
 * Those that an event settles run out before the next event begins, because the next one is a tick of Node's that only a
 * microtask asks for: so a run depends on nothing but its events, and costs no turn of Node's own loop for each of them.
 */

import { InvariantBroken } from "./raft-invariants.ts";
import { EventQueue } from "./raft-sim-queue.ts";

/** After so many events the loop that simulates gives way, so that signals and rejections of its own process are seen. */
const EVENTS_PER_TURN = 20_000;

export class VirtualTime {
  readonly queue = new EventQueue();
  /** Looks at what the last event left behind. */
  readonly #afterEvent: () => void;
  #failure: { readonly cause: unknown } | null = null;
  #events = 0;

  constructor(afterEvent: () => void) {
    this.#afterEvent = afterEvent;
  }

  get now(): number {
    return this.queue.now;
  }

  /** How many events there were. */
  get events(): number {
    return this.#events;
  }

  schedule(delayMs: number, run: () => void): void {
    this.queue.schedule(delayMs, () => this.guard(run));
  }

  /** Lets time pass. @throws the first failure */
  async run(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.#drive(end, () => false);
    this.queue.now = end;
  }

  /** Lets time pass until something holds. @returns whether it came to hold in time */
  until(holds: () => boolean, maxMs: number): Promise<boolean> {
    return this.#drive(this.now + maxMs, holds);
  }

  /** Lets time pass until a promise is settled, and gives what it settled to. */
  async settled<T>(promise: Promise<T>, maxMs: number): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    promise.then(mark, mark);
    if (!(await this.until(() => isSettled, maxMs))) throw new InvariantBroken(`no answer within ${maxMs} ms`);
    return promise;
  }

  /** Lets Node tell of what nobody handled. */
  async giveWay(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#failure !== null) throw this.#failure.cause;
  }

  /** Ends the run; the first failure counts. */
  fail(cause: unknown): void {
    this.#failure ??= { cause };
  }

  /** What is thrown ends the run. */
  guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }

  #drive(deadline: number, isDone: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const turn = () => {
        this.#afterEvent();
        if (this.#failure !== null) return reject(this.#failure.cause);
        if (isDone()) return resolve(true);
        if (!this.queue.runNext(deadline)) return resolve(false);
        this.#events++;
        queueMicrotask(this.#events % EVENTS_PER_TURN === 0 ? later : next);
      };
      const next = () => process.nextTick(turn);
      const later = () => setImmediate(turn);
      queueMicrotask(next);
    });
  }
}
