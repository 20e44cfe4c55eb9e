/**
 * Everything at once for a long time: two regions under a steady load, one fault after the other, and nothing may go wrong.
 *
 *   npm run soak -- [--minutes 30] [--seed 1] [--faults kill-leader,...] [--rate N] [--out FILE] [--json]
 *
 * Whatever ends it, no process of it is left: on Ctrl-C the nodes are stopped, and what was found so far is written and says
 * that it is partial. The exit code is 1 when something was lost, ended wrongly, grew, or was not as promised.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseRegions } from "../src/cli/dev/options.ts";
import { EXIT, UsageError } from "../src/cli/errors.ts";
import { processOutput, showProgress } from "../src/cli/output.ts";
import { systemClock } from "../src/util/clock.ts";
import { messageOf } from "../src/util/errors.ts";
import { isMissed, judge } from "./figures.ts";
import { listenForSignals } from "./interruption.ts";
import { origin } from "./report.ts";
import { checkWritable, formatJson, reportFiles, writeReport } from "./report-files.ts";
import { FAULT_NAMES, type FaultName } from "./soak/faults.ts";
import { formatSoak } from "./soak/format.ts";
import { soakHtml } from "./soak/html.ts";
import { type SoakReport, soakReport } from "./soak/report.ts";
import { runSoak, type SoakOptions } from "./soak/run.ts";

interface Command {
  readonly options: SoakOptions;
  readonly out: string | undefined;
  readonly isJson: boolean;
}

const HTTP_BASE = 20_400;
const MINUTES_MAX = 100_000;

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    return await soak(commandOf(process.argv.slice(2)));
  } catch (error) {
    processOutput.note(messageOf(error));
    const isUsage = [RangeError, TypeError, UsageError].some((kind) => error instanceof kind);
    return isUsage ? EXIT.usage : EXIT.failure;
  }
}

async function soak({ options, out, isJson }: Command): Promise<number> {
  const began = origin();
  const files = reportFiles("soak", out, began.startedAt);
  checkWritable(files);
  const interruption = listenForSignals();
  const { signal } = interruption;
  try {
    const report = await performed(options, began, signal);
    processOutput.print(isJson ? formatJson(report) : formatSoak(report));
    writeReport(files, report, () => soakHtml(report));
    processOutput.note(`Kept in ${files.json} and ${files.html}`);
    judge(report.figures, processOutput.note);
    if (signal.aborted) return EXIT.interrupted;
    return report.isPartial || report.figures.some(isMissed) ? 1 : 0;
  } finally {
    interruption.end();
  }
}

async function performed(
  options: SoakOptions,
  began: ReturnType<typeof origin>,
  signal: AbortSignal,
): Promise<SoakReport> {
  const dataDir = await mkdtemp(join(tmpdir(), "atoll-soak-"));
  const beganMs = systemClock.now();
  const shown = showProgress(processOutput, "soak");
  const tell = (doing: string) => {
    const text = `${Math.round((systemClock.now() - beganMs) / 1_000)} s of ${options.minutes} min: ${doing}`;
    if (processOutput.progress === undefined) processOutput.note(text);
    else shown.update(text);
  };
  try {
    const run = await runSoak(options, { dataDir, clock: systemClock, signal, tell });
    const command = `npm run soak -- ${process.argv.slice(2).join(" ")}`;
    return soakReport(run, { ...began, command, options });
  } finally {
    shown.end();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** @throws RangeError, TypeError naming what is wrong */
function commandOf(args: string[]): Command {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string", default: "30" },
      seed: { type: "string", default: "1" },
      faults: { type: "string", default: FAULT_NAMES.join() },
      regions: { type: "string", default: "us-east:3,us-west:3" },
      rate: { type: "string" },
      share: { type: "string", default: "0.7" },
      "lease-ms": { type: "string", default: "15000" },
      population: { type: "string", default: "1000" },
      "http-base": { type: "string", default: `${HTTP_BASE}` },
      out: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  if (parseRegions(values.regions).length !== 2) throw new RangeError(`--regions ${values.regions}: name two regions`);
  return {
    options: {
      regions: values.regions,
      minutes: numberOf("minutes", values.minutes, 0, MINUTES_MAX),
      seed: numberOf("seed", values.seed, 0, 2 ** 32),
      faults: faultsOf(values.faults),
      perSecond: values.rate === undefined ? undefined : numberOf("rate", values.rate, 1, 100_000),
      share: numberOf("share", values.share, 0.01, 1),
      leaseMs: numberOf("lease-ms", values["lease-ms"], 8_000, 600_000),
      population: numberOf("population", values.population, 10, 100_000),
      httpBase: numberOf("http-base", values["http-base"], 1_024, 22_000),
    },
    out: values.out,
    isJson: values.json,
  };
}

function numberOf(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= min && value <= max) return value;
  throw new RangeError(`--${flag} ${text}: write a number from ${min} to ${max}`);
}

function faultsOf(text: string): FaultName[] {
  return text.split(",").map((name) => {
    const fault = FAULT_NAMES.find((known) => known === name.trim());
    if (fault === undefined) throw new RangeError(`--faults ${name}: the faults are ${FAULT_NAMES.join(", ")}`);
    return fault;
  });
}
