/**
 * The longest turn of this thread's event loop, in processor time and not in time on the clock, so that a busy machine does
 * not count; collections of garbage on this thread do.
 */
export class TurnWatch {
  #longestMs = 0;
  #lastMs = cpuMs();
  #isStopped = false;

  constructor() {
    const turn = () => {
      this.#look();
      if (!this.#isStopped) setImmediate(turn);
    };
    setImmediate(turn);
  }

  /** @returns the longest turn since it was made, in milliseconds */
  stop(): number {
    this.#isStopped = true;
    this.#look();
    return this.#longestMs;
  }

  #look(): void {
    const now = cpuMs();
    this.#longestMs = Math.max(this.#longestMs, now - this.#lastMs);
    this.#lastMs = now;
  }
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
