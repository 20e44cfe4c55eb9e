/** Times in a histogram of microseconds: three digits of each, whatever their number, up to two minutes. */

import { build, type Histogram } from "hdr-histogram-js";

export class Latencies {
  readonly #microseconds: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 120_000_000,
    numberOfSignificantValueDigits: 3,
  });

  /** How many were added. */
  get count(): number {
    return this.#microseconds.totalCount;
  }

  /** What took less than a microsecond took one. */
  add(ms: number): void {
    this.#microseconds.recordValue(Math.max(1, Math.round(ms * 1_000)));
  }

  /** So many milliseconds or less took `percentile` percent of them; 0 of nothing. */
  atMs(percentile: number): number {
    return this.#microseconds.getValueAtPercentile(percentile) / 1_000;
  }

  summary(): { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number } {
    return { p50Ms: this.atMs(50), p99Ms: this.atMs(99), maxMs: this.#microseconds.maxValue / 1_000 };
  }
}
