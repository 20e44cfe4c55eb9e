import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatTargets, measuredRatio, type TargetRow, verdictOf } from "../../../bench/targets.ts";

const RATE: TargetRow = {
  ...{ figure: "registrations vs other", unit: "x", better: "more", must: 10, aim: 20 },
  ...{ command: "atoll bench all --only some", measured: { value: 12, detail: "a 12/s; b 1/s" } },
};
const row = (value: number, more: Partial<TargetRow> = {}): TargetRow => ({
  ...RATE,
  ...more,
  measured: { value, detail: "" },
});

describe("a verdict", () => {
  it("is the highest bound that is reached, bounds included", () => {
    assert.deepEqual(
      [9.99, 10, 19.9, 20].map((value) => verdictOf(row(value))),
      ["MISSED", "must", "must", "aim"],
    );
  });

  it("turns round where less is better", () => {
    const less = { better: "less", must: 1.5, aim: 1.1 } as const;
    assert.deepEqual(
      [1.6, 1.5, 1.1].map((value) => verdictOf(row(value, less))),
      ["MISSED", "must", "aim"],
    );
  });

  it("fails nothing where there is only an aim, or nothing at all", () => {
    assert.equal(verdictOf(row(0.5, { must: null, aim: 0.8 })), "short of aim");
    assert.equal(verdictOf(row(0.9, { must: null, aim: 0.8 })), "aim");
    assert.equal(verdictOf(row(0.1, { must: null, aim: null })), "");
  });

  it("is missed by what is no number, and not told of what was not measured", () => {
    assert.equal(verdictOf(row(Number.NaN)), "MISSED");
    assert.equal(verdictOf({ ...RATE, measured: { notMeasured: "there is no etcd" } }), "not measured");
  });
});

describe("the table of figures", () => {
  it("shows a ratio with its spread and both bounds", () => {
    const measured = measuredRatio({ median: 12.34, lowest: 11, highest: 14.56, pairs: 5 }, "a 12/s; b 1/s");
    const table = formatTargets([{ ...RATE, measured }]);
    for (const text of ["12.3x", "11 to 14.6", ">= 10x", ">= 20x", "must", "a 12/s; b 1/s, 5 pairs"]) {
      assert.ok(table.includes(text), `${text} in\n${table}`);
    }
  });

  it("says why a figure was not measured", () => {
    const table = formatTargets([{ ...RATE, measured: { notMeasured: "there is no program etcd here" } }]);
    assert.match(table, /not measured/);
    assert.match(table, /there is no program etcd here/);
  });
});
