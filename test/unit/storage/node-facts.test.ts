import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { factKey } from "../../../src/storage/buckets.ts";
import { StorageError } from "../../../src/storage/interface.ts";
import { NodeFactsStore } from "../../../src/storage/node-facts.ts";
import { MemoryStore } from "../../support/memory-store.ts";

const isCorrupt = (error: unknown) => error instanceof StorageError && error.detail.code === "CORRUPT";

describe("storage/node-facts", () => {
  it("reads a fact back after a crash, and nothing for one that was never noted", async () => {
    const store = new MemoryStore();
    const facts = new NodeFactsStore(store);
    await facts.put("key", Uint8Array.of(1, 2, 3));
    await facts.put("key", Uint8Array.of(4));
    await facts.put("empty", new Uint8Array());
    const found = new NodeFactsStore(store.crash());
    assert.deepEqual([...found.get("key")!], [4]);
    assert.deepEqual([...found.get("empty")!], []);
    assert.equal(found.get("other"), undefined);
  });

  it("F5: does not hand out a damaged fact", async () => {
    const store = new MemoryStore();
    const facts = new NodeFactsStore(store);
    await facts.put("key", Uint8Array.of(1, 2, 3));
    const bits = store.get(factKey("key"))!.length * 8;
    for (let bit = 0; bit < bits; bit++) {
      store.flipBit(factKey("key"), bit);
      assert.throws(() => facts.get("key"), isCorrupt, `bit ${bit}`);
      store.flipBit(factKey("key"), bit);
    }
    assert.deepEqual([...facts.get("key")!], [1, 2, 3]);
  });

  it("does not take one fact for another", async () => {
    const store = new MemoryStore();
    const facts = new NodeFactsStore(store);
    await facts.put("key", Uint8Array.of(1));
    await store.write([{ type: "put", key: factKey("other"), value: store.get(factKey("key"))! }]);
    assert.throws(() => facts.get("other"), isCorrupt);
  });
});
