/** Numbers that are given to benchmarks as options. */

/** @throws RangeError naming the option */
export function positiveNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new RangeError(`--${option} ${text}: write a number above 0`);
}

/** @throws RangeError naming the option */
export function positiveInteger(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`--${option} ${text}: write an integer of at least 1`);
}
