/** A crash, or a failing disk, at every point of what `RaftStore` writes. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BUCKET } from "../../../src/storage/buckets.ts";
import { type KeyRange, type StateRecord, StorageError, type WriteOperation } from "../../../src/storage/interface.ts";
import { RaftStore } from "../../../src/storage/raft-store.ts";
import type { SnapshotHeader } from "../../../src/types/raft.ts";
import { InvariantViolation } from "../../../src/util/errors.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { CLUSTER, entriesOf, MEMBERS, recovered, SOLE } from "../../support/raft-data.ts";
import { contentOf } from "../../support/stores.ts";

const isWriteFailed = (error: unknown) => error instanceof StorageError && error.detail.code === "WRITE_FAILED";

/** Lets a number of changes through; the next one stays under way for ever. */
class StallingStore extends MemoryStore {
  left = Number.POSITIVE_INFINITY;
  #reportStall: () => void = () => {};
  readonly stalled = new Promise<"stalled">((resolve) => {
    this.#reportStall = () => resolve("stalled");
  });

  override write(operations: readonly WriteOperation[]): Promise<void> {
    return this.left-- > 0 ? super.write(operations) : this.#stall();
  }

  override clear(range: KeyRange): Promise<void> {
    return this.left-- > 0 ? super.clear(range) : this.#stall();
  }

  #stall(): Promise<void> {
    this.#reportStall();
    return new Promise(() => {});
  }
}

async function stateOf(raft: RaftStore): Promise<StateRecord[]> {
  const records = [];
  for await (const page of raft.readState()) records.push(...page);
  return records;
}

/** A snapshot of several chunks at `lastIndex`, each of its records under a key of its own. */
async function leaderSnapshot(
  lastIndex = 20,
): Promise<{ header: SnapshotHeader; chunks: Uint8Array[]; state: StateRecord[] }> {
  const raft = new RaftStore(new MemoryStore(), silentLogger);
  await raft.found(CLUSTER, MEMBERS);
  const writes = Array.from({ length: 9 }, (_, i) => ({ key: `new/${lastIndex}/${i}`, value: "v".repeat(100_000) }));
  const state = { writes, appliedIndex: lastIndex, membership: MEMBERS };
  const hardState = { term: 4, votedFor: null, commit: lastIndex };
  await raft.write({ hardState, entries: entriesOf(1, lastIndex, 4), state });
  const view = raft.openSnapshot();
  const chunks = [];
  for await (const chunk of view.chunks()) chunks.push(chunk);
  await view.close();
  const header = { cluster: CLUSTER, term: 4, lastIndex, lastTerm: 4, membership: MEMBERS };
  return { header, chunks, state: await stateOf(raft) };
}

async function fillFollower(raft: RaftStore): Promise<void> {
  await raft.found(CLUSTER, SOLE);
  const state = { writes: [{ key: "old", value: 1 }], appliedIndex: 5, membership: SOLE };
  await raft.write({ hardState: { term: 3, votedFor: null, commit: 5 }, entries: entriesOf(1, 25, 3), state });
}

describe("storage: crash", () => {
  it("R6: an installation cut off anywhere leaves the old state or the new one, whole and alone", async () => {
    const { header, chunks, state } = await leaderSnapshot();
    assert.ok(chunks.length > 3);
    const seen = new Set<number>();
    for (let steps = 0, outcome: unknown = "stalled"; outcome === "stalled"; steps++) {
      const store = new StallingStore();
      const raft = new RaftStore(store, silentLogger);
      await fillFollower(raft);
      store.left = steps;
      const install = async () => {
        const target = await raft.beginInstall(header);
        for (const chunk of chunks) await target.write(chunk);
        await target.commit({ term: 4, votedFor: null, commit: 20 });
      };
      outcome = await Promise.race([install(), store.stalled]);

      const disk = store.crash();
      const found = await recovered(disk);
      const restarted = new RaftStore(disk, silentLogger);
      await restarted.load();
      seen.add(found.appliedIndex);
      const isNew = found.appliedIndex === 20;
      assert.deepEqual(await stateOf(restarted), isNew ? state : [["old", 1]], `after ${steps} changes`);
      assert.deepEqual(found.entries, isNew ? [] : entriesOf(1, 25, 3));
      assert.deepEqual(found.membership, isNew ? MEMBERS : SOLE);
      assert.equal(found.hardState.term, isNew ? 4 : 3);
      const keys = (await contentOf(disk)).map(([key]) => key[0]);
      const count = (bucket: number) => keys.filter((first) => first === bucket).length;
      assert.deepEqual([count(BUCKET.state), count(BUCKET.log)], isNew ? [9, 0] : [1, 25], "leftovers are swept");
    }
    assert.deepEqual([...seen], [5, 20]);
  });

  it("an installation that was given up leaves room for the next one, and takes no late chunk", async () => {
    const { header, chunks, state } = await leaderSnapshot();
    const raft = new RaftStore(new MemoryStore(), silentLogger);
    await fillFollower(raft);
    const first = await raft.beginInstall(header);
    await first.write(chunks[0]!);
    await assert.rejects(raft.beginInstall(header), InvariantViolation);
    await first.abort();
    const second = await raft.beginInstall(header);
    await assert.rejects(first.write(chunks[1]!), InvariantViolation);
    for (const chunk of chunks) await second.write(chunk);
    await second.commit({ term: 4, votedFor: null, commit: 20 });
    assert.deepEqual(await stateOf(raft), state);
  });

  it("R44: the log goes on while a snapshot arrives; one that came too late is not installed", async () => {
    const { header, chunks } = await leaderSnapshot();
    const raft = new RaftStore(new MemoryStore(), silentLogger);
    await fillFollower(raft);
    const install = await raft.beginInstall(header);
    for (const chunk of chunks) await install.write(chunk);
    await raft.write({ state: { writes: [], appliedIndex: 21, membership: SOLE } });
    await assert.rejects(install.commit({ term: 4, votedFor: null, commit: 20 }), InvariantViolation);
    assert.deepEqual(await stateOf(raft), [["old", 1]]);
  });

  it("R6: what a refused installation left behind is no part of the next one", async () => {
    const store = new MemoryStore();
    const raft = new RaftStore(store, silentLogger);
    await fillFollower(raft);
    const late = await leaderSnapshot();
    const refused = await raft.beginInstall(late.header);
    for (const chunk of late.chunks) await refused.write(chunk);
    await raft.write({ state: { writes: [], appliedIndex: 21, membership: SOLE } });
    await assert.rejects(refused.commit({ term: 4, votedFor: null, commit: 20 }), InvariantViolation);

    const next = await leaderSnapshot(30);
    const install = await raft.beginInstall(next.header);
    for (const chunk of next.chunks) await install.write(chunk);
    await install.commit({ term: 4, votedFor: null, commit: 30 });
    const restarted = new RaftStore(store.crash(), silentLogger);
    await restarted.load();
    assert.deepEqual(await stateOf(restarted), next.state);
  });

  for (const reachesDisk of [false, true]) {
    it(`R8: after a write that failed ${reachesDisk ? "after" : "before"} it reached the disk nothing is written any more`, async () => {
      const store = new MemoryStore();
      const raft = new RaftStore(store, silentLogger);
      await fillFollower(raft);
      store.failNextWrite("no space left on device", reachesDisk);
      const failed = raft.write({ entries: entriesOf(26, 26, 3) });
      const behind = raft.write({ entries: entriesOf(27, 27, 3) });
      await assert.rejects(failed, isWriteFailed);
      // With the first one on disk or not, the second one was built on it.
      await assert.rejects(behind, (error) => isWriteFailed(error) || error instanceof InvariantViolation);
      await assert.rejects(raft.write({ entries: entriesOf(26, 26, 3) }), isWriteFailed);
      assert.equal((await recovered(store.crash())).entries.length, reachesDisk ? 26 : 25);
    });
  }

  it("R8: a commit of a snapshot whose outcome is unknown is not undone", async () => {
    const { header, chunks, state } = await leaderSnapshot();
    const store = new MemoryStore();
    const raft = new RaftStore(store, silentLogger);
    await fillFollower(raft);
    const install = await raft.beginInstall(header);
    for (const chunk of chunks) await install.write(chunk);
    store.failNextWrite("input/output error", true);
    await assert.rejects(install.commit({ term: 4, votedFor: null, commit: 20 }), isWriteFailed);
    await install.abort();
    const restarted = new RaftStore(store.crash(), silentLogger);
    await restarted.load();
    assert.deepEqual(await stateOf(restarted), state);
  });
});
