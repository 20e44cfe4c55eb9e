/**
 * The programs of MCP Mesh, fetched when somebody wants them: too large for a dependency, and built for few platforms.
 *
 * The package is kept in the temporary folder, so that only the first run of a machine downloads it.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const MCP_MESH_VERSION = "3.7.1";
const PACKAGE = "@mcpmesh/cli-linux-x64";
const CACHE = join(tmpdir(), `atoll-mcpmesh-${MCP_MESH_VERSION}`);
/** 50 MB over a slow line. */
const INSTALL_TIMEOUT_MS = 180_000;

/** Where a program lies, or in a sentence why it does not. */
export type FoundProgram = { readonly program: string } | { readonly missing: string };

export async function findMcpMesh(name: "meshctl" | "mcp-mesh-registry"): Promise<FoundProgram> {
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== "linux-x64") return { missing: `${PACKAGE} does not run on ${platform}` };
  const program = join(CACHE, "node_modules", PACKAGE, "bin", name);
  if (existsSync(program)) return { program };
  try {
    await install();
  } catch (error) {
    return { missing: `${PACKAGE}@${MCP_MESH_VERSION} can not be had: ${reasonOf(error)}` };
  }
  return existsSync(program) ? { program } : { missing: `${PACKAGE}@${MCP_MESH_VERSION} has no ${name}` };
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
    const options = { cwd: folder, timeout: INSTALL_TIMEOUT_MS };
    await promisify(execFile)("npm", ["install", ...flags, `${PACKAGE}@${MCP_MESH_VERSION}`], options);
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
