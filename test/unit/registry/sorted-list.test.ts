import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SortedList } from "../../../src/registry/sorted-list.ts";

const ascending = (a: number, b: number) => a - b;

function listOf(items: Iterable<number>): SortedList<number> {
  const list = new SortedList<number>(ascending);
  for (const item of items) list.add(item);
  return list;
}

/** Few values, so that additions meet what is there, and many of them, so that chunks are halved and emptied. */
const item = fc.nat(4_000);
const change = fc.tuple(fc.constantFrom("add", "remove"), item);

describe("SortedList", () => {
  it("is what a sorted set would be, after any additions and removals", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(item, { maxLength: 3_000, size: "max" }),
        fc.array(change),
        item,
        (start, changes, first) => {
          const list = listOf(start);
          const model = new Set(start);
          for (const [what, value] of changes) {
            if (what === "add") {
              assert.equal(list.add(value), !model.has(value));
              model.add(value);
            } else {
              list.remove(value);
              model.delete(value);
            }
          }
          const expected = [...model].sort(ascending);
          assert.deepEqual([...list], expected);
          assert.equal(list.size, expected.length);
          const rest = expected.filter((value) => value >= first);
          assert.deepEqual([...list.from(first)], rest);
        },
      ),
      { numRuns: 50 },
    );
  });

  for (const [order, items] of [
    ["ascending", Array.from({ length: 10_000 }, (_, i) => i)],
    ["descending", Array.from({ length: 10_000 }, (_, i) => 9_999 - i)],
  ] as const) {
    it(`holds ten thousand that came ${order}, and none once they went`, () => {
      const list = listOf(items);
      assert.equal(list.size, 10_000);
      assert.deepEqual([...list.from(9_990)], [9_990, 9_991, 9_992, 9_993, 9_994, 9_995, 9_996, 9_997, 9_998, 9_999]);
      for (const each of items) list.remove(each);
      assert.deepEqual([list.size, [...list], [...list.from(5)]], [0, [], []]);
    });
  }
});
