/** What a soak found, as it is written to the JSON file and drawn. */

import { type Figure, quantile } from "../figures.ts";
import type { Origin } from "../report.ts";
import type { CalibrationStep } from "./calibration.ts";
import type { ErrorLine } from "./cluster.ts";
import { FAULTS } from "./faults.ts";
import { type LifeReport, livesOf, type MemorySample } from "./memory.ts";
import type { OperationReport, Timeline } from "./records.ts";
import type { FaultRound, NotInjectedFault, SoakOptions, SoakRun } from "./run.ts";

export const SCHEMA = "atoll-soak/1";

export interface ErrorCode {
  readonly code: string;
  readonly count: number;
  /** Of these, how many a fault is documented to bring about. */
  readonly expected: number;
  readonly example: string;
}

export interface SoakReport extends Origin {
  readonly schema: typeof SCHEMA;
  readonly bench: "soak";
  readonly command: string;
  readonly options: SoakOptions;
  readonly isPartial: boolean;
  /** Why it is partial. */
  readonly endedEarly: string | null;
  /** Calibration included. */
  readonly durationMs: number;
  readonly sustainedPerSecond: number | null;
  readonly calibration: readonly CalibrationStep[];
  readonly perSecond: number;
  readonly fleetSize: number;
  readonly figures: readonly Figure[];
  readonly faults: readonly FaultRound[];
  readonly notInjected: readonly NotInjectedFault[];
  readonly operations: readonly OperationReport[];
  readonly errors: readonly ErrorCode[];
  /** What the figures that are not 0 are made of, in words; some of each. */
  readonly findings: Readonly<Record<string, readonly string[]>>;
  readonly lives: readonly LifeReport[];
  readonly memory: readonly MemorySample[];
  readonly timeline: Timeline;
  /** What happened beside, and is no promise. */
  readonly remarks: readonly string[];
}

const EXAMPLES = 20;
const GROWTH_MAX = 0.1;
/** Lines that a fault is to blame for come this long after it at most. */
const ECHO_MS = 5_000;

export type ReportParts = Origin & Pick<SoakReport, "command" | "options">;

export function soakReport(run: SoakRun, parts: ReportParts): SoakReport {
  const errors = errorCodes(run);
  const lives = livesOf(run.memory, run.durationMs);
  return {
    schema: SCHEMA,
    bench: "soak",
    ...parts,
    isPartial: run.endedEarly !== null,
    endedEarly: run.endedEarly,
    durationMs: run.durationMs,
    sustainedPerSecond: run.calibration?.sustainedPerSecond ?? null,
    calibration: run.calibration?.steps ?? [],
    perSecond: run.perSecond,
    fleetSize: run.fleetSize,
    figures: figuresOf(run, errors, lives),
    faults: run.rounds,
    notInjected: run.notInjected,
    operations: run.records.operations(),
    errors,
    findings: findingsOf(run),
    lives,
    memory: run.memory,
    timeline: run.records.timeline(),
    remarks: remarksOf(run, lives),
  };
}

function figuresOf(run: SoakRun, errors: readonly ErrorCode[], lives: readonly LifeReport[]): Figure[] {
  const { verified, leases, findings, outOfSync, rounds } = run;
  const none = (name: string, found: readonly unknown[] | null | undefined): Figure => {
    return { name, value: found?.length ?? Number.NaN, unit: "", max: 0 };
  };
  const unexpected = errors.reduce((sum, { count, expected }) => sum + count - expected, 0);
  return [
    none("acknowledged writes that a node does not show", verified?.lost),
    none("agents that were unregistered and are shown", verified?.returned),
    none("linearizable reads behind what was acknowledged", findings.undone),
    none("leases ended of agents that renewed in time", leases.wrong),
    none("leases ended of agents that nobody let renew", leases.starved),
    none("leases of silent agents ended too early", leases.early),
    none("leases of silent agents ended too late", leases.late),
    none("lookups staler than they said", findings.understated),
    none("requests refused that should be taken", findings.refused),
    none("nodes that do not agree at the end", outOfSync),
    none(
      "faults that did not go as documented",
      rounds.filter(({ problem }) => problem !== ""),
    ),
    none(
      "nodes that ended by themselves",
      run.endedByThemselves.filter(({ atMs }) => !mayNodeEnd(run, atMs)),
    ),
    { name: "log lines of level error, unexpected", value: unexpected, unit: "", max: 0 },
    ...growthOf("memory (RSS)", lives, ({ rss }) => rss?.growth),
    ...growthOf("heap", lives, ({ heap }) => heap?.growth),
  ];
}

/** The most that any process grew over its plateau; not judged where none lived long enough. */
function growthOf(what: string, lives: readonly LifeReport[], of: (life: LifeReport) => number | undefined): Figure[] {
  const judged = lives.filter(({ isJudged }) => isJudged).flatMap((life) => of(life) ?? []);
  if (judged.length === 0) return [];
  const name = `growth of ${what}, of the process that grew most`;
  return [{ name, value: 100 * Math.max(...judged), unit: "%", max: 100 * GROWTH_MAX }];
}

function remarksOf(run: SoakRun, lives: readonly LifeReport[]): string[] {
  const { leases, verified } = run;
  const judged = lives.filter(({ isJudged }) => isJudged);
  const delay = (share: number) => Math.round(quantile(leases.delaysMs, share));
  return [
    `${verified?.checked ?? 0} agents were looked for on every node of their region`,
    leases.delaysMs.length === 0
      ? "no agent fell silent"
      : `${leases.delaysMs.length} agents fell silent, and their leases ended ${delay(0.5)} ms after they were over (median; at most ${delay(1)} ms)`,
    `${run.watched} events were watched, ${run.resyncs} times a watcher was told to ask anew`,
    `${run.missingAbroad} lookups abroad said that the other region is missing`,
    judged.length === 0
      ? "memory is not judged: no process lived on for long enough after its youth"
      : `memory is judged of ${judged.length} of ${lives.length} processes, those that lived long enough`,
    ...(leases.untried.length === 0
      ? []
      : [`${leases.untried.length} leases ended because this generator was held up itself`]),
    `the load was at most ${Math.round(run.behindMs)} ms behind its plan`,
    ...run.endedByThemselves.map(
      ({ node, atMs, how }) => `${node} ended by itself after ${Math.round(atMs / 1_000)} s (${how})`,
    ),
  ];
}

function findingsOf(run: SoakRun): SoakReport["findings"] {
  const all: Record<string, readonly string[]> = {
    "lost writes": run.verified?.lost ?? [],
    "returned agents": run.verified?.returned ?? [],
    "reads behind": run.findings.undone,
    "wrong expiries": run.leases.wrong,
    "starved leases": run.leases.starved,
    "leases that the generator let end": run.leases.untried,
    "early expiries": run.leases.early,
    "late expiries": run.leases.late,
    "lookups staler than said": run.findings.understated,
    "requests refused": run.findings.refused,
    "not in agreement": run.outOfSync ?? [],
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, each]) => (each.length === 0 ? [] : [[name, each.slice(0, EXAMPLES)]])),
  );
}

function errorCodes(run: SoakRun): ErrorCode[] {
  const codes = Map.groupBy(run.errorLines, ({ code }) => code);
  return [...codes].map(([code, lines]) => {
    const unexpected = lines.filter((line) => !isExpected(run, line));
    const example = (unexpected[0] ?? lines[0])?.line.slice(0, 600) ?? "";
    return { code, count: lines.length, expected: lines.length - unexpected.length, example };
  });
}

function isExpected(run: SoakRun, { code, at }: ErrorLine): boolean {
  const sinceMs = at - run.startedAtMs;
  // Words without a time: they belong to the fault if any of its kind was injected.
  const isDuringIt = (round: FaultRound) => Number.isNaN(at) || isIn(round, sinceMs);
  return run.rounds.some((round) => isDuringIt(round) && FAULTS[round.fault].errors?.includes(code));
}

function mayNodeEnd(run: SoakRun, atMs: number): boolean {
  return run.rounds.some((round) => isIn(round, atMs) && FAULTS[round.fault].mayEndNode === true);
}

function isIn({ injectedMs, releasedMs, wholeMs }: FaultRound, atMs: number): boolean {
  return atMs >= injectedMs && atMs <= (wholeMs ?? releasedMs) + ECHO_MS;
}
