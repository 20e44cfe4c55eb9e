import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HedgeBudget } from "../../../src/federation/hedge-budget.ts";

function spendAll(budget: HedgeBudget): number {
  let spent = 0;
  while (budget.spend()) spent++;
  return spent;
}

describe("hedge budget", () => {
  it("lets a few second requests through at once, then none", () => {
    assert.equal(spendAll(new HedgeBudget()), 5);
  });

  it("earns one second request with ten first ones, exactly", () => {
    const budget = new HedgeBudget();
    spendAll(budget);
    for (let i = 0; i < 9; i++) budget.earn();
    assert.equal(budget.spend(), false);
    budget.earn();
    assert.equal(budget.spend(), true);
    assert.equal(budget.spend(), false);
  });

  it("does not save up more than it began with", () => {
    const budget = new HedgeBudget();
    for (let i = 0; i < 1_000; i++) budget.earn();
    assert.equal(spendAll(budget), 5);
  });
});
