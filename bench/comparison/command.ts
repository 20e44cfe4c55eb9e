/**
 * `atoll bench throughput | lookup | memory | all`: measures Atoll beside what people would use instead, and tells each figure
 * with what it must be and aims to be.
 *
 * Whatever ends it, no process of it is left: on Ctrl-C everything is stopped, and what was measured so far is written and
 * says that it is partial. A peer that this machine can not run is reported as not measured.
 */

import { tmpdir } from "node:os";
import { CommandError, EXIT, UsageError } from "../../src/cli/errors.ts";
import { type Output, showProgress } from "../../src/cli/output.ts";
import { systemClock } from "../../src/util/clock.ts";
import { messageOf } from "../../src/util/errors.ts";
import { listenForSignals } from "../interruption.ts";
import { LOOKUP } from "../lookup.ts";
import { MEMORY } from "../memory.ts";
import { commitSize, origin } from "../report.ts";
import { checkWritable, formatJson, reportFiles, writeReport } from "../report-files.ts";
import type { TargetRow } from "../targets.ts";
import { THROUGHPUT } from "../throughput.ts";
import { comparisonHtml } from "./html.ts";
import { type ComparisonReport, formatComparison, missed, SCHEMA } from "./report.ts";
import { failedScenario, runScenario, type Scenario, type ScenarioOutcome } from "./scenario.ts";
import { Session, type SessionContext, type SessionOptions } from "./session.ts";

export const SCENARIOS: Readonly<Record<string, readonly Scenario[]>> = {
  throughput: THROUGHPUT,
  lookup: LOOKUP,
  memory: MEMORY,
  all: [...THROUGHPUT, ...LOOKUP, ...MEMORY],
};

export interface ComparisonCommand extends SessionOptions {
  /** A key of `SCENARIOS`. */
  readonly bench: string;
  /** Names of scenarios; empty: all of the bench. */
  readonly only: readonly string[];
  /** The JSON file. */
  readonly out: string | undefined;
  readonly isJson: boolean;
}

/**
 * @throws CommandError
 *   INTERRUPTED         exit code 130; the partial report is written
 *   NOT_MEASURED        something failed that should not have; the report is written
 *   FIGURES_MISSED      a figure is not what it must be; the report is written
 *   REPORT_NOT_WRITTEN  told before the run where that is known by then
 * @throws UsageError for a scenario that there is not
 */
export async function comparison(command: ComparisonCommand, output: Output): Promise<void> {
  const scenarios = chosen(command);
  const began = origin();
  const files = reportFiles(command.bench, command.out, began.startedAt);
  checkWritable(files);
  const interruption = listenForSignals();
  try {
    const { signal } = interruption;
    const { rows, phases, errors } = await runAll(scenarios, command, output, signal);
    const { pairs, seconds, clients } = command;
    const report: ComparisonReport = {
      schema: SCHEMA,
      bench: command.bench,
      ...began,
      commitSize: commitSize(),
      command: `atoll ${process.argv.slice(2).join(" ")}`,
      isPartial: signal.aborted || errors.length > 0,
      options: { pairs, seconds, clients },
      rows,
      phases,
    };
    output.print(command.isJson ? formatJson(report) : formatComparison(report));
    writeReport(files, report, () => comparisonHtml(report));
    output.note(`Kept in ${files.json} and ${files.html}`);
    judge(report, errors, signal);
  } finally {
    interruption.end();
  }
}

function chosen({ bench, only }: ComparisonCommand): readonly Scenario[] {
  const all = SCENARIOS[bench] ?? [];
  const names = all.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new UsageError(`--only: there is no ${unknown}: choose from ${names.join(", ")}`);
  return only.length === 0 ? all : all.filter(({ name }) => only.includes(name));
}

interface Found {
  readonly rows: readonly TargetRow[];
  readonly phases: ComparisonReport["phases"];
  readonly errors: readonly unknown[];
}

/** One after the other, each with processes of its own: none is measured beside another one's. */
async function runAll(
  scenarios: readonly Scenario[],
  options: SessionOptions,
  output: Output,
  signal: AbortSignal,
): Promise<Found> {
  const rows: TargetRow[] = [];
  const phases: ComparisonReport["phases"][number][] = [];
  const errors: unknown[] = [];
  for (const [i, scenario] of scenarios.entries()) {
    const progress = showProgress(output, `${scenario.name} (${i + 1} of ${scenarios.length}): ${scenario.what}`);
    const note = (text: string) => {
      if (output.progress === undefined) output.note(text);
      else progress.update(`${scenario.name} (${i + 1} of ${scenarios.length}): ${text}`);
    };
    try {
      const outcome = await runAlone(scenario, options, { clock: systemClock, signal, parent: tmpdir(), note });
      rows.push(...outcome.rows);
      phases.push(...outcome.phases);
      if (outcome.error !== undefined) errors.push(outcome.error);
    } finally {
      progress.end();
    }
  }
  return { rows, phases, errors };
}

interface Outcome extends ScenarioOutcome {
  readonly phases: ComparisonReport["phases"];
}

async function runAlone(scenario: Scenario, options: SessionOptions, context: SessionContext): Promise<Outcome> {
  let session: Session;
  try {
    session = await Session.open(options, context);
  } catch (error) {
    return { ...failedScenario(scenario, options.peers, error), phases: [] };
  }
  try {
    const outcome = await runScenario(scenario, session);
    return { ...outcome, phases: session.phases };
  } finally {
    await session.close();
  }
}

function judge({ rows }: ComparisonReport, errors: readonly unknown[], signal: AbortSignal): void {
  if (signal.aborted) {
    throw new CommandError("INTERRUPTED", `${messageOf(signal.reason)}: the report is partial`, {
      exitCode: EXIT.interrupted,
    });
  }
  if (errors.length > 0)
    throw new CommandError("NOT_MEASURED", `the report is partial: ${errors.map(messageOf).join("; ")}`);
  const figures = missed(rows).map(({ figure }) => figure);
  if (figures.length > 0) throw new CommandError("FIGURES_MISSED", `not what it must be: ${figures.join("; ")}`);
}
