/**
 * Work that may still be done for one question. Pure.
 *
 * What agents register decides how much there is to compare, so the parts of a question share a budget: an author who writes
 * many expensive parts gets no more of a node's time than one who writes a single part.
 */

export interface StepBudget {
  stepsLeft: number;
}

/** Takes `steps` from the budget; false, with nothing left in it, when there are not as many. */
export function spend(budget: StepBudget, steps: number): boolean {
  const { stepsLeft } = budget;
  budget.stepsLeft = Math.max(0, stepsLeft - steps);
  return stepsLeft >= steps;
}
