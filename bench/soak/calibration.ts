/**
 * The highest rate of the soak's mix that the cluster sustains: found by steps from low to high, each in an open loop.
 *
 * A rate is sustained when no first try failed and one answer in a hundred at most was later than `P99_MS_MAX`. One that is
 * not is tried once more, since the machine may have been busy with something else.
 */

import { type Clock, sleep } from "../../src/util/clock.ts";
import { round } from "../figures.ts";
import { type OperationRecord, type RegionLoad, Tally } from "./workload.ts";

export interface CalibrationStep {
  readonly perSecond: number;
  readonly failed: number;
  readonly p99Ms: number;
  readonly isSustained: boolean;
}

export interface Calibration {
  readonly sustainedPerSecond: number;
  readonly steps: readonly CalibrationStep[];
}

export interface CalibrationContext {
  readonly loads: readonly Pick<RegionLoad, "start" | "stop">[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly tell: (doing: string) => void;
  /** From now on operations are counted by this. */
  readonly listen: (take: (record: OperationRecord) => void) => void;
}

const P99_MS_MAX = 250;
const FIRST_RATE = 60;
const STEP = 1.35;
const STEP_MS = 5_000;
const WARM_UP_MS = 4_000;
const RATE_MAX = 20_000;

/** @throws Error when not even the lowest rate is sustained; the signal's reason */
export async function calibrate(context: CalibrationContext): Promise<Calibration> {
  const steps: CalibrationStep[] = [];
  let sustainedPerSecond = 0;
  await tryRate(context, FIRST_RATE, WARM_UP_MS);
  for (let perSecond = FIRST_RATE; perSecond < RATE_MAX; perSecond *= STEP) {
    let step = await tryRate(context, perSecond, STEP_MS);
    steps.push(step);
    if (!step.isSustained) {
      step = await tryRate(context, perSecond, STEP_MS);
      steps.push(step);
    }
    if (!step.isSustained) break;
    sustainedPerSecond = perSecond;
  }
  if (sustainedPerSecond > 0) return { sustainedPerSecond, steps };
  const { failed, p99Ms } = steps.at(-1)!;
  throw new Error(
    `not even ${FIRST_RATE} requests/s are sustained here (${failed} first tries failed, p99 ${round(p99Ms)} ms): ` +
      "run it where less else runs, or name a rate with --rate",
  );
}

async function tryRate(
  { loads, clock, signal, tell, listen }: CalibrationContext,
  perSecond: number,
  forMs: number,
): Promise<CalibrationStep> {
  tell(`${Math.round(perSecond)} requests/s`);
  const tally = new Tally();
  listen((record) => tally.take(record));
  for (const load of loads) load.start(perSecond / loads.length);
  try {
    await sleep(clock, forMs, signal);
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
  }
  const p99Ms = tally.latencies.atMs(99);
  return { perSecond, failed: tally.failedFirst, p99Ms, isSustained: tally.failedFirst === 0 && p99Ms <= P99_MS_MAX };
}
