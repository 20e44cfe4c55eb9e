import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { splitList } from "../../../src/util/split-list.ts";

describe("a list in a text", () => {
  it("has what stands between its commas, without space around it and without what is empty", () => {
    assert.deepEqual(splitList(" a, b c ,,d,"), ["a", "b c", "d"]);
    assert.deepEqual(splitList(" , "), []);
    assert.deepEqual(splitList(""), []);
  });
});
