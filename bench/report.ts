/** Prints and keeps what a benchmark measured, with what it ran on: a figure without its machine is worth little. */

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { dirname, join } from "node:path";
import Table from "cli-table3";
import { VERSION } from "../src/cli/version.ts";
import type { LoadResult } from "./load/closed-loop.ts";

/** What a figure was measured on. */
export interface Origin {
  readonly commit: string;
  readonly machine: string;
  readonly startedAt: string;
}

export interface Report extends Origin {
  readonly bench: string;
  readonly results: readonly LoadResult[];
}

export function createReport(bench: string, results: readonly LoadResult[]): Report {
  return { bench, ...origin(), results };
}

export function origin(): Origin {
  const [cpu] = cpus();
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  return {
    commit: commit(),
    machine:
      `${availableParallelism()} x ${cpu?.model.trim() ?? "unknown"}, ${memoryGib} GiB, ` +
      `${type()} ${release()}, Node ${process.versions.node}`,
    startedAt: new Date().toISOString(),
  };
}

export function formatReport({ bench, commit, machine, results }: Report): string {
  const table = new Table({
    head: ["phase", "clients", "requests", "failed", "per second", "p50 ms", "p99 ms", "max ms"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const { phase, clients, requests, failed, perSecond, p50Ms, p99Ms, maxMs } of results) {
    const times = [p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(2));
    table.push([phase, clients, requests, failed, Math.round(perSecond), ...times]);
  }
  return `${bench} at ${commit}\n${machine}\n${table.toString()}`;
}

/** @returns the path of the JSON file */
export function saveReport(report: Origin & { readonly bench: string }): string {
  const folder = join(import.meta.dirname, "out");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${report.bench}-${report.startedAt.replace(/[:.]/g, "-")}.json`);
  writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
  return path;
}

/** How much the commit of a clone changed, such as `3 files changed, 12 insertions(+)`; empty outside of one. */
export function commitSize(): string {
  return isClone() ? git("show", "--shortstat", "--format=", "HEAD") : "";
}

/** The commit of a clone; of an installed package, which lies in somebody else's repository if in any, its version. */
function commit(): string {
  if (!isClone()) return `version ${VERSION}`;
  return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : " with changes"}`;
}

function isClone(): boolean {
  try {
    return (
      git("rev-parse", "--show-toplevel") === dirname(createRequire(import.meta.url).resolve("atoll/package.json"))
    );
  } catch {
    // No git here, or no repository.
    return false;
  }
}

function git(...args: string[]): string {
  return execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8", stdio: "pipe" }).trim();
}
