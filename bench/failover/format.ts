/** A report as text: one table for each system, and the ratios between systems. */

import Table from "cli-table3";
import { round } from "../figures.ts";
import type { FigureName, Spread } from "./figures.ts";
import type { FailoverReport, FaultReport, SystemReport } from "./report.ts";

export interface Column {
  readonly title: string;
  readonly figure: FigureName;
  readonly show: "median / p99 / max" | "median / max";
}

/** What tables show, on paper and on screen. */
export const COLUMNS: readonly Column[] = [
  { title: "first write, ms", figure: "firstWriteMs", show: "median / p99 / max" },
  { title: "longest write gap, ms", figure: "writeGapMs", show: "median / p99 / max" },
  { title: "write gap after, ms", figure: "mendingGapMs", show: "median / p99 / max" },
  { title: "writes failed", figure: "writesFailed", show: "median / max" },
  { title: "all failed", figure: "failed", show: "median / max" },
  { title: "first tries failed", figure: "failedFirst", show: "median / max" },
  { title: "late", figure: "late", show: "median / max" },
  { title: "lookups failed", figure: "lookupsFailed", show: "median / max" },
  { title: "lookups stale", figure: "lookupsStale", show: "median / max" },
  { title: "stale by, ms", figure: "staleMs", show: "median / max" },
  { title: "staler than said", figure: "understated", show: "median / max" },
  { title: "said staleness, ms", figure: "saidStalenessMs", show: "median / max" },
  { title: "elections", figure: "elections", show: "median / max" },
  { title: "whole again, ms", figure: "recoveryMs", show: "median / max" },
  { title: "lost", figure: "lost", show: "median / max" },
];

/** The figures that are compared between systems: less is better. */
const COMPARED: readonly Column[] = COLUMNS.slice(0, 2);

export function formatFailover(report: FailoverReport): string {
  const { commit, machine, command, systems, notMeasured } = report;
  const partial = report.isPartial ? ["PARTIAL: not everything that was asked for was done"] : [];
  return [
    `failover at ${commit}`,
    machine,
    command,
    ...partial,
    ...systems.map(formatSystem),
    ...notMeasured.map(({ peer, why }) => `${peer}: not measured: ${why}`),
    ...systems.slice(1).map((system) => formatRatios(systems[0]!, system)),
  ].join("\n");
}

function formatSystem(system: SystemReport): string {
  const { faults } = system;
  const table = new Table({
    head: ["", ...faults.map(({ fault }) => fault)],
    colAligns: ["left", ...faults.map(() => "right" as const)],
    style: { head: [], border: [], compact: true },
  });
  table.push(["rounds", ...faults.map(({ rounds }) => rounds.length)]);
  for (const column of COLUMNS) table.push([column.title, ...faults.map((fault) => formatSpread(fault, column))]);
  const { peer, setting, acknowledged, lost, behindMs, endedEarly, notInjected } = system;
  return [
    `\n${peer} (${setting}); where there are several values: median / p99 / max, or median / max`,
    ...(faults.length === 0 ? [] : [table.toString()]),
    ...faults.map(describeFirstFailures).filter((text) => text !== ""),
    ...formatDistributions(system),
    ...notInjected.map(({ fault, why }) => `${fault}: not injected: ${why}`),
    `${acknowledged} registrations were acknowledged, ${lost === null ? "and nobody looked whether any is lost" : `${lost} of them lost`}`,
    `the load was at most ${round(behindMs)} ms behind its plan`,
    ...(endedEarly === null ? [] : [`ended early: ${endedEarly}`]),
  ].join("\n");
}

/** Empty where none failed. */
export function describeFirstFailures({ fault, firstFailures }: FaultReport): string {
  const counts = Object.entries(firstFailures).sort(([, a], [, b]) => b - a);
  return counts.length === 0
    ? ""
    : `${fault}: first tries failed with ${counts.map(([why, count]) => `${why} (${count})`).join(", ")}`;
}

/** How it is where nothing is broken. */
function formatDistributions({ distributions }: SystemReport): string[] {
  return distributions
    .filter(({ phase }) => phase === "steady")
    .map(({ operation, count, points }) => {
      const at = (share: number) => round(points.find((point) => point[1] >= share)?.[0] ?? Number.NaN);
      return `${operation}, no fault: ${count} operations, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
    });
}

export function formatSpread({ figures }: Pick<FaultReport, "figures">, { figure, show }: Column): string {
  const spread = known(figures, figure);
  if (spread === null) return "none";
  const values = show === "median / max" ? [spread.median, spread.max] : [spread.median, spread.p99, spread.max];
  const shown = new Set(values).size === 1 ? [values[0]!] : values;
  const missing = spread.missing === 0 ? "" : ` (${spread.missing} without)`;
  return `${shown.map(round).join(" / ")}${missing}`;
}

/** A report of an earlier version may lack a figure that was added since. */
function known(figures: Partial<FaultReport["figures"]>, figure: FigureName): Spread | null {
  return figures[figure] ?? null;
}

export interface Ratio {
  readonly fault: string;
  readonly figure: string;
  readonly base: Spread;
  readonly other: Spread;
  /** Of the medians: above 1 the base is quicker. */
  readonly ratio: number;
}

/** Of every fault that both went through. */
export function ratiosOf(base: SystemReport, other: SystemReport): Ratio[] {
  return base.faults.flatMap(({ fault, figures }) => {
    const same = other.faults.find((each) => each.fault === fault);
    return COMPARED.flatMap(({ title, figure }) => {
      const [a, b] = [known(figures, figure), known(same?.figures ?? {}, figure)];
      return a === null || b === null ? [] : [{ fault, figure: title, base: a, other: b, ratio: b.median / a.median }];
    });
  });
}

/** @param otherName - how the other system is called, where its own name is not enough */
export function formatRatios(base: SystemReport, other: SystemReport, otherName = other.peer): string {
  const table = new Table({
    head: ["fault", "figure", base.peer, otherName, "ratio"],
    colAligns: ["left", "left", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const { fault, figure, base: a, other: b, ratio } of ratiosOf(base, other)) {
    table.push([fault, `${figure}, median`, round(a.median), round(b.median), `${round(ratio)}x`]);
  }
  return `\n${otherName} / ${base.peer}: above 1, ${base.peer} is quicker\n${table.toString()}`;
}
