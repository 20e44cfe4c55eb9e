/** What kept a load from being faster, as far as processor time tells. */

import { availableParallelism } from "node:os";
import type { ProcessCost } from "../process-usage.ts";

/** A process that used its one core up, all cores together, or neither: then disks, timers and round trips. */
export type Limit = string;

/** A program that runs on one thread, but for a few, is at its limit from here on. */
const CORE_FULL = 0.9;
const MACHINE_FULL = 0.95;

/**
 * @param costs - of everything that took part, the generator too
 * @param cores - of this machine
 */
export function limitOf(costs: readonly ProcessCost[], cores = availableParallelism()): Limit {
  const busiest = costs.toSorted((a, b) => b.cores - a.cores)[0];
  if (busiest !== undefined && busiest.cores >= CORE_FULL) return busiest.name;
  const all = costs.reduce((sum, cost) => sum + cost.cores, 0);
  return all >= MACHINE_FULL * cores ? "all cores" : "waiting";
}
