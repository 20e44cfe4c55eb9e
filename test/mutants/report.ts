/** How it went, as a table. */

import Table from "cli-table3";
import type { Mutant } from "./mutant.ts";

export interface Outcome {
  readonly mutant: Mutant;
  /** In all suites that were tried. */
  readonly seconds: number;
  /** Null when it survived. */
  readonly killer: { readonly suite: string; readonly test: string } | null;
}

export function tableOf(areas: ReadonlyMap<string, readonly Mutant[]>, outcomes: readonly Outcome[]): string {
  const table = new Table({
    head: ["#", "mutant", "rule", "", "first failure", "s"],
    colWidths: [4, 54, 12, 10, 76, 6],
    colAligns: ["right", "left", "left", "left", "left", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const [area, mutants] of areas) {
    const rows = outcomes.filter(({ mutant }) => mutants.includes(mutant));
    if (rows.length === 0) continue;
    const killed = rows.filter(({ killer }) => killer !== null).length;
    table.push([{ colSpan: 6, hAlign: "left", content: `${area}: ${killed} of ${rows.length} killed` }]);
    for (const { mutant, killer, seconds } of rows) {
      const verdict = killer === null ? "SURVIVED" : "killed";
      const failure = killer === null ? "" : `${shortened(killer.suite)}: ${killer.test}`;
      table.push([mutant.listed ?? "", mutant.name, mutant.rule, verdict, failure, seconds.toFixed(1)]);
    }
  }
  return table.toString();
}

/** As the list of tests in CONTRIBUTING.md names it. */
function shortened(suite: string): string {
  return suite.replace(/^test\/(?:unit\/)?/, "").replace(/\.test\.ts$/, "");
}

export function summaryOf(outcomes: readonly Outcome[], seconds: number): string {
  const survivors = outcomes.filter(({ killer }) => killer === null);
  const numbers = (some: readonly Outcome[]) =>
    new Set(some.flatMap(({ mutant }) => (typeof mutant.listed === "number" ? [mutant.listed] : []))).size;
  const killed = `${outcomes.length - survivors.length} of ${outcomes.length} mutants killed`;
  const lines = [`${killed}, ${survivors.length} survived, ${seconds.toFixed(0)} s`];
  if (numbers(outcomes) > 0) {
    lines.push(`of the ${numbers(outcomes)} numbered ones, ${numbers(outcomes) - numbers(survivors)} killed`);
  }
  for (const { mutant } of survivors) lines.push(`SURVIVED ${mutant.name} (${mutant.rule}) in ${mutant.file}`);
  return lines.join("\n");
}
