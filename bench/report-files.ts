/** The files of a report: `NAME.json` for programs, and `NAME.html` beside it for people. */

import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { CommandError } from "../src/cli/errors.ts";
import { messageOf } from "../src/util/errors.ts";

export interface ReportFiles {
  readonly json: string;
  readonly html: string;
}

const FOLDER = join("bench", "out");

/** @param out - the JSON file; a name of its own in `bench/out` below the working folder when absent */
export function reportFiles(bench: string, out: string | undefined, startedAt: string): ReportFiles {
  const json = out ?? join(FOLDER, `${bench}-${startedAt.replace(/[:.]/g, "-")}.json`);
  return { json, html: `${json.replace(/\.json$/, "")}.html` };
}

/**
 * Makes the folder and opens both files, so that a run of half an hour does not end with a name that can not be written.
 *
 * @throws CommandError REPORT_NOT_WRITTEN
 */
export function checkWritable({ json, html }: ReportFiles): void {
  for (const path of [json, html]) {
    try {
      const isNew = !existsSync(path);
      mkdirSync(dirname(path), { recursive: true });
      closeSync(openSync(path, "a"));
      if (isNew) rmSync(path);
    } catch (error) {
      throw notWritten(path, error);
    }
  }
}

/**
 * The figures first: they are there even if they can not be drawn.
 *
 * @throws CommandError REPORT_NOT_WRITTEN; no half of a file is left
 */
export function writeReport({ json, html }: ReportFiles, report: object, draw: () => string): void {
  writeWhole(json, `${formatJson(report)}\n`);
  writeWhole(html, draw());
}

export function formatJson(report: object): string {
  return JSON.stringify(report, (_, value) => (typeof value === "number" ? Math.round(value * 1_000) / 1_000 : value));
}

function writeWhole(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    if (existsSync(path) && statSync(path).isFile()) rmSync(path, { force: true });
    throw notWritten(path, error);
  }
}

function notWritten(path: string, error: unknown): CommandError {
  const message = `the report can not be written to ${path}: ${messageOf(error)}. Choose another file with --out`;
  return new CommandError("REPORT_NOT_WRITTEN", message, { cause: error });
}
