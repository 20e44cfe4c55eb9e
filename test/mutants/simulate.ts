/**
 * Seeds 1 to N of a simulator, in TAP: `node simulate.ts LEVEL SEEDS SECONDS`. Fixed, so that whatever they kill they kill
 * again; ends with the first that fails, or after so many seconds.
 */

import { simulate } from "../support/core-simulator.ts";
import { simulateFederation } from "../support/federation-sim-run.ts";
import { drawNodePlan } from "../support/node-sim-plan.ts";
import { simulateNodes } from "../support/node-sim-run.ts";

const LEVELS: Record<string, (seed: number) => unknown> = {
  core: simulate,
  node: (seed) => simulateNodes(drawNodePlan(seed)),
  federation: simulateFederation,
};

const [level, seeds, seconds] = process.argv.slice(2);
const deadline = performance.now() + Number(seconds) * 1_000;
for (let seed = 1; seed <= Number(seeds) && performance.now() < deadline; seed++) {
  try {
    await LEVELS[level!]!(seed);
    process.stdout.write(`ok ${seed}\n`);
  } catch (failure) {
    const [what] = (failure instanceof Error ? failure.message : String(failure)).split("\n");
    process.stdout.write(`not ok ${seed} - ${what}\n`);
    process.exitCode = 1;
    break;
  }
}
