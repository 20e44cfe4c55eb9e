import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { equalData } from "../../../src/registry/equal-data.ts";

describe("equalData", () => {
  it("compares by content", () => {
    assert.ok(equalData({ a: [1, { b: "x" }], c: null }, { a: [1, { b: "x" }], c: null }));
    assert.ok(!equalData({ a: [1, { b: "x" }] }, { a: [1, { b: "y" }] }));
    assert.ok(!equalData([1, 2], [2, 1]));
    assert.ok(!equalData([1], [1, 1]));
  });

  it("does not mind the order of keys, nor keys that are undefined", () => {
    assert.ok(equalData({ a: 1, b: 2 }, { b: 2, a: 1 }));
    assert.ok(equalData({ a: 1, b: undefined }, { a: 1 }));
    assert.ok(equalData({ a: 1 }, { a: 1, b: undefined }));
  });

  it("tells kinds apart", () => {
    assert.ok(!equalData({}, []));
    assert.ok(!equalData(null, {}));
    assert.ok(!equalData(undefined, null));
    assert.ok(!equalData("1", 1));
    assert.ok(!equalData({ a: 1 }, { b: 1 }));
    assert.ok(!equalData({ a: 1 }, { a: 1, b: 2 }));
  });

  it("does not look into prototypes", () => {
    assert.ok(!equalData({ toString: 1 }, { valueOf: 1 }));
  });
});
