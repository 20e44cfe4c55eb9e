/**
 * How many of some work were done in a second lately, and whether what came now would have to wait.
 *
 * Work is done about in the order in which it came, so that what is unfinished of the oldest tells how long that is. The best
 * of the last seconds counts: while nothing is done at all, in an election say, it still says what will be done after it.
 */

import type { Clock } from "../util/clock.ts";

/** Work that is not done after so long waits for other work. */
const WAITING_MS = 250;
/** Over how long one rate is measured, and how many of them are remembered. */
const SLOT_MS = 1_000;
const SLOTS = 5;

interface Sample {
  readonly atMs: number;
  /** All that had begun by then. */
  readonly begun: number;
}

export class ThroughputMeter {
  readonly #clock: Clock;
  /** From the first in which something began that is not done. */
  readonly #samples: Sample[] = [];
  readonly #rates: number[] = [];
  #begun = 0;
  #ended = 0;
  #slotAtMs: number;
  #slotEnded = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#slotAtMs = clock.now();
  }

  begin(): void {
    this.#begun++;
  }

  end(): void {
    this.#ended++;
  }

  /** Whether all that began is done. */
  get isIdle(): boolean {
    return this.#begun === this.#ended;
  }

  /** To be called often while not idle: it is what all else is measured by. */
  sample(): void {
    const atMs = this.#clock.now();
    if (this.#samples.at(-1)?.begun !== this.#begun) this.#samples.push({ atMs, begun: this.#begun });
    while (this.#samples[0] !== undefined && this.#samples[0].begun <= this.#ended) this.#samples.shift();
    const elapsedMs = atMs - this.#slotAtMs;
    if (elapsedMs < SLOT_MS) return;
    this.#rates.push(((this.#ended - this.#slotEnded) * 1_000) / elapsedMs);
    if (this.#rates.length > SLOTS) this.#rates.shift();
    [this.#slotAtMs, this.#slotEnded] = [atMs, this.#ended];
  }

  /** Whether the oldest that is not done began some time ago. */
  get isWaiting(): boolean {
    const oldest = this.#samples[0];
    return oldest !== undefined && this.#clock.now() - oldest.atMs >= WAITING_MS;
  }

  /** Done, in the best of the last whole seconds; 0 before the first. */
  get perSecond(): number {
    return Math.max(0, ...this.#rates);
  }
}
