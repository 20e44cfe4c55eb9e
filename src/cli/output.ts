/** What commands print: results on standard output, everything else on standard error. */

import Table from "cli-table3";
import { createSpinner } from "nanospinner";
import pc from "picocolors";

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
  print: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
  ...(process.stderr.isTTY && { progress: spin }),
};

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
    head: head.map((title) => pc.dim(title)),
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
  return health === "healthy" ? pc.green(health) : pc.red(health);
}

export function formatLink(link: "self" | "connected" | "away"): string {
  return link === "away" ? pc.red(link) : pc.green(link);
}
