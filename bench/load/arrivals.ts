/** When requests are to be sent, decided before anything is: so that a server which answers slowly is asked no less. */

import type { Random } from "../../src/util/random.ts";

/** `even` shows the shortest gap that can be told; `poisson` is how many independent clients arrive. */
export type Spacing = "even" | "poisson";

/**
 * Moments from 0 on, in milliseconds, never falling, without end.
 *
 * @param ratePerSecond - above 0
 */
export function* arrivals(ratePerSecond: number, spacing: Spacing, random: Random): Generator<number, never> {
  const meanMs = 1_000 / ratePerSecond;
  for (let i = 0, atMs = 0; ; i++) {
    // A product, not a sum: thousands of rounding errors would add up.
    atMs = spacing === "even" ? i * meanMs : atMs - meanMs * Math.log(1 - random.next());
    yield atMs;
  }
}
