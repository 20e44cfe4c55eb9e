/** What a run of comparisons found: the JSON of it is a format, named by `schema`. */

import Table from "cli-table3";
import { round } from "../figures.ts";
import type { Origin } from "../report.ts";
import { formatTargets, type TargetRow, verdictOf } from "../targets.ts";
import { GENERATOR, type Phase } from "./session.ts";

export const SCHEMA = "atoll-bench-comparison/1";

export interface ComparisonReport extends Origin {
  readonly schema: typeof SCHEMA;
  readonly bench: string;
  /** The words that repeat it. */
  readonly command: string;
  /** How much the commit changed, as `git show --shortstat` counts; empty outside of a clone. */
  readonly commitSize: string;
  readonly isPartial: boolean;
  readonly options: { readonly pairs: number; readonly seconds: number; readonly clients: number };
  readonly rows: readonly TargetRow[];
  readonly phases: readonly Phase[];
}

export const SHARED_CORES =
  "The load generator and everything that is measured share this machine, and its cores: compare ratios, not rates. " +
  "Where the generator is the limit, the ratio says less than the processor time per request does.";

export function formatComparison(report: ComparisonReport): string {
  const { bench, commit, commitSize, machine, command, options, rows, phases } = report;
  return [
    `${bench} at ${commit}${commitSize === "" ? "" : ` (${commitSize})`}`,
    machine,
    `${command}: ${options.pairs} pairs, turns of ${options.seconds} s, ${options.clients} clients`,
    ...(report.isPartial ? ["PARTIAL: not everything that was asked for was done"] : []),
    SHARED_CORES,
    formatPhases(phases),
    formatTargets(rows),
  ].join("\n");
}

export const PHASE_HEAD: readonly string[] = [
  ...["load", "of", "loop", "clients", "turns", "per second", "p50 ms", "p99 ms", "max ms"],
  ...["failed", "CPU, cores", "RSS, MiB", "limit"],
];

/** Turns of one side are one row; all of them are in the JSON. */
export function formatPhases(phases: readonly Phase[]): string {
  const table = new Table({
    head: [...PHASE_HEAD],
    colAligns: ["left", "left", "left", ...new Array<"right">(9).fill("right"), "left"],
    style: { head: [], border: [], compact: true },
    wordWrap: true,
    colWidths: [26, 19, null, null, null, null, null, null, null, null, 30, 12, 12],
  });
  for (const turns of groups(phases)) table.push(summaryOf(turns));
  return table.toString();
}

/** Phases of the same load on the same subject, in the order in which they began. */
export function groups(phases: readonly Phase[]): readonly (readonly [Phase, ...Phase[]])[] {
  const found = new Map<string, [Phase, ...Phase[]]>();
  for (const phase of phases) {
    const name = JSON.stringify([phase.phase, phase.subject, phase.loop, phase.clients]);
    const group = found.get(name);
    if (group === undefined) found.set(name, [phase]);
    else group.push(phase);
  }
  return [...found.values()];
}

/** The cells of a row: the turn of the median rate stands for all. */
export function summaryOf(turns: readonly [Phase, ...Phase[]]): string[] {
  const sorted = turns.toSorted((a, b) => a.perSecond - b.perSecond);
  const { phase, subject, loop, clients, perSecond, p50Ms, p99Ms, maxMs, costs, limit } =
    sorted[sorted.length >> 1] ?? turns[0];
  const failed = turns.reduce((sum, turn) => sum + turn.failed, 0);
  const cores = costs.map((cost) => `${cost.name === GENERATOR ? "generator" : cost.name} ${cost.cores.toFixed(2)}`);
  const rss = costs.filter(({ name }) => name !== GENERATOR).map(({ rssMiB }) => `${Math.round(rssMiB)}`);
  const numbers = [round(perSecond), ...[p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2)), failed];
  return [
    phase,
    subject,
    loop,
    `${clients}`,
    `${turns.length}`,
    ...numbers.map(String),
    cores.join(", "),
    rss.join(", "),
    limit,
  ];
}

/** Figures that must be reached and are not. */
export function missed(rows: readonly TargetRow[]): readonly TargetRow[] {
  return rows.filter((row) => verdictOf(row) === "MISSED");
}
