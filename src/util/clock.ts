/**
 * Time as it is passed in: monotonic for every decision, wall time only for what people read (F2).
 *
 * Nothing below `src/node` may call `Date`, `performance` or a timer directly; the simulator supplies a clock of its own.
 */

/** Cancels a pending timer; calling it again, or after the timer fired, does nothing. */
export type CancelTimer = () => void;

export interface Clock {
  /** Monotonic milliseconds, fractional, from an arbitrary origin. Durations only, never stored or sent. */
  now(): number;
  /** Milliseconds since the Unix epoch, for display and for stamps in replicated commands. */
  wallTime(): number;
  /** Calls `run` once, not before `delayMs` have passed. The timer does not keep the process alive. */
  schedule(delayMs: number, run: () => void): CancelTimer;
  /**
   * Calls `run` at the end of this turn of the event loop, once the sockets that were readable in it were read: what a turn
   * brings is then done together.
   */
  soon(run: () => void): void;
  /** Calls `run` after the sockets that are readable now were read (R59: timers fire before sockets are read). */
  afterIo(run: () => void): void;
}

/** The clock of a real process. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  schedule(delayMs, run) {
    // Node cuts fractions off.
    const timer = setTimeout(run, Math.ceil(delayMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
  soon(run) {
    setImmediate(run);
  },
  afterIo(run) {
    // The first turn ends in the poll phase, which reads the sockets; the second runs after their handlers.
    setImmediate(() => setImmediate(run));
  },
};

/** Calls `run` every `intervalMs` after the previous call returned, until cancelled. */
export function repeat(clock: Clock, intervalMs: number, run: () => void): CancelTimer {
  let cancel: CancelTimer = () => {};
  let isCancelled = false;
  const arm = () => {
    cancel = clock.schedule(intervalMs, () => {
      run();
      if (!isCancelled) arm();
    });
  };
  arm();
  return () => {
    isCancelled = true;
    cancel();
  };
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** A wall time as people and contracts want to read it: RFC 3339, UTC, milliseconds. */
export function rfc3339(wallTimeMs: number): string {
  return new Date(wallTimeMs).toISOString();
}
