/**
 * Interleaved pairs: two sides measured in turns, A B B A A B ..., so that what slows the machine for a while slows both.
 *
 * What is told is the median of the ratios within pairs, never the ratio of two medians: a pair shares its minute.
 */

/** The ratios of all pairs, a / b each. */
export interface PairRatio {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  readonly pairs: number;
}

/** @throws RangeError when there is none, or one of them is not a positive number */
export function ratioOf(pairs: readonly (readonly [a: number, b: number])[]): PairRatio {
  const ratios = pairs.map(([a, b]) => a / b);
  if (ratios.length === 0 || !ratios.every((ratio) => ratio > 0 && Number.isFinite(ratio))) {
    throw new RangeError(`no ratio can be told of ${JSON.stringify(pairs)}`);
  }
  return {
    median: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    pairs: ratios.length,
  };
}

/** The mean of the two in the middle when their number is even. NaN of nothing. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

/** Runs both sides `pairs` times; every other pair begins with the second one. */
export async function inPairs<Value>(
  pairs: number,
  a: (pair: number) => Promise<Value>,
  b: (pair: number) => Promise<Value>,
): Promise<(readonly [a: Value, b: Value])[]> {
  const measured: (readonly [Value, Value])[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    if (pair % 2 === 0) {
      const first = await a(pair);
      measured.push([first, await b(pair)]);
    } else {
      const second = await b(pair);
      measured.push([await a(pair), second]);
    }
  }
  return measured;
}
