/** Durations as they are answered: whole milliseconds, rounded up so that a bound stays a bound. */

/** JSON has no Infinity: "for ever" is answered as the largest integer that every client can read. */
export const FOREVER_MS = Number.MAX_SAFE_INTEGER;

export function wholeMs(ms: number): number {
  return Number.isFinite(ms) ? Math.ceil(ms) : FOREVER_MS;
}
