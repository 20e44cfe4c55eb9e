/** The real `meshctl` of MCP Mesh, from the package that the benchmarks use as well. */

import { execFile } from "node:child_process";
import { promisify, stripVTControlCharacters } from "node:util";
import { type FoundProgram, findMcpMesh } from "../../bench/peers/mcp-mesh-package.ts";

const RUN_TIMEOUT_MS = 60_000;

const run = promisify(execFile);

/** The program, or in a sentence why there is none. */
export function findMeshctl(): Promise<FoundProgram> {
  return findMcpMesh("meshctl");
}

/** A `meshctl` that asks the registry at `registryUrl`, and keeps its own state in `home`. */
export class Meshctl {
  readonly #program: string;
  readonly #home: string;

  constructor(program: string, home: string) {
    this.#program = program;
    this.#home = home;
  }

  /** @returns what it printed, without colours; a failure of it rejects */
  async run(registryUrl: string, ...args: string[]): Promise<string> {
    const options = { env: { PATH: process.env.PATH, HOME: this.#home }, timeout: RUN_TIMEOUT_MS, cwd: this.#home };
    const { stdout } = await run(this.#program, [...args, "--registry-url", registryUrl], options);
    return stripVTControlCharacters(stdout);
  }
}
