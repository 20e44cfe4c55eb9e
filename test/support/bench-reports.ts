/** Reports of benchmarks as runs leave them, small. */

import { SCHEMA as COMPARISON_SCHEMA, type ComparisonReport } from "../../bench/comparison/report.ts";
import { GENERATOR, type Phase } from "../../bench/comparison/session.ts";
import type { Round } from "../../bench/failover/figures.ts";
import { type FailoverReport, SCHEMA, systemReport } from "../../bench/failover/report.ts";
import type { RunResult } from "../../bench/failover/run.ts";
import type { OperationRecord } from "../../bench/failover/workload.ts";
import { RunRecords } from "../../bench/soak/records.ts";
import { type SoakReport, soakReport as soakReportOf } from "../../bench/soak/report.ts";
import type { SoakRun } from "../../bench/soak/run.ts";

export const STARTED_MS = 50_000;
export const ROUND: Round = {
  fault: "kill-leader",
  round: 1,
  victim: "us-east-1",
  injectedMs: STARTED_MS + 2_000,
  releasedMs: STARTED_MS + 3_000,
  wholeMs: STARTED_MS + 3_500,
  endMs: STARTED_MS + 4_000,
  elections: 1,
};

export function write(sinceMs: number, tookMs: number, facts: Partial<OperationRecord> = {}): OperationRecord {
  const intendedMs = STARTED_MS + sinceMs;
  const done = { isAcknowledged: true, isFirstAcknowledged: true };
  return { operation: "register", intendedMs, doneMs: intendedMs + tookMs, ...done, ...facts };
}

export const FAILOVER_RUN: RunResult = {
  setting: "us-east:3",
  startedMs: STARTED_MS,
  endedMs: STARTED_MS + 4_000,
  rounds: [ROUND],
  notInjected: [{ fault: "stall-disk", why: "no C compiler (cc) is installed" }],
  records: [write(1_000, 5), write(2_010, 700), write(3_900, 6)],
  acknowledged: [{ agent: 0, atMs: STARTED_MS + 2_710 }],
  lost: { checked: 1, missing: [] },
  behindMs: 3,
  endedEarly: undefined,
};

export function failoverReport(run: RunResult, more: Partial<FailoverReport> = {}): FailoverReport {
  return {
    schema: SCHEMA,
    bench: "failover",
    commit: "abc1234",
    machine: "2 x CPU",
    startedAt: "2026-11-21T17:00:00.000Z",
    command: "atoll bench failover",
    isPartial: false,
    options: {
      rounds: 1,
      rates: { register: 100, renew: 100, lookup: 100 },
      spacing: "even",
      seed: 1,
      clients: 64,
      holdMs: 1_000,
      settleMs: 500,
      tryTimeoutMs: 1_000,
      timeoutMs: 10_000,
      lateMs: 250,
    },
    systems: [systemReport("atoll", run, 250)],
    notMeasured: [{ peer: "etcd", why: "there is no program etcd here" }],
    ...more,
  };
}

const PHASE: Phase = {
  ...{ phase: "lookup", subject: "atoll", loop: "closed", clients: 64, requests: 1_000, failed: 0, perSecond: 500 },
  ...{ p50Ms: 1, p99Ms: 2, maxMs: 3, limit: "us-east-1" },
  costs: [
    { name: GENERATOR, cores: 0.5, cpuMs: 500, rssMiB: 90 },
    { name: "us-east-1", cores: 0.97, cpuMs: 970, rssMiB: 250.4 },
  ],
};
const TARGET = { figure: "lookups", unit: "x", better: "more", must: 2, aim: 3, command: "atoll bench all" } as const;
export const COMPARISON_REPORT: ComparisonReport = {
  ...{
    schema: COMPARISON_SCHEMA,
    bench: "lookup",
    commit: "abc1234",
    commitSize: "1 file changed",
    machine: "2 x CPU",
  },
  ...{ startedAt: "2026-01-01T00:00:00.000Z", command: "atoll bench lookup", isPartial: false },
  options: { pairs: 5, seconds: 4, clients: 64 },
  rows: [{ ...TARGET, measured: { value: 2.5, spread: [2, 3], detail: "atoll 500/s" } }],
  phases: [
    PHASE,
    { ...PHASE, subject: "<b>other" },
    { ...PHASE, perSecond: 700, failed: 2 },
    { ...PHASE, perSecond: 600 },
  ],
};

/** Times are milliseconds since the run began. */
const SOAK_FAULT: SoakRun["rounds"][number] = {
  fault: "kill-leader",
  region: "us-east",
  victim: "us-east-1",
  injectedMs: 60_000,
  releasedMs: 62_000,
  wholeMs: 65_000,
  elections: 1,
  remark: "",
  problem: "",
};

export function soakReport(more: Partial<SoakRun> = {}): SoakReport {
  const records = new RunRecords(0);
  const done = { operation: "write", isAcknowledged: true, isFirstAcknowledged: true } as const;
  for (const atMs of [1_000, 2_000, 60_500]) records.take({ ...done, intendedMs: atMs, doneMs: atMs + 5 });
  const samples = Array.from({ length: 20 }, (_, i) => ({ atMs: 5_000 * i, rssBytes: 3e8 + i, heapBytes: 1e8 + i }));
  const run: SoakRun = {
    startedAtMs: Date.parse("2026-11-21T17:00:00.000Z"),
    durationMs: 120_000,
    calibration: null,
    perSecond: 300,
    fleetSize: 10,
    rounds: [SOAK_FAULT],
    notInjected: [],
    findings: { undone: [], understated: [], refused: [] },
    leases: { wrong: [], starved: [], untried: [], early: [], late: [], delaysMs: [200] },
    verified: { checked: 2, lost: [], returned: [] },
    outOfSync: [],
    memory: samples.map((sample) => ({ node: "us-east-1", pid: 7, ...sample })),
    endedByThemselves: [],
    errorLines: [],
    resyncs: 0,
    watched: 3,
    missingAbroad: 0,
    behindMs: 4,
    records,
    endedEarly: null,
    ...more,
  };
  return soakReportOf(run, {
    commit: "abc1234",
    machine: "2 x CPU",
    startedAt: "2026-11-21T17:00:00.000Z",
    command: "npm run soak",
    options: {
      regions: "us-east:3,us-west:3",
      minutes: 2,
      seed: 1,
      perSecond: 300,
      share: 0.7,
      faults: ["kill-leader"],
      leaseMs: 15_000,
      population: 1_000,
      httpBase: 20_400,
    },
  });
}
