/** Figures with what was promised of them: shown as a table, and the exit code is 1 when one was missed. */

import Table from "cli-table3";

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What it may be at most; null when nothing was promised. */
  readonly max: number | null;
}

/** A value that could not be measured misses, too. */
export function isMissed({ value, max }: Figure): boolean {
  return max !== null && !(value <= max);
}

export const FIGURE_HEAD: readonly string[] = ["figure", "measured", "at most", ""];

export function formatFigures(figures: readonly Figure[]): string {
  const table = new Table({
    head: [...FIGURE_HEAD],
    colAligns: ["left", "right", "right", "left"],
    style: { head: [], border: [] },
  });
  for (const figure of figures) table.push(figureCells(figure));
  return table.toString();
}

/** In the order of `FIGURE_HEAD`. */
export function figureCells(figure: Figure): string[] {
  const { name, unit, max } = figure;
  const verdict = max === null ? "" : isMissed(figure) ? "MISSED" : "kept";
  return [name, measuredOf(figure), max === null ? "" : `${round(max)} ${unit}`, verdict];
}

function measuredOf({ value, unit }: Figure): string {
  return Number.isNaN(value) ? "not measured" : `${round(value)} ${unit}`;
}

/** Says which were missed, and lets the process end with exit code 1 if any was. */
export function judge(figures: readonly Figure[], note: (text: string) => void): void {
  for (const figure of figures.filter(isMissed)) {
    const { name, unit, max } = figure;
    note(`FAILED: ${name}: ${measuredOf(figure)}, at most ${max} ${unit} was promised`);
    process.exitCode = 1;
  }
}

/** @param share - 0.5 is the median, 1 the largest; NaN of nothing */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
