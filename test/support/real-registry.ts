/**
 * The real registry of MCP Mesh, as a child process on loopback with a database of its own, to compare ours with.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type FoundProgram, findMcpMesh } from "../../bench/peers/mcp-mesh-package.ts";
import { until } from "./waiting.ts";

const START_TIMEOUT_MS = 30_000;
const OUTPUT_LINES_SHOWN = 20;

/** The program, or in a sentence why there is none. */
export function findRealRegistry(): Promise<FoundProgram> {
  return findMcpMesh("mcp-mesh-registry");
}

export interface RealRegistryOptions {
  readonly program: string;
  readonly port: number;
  /** Options such as DEFAULT_TIMEOUT_THRESHOLD; nothing of the environment of the test reaches it. */
  readonly env?: Readonly<Record<string, string>>;
}

export class RealRegistry {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #exited: Promise<void>;
  readonly #output: string[] = [];

  /** Resolves when it answers. Whatever was started is gone when it rejects. */
  static async start(options: RealRegistryOptions): Promise<RealRegistry> {
    const registry = new RealRegistry(options, await mkdtemp(join(tmpdir(), "atoll-real-registry-")));
    try {
      await registry.#untilAnswering();
      return registry;
    } catch (error) {
      await registry.stop();
      throw error;
    }
  }

  private constructor({ program, port, env = {} }: RealRegistryOptions, folder: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.#folder = folder;
    this.#child = spawn(program, ["--host", "127.0.0.1", "--port", `${port}`], {
      env: { PATH: process.env.PATH, HOME: folder, DATABASE_URL: join(folder, "registry.db"), ...env },
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#keep(line));
    createInterface({ input: this.#child.stderr! }).on("line", (line) => this.#keep(line));
    this.#exited = new Promise((resolve) => this.#child.once("close", () => resolve()));
  }

  /** Leaves no process and no file behind. */
  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }

  async #untilAnswering(): Promise<void> {
    // Whoever else holds the port would answer in its place.
    await until(() => this.#output.some((line) => line.includes("listening on")), this.#wait("to listen"));
    await until(async () => {
      const response = await fetch(`${this.url}/health`);
      await response.body?.cancel();
      return response.ok;
    }, this.#wait("to answer"));
  }

  #wait(what: string) {
    return {
      what: `the real registry ${what}`,
      timeoutMs: START_TIMEOUT_MS,
      isHopeless: () => this.#child.exitCode !== null,
      show: () => `its last output:\n${this.#output.join("\n") || "(none)"}`,
    };
  }

  #keep(line: string): void {
    this.#output.push(line);
    if (this.#output.length > OUTPUT_LINES_SHOWN) this.#output.shift();
  }
}
