import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checksumOf, EMPTY_STATE, plus, seal, stateSeed } from "../../../src/storage/records.ts";
import { CHUNK_BYTES_MAX, ChunkReader, packChunks, type SealedRecord } from "../../../src/storage/snapshot-chunks.ts";
import { CLUSTER } from "../../support/raft-data.ts";

const IDENTITY = { cluster: CLUSTER, lastIndex: 7, lastTerm: 2 };

/** The first chunk of a snapshot whose only record has a value of so many bytes. */
async function chunkWith(valueBytes: number): Promise<Uint8Array> {
  const record: SealedRecord = ["large", seal(Buffer.alloc(valueBytes), stateSeed(CLUSTER)("large"))];
  async function* pages() {
    yield [record];
  }
  for await (const chunk of packChunks(IDENTITY, pages(), () => plus(EMPTY_STATE, checksumOf(record[1])))) return chunk;
  return assert.fail("no chunk");
}

describe("storage/snapshot-chunks", () => {
  it("takes one record far larger than a chunk, and refuses a chunk above the bound without a look inside (R43)", async () => {
    const large = await chunkWith(CHUNK_BYTES_MAX - 1_000);
    assert.equal(new ChunkReader(IDENTITY).read(large).length, 1);
    const tooLarge = await chunkWith(CHUNK_BYTES_MAX);
    assert.throws(() => new ChunkReader(IDENTITY).read(tooLarge), /more than 8388608/);
  });
});
