#!/usr/bin/env node
/**
 * The command line of Atoll: argv in, exit code out. Nothing else ends the process.
 *
 * An older Node is told what to do before anything is loaded that it could not run. (From source such a Node stops even
 * earlier, at the first type; built, it comes as far as here.)
 */

// Whole, not by name: an older Node has no such name, and would stop here instead of being told below.
import nodeModule from "node:module";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `Atoll needs Node 22.18 or newer, this is ${process.version}. In a clone, "npm start" and "npm run atoll -- COMMAND" ` +
      "bring a newer one along; elsewhere, install one from https://nodejs.org\n",
  );
  process.exit(1);
}

// Halves the time to load; the cache lies in the system's folder for temporary files, and does without if there is none.
nodeModule.enableCompileCache();
const { run } = await import("./program.ts");
process.exit(await run(process.argv.slice(2)));
