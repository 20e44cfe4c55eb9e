import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { spend } from "../../../../src/registry/matching/step-budget.ts";

describe("spend", () => {
  it("takes steps until there are none left, to the last one", () => {
    const budget = { stepsLeft: 5 };
    assert.equal(spend(budget, 3), true);
    assert.equal(spend(budget, 2), true);
    assert.equal(spend(budget, 1), false);
  });

  it("leaves nothing to those who come after one that wanted too much", () => {
    const budget = { stepsLeft: 5 };
    assert.equal(spend(budget, 6), false);
    assert.equal(spend(budget, 1), false);
    assert.equal(budget.stepsLeft, 0);
  });
});
