/**
 * The report of a run: everything that the table, the plots and a later comparison need, and nothing that is larger.
 *
 * Its JSON is a format: `schema` names it, and a reader of another version is refused rather than misread.
 */

import { readFileSync } from "node:fs";
import { UsageError } from "../../src/cli/errors.ts";
import { messageOf } from "../../src/util/errors.ts";
import { Latencies } from "../load/latencies.ts";
import type { Operation } from "../peers/peer.ts";
import type { Origin } from "../report.ts";
import type { FaultName } from "./faults.ts";
import { type FigureName, figuresOf, type Round, type RoundFigures, type Spread, spreadOf } from "./figures.ts";
import type { NotInjectedFault, RunOptions, RunResult } from "./run.ts";
import { OPERATIONS, type OperationRecord } from "./workload.ts";

export const SCHEMA = "atoll-bench-failover/1";

export interface FailoverReport extends Origin {
  readonly schema: typeof SCHEMA;
  readonly bench: "failover";
  /** The words that repeat it. */
  readonly command: string;
  /** Not everything that was asked for was done; each system says why. */
  readonly isPartial: boolean;
  readonly options: ReportedOptions;
  readonly systems: readonly SystemReport[];
  readonly notMeasured: readonly { readonly peer: string; readonly why: string }[];
}

export interface ReportedOptions extends Omit<RunOptions, "faults" | "httpBase" | "nodes"> {
  /** What is later than this after it was meant to be sent counts as late. */
  readonly lateMs: number;
}

export interface SystemReport {
  readonly peer: string;
  readonly setting: string;
  readonly endedEarly: string | null;
  /** The longest that the generator was behind its own plan. */
  readonly behindMs: number;
  readonly acknowledged: number;
  /** Acknowledged registrations that some node does not show; null when nobody looked. */
  readonly lost: number | null;
  readonly faults: readonly FaultReport[];
  readonly notInjected: readonly NotInjectedFault[];
  readonly distributions: readonly Distribution[];
  readonly timeline: Timeline;
}

export interface FaultReport {
  readonly fault: FaultName;
  readonly figures: Readonly<Record<FigureName, Spread | null>>;
  readonly rounds: readonly (RoundFigures & Marks)[];
  /** Why first attempts failed, of all rounds: a status or a code such as ECONNREFUSED, and how often. */
  readonly firstFailures: Readonly<Record<string, number>>;
  readonly around: Around;
}

/** When what was done, in milliseconds since the load began. */
interface Marks {
  readonly round: number;
  readonly victim: string | null;
  readonly injectedMs: number;
  readonly releasedMs: number;
  readonly wholeMs: number;
  readonly endMs: number;
}

/** The worst latency of registrations around a fault, over all rounds. */
export interface Around {
  /** Of the first bucket, relative to the fault. */
  readonly fromMs: number;
  readonly bucketMs: number;
  /** Null where nothing was meant to be sent. */
  readonly worstMs: readonly (number | null)[];
}

/** How latencies of one operation are distributed: outside of faults, or while there was one. Failures count as given up. */
export interface Distribution {
  readonly operation: Operation;
  readonly phase: "steady" | "fault";
  readonly count: number;
  /** Rising: so many milliseconds or less took this share, from 0 to 1. */
  readonly points: readonly (readonly [ms: number, share: number])[];
}

/** By the moment at which operations were meant to be sent; null where there were none. */
export interface Timeline {
  readonly bucketMs: number;
  readonly worstMs: Readonly<Record<Operation, readonly (number | null)[]>>;
  /** Operations that failed, of any kind. */
  readonly failed: readonly number[];
}

const TIMELINE_BUCKET_MS = 100;
const AROUND_BUCKET_MS = 25;
const AROUND_BEFORE_MS = 1_000;
/** Dense where it matters: up to the 99.99th percentile. */
const PERCENTILES = [
  ...Array.from({ length: 50 }, (_, i) => i * 2),
  ...[99, 99.3, 99.5, 99.7, 99.8, 99.9, 99.93, 99.95, 99.97, 99.98, 99.99, 100],
];

export function systemReport(peer: string, run: RunResult, lateMs: number): SystemReport {
  const faults = [...new Set(run.rounds.map(({ fault }) => fault))];
  return {
    peer,
    setting: run.setting,
    endedEarly: run.endedEarly ?? null,
    behindMs: rounded(run.behindMs),
    acknowledged: run.acknowledged.length,
    lost: run.lost?.missing.length ?? null,
    faults: faults.map((fault) => faultReport(fault, run, lateMs)),
    notInjected: run.notInjected,
    distributions: distributionsOf(run.records, run.rounds),
    timeline: timelineOf(run.records, run.startedMs),
  };
}

function faultReport(fault: FaultName, run: RunResult, lateMs: number): FaultReport {
  const rounds = run.rounds.filter((round) => round.fault === fault);
  const all = rounds.map((round) => figuresOf(round, run.records, run.lost?.missing ?? null, lateMs));
  const names = Object.keys(all[0] ?? {}) as FigureName[];
  const figures = Object.fromEntries(names.map((name) => [name, spreadOf(all.map((each) => each[name]))]));
  return {
    fault,
    figures: figures as Record<FigureName, Spread | null>,
    rounds: all.map((each, i) => ({ ...each, ...marksOf(rounds[i]!, run.startedMs) })),
    firstFailures: firstFailuresOf(rounds, run.records),
    around: aroundOf(rounds, run.records),
  };
}

function firstFailuresOf(rounds: readonly Round[], records: readonly OperationRecord[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const record of records) {
    if (record.firstFailure === undefined || !rounds.some((round) => isIn(round, record))) continue;
    counts[record.firstFailure] = (counts[record.firstFailure] ?? 0) + 1;
  }
  return counts;
}

function isIn({ injectedMs, endMs }: Round, { intendedMs }: OperationRecord): boolean {
  return intendedMs >= injectedMs && intendedMs < endMs;
}

function marksOf({ round, victim, ...times }: Round, startedMs: number): Marks {
  const since = (ms: number) => Math.round(ms - startedMs);
  return {
    round,
    victim: victim ?? null,
    injectedMs: since(times.injectedMs),
    releasedMs: since(times.releasedMs),
    wholeMs: since(times.wholeMs),
    endMs: since(times.endMs),
  };
}

export function aroundOf(rounds: readonly Round[], records: readonly OperationRecord[]): Around {
  const afterMs = Math.max(0, ...rounds.map(({ injectedMs, endMs }) => endMs - injectedMs));
  const worstMs = emptyBuckets((AROUND_BEFORE_MS + afterMs) / AROUND_BUCKET_MS);
  for (const { operation, intendedMs, doneMs } of records) {
    if (operation !== "register") continue;
    for (const { injectedMs, endMs } of rounds) {
      const sinceMs = intendedMs - injectedMs;
      if (sinceMs < -AROUND_BEFORE_MS || intendedMs >= endMs) continue;
      raise(worstMs, (sinceMs + AROUND_BEFORE_MS) / AROUND_BUCKET_MS, doneMs - intendedMs);
    }
  }
  return { fromMs: -AROUND_BEFORE_MS, bucketMs: AROUND_BUCKET_MS, worstMs };
}

export function timelineOf(records: readonly OperationRecord[], startedMs: number): Timeline {
  const lastMs = records.reduce((last, { intendedMs }) => Math.max(last, intendedMs), startedMs);
  const buckets = Math.floor((lastMs - startedMs) / TIMELINE_BUCKET_MS) + 1;
  const worstMs = { register: emptyBuckets(buckets), renew: emptyBuckets(buckets), lookup: emptyBuckets(buckets) };
  const failed = emptyBuckets(buckets).map(() => 0);
  for (const { operation, intendedMs, doneMs, isAcknowledged } of records) {
    const bucket = (intendedMs - startedMs) / TIMELINE_BUCKET_MS;
    raise(worstMs[operation], bucket, doneMs - intendedMs);
    if (!isAcknowledged) failed[Math.floor(bucket)]! += 1;
  }
  return { bucketMs: TIMELINE_BUCKET_MS, worstMs, failed };
}

function emptyBuckets(count: number): (number | null)[] {
  return new Array<number | null>(Math.ceil(count)).fill(null);
}

function raise(buckets: (number | null)[], position: number, ms: number): void {
  const bucket = Math.floor(position);
  buckets[bucket] = Math.max(buckets[bucket] ?? 0, shown(ms));
}

export function distributionsOf(records: readonly OperationRecord[], rounds: readonly Round[]): Distribution[] {
  const inRound = (record: OperationRecord) => rounds.some((round) => isIn(round, record));
  return OPERATIONS.flatMap((operation) => {
    const own = records.filter((record) => record.operation === operation);
    const during = own.filter(inRound);
    const outside = own.filter((record) => !inRound(record));
    return [distributionOf(operation, "steady", outside), distributionOf(operation, "fault", during)].filter(
      ({ count }) => count > 0,
    );
  });
}

function distributionOf(
  operation: Operation,
  phase: Distribution["phase"],
  records: readonly OperationRecord[],
): Distribution {
  const latencies = new Latencies();
  for (const { intendedMs, doneMs } of records) latencies.add(doneMs - intendedMs);
  return { operation, phase, count: records.length, points: records.length === 0 ? [] : pointsOf(latencies) };
}

function pointsOf(latencies: Latencies): [ms: number, share: number][] {
  const points = PERCENTILES.map((percentile): [number, number] => [
    shown(latencies.atMs(percentile)),
    percentile / 100,
  ]);
  // Of shares with the same latency the largest says it all.
  return points.filter(([ms], i) => points[i + 1]?.[0] !== ms);
}

/** Never 0, which no logarithmic scale has. */
function shown(ms: number): number {
  return Math.max(0.01, rounded(ms));
}

/** To a hundredth of a millisecond: what is finer is noise, and costs bytes. */
function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** @throws UsageError when it is no report that this version reads */
export function readReport(path: string): FailoverReport {
  let report: Partial<FailoverReport>;
  try {
    report = JSON.parse(readFileSync(path, "utf8")) as Partial<FailoverReport>;
  } catch (error) {
    throw new UsageError(`--compare ${path}: ${messageOf(error)}`);
  }
  if (report.schema !== SCHEMA) {
    throw new UsageError(`--compare ${path}: not a report of this version, which would have "schema": "${SCHEMA}"`);
  }
  return report as FailoverReport;
}
