/**
 * Makes a failure small: leaves out noise, then whole classes of faults, then single ones, for as long as what is left
 * fails in the same way. Faults draw from streams of their own, so what stays does what it did.
 */

import {
  classOf,
  FAULT_CLASSES,
  type FaultClass,
  type Mask,
  masked,
  NOISES,
  type NodeSimulationPlan,
} from "./node-sim-plan.ts";
import { NodeSimulationFailure, simulateNodes } from "./node-sim-run.ts";

/** How a plan fails, without the names and numbers of the run; null when it does not. */
export async function failureOf(
  plan: NodeSimulationPlan,
): Promise<{ kind: string; failure: NodeSimulationFailure } | null> {
  try {
    await simulateNodes(plan);
    return null;
  } catch (failure) {
    if (!(failure instanceof NodeSimulationFailure)) throw failure;
    return { kind: failure.what.replaceAll(/[\d.]+/g, "#"), failure };
  }
}

/**
 * @param plan - fails as it is
 * @param onProgress - told of each smaller mask that still fails
 */
export async function shrinkPlan(
  plan: NodeSimulationPlan,
  onProgress: (mask: Mask) => void,
): Promise<{ readonly mask: Mask; readonly failure: NodeSimulationFailure }> {
  const whole = await failureOf(plan);
  if (whole === null) throw new Error("there is nothing to make smaller: the plan does not fail");
  let mask: Mask = { faults: plan.faults.map(({ number }) => number), without: [] };
  let { failure } = whole;
  const attempt = async (smaller: Mask) => {
    const found = await failureOf(masked(plan, smaller));
    if (found?.kind !== whole.kind) return;
    mask = smaller;
    failure = found.failure;
    onProgress(mask);
  };
  for (const noise of NOISES) await attempt({ ...mask, without: [...(mask.without ?? []), noise] });
  for (const name of Object.keys(FAULT_CLASSES)) {
    const stay = plan.faults.filter(
      ({ number, kind }) => mask.faults?.includes(number) && classOf(kind) !== (name as FaultClass),
    );
    if (stay.length < mask.faults!.length) await attempt({ ...mask, faults: stay.map(({ number }) => number) });
  }
  for (let size = mask.faults!.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < mask.faults!.length; ) {
      const before = mask;
      await attempt({ ...mask, faults: mask.faults!.toSpliced(from, size) });
      if (mask === before) from += size;
    }
  }
  return { mask, failure };
}
