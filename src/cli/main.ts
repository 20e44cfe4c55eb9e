#!/usr/bin/env node
/**
 * The command line of Atoll: argv in, exit code out. Nothing else ends the process.
 *
 * An older Node has npm bring a newer one, or is told what to do, before anything is loaded that it could not run. (From
 * source such a Node stops even earlier, at the first type; built, it comes as far as here.)
 */

// Whole, not by name: an older Node has no such name, and would stop here instead of being told below.
import nodeModule from "node:module";
import { runningNpm, runWithNewerNode } from "./newer-node.ts";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  const needs = `Atoll needs Node 22.18 or newer, this is ${process.version}`;
  const npm = runningNpm(process.env);
  if (npm !== undefined) {
    process.stderr.write(`${needs}: npm brings one (once) ...\n`);
    process.exit(await runWithNewerNode(npm, process.argv.slice(1)));
  }
  process.stderr.write(
    `${needs}. In a clone, "npm start" and "npm run atoll -- COMMAND" bring a newer one along, and so does "npx"; elsewhere, ` +
      "install one from https://nodejs.org\n",
  );
  process.exit(1);
}

// Halves the time to load; the cache lies in the system's folder for temporary files, and does without if there is none.
nodeModule.enableCompileCache();
const { run } = await import("./program.ts");
process.exit(await run(process.argv.slice(2)));
