/** What the client takes from where it runs: `fetch`, time and chance. Tests pass their own and run on virtual time. */

export interface Clock {
  /** Monotonic milliseconds from an arbitrary origin. */
  now(): number;
  /** Calls `run` once, not before `delayMs` have passed. Calling what is returned cancels it. */
  schedule(delayMs: number, run: () => void): () => void;
}

export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

export interface Environment {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Browsers, Deno and Node have all of it. Timers keep a Node process alive: so does a registration until it is closed. */
export const systemEnvironment: Environment = {
  fetch: (url, init) => fetch(url, init),
  clock: {
    now: () => performance.now(),
    schedule(delayMs, run) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
  },
  random: { next: () => Math.random() },
};

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
