/**
 * The real `meshctl` of MCP Mesh, fetched when a test wants it: too large for a dependency, and built for few platforms.
 *
 * The package is kept in the temporary folder, so that only the first run of a machine downloads it.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify, stripVTControlCharacters } from "node:util";

const VERSION = "3.7.1";
const PACKAGE = "@mcpmesh/cli-linux-x64";
const CACHE = join(tmpdir(), `atoll-mcpmesh-${VERSION}`);
/** 50 MB over a slow line. */
const INSTALL_TIMEOUT_MS = 180_000;
const RUN_TIMEOUT_MS = 60_000;

const run = promisify(execFile);

/** The program, or in a sentence why there is none. */
export type FoundMeshctl = { readonly program: string } | { readonly missing: string };

export async function findMeshctl(): Promise<FoundMeshctl> {
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== "linux-x64") return { missing: `${PACKAGE} does not run on ${platform}` };
  const program = programIn(CACHE);
  if (existsSync(program)) return { program };
  try {
    await install();
  } catch (error) {
    return { missing: `${PACKAGE}@${VERSION} can not be had: ${reasonOf(error)}` };
  }
  return { program };
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

function programIn(folder: string): string {
  return join(folder, "node_modules", PACKAGE, "bin", "meshctl");
}

/** Complete or not at all: a download that was broken off must not be taken for the program later. */
async function install(): Promise<void> {
  const folder = await mkdtemp(`${CACHE}-`);
  try {
    const flags = [
      "--prefix",
      folder,
      "--no-save",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--prefer-offline",
      "--fetch-retries",
      "1",
    ];
    await run("npm", ["install", ...flags, `${PACKAGE}@${VERSION}`], { cwd: folder, timeout: INSTALL_TIMEOUT_MS });
    await rm(CACHE, { recursive: true, force: true });
    await rename(folder, CACHE);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function reasonOf(error: unknown): string {
  const { stderr = "", message } = error as Error & { stderr?: string };
  const code = /^npm error code (\S+)/m.exec(stderr)?.[1];
  return code === undefined ? message.split("\n", 1).join() : `npm install ended with ${code}`;
}
