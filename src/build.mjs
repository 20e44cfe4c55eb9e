/**
 * `npm run build`: the program as it is published. `dist` is made anew, so that nothing is shipped that has no source any more.
 *
 * The compiler takes `src` and whatever of `bench` the command line reaches; what the program reads beside its code, such as the
 * pages of the dashboard, is copied. Another folder than `dist` can be named.
 */

import { execFileSync } from "node:child_process";
import { cpSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const SRC = import.meta.dirname;
const DIST = resolve(process.argv[2] ?? join(SRC, "../dist"));
/** Compiled, or of use in a clone alone. */
const NOT_COPIED = /\.(ts|mjs)$|\/tsconfig[^/]*\.json$/;

rmSync(DIST, { recursive: true, force: true });
execFileSync("tsc", ["-p", join(SRC, "tsconfig.build.json"), "--outDir", DIST], { stdio: "inherit" });
cpSync(SRC, join(DIST, "src"), {
  recursive: true,
  filter: (path) => statSync(path).isDirectory() || !NOT_COPIED.test(path),
});
