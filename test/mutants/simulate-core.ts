/**
 * Seeds 1 to N of the core's simulator, in TAP: `node simulate-core.ts SEEDS SECONDS`. Fixed, so that whatever they kill they
 * kill again; ends with the first that fails, or after so many seconds.
 */

import { simulate } from "../support/core-simulator.ts";

const [seeds, seconds] = process.argv.slice(2).map(Number);
const deadline = performance.now() + seconds! * 1_000;
for (let seed = 1; seed <= seeds! && performance.now() < deadline; seed++) {
  try {
    simulate(seed);
    process.stdout.write(`ok ${seed}\n`);
  } catch (failure) {
    const [what] = (failure instanceof Error ? failure.message : String(failure)).split("\n");
    process.stdout.write(`not ok ${seed} - ${what}\n`);
    process.exitCode = 1;
    break;
  }
}
