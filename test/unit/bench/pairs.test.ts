import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inPairs, median, ratioOf } from "../../../bench/pairs.ts";

describe("a ratio of pairs", () => {
  it("is the median of the ratios within pairs, not the ratio of medians", () => {
    // The second pair met a busy minute: both sides were ten times as slow.
    const pairs = [
      [200, 100],
      [30, 10],
      [220, 100],
    ] as const;
    assert.deepEqual(ratioOf(pairs), { median: 2.2, lowest: 2, highest: 3, pairs: 3 });
  });

  it("can not be told of nothing, of a side that did nothing, or of what is no number", () => {
    for (const pairs of [[], [[1, 0]], [[0, 1]], [[Number.NaN, 1]]] as [number, number][][]) {
      assert.throws(() => ratioOf(pairs), /no ratio can be told/);
    }
  });
});

describe("the median", () => {
  it("lies in the middle, or between the two that do", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 3, 2]), 2.5);
    assert.equal(median([7]), 7);
    assert.ok(Number.isNaN(median([])));
  });
});

describe("interleaved pairs", () => {
  it("begin with each side in turns, and tell the first one's value first", async () => {
    const order: string[] = [];
    const side = (name: string) => async (pair: number) => {
      order.push(`${name}${pair}`);
      return name;
    };
    const pairs = await inPairs(3, side("a"), side("b"));
    assert.deepEqual(order, ["a0", "b0", "b1", "a1", "a2", "b2"]);
    assert.deepEqual(pairs, [
      ["a", "b"],
      ["a", "b"],
      ["a", "b"],
    ]);
  });
});
