/** How long to wait before asking again, so that a fleet that failed together does not come back together (F19). */

import type { Random } from "./environment.ts";

const FIRST_MS = 100;
const DOUBLINGS_MAX = 16;

/**
 * Exponential backoff with full jitter: an even draw from zero to a bound that doubles with each round.
 *
 * @param round - failed rounds before this one, from 0
 * @param waitMsMax - bound of the wait, in milliseconds
 */
export function backoffMs(random: Random, round: number, waitMsMax: number): number {
  return random.next() * Math.min(waitMsMax, FIRST_MS * 2 ** Math.min(round, DOUBLINGS_MAX));
}

/**
 * The wait after a refusal: what the node advised and some jitter on top, since it advised the same to everybody.
 *
 * @param retryAfterMs - the node's advice, 0 when it gave none
 */
export function waitMs(random: Random, round: number, retryAfterMs: number, waitMsMax: number): number {
  return Math.min(waitMsMax, retryAfterMs + backoffMs(random, round, waitMsMax));
}
