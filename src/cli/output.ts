/** What commands print: results on standard output, everything else on standard error. */

import type { WriteStream } from "node:tty";
import { stripVTControlCharacters } from "node:util";
import Table from "cli-table3";
import { createSpinner } from "nanospinner";
import pc from "picocolors";

/** Text is always styled; an output that can not show that takes it off again. */
export const style = pc.createColors(true);

export interface Output {
  /** A result: one line, or several. */
  print(text: string): void;
  /** Something said beside the result. */
  note(text: string): void;
  /** A line that changes while somebody watches; absent where nobody does. */
  progress?(text: string): Progress;
}

export interface Progress {
  update(text: string): void;
  /** Takes the line away. */
  end(): void;
}

export const processOutput: Output = {
  print: (text) => writeLine(process.stdout, text),
  note: (text) => writeLine(process.stderr, text),
  ...(process.stderr.isTTY && { progress: spin }),
};

/** Styles are for a terminal that has them (`NO_COLOR` is honoured); a file or a pipe gets plain text. */
function writeLine(stream: WriteStream, text: string): void {
  const isStyled = stream.isTTY && stream.hasColors();
  stream.write(`${isStyled ? text : stripVTControlCharacters(text)}\n`);
}

function spin(text: string): Progress {
  const spinner = createSpinner(text, { stream: process.stderr }).start();
  return { update: (text) => void spinner.update(text), end: () => void spinner.stop() };
}

export function printJson(output: Output, value: unknown): void {
  output.print(JSON.stringify(value, null, 2));
}

/** Shows how long work is coming along; where nobody watches, only that it began. */
export function showProgress(output: Output, text: string): Progress {
  if (output.progress !== undefined) return output.progress(text);
  output.note(text);
  return { update() {}, end() {} };
}

/** A table without lines, for people; columns are as wide as they need to be. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: head.map((title) => style.dim(title)),
    chars: NO_LINES,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

const NO_LINES = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "",
};

/** The API says "never" as the largest integer that every client can read. */
const FOREVER_MS = Number.MAX_SAFE_INTEGER;

/** `350 ms`, `12 s`, `3 min`, `never`. */
export function formatAge(ms: number): string {
  if (ms >= FOREVER_MS) return "never";
  if (ms < 10_000) return `${Math.round(ms)} ms`;
  if (ms < 600_000) return `${Math.round(ms / 1_000)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

export function formatHealth(health: "healthy" | "unhealthy"): string {
  return health === "healthy" ? style.green(health) : style.red(health);
}

export function formatLink(link: "self" | "connected" | "away"): string {
  return link === "away" ? style.red(link) : style.green(link);
}
