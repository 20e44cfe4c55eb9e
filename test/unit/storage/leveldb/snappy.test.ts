import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { StorageError } from "../../../../src/storage/interface.ts";
import { unpackSnappy } from "../../../../src/storage/leveldb/snappy.ts";

const isCorrupt = (error: unknown) => error instanceof StorageError && error.detail.code === "CORRUPT";
const unpack = (...bytes: (number | string)[]) => {
  const packed = Buffer.concat(bytes.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part))));
  return Buffer.from(unpackSnappy(packed, 1_000, "the block")).toString();
};

describe("storage/leveldb/snappy", () => {
  it("unpacks literals, their length in the tag or behind it", () => {
    assert.equal(unpack(0), "");
    assert.equal(unpack(3, 2 << 2, "abc"), "abc");
    assert.equal(unpack(70, 60 << 2, 69, "x".repeat(70)), "x".repeat(70));
    assert.equal(unpack(0xac, 2, 61 << 2, 0x2b, 1, "y".repeat(300)), "y".repeat(300));
  });

  it("unpacks copies of each kind, also of what they make themselves", () => {
    assert.equal(unpack(8, 3 << 2, "abcd", 1 | (0 << 2), 4), "abcdabcd");
    assert.equal(unpack(10, 0, "z", 2 | (8 << 2), 1, 0), "z".repeat(10));
    assert.equal(unpack(6, 2 << 2, "abc", 3 | (2 << 2), 3, 0, 0, 0), "abcabc");
  });

  it("refuses what is no packed block, and says nothing else than CORRUPT", () => {
    const refused: (number | string)[][] = [
      [],
      [3, 2 << 2, "ab"],
      [2, 2 << 2, "abc"],
      [4, 2 << 2, "abc"],
      [8, 1, 1],
      [8, 3 << 2, "abcd", 1, 5],
      [8, 3 << 2, "abcd", 1, 0],
      [0xff, 0xff, 0xff, 0x7f],
    ];
    for (const bytes of refused) assert.throws(() => unpack(...bytes), isCorrupt, JSON.stringify(bytes));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (packed) => {
        try {
          unpackSnappy(packed, 1_000, "the block");
        } catch (error) {
          assert.ok(isCorrupt(error), String(error));
        }
      }),
    );
  });
});
