/** What a figure must be, what it aims to be, and whether it is. */

import Table from "cli-table3";
import { round } from "./figures.ts";
import type { PairRatio } from "./pairs.ts";

/** A figure with what is wanted of it. */
export interface Target {
  readonly figure: string;
  readonly unit: string;
  /** Whether more is better, as of a rate, or less, as of a time. */
  readonly better: "more" | "less";
  /** Null where nothing is wanted: the figure is told beside the others. */
  readonly must: number | null;
  readonly aim: number | null;
}

export interface Measured {
  readonly value: number;
  /** Of pairs: the lowest and the highest of them. */
  readonly spread?: readonly [lowest: number, highest: number];
  /** What the value was made of, such as both sides of a ratio. */
  readonly detail: string;
}

/** A row of the table: what was wanted, and what was measured or why nothing was. */
export interface TargetRow extends Target {
  /** The words that measure this row alone. */
  readonly command: string;
  readonly measured: Measured | { readonly notMeasured: string };
}

export type Verdict = "aim" | "must" | "short of aim" | "MISSED" | "not measured" | "";

export function verdictOf({
  better,
  must,
  aim,
  measured,
}: Pick<TargetRow, "better" | "must" | "aim" | "measured">): Verdict {
  if ("notMeasured" in measured) return "not measured";
  const meets = (bound: number) => (better === "more" ? measured.value >= bound : measured.value <= bound);
  if (must !== null && !meets(must)) return "MISSED";
  if (aim !== null && meets(aim)) return "aim";
  if (must !== null) return "must";
  return aim === null ? "" : "short of aim";
}

/** A ratio as a measured value, with what its two sides did at the median. */
export function measuredRatio({ median, lowest, highest, pairs }: PairRatio, detail: string): Measured {
  return { value: median, spread: [lowest, highest], detail: `${detail}, ${pairs} pairs` };
}

export const HEAD: readonly string[] = ["figure", "measured", "spread", "must", "aim", "reached", "of what"];

export function formatTargets(rows: readonly TargetRow[]): string {
  const table = new Table({
    head: [...HEAD],
    colAligns: ["left", "right", "right", "right", "right", "left", "left"],
    style: { head: [], border: [] },
    colWidths: [38, null, null, null, null, null, 60],
    wordWrap: true,
  });
  for (const row of rows) table.push(cellsOf(row));
  return table.toString();
}

/** A row of the table, in the order of `HEAD`. */
export function cellsOf(row: TargetRow): string[] {
  const { figure, unit, measured } = row;
  const [value, spread, detail] =
    "notMeasured" in measured
      ? ["", "", measured.notMeasured]
      : [shown(measured.value, unit), spreadOf(measured), measured.detail];
  return [figure, value, spread, bound(row, row.must), bound(row, row.aim), verdictOf(row), detail];
}

function bound({ better, unit }: Target, value: number | null): string {
  return value === null ? "" : `${better === "more" ? ">=" : "<="} ${shown(value, unit)}`;
}

function spreadOf({ spread }: Measured): string {
  return spread === undefined ? "" : spread.map((value) => `${round(value)}`).join(" to ");
}

function shown(value: number, unit: string): string {
  return unit === "x" ? `${round(value)}x` : `${round(value)} ${unit}`;
}
