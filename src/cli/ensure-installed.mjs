/**
 * Makes "npm start" and "npm test" work on a fresh clone: installs the packages of the lock file when they are not there.
 *
 * npm runs it first, with whatever Node the machine has (18 or newer), before any package exists: so plain JavaScript, and
 * nothing but Node itself. Afterwards npm finds the Node of the lock file before the machine's own. When nothing is to be
 * done it returns within milliseconds.
 */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * What is asked for and not installed, or installed in another version. npm writes down what it installed, so nothing is
 * searched.
 *
 * @param {string} lockText - package-lock.json
 * @param {string | undefined} installedText - node_modules/.package-lock.json, undefined when it is not there
 * @returns {string[]} paths such as node_modules/fastify
 */
function missingPackages(lockText, installedText) {
  const wanted = packagesOf(lockText);
  const installed = installedText === undefined ? {} : packagesOf(installedText);
  return Object.keys(wanted).filter((path) => {
    const { version, integrity, optional, devOptional } = wanted[path];
    // The lock file itself is listed under "". An optional package may not fit this machine.
    if (path === "" || optional || devOptional) return false;
    return installed[path]?.version !== version || installed[path]?.integrity !== integrity;
  });
}

/** @returns {Record<string, { version?: string, integrity?: string, optional?: boolean, devOptional?: boolean }>} */
function packagesOf(lockText) {
  try {
    return JSON.parse(lockText).packages ?? {};
  } catch {
    // Cut short by an install that was interrupted: nothing in it can be relied on.
    return {};
  }
}

/** @returns {string | undefined} */
function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** @returns {number} the exit code of npm */
function install(root) {
  process.stderr.write("Installing packages (once) ...\n");
  // Not process.execPath where it can be helped: that may be the very file in node_modules that npm is about to replace.
  const node = process.env.npm_node_execpath ?? process.execPath;
  const npm = process.env.npm_execpath;
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const options = { cwd: root, stdio: ["ignore", 2, 2] };
  const done = npm === undefined ? spawnSync("npm", args, options) : spawnSync(node, [npm, ...args], options);
  if (done.status === 0) return 0;
  process.stderr.write(`npm ci failed${done.error ? ` (${done.error.message})` : ""}: run it by hand to see why\n`);
  return done.status ?? 1;
}

function main() {
  const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
  const lock = readIfThere(join(root, "package-lock.json"));
  const installed = readIfThere(join(root, "node_modules/.package-lock.json"));
  if (lock === undefined || missingPackages(lock, installed).length === 0) return;
  process.exitCode = install(root);
}

main();
