/**
 * Breaks a federation of real processes at random, and checks what its clients were told.
 *
 *   npm run chaos -- --minutes 5                 for five minutes; one when not said
 *   npm run chaos -- --minutes 5 --keep FILE     and keeps the history, one event a line
 *   npm run chaos -- --seed 42                   tries again what was tried; processes fall as they fall
 *   npm run chaos -- --check FILE                checks a history that was kept
 *
 * Exit code 1 when the history is not linearizable or a node ended by itself; the history is kept then.
 */

import { randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runChaos } from "../support/chaos.ts";
import { formatChaosReport, reportOf } from "../support/chaos-report.ts";
import { readHistory } from "../support/history.ts";

/** The nodes listen for each other 10,000 above: below what the kernel gives to outgoing connections. */
const HTTP_BASE = 22_200;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: `${randomInt(2 ** 31)}` },
    keep: { type: "string" },
    check: { type: "string" },
  },
});

if (values.check !== undefined) check(values.check);
else await run(positive("seed", values.seed), positive("minutes", values.minutes), values.keep);

function check(file: string): void {
  const report = reportOf(readHistory(file));
  write(formatChaosReport(report));
  if (report.result.verdict !== "linearizable") process.exitCode = 1;
}

async function run(seed: number, minutes: number, keep: string | undefined): Promise<void> {
  const file = keep ?? join(tmpdir(), `atoll-chaos-${seed}.jsonl`);
  const interrupted = new AbortController();
  process.once("SIGINT", () => interrupted.abort());
  write(`seed ${seed}, ${minutes} minutes, history in ${file}`);
  const options = { seed, seconds: minutes * 60, file, httpBase: HTTP_BASE, signal: interrupted.signal };
  const { recorder, exits } = await runChaos(options);
  const report = reportOf(recorder.events);
  write(formatChaosReport(report));
  for (const exit of exits) write(exit);
  if (report.result.verdict !== "linearizable" || exits.length > 0) {
    write(`The history is kept in ${file}; npm run chaos -- --check ${file} checks it again`);
    process.exitCode = 1;
  } else if (keep === undefined) rmSync(file);
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (Number.isFinite(number) && number > 0) return number;
  write(`--${option} must be a number above 0, not "${value}"`);
  process.exit(2);
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
