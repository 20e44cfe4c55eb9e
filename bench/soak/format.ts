/** A soak's report as text. */

import Table from "cli-table3";
import { formatFigures, round } from "../figures.ts";
import type { SoakReport } from "./report.ts";
import type { FaultRound } from "./run.ts";

export const FAULT_HEAD: readonly string[] = [
  "at, s",
  "fault",
  "where",
  "lasted, s",
  "whole again, s",
  "elections",
  "remark",
];
export const OPERATION_HEAD: readonly string[] = [
  "operation",
  "count",
  "failed",
  "first tries failed",
  "p50 ms",
  "p99 ms",
  "max ms",
];
export const LIFE_HEAD: readonly string[] = [
  "node",
  "from, s",
  "to, s",
  "RSS, MiB",
  "growth, %",
  "heap, MiB",
  "growth, %",
  "judged",
];

const MIB = 2 ** 20;

export function formatSoak(report: SoakReport): string {
  const { commit, machine, command, endedEarly, faults, operations, lives, notInjected, remarks } = report;
  const findings = Object.entries(report.findings).flatMap(([name, each]) => [
    `${name}:`,
    ...each.map((text) => `  ${text}`),
  ]);
  return [
    `soak at ${commit}`,
    machine,
    command,
    ...(endedEarly === null ? [] : [`PARTIAL: ${endedEarly}`]),
    describeLoad(report),
    table(FAULT_HEAD, faults.map(faultCells)),
    ...notInjected.map(({ fault, why }) => `${fault}: not injected: ${why}`),
    table(OPERATION_HEAD, operationCells(operations)),
    table(LIFE_HEAD, lifeCells(lives)),
    ...errorLines(report),
    ...remarks,
    ...findings,
    formatFigures(report.figures),
  ].join("\n");
}

export function describeLoad({ sustainedPerSecond, perSecond, fleetSize, options, durationMs }: SoakReport): string {
  const found =
    sustainedPerSecond === null
      ? "as it was told"
      : `${round((100 * perSecond) / sustainedPerSecond)} % of the ${round(sustainedPerSecond)} that were sustained`;
  return (
    `${round(perSecond)} requests a second in a run of ${round(durationMs / 60_000)} minutes, ${found}; in each region of ${options.regions} ${fleetSize} agents ` +
    `that renew leases of ${options.leaseMs / 1_000} s, and some ${options.population} that come, change and go; seed ${options.seed}`
  );
}

export function faultCells({
  fault,
  region,
  victim,
  injectedMs,
  releasedMs,
  wholeMs,
  elections,
  remark,
  problem,
}: FaultRound): string[] {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  return [
    seconds(injectedMs),
    fault,
    victim === "" ? region : victim,
    seconds(releasedMs - injectedMs),
    wholeMs === null ? "never" : seconds(wholeMs - releasedMs),
    `${elections}`,
    problem === "" ? remark : `PROBLEM: ${problem}`,
  ];
}

export function operationCells(operations: SoakReport["operations"]): string[][] {
  return operations.map(({ operation, count, failed, failedFirst, p50Ms, p99Ms, maxMs }) => [
    operation,
    ...[count, failed, failedFirst, round(p50Ms), round(p99Ms), round(maxMs)].map(String),
  ]);
}

/** Of those that lived long enough to say anything. */
export function lifeCells(lives: SoakReport["lives"]): string[][] {
  return lives
    .filter(({ rss, heap }) => rss !== null || heap !== null)
    .map(({ node, fromMs, toMs, rss, heap, isJudged }) => [
      node,
      `${round(fromMs / 1_000)}`,
      `${round(toMs / 1_000)}`,
      ...[rss, heap].flatMap((trend) =>
        trend === null ? ["", ""] : [`${round(trend.medianBytes / MIB)}`, `${round(100 * trend.growth)}`],
      ),
      isJudged ? "yes" : "no, too short",
    ]);
}

export function errorLines({ errors }: SoakReport): string[] {
  return errors.map(({ code, count, expected, example }) => {
    return `log lines of level error: ${code}: ${count}, ${expected} of them part of a fault, such as ${example}`;
  });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const drawn = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  for (const row of rows) drawn.push([...row]);
  return drawn.toString();
}
