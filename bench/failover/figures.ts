/**
 * What a round of a fault came to, computed from what became of each operation: pure, so that each figure can be tested.
 *
 * A round's window goes from the fault until the cluster was whole again and had time to settle; operations belong to it by
 * the moment they were meant for.
 */

import { quantile } from "../figures.ts";
import { median } from "../pairs.ts";
import type { FaultName } from "./faults.ts";
import type { AcknowledgedAgent, OperationRecord } from "./workload.ts";

/** When what was done in one round. Times are milliseconds on the clock of the run. */
export interface Round {
  readonly fault: FaultName;
  /** From 1. */
  readonly round: number;
  readonly victim: string | undefined;
  readonly injectedMs: number;
  readonly releasedMs: number;
  /** Every node ran, followed one leader and could serve again. */
  readonly wholeMs: number;
  readonly endMs: number;
  /** Null where nobody counts them. */
  readonly elections: number | null;
}

/** The figures of one round; null where nothing was there to measure. */
export interface RoundFigures {
  /** From the fault to the first acknowledgement of a registration that was meant to be sent after it. */
  readonly firstWriteMs: number | null;
  /** The longest time without an acknowledged registration that began before the release, however long it went on. */
  readonly writeGapMs: number | null;
  /** The longest that began after the release: what it costs to be mended, such as a node that starts. */
  readonly mendingGapMs: number | null;
  readonly operations: number;
  /** Operations that were given up, after failover. */
  readonly failed: number;
  /** Operations whose first attempt failed, as somebody who tries once would see it. */
  readonly failedFirst: number;
  readonly writesFailed: number;
  readonly lookupsFailed: number;
  /** Operations that were done, but later than `lateMs` after the moment they were meant for. */
  readonly late: number;
  /** Lookups whose answer missed an agent that was acknowledged before they were sent. */
  readonly lookupsStale: number;
  /** The oldest that such an answer was, at least. */
  readonly staleMs: number;
  /** Of these, those that said they were younger than they are: each is a broken promise. */
  readonly understated: number;
  /** The oldest that an answer said it may be. */
  readonly saidStalenessMs: number | null;
  /** From the release until the cluster was whole. */
  readonly recoveryMs: number;
  readonly elections: number | null;
  /** Acknowledged in this window and missing on some node at the end; null when nobody looked. */
  readonly lost: number | null;
}

export type FigureName = keyof RoundFigures;

export interface Spread {
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  /** Rounds without the figure, such as no acknowledged write in the whole window. */
  readonly missing: number;
}

/** What a node says when it has no bound: the largest integer that every JSON reader holds. */
const FOREVER_MS = Number.MAX_SAFE_INTEGER;

/**
 * @param records - of the whole run
 * @param lost - acknowledged registrations that are missing; null when nobody looked
 * @param lateMs - what is done later than this after it was meant to be sent counts as late
 */
export function figuresOf(
  round: Round,
  records: readonly OperationRecord[],
  lost: readonly AcknowledgedAgent[] | null,
  lateMs: number,
): RoundFigures {
  const inWindow = records.filter(({ intendedMs }) => intendedMs >= round.injectedMs && intendedMs < round.endMs);
  const count = (isCounted: (record: OperationRecord) => boolean) => inWindow.filter(isCounted).length;
  const lookups = inWindow.filter(({ operation }) => operation === "lookup");
  const said = lookups.flatMap(({ saidStalenessMs }) => saidStalenessMs ?? []).filter((ms) => ms < FOREVER_MS);
  return {
    firstWriteMs: firstWriteMs(round, inWindow),
    ...writeGaps(round, records),
    operations: inWindow.length,
    failed: count(({ isAcknowledged }) => !isAcknowledged),
    failedFirst: count(({ isFirstAcknowledged }) => !isFirstAcknowledged),
    writesFailed: count(({ operation, isAcknowledged }) => operation === "register" && !isAcknowledged),
    lookupsFailed: count(({ operation, isAcknowledged }) => operation === "lookup" && !isAcknowledged),
    late: count(({ isAcknowledged, intendedMs, doneMs }) => isAcknowledged && doneMs - intendedMs > lateMs),
    lookupsStale: lookups.filter(({ staleByMs }) => staleByMs !== undefined).length,
    staleMs: Math.max(0, ...lookups.flatMap(({ staleByMs }) => staleByMs ?? [])),
    understated: lookups.filter(({ staleByMs = 0, saidStalenessMs = FOREVER_MS }) => staleByMs > saidStalenessMs)
      .length,
    saidStalenessMs: said.length === 0 ? null : Math.max(...said),
    recoveryMs: round.wholeMs - round.releasedMs,
    elections: round.elections,
    lost: lost?.filter(({ atMs }) => atMs >= round.injectedMs && atMs < round.endMs).length ?? null,
  };
}

function firstWriteMs({ injectedMs }: Round, inWindow: readonly OperationRecord[]): number | null {
  const done = inWindow.filter(isAcknowledgedWrite).map(({ doneMs }) => doneMs);
  return done.length === 0 ? null : Math.min(...done) - injectedMs;
}

/**
 * The longest times within the window in which no registration was acknowledged, whenever it was meant to be sent. The last
 * acknowledgement before the fault begins the first gap, because the writes that hang had been sent already.
 */
function writeGaps(
  { injectedMs, releasedMs, endMs }: Round,
  records: readonly OperationRecord[],
): Pick<RoundFigures, "writeGapMs" | "mendingGapMs"> {
  const done = records
    .filter(isAcknowledgedWrite)
    .map(({ doneMs }) => doneMs)
    .sort((a, b) => a - b);
  if (done.length === 0) return { writeGapMs: null, mendingGapMs: null };
  const before = done.findLast((ms) => ms <= injectedMs) ?? injectedMs;
  const within = done.filter((ms) => ms > injectedMs && ms < endMs);
  const gaps = { writeGapMs: 0, mendingGapMs: 0 };
  let last = before;
  for (const ms of [...within, endMs]) {
    const which = last < releasedMs ? "writeGapMs" : "mendingGapMs";
    gaps[which] = Math.max(gaps[which], ms - last);
    last = ms;
  }
  return gaps;
}

function isAcknowledgedWrite({ operation, isAcknowledged }: OperationRecord): boolean {
  return operation === "register" && isAcknowledged;
}

/** Over the rounds of one fault; null when no round has the figure. */
export function spreadOf(values: readonly (number | null)[]): Spread | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  return {
    median: median(known),
    p99: quantile(known, 0.99),
    max: quantile(known, 1),
    missing: values.length - known.length,
  };
}
