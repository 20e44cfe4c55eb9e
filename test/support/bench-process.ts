/** `atoll bench` as a process of its own, which can be interrupted. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkPortsAreFree } from "../../src/cli/dev/free-ports.ts";
import { parseRegions, planNodes } from "../../src/cli/dev/options.ts";
import { until } from "./waiting.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const TIMEOUT_MS = 180_000;
const OUTPUT_CHARS_SHOWN = 3_000;

export class BenchProcess<Report extends object> {
  /** The JSON file of the report. */
  readonly out: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  printed = "";
  said = "";

  /** @param out - the JSON file of the report @param env - beside this process's own */
  constructor(out: string, words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.out = out;
    this.#child = spawn(process.execPath, [MAIN, "bench", ...words, "--out", out], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.on("data", (piece) => {
      this.printed += piece;
    });
    this.#child.stderr?.on("data", (piece) => {
      this.said += piece;
    });
    this.#exited = once(this.#child, "close").then(([code]) => code);
  }

  async ended(): Promise<number | null> {
    await this.until(() => this.#child.exitCode !== null || this.#child.signalCode !== null, "it to end");
    return this.#exited;
  }

  until(isMet: () => boolean, what: string): Promise<void> {
    const show = () => `it said:\n${this.said.slice(-OUTPUT_CHARS_SHOWN)}`;
    return until(isMet, { what, timeoutMs: TIMEOUT_MS, show });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async report(): Promise<Report> {
    return JSON.parse(await readFile(this.out, "utf8"));
  }
}

/**
 * Every node of a federation that a bench started is gone, also one that was paused.
 *
 * @param regions - as in `--regions`
 */
export async function nobodyListens(regions: string, httpBase: number): Promise<void> {
  await checkPortsAreFree(planNodes({ regions: parseRegions(regions), httpBase, dataDir: "none" }));
}
