/**
 * How long a region usually takes to answer: the 95th percentile of its newest answers.
 *
 * A percentile, because an average says nothing about how late the late ones are: twice an average is overdue for half of
 * the answers of an even region, and for none of an uneven one. Bounded in number and age, so that a route which changed is
 * believed after a few answers, and what it was an hour ago is forgotten. Exact over what it holds: 64 numbers are sorted
 * faster than an estimator of unbounded streams is explained.
 */

import type { Clock } from "../util/clock.ts";

const SAMPLES_MAX = 64;
const AGE_MAX_MS = 5 * 60_000;
const QUANTILE = 0.95;

interface Sample {
  readonly ms: number;
  readonly atMs: number;
}

export class LatencyWindow {
  readonly #clock: Clock;
  readonly #samples: Sample[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many answers the percentile is taken of. */
  get size(): number {
    this.#forget();
    return this.#samples.length;
  }

  note(ms: number): void {
    this.#samples.push({ ms, atMs: this.#clock.now() });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  /** Nearest rank, in milliseconds; undefined while nothing was measured lately. Of fewer than 20 answers it is the slowest. */
  p95(): number | undefined {
    this.#forget();
    const sorted = this.#samples.map(({ ms }) => ms).sort((a, b) => a - b);
    return sorted[Math.ceil(QUANTILE * sorted.length) - 1];
  }

  #forget(): void {
    const oldestMs = this.#clock.now() - AGE_MAX_MS;
    const kept = this.#samples.findIndex(({ atMs }) => atMs >= oldestMs);
    this.#samples.splice(0, kept === -1 ? this.#samples.length : kept);
  }
}
