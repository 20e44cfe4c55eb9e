/** A program of `examples/` as its reader would run it, and what it prints. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { until, within } from "./waiting.ts";

const EXAMPLES = join(import.meta.dirname, "../../examples");
const TIMEOUT_MS = 30_000;

export interface ExampleEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class ExampleProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<ExampleEnd>;
  readonly #show: () => string;
  #hasEnded = false;

  /** @param file - such as `agent/agent.ts` */
  constructor(file: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, ["--conditions=atoll-source", join(EXAMPLES, file), ...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.lines.push(line));
    createInterface({ input: this.#child.stderr! }).on("line", (line) => this.lines.push(line));
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", (exitCode, signal) => {
        this.#hasEnded = true;
        resolve({ exitCode, signal });
      });
    });
    this.#show = () => `output of ${file}:\n${this.lines.join("\n") || "(none)"}`;
  }

  /** The first line, from a place on, that is as wanted. */
  async line(isWanted: (line: string) => boolean, what: string, from = 0): Promise<string> {
    const find = () => this.lines.slice(from).find(isWanted);
    const isHopeless = () => this.#hasEnded;
    await until(() => find() !== undefined, { what, timeoutMs: TIMEOUT_MS, show: this.#show, isHopeless });
    return find() ?? assert.fail("it was there");
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  end(): Promise<ExampleEnd> {
    return within(this.#ended, { what: "the program to end", timeoutMs: TIMEOUT_MS, show: this.#show });
  }

  /** Leaves nothing behind, whatever state it is in. */
  async destroy(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
