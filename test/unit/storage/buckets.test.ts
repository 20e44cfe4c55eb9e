import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  BUCKET,
  FOUNDED_RANGE,
  factKey,
  logIndexOf,
  logKey,
  logRange,
  logRangeFrom,
  ROOT_KEYS,
  stateKey,
  stateKeyOf,
  stateRange,
  stateRangeAfter,
  stateRanges,
} from "../../../src/storage/buckets.ts";
import type { KeyRange } from "../../../src/storage/interface.ts";

const isIn = ({ from, to }: KeyRange, key: Uint8Array) => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0;

describe("storage/buckets", () => {
  it("orders log keys as their indexes, up to 2^53 - 1", () => {
    const indexes = [0, 1, 255, 256, 65_535, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER];
    const keys = indexes.map(logKey);
    assert.deepEqual(keys.toSorted(Buffer.compare), keys);
    assert.deepEqual(keys.map(logIndexOf), indexes);
  });

  it("does not take another key for one of the log", () => {
    for (const key of [Buffer.of(), Buffer.of(BUCKET.log), stateKey(1, "four"), Buffer.alloc(10, BUCKET.log)]) {
      assert.equal(logIndexOf(key), null);
    }
  });

  it("bounds a range of the log by the entries named", () => {
    const inside = (range: KeyRange) => [4, 5, 6, 7].filter((index) => isIn(range, logKey(index)));
    assert.deepEqual(inside(logRange(5, 6)), [5, 6]);
    assert.deepEqual(inside(logRangeFrom(6)), [6, 7]);
    assert.ok(isIn(logRangeFrom(6), logKey(Number.MAX_SAFE_INTEGER)));
  });

  it("keeps generations of the state apart, whatever a record is called", () => {
    for (const name of ["", "a", "ÿ", "agent/😀", "\u{10ffff}"]) {
      assert.equal(stateKeyOf(stateKey(7, name)), name);
      const inside = (range: KeyRange) =>
        [6, 7, 8, 256].filter((generation) => isIn(range, stateKey(generation, name)));
      assert.deepEqual(inside(stateRange(7)), [7]);
      assert.deepEqual(inside(stateRanges(6, 7)), [6, 7]);
      assert.deepEqual(inside(stateRangeAfter(7)), [8, 256]);
    }
  });

  it("tells what exists only in a founded region from facts", () => {
    assert.ok(isIn(FOUNDED_RANGE, logKey(1)));
    assert.ok(isIn(FOUNDED_RANGE, stateKey(2 ** 32 - 1, "z")));
    for (const key of [factKey("key"), ...ROOT_KEYS]) assert.ok(!isIn(FOUNDED_RANGE, key));
  });
});
