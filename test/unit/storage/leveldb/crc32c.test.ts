import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32c, unmask } from "../../../../src/storage/leveldb/crc32c.ts";

describe("storage/leveldb/crc32c", () => {
  it("gives the checksums of RFC 3720, appendix B.4", () => {
    const ascending = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
    assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
    assert.equal(crc32c(ascending), 0x46dd794e);
    assert.equal(crc32c(Buffer.from(ascending).reverse()), 0x113fdb5c);
  });

  it("does not depend on how long the data is", () => {
    assert.equal(crc32c(Buffer.alloc(0)), 0);
    assert.equal(crc32c(Buffer.from("a")), 0xc1d04330);
    assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  });

  it("takes off the mask that LevelDB puts on", () => {
    const masked = (checksum: number) => (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
    for (const checksum of [0, 1, 0xe3069283, 0xffffffff]) assert.equal(unmask(masked(checksum)), checksum);
  });
});
