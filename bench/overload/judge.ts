/** Which rate a node bears, and when it is itself again: said of what was measured, by rules that are stated here alone. */

import { quantile } from "../figures.ts";
import { KINDS, type Kind, type Window } from "./generator.ts";
import { failed, type Outcome } from "./tally.ts";

/** A node bears a rate when nothing was refused or failed at it, and 99 of 100 answers of each kind took no longer. */
const BORNE_P99_MS = 150;
/** From one rate tried to the next, until one is not borne; then the middle of both, this often. */
const STEP = 1.5;
const HALVINGS = 2;
/** A rate that is not borne is tried again: something else may have used the machine. */
const TRIES = 2;
/** Searches are repeated until two agree within this, but no more than so often. */
export const SPREAD_MAX = 0.15;
const SEARCHES_MAX = 4;
/** Of three windows in a row, so that one lucky one says nothing. */
const STEADY_WINDOWS = 3;
const RECOVERED_FACTOR = 2;
/** Below this a factor of two is the machine's noise. */
const NOISE_MS = 10;

/** What one trial showed. `unknown`: the generators were not punctual enough to tell. */
export type Trial = "borne" | "not borne" | "unknown";

export function trialOf(windows: readonly Window[]): Trial {
  const outcomes = windows.flatMap((window) => KINDS.flatMap((kind) => window.outcomes[kind] ?? []));
  if (outcomes.some(isWanting)) return "not borne";
  if (outcomes.some(({ late }) => late > 0)) return "unknown";
  return KINDS.every((kind) => !(p99Of(windows, kind) > BORNE_P99_MS)) ? "borne" : "not borne";
}

/** Whether anything was not answered as it should be, or not even asked since the node had not answered what was before. */
function isWanting(outcome: Outcome): boolean {
  const { refused, refusedBarely, unsent, unknown } = outcome;
  return refused + refusedBarely + unsent + unknown + failed(outcome) > 0;
}

/** Of the median window: one in which the machine did something else says nothing about the node. */
function p99Of(windows: readonly Window[], kind: Kind): number {
  const p99s = windows.flatMap((window) => window.outcomes[kind]?.p99Ms ?? []).filter((ms) => !Number.isNaN(ms));
  return quantile(p99s, 0.5);
}

/**
 * The highest rate that was borne, found from below and then by halving what lies between it and one that was not.
 *
 * @param first - requests per second, of all kinds together
 * @returns 0 when not even the first was borne
 */
export async function highestBorne(first: number, ask: (perSecond: number) => Promise<Trial>): Promise<number> {
  const isBorne = async (rate: number): Promise<boolean> => {
    for (let i = 0; i < TRIES; i++) if ((await ask(rate)) === "borne") return true;
    return false;
  };
  let [low, high] = [0, first];
  while (await isBorne(high)) [low, high] = [high, high * STEP];
  for (let i = 0; i < HALVINGS && low > 0; i++) {
    const middle = (low + high) / 2;
    if (await isBorne(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** The two of these that differ least, the lower first; undefined of fewer than two. */
export function closestTwo(rates: readonly number[]): readonly [number, number] | undefined {
  const sorted = rates.toSorted((a, b) => a - b);
  const pairs = sorted.slice(1).map((high, i) => [sorted[i] ?? 0, high] as const);
  return pairs.toSorted((a, b) => a[1] / a[0] - b[1] / b[0])[0];
}

/** Searches until two agree. @param search - the i-th, from 0 @returns what each found */
export async function searched(search: (i: number) => Promise<number>): Promise<number[]> {
  const found: number[] = [];
  while (found.length < SEARCHES_MAX) {
    found.push(await search(found.length));
    const [low, high] = closestTwo(found) ?? [1, Number.POSITIVE_INFINITY];
    if (high / low - 1 <= SPREAD_MAX) break;
  }
  return found;
}

/**
 * How many windows went by until the node answered as it had before: each kind, in three windows in a row.
 *
 * @returns null when it never did
 */
export function windowsUntilRecovered(before: readonly Window[], after: readonly Window[]): number | null {
  const bounds = KINDS.map((kind) => [kind, RECOVERED_FACTOR * Math.max(NOISE_MS, p99Of(before, kind))] as const);
  const isWell = ({ outcomes }: Window) =>
    bounds.every(([kind, bound]) => {
      const outcome = outcomes[kind];
      return outcome !== undefined && !isWanting(outcome) && outcome.p99Ms <= bound;
    });
  const well = after.map(isWell);
  const first = well.findIndex((_, i) => {
    const steady = well.slice(i, i + STEADY_WINDOWS);
    return steady.length === STEADY_WINDOWS && steady.every(Boolean);
  });
  return first === -1 ? null : first;
}

/** What came of one kind in several windows together. */
export interface Sum {
  readonly planned: number;
  readonly late: number;
  /** Answered, refused, failed, or without a connection to be sent over. */
  readonly ended: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly refusedBarely: number;
  readonly unknown: number;
  readonly unsent: number;
  readonly failures: ReadonlyMap<string, number>;
  /** Of the median window, and of the worst. */
  readonly p99Ms: number;
  readonly p99MsWorst: number;
}

export function sumOf(windows: readonly Window[], kind: Kind): Sum {
  const outcomes = windows.flatMap((window) => window.outcomes[kind] ?? []);
  const total = (of: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + of(outcome), 0);
  const failures = new Map<string, number>();
  for (const outcome of outcomes) {
    for (const [reason, count] of Object.entries(outcome.failures)) {
      failures.set(reason, (failures.get(reason) ?? 0) + count);
    }
  }
  return {
    planned: total(({ planned }) => planned),
    late: total(({ late }) => late),
    ended: total((one) => one.acknowledged + one.refused + one.refusedBarely + one.unknown + one.unsent + failed(one)),
    acknowledged: total(({ acknowledged }) => acknowledged),
    refused: total(({ refused }) => refused),
    refusedBarely: total(({ refusedBarely }) => refusedBarely),
    unknown: total(({ unknown }) => unknown),
    unsent: total(({ unsent }) => unsent),
    failures,
    p99Ms: p99Of(windows, kind),
    p99MsWorst: Math.max(...outcomes.map(({ p99Ms }) => (Number.isNaN(p99Ms) ? 0 : p99Ms))),
  };
}
