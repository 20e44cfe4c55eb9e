/**
 * What can kill a mutant: a file of tests, or a simulator. Each runs in a process of its own and is left at the first failure.
 *
 * Everything here says in TAP how it goes, one line a test or a seed, so a suite that says nothing for a while hangs.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { SimulatorName } from "./mutant.ts";

export interface Suite {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export type Verdict =
  /** `count` tests or seeds. */
  | { readonly is: "passed"; readonly seconds: number; readonly count: number }
  | { readonly is: "failed"; readonly seconds: number; readonly firstFailure: string };

/** No test and no seed takes a tenth of this. */
const SILENCE_MS = 30_000;
/** A mutant may fill the memory as well. */
const NODE_OPTIONS = "--max-old-space-size=1024";
/** Innermost tests are reported first, so the first such line names the test itself. */
const OK = /^\s*ok \d+/;
const NOT_OK = /^\s*not ok \d+ - (.*?)(?: # (?:TODO|SKIP).*)?$/;

export function testFile(path: string): Suite {
  return { name: path, args: ["--test-reporter=tap", path], env: { ATOLL_SIM_SEEDS: "0" } };
}

/** How much of a simulator is run: seeds 1 to `seeds`, and for no longer than `seconds`. */
export interface Effort {
  readonly seeds: number;
  readonly seconds: number;
}

/** What a seed of whole nodes, or of a federation, costs in seeds of bare cores. */
export const CORE_SEEDS_PER_NODE_SEED = 50;
export const CORE_SEEDS_PER_FEDERATION_SEED = 10;

export function simulator(name: SimulatorName, { seeds, seconds }: Effort): Suite {
  return { name: `simulator: ${name}`, args: ["test/mutants/simulate.ts", name, `${seeds}`, `${seconds}`], env: {} };
}

/** Runs a suite in a folder, up to its first failure. */
export async function run({ args, env }: Suite, cwd: string): Promise<Verdict> {
  const startedAt = performance.now();
  // A group of its own, to be ended together with what it started.
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env, NODE_OPTIONS },
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });
  const exit = once(child, "close");
  let hangs = false;
  const watchdog = setTimeout(() => {
    hangs = true;
    end(child);
  }, SILENCE_MS);
  let firstFailure: string | undefined;
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    watchdog.refresh();
    if (OK.test(line)) count++;
    firstFailure ??= NOT_OK.exec(line)?.[1];
    if (firstFailure !== undefined) end(child);
  }
  clearTimeout(watchdog);
  const [code, signal] = await exit;
  const seconds = (performance.now() - startedAt) / 1_000;
  if (code === 0 && firstFailure === undefined) return { is: "passed", seconds, count };
  const ending = hangs ? `hangs for ${SILENCE_MS / 1_000} s` : `ends with ${signal ?? `exit code ${code}`}`;
  return { is: "failed", seconds, firstFailure: firstFailure?.trim() ?? ending };
}

function end(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    // It ended by itself a moment ago.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
