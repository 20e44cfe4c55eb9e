/**
 * How long requests took, counted in buckets finer than a scrape needs: quantiles of a short while are read from the
 * difference of two readings.
 */

import { invariant } from "../util/errors.ts";

const FIRST_MS = 0.25;
const GROWTH = Math.SQRT2;
/** The last one is open: 0.25 ms to somewhat over a minute. */
const BUCKETS = 37;
const LOG_GROWTH = Math.log(GROWTH);

export class LatencyCounts {
  readonly #counts: number[] = new Array(BUCKETS).fill(0);

  observe(seconds: number): void {
    const bucket = Math.ceil(Math.log(Math.max(seconds * 1_000, FIRST_MS) / FIRST_MS) / LOG_GROWTH);
    this.#counts[Math.min(bucket, BUCKETS - 1)]!++;
  }

  /** All that was counted so far, by bucket. */
  read(): readonly number[] {
    return [...this.#counts];
  }
}

/**
 * The quantile of what was counted between two readings: at most a factor of the square root of two too high, never too
 * low but in the open bucket.
 *
 * @param share - 0.99 for the 99th percentile
 * @returns milliseconds; null when nothing was counted
 */
export function quantileMs(before: readonly number[], after: readonly number[], share: number): number | null {
  invariant(before.length === after.length, "two readings are of the same buckets");
  const counts = after.map((count, bucket) => count - before[bucket]!);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = Math.ceil(share * total);
  let seen = 0;
  const bucket = counts.findIndex((count) => {
    seen += count;
    return seen >= rank;
  });
  return FIRST_MS * GROWTH ** bucket;
}
