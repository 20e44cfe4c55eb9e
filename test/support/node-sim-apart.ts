/**
 * Runs seeds in a thread of their own: the test runner follows every promise of its own thread, and a world of nodes makes
 * so many that it would be several times slower there.
 */

import { once } from "node:events";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { simulateFederation } from "./federation-sim-run.ts";
import { drawNodePlan } from "./node-sim-plan.ts";
import { simulateNodes } from "./node-sim-run.ts";

const LEVELS = {
  node: (seed: number) => simulateNodes(drawNodePlan(seed)),
  federation: simulateFederation,
};

export interface SeedRange {
  /** Regions of whole nodes by default. */
  readonly level?: keyof typeof LEVELS;
  readonly first: number;
  /** Seeds are taken until one of these is reached. */
  readonly seedsMax: number;
  readonly virtualMsMax: number;
}

/** @returns what was reached at least once @throws Error with the report of the first seed that fails */
export async function simulateApart(range: SeedRange): Promise<ReadonlySet<string>> {
  const worker = new Worker(new URL(import.meta.url), { workerData: range });
  const [reached] = (await once(worker, "message")) as [ReadonlySet<string>];
  await worker.terminate();
  return reached;
}

async function simulateAll({ level = "node", first, seedsMax, virtualMsMax }: SeedRange): Promise<ReadonlySet<string>> {
  const reached = new Set<string>();
  let virtualMs = 0;
  for (let seed = first; seed < first + seedsMax && virtualMs < virtualMsMax; seed++) {
    const result = await LEVELS[level](seed);
    virtualMs += result.virtualMs;
    for (const what of result.counters.keys()) reached.add(what);
  }
  return reached;
}

if (!isMainThread) parentPort!.postMessage(await simulateAll(workerData as SeedRange));
