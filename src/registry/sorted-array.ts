/**
 * Arrays kept in order. Pure.
 *
 * Finding a place takes O(log n) comparisons; making room moves memory, which for thousands of items costs microseconds and
 * keeps walking as cheap as it can be. For more there is `sorted-list.ts`.
 */

export type Compare<T> = (a: T, b: T) => number;

/** The first place in `sorted` whose item is not before `item`. */
export function lowerBound<T>(sorted: readonly T[], item: T, compare: Compare<T>): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(sorted[middle]!, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** @returns false, with nothing changed, when an equal item is there already */
export function insertSorted<T>(sorted: T[], item: T, compare: Compare<T>): boolean {
  const at = lowerBound(sorted, item, compare);
  if (at < sorted.length && compare(sorted[at]!, item) === 0) return false;
  sorted.splice(at, 0, item);
  return true;
}
