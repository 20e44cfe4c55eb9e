import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BUCKET } from "../../../src/storage/buckets.ts";
import { RaftStore } from "../../../src/storage/raft-store.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { CLUSTER, entriesOf, MEMBERS } from "../../support/raft-data.ts";

/** Counts what is read of the replicated state on the spot, without a turn of the event loop. */
class WatchedStore extends MemoryStore {
  stateReads = 0;

  override get(key: Uint8Array): Uint8Array | undefined {
    if (key[0] === BUCKET.state) this.stateReads++;
    return super.get(key);
  }
}

describe("storage/raft-store", () => {
  it("replaces and deletes records without a read: a slow disk must not stop the event loop (F1)", async () => {
    const store = new WatchedStore();
    const raft = new RaftStore(store, silentLogger);
    const change = (appliedIndex: number, value: unknown) => ({
      state: {
        writes: ["a", "b", "c"].map((key) => ({ key, value: key === "c" ? undefined : value })),
        appliedIndex,
        membership: MEMBERS,
      },
    });
    await raft.found(CLUSTER, MEMBERS);
    await raft.write({
      hardState: { term: 1, votedFor: null, commit: 4 },
      entries: entriesOf(1, 4, 1),
      ...change(1, 1),
    });
    await raft.write(change(2, 2));
    const reloaded = new RaftStore(store, silentLogger);
    await reloaded.load();
    await reloaded.write(change(3, 3));
    assert.equal(store.stateReads, 0);
    await new RaftStore(store, silentLogger).load();
  });
});
