/** What `RaftStore` promises on every `KeyValueStore`. Crashes and damage: test/unit/storage and test/property. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BUCKET } from "../../src/storage/buckets.ts";
import type { KeyValueStore, RaftStorage, SnapshotView, StateRecord } from "../../src/storage/interface.ts";
import { StorageError } from "../../src/storage/interface.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import type { SnapshotHeader } from "../../src/types/raft.ts";
import { InvariantViolation } from "../../src/util/errors.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { CLUSTER, entriesOf, MEMBERS, recovered, SOLE } from "../support/raft-data.ts";
import { contentOf, type Disk, type StoreKind } from "../support/stores.ts";

const open = (store: KeyValueStore) => new RaftStore(store, silentLogger);

async function founded(store: KeyValueStore): Promise<RaftStore> {
  const raft = open(store);
  await raft.found(CLUSTER, MEMBERS);
  return raft;
}

async function reload({ restart }: Disk): Promise<RaftStore> {
  const raft = open(await restart());
  await raft.load();
  return raft;
}

async function stateOf(raft: RaftStorage): Promise<StateRecord[]> {
  const records = [];
  for await (const page of raft.readState()) records.push(...page);
  return records;
}

async function chunksOf(view: SnapshotView): Promise<Uint8Array[]> {
  const chunks = [];
  for await (const chunk of view.chunks()) chunks.push(Buffer.from(chunk));
  await view.close();
  return chunks;
}

async function bucketSize(store: KeyValueStore, bucket: number): Promise<number> {
  return (await contentOf(store)).filter(([key]) => key[0] === bucket).length;
}

/** A region at term 3 with `count` applied entries and as many records of `valueBytes` each. */
async function writeRegion(raft: RaftStore, count: number, valueBytes = 10): Promise<void> {
  const writes = Array.from({ length: count }, (_, i) => ({
    key: `agent/${String(i).padStart(6, "0")}`,
    value: { n: i, body: "b".repeat(valueBytes) },
  }));
  await raft.write({
    hardState: { term: 3, votedFor: null, commit: count },
    entries: entriesOf(1, count, 3),
    state: { writes, appliedIndex: count, membership: MEMBERS },
  });
}

function headerOf(view: SnapshotView): SnapshotHeader {
  const { lastIndex, lastTerm, membership } = view;
  return { cluster: CLUSTER, term: 5, lastIndex, lastTerm, membership };
}

const isCorrupt = (error: unknown) => error instanceof StorageError && error.detail.code === "CORRUPT";

export function raftStorageContract({ name, withDisk }: StoreKind): void {
  const onDisk = (test: (disk: Disk) => Promise<void>) => () => withDisk(test);

  describe(`contract: raft storage: ${name}: founding`, () => {
    it(
      "finds nothing on an empty disk, also when the node has noted facts there",
      onDisk(async ({ store }) => {
        await store.write([{ type: "put", key: Buffer.of(BUCKET.fact, 1), value: Buffer.of(1) }]);
        assert.equal(await open(store).load(), null);
      }),
    );

    it(
      "begins with an empty log and the founding members",
      onDisk(async ({ store, restart }) => {
        await founded(store);
        assert.deepEqual(await recovered(await restart()), {
          hardState: { term: 0, votedFor: null, commit: 0 },
          logStart: { index: 0, term: 0 },
          entries: [],
          appliedIndex: 0,
          membership: MEMBERS,
        });
      }),
    );

    it(
      "refuses to found where a log exists",
      onDisk(async (disk) => {
        await founded(disk.store);
        const raft = open(await disk.restart());
        await assert.rejects(raft.found(CLUSTER, MEMBERS), InvariantViolation);
      }),
    );
  });

  describe(`contract: raft storage: ${name}: log and hard state`, () => {
    it(
      "R1: reads back term, vote and entries that were acknowledged, of every kind",
      onDisk(async ({ store, restart }) => {
        const raft = await founded(store);
        const kinds = (["empty", "command", "membership"] as const).map((kind, i) => ({
          index: i + 1,
          term: 2,
          kind,
          data: Uint8Array.from({ length: i * 300 }, (_, byte) => byte % 256),
        }));
        const hardState = { term: 2, votedFor: MEMBERS.voters[1]!.id, commit: 2 };
        await raft.write({ hardState, entries: kinds });
        const found = await recovered(await restart());
        assert.deepEqual(found.hardState, hardState);
        assert.deepEqual(found.entries, kinds);
      }),
    );

    it(
      "keeps term and vote through batches that do not name them",
      onDisk(async ({ store, restart }) => {
        const raft = await founded(store);
        await raft.write({ hardState: { term: 7, votedFor: MEMBERS.voters[0]!.id, commit: 0 } });
        await raft.write({ entries: entriesOf(1, 3, 7) });
        const { hardState } = await recovered(await restart());
        assert.deepEqual(hardState, { term: 7, votedFor: MEMBERS.voters[0]!.id, commit: 0 });
      }),
    );

    it(
      "R5: replaces a tail by a shorter one together with the term that replaced it",
      onDisk(async ({ store, restart }) => {
        const raft = await founded(store);
        await raft.write({ hardState: { term: 1, votedFor: null, commit: 2 }, entries: entriesOf(1, 9, 1) });
        await raft.write({ hardState: { term: 4, votedFor: null, commit: 2 }, entries: entriesOf(3, 4, 4) });
        const reopened = await restart();
        const found = await recovered(reopened);
        assert.deepEqual(found.entries, [...entriesOf(1, 2, 1), ...entriesOf(3, 4, 4)]);
        assert.equal(await bucketSize(reopened, BUCKET.log), 4, "nothing of the old tail is left on disk");
      }),
    );

    it(
      "goes on with the log where a restart left it, also in the middle",
      onDisk(async (disk) => {
        const raft = await founded(disk.store);
        await raft.write({ hardState: { term: 1, votedFor: null, commit: 0 }, entries: entriesOf(1, 5, 1) });
        const second = await reload(disk);
        await second.write({ entries: entriesOf(6, 7, 1) });
        await second.write({ hardState: { term: 2, votedFor: null, commit: 0 }, entries: entriesOf(4, 8, 2) });
        const found = await recovered(await disk.restart());
        assert.deepEqual(found.entries, [...entriesOf(1, 3, 1), ...entriesOf(4, 8, 2)]);
      }),
    );

    it(
      "writes batches in the order they were handed over, each on top of the one before",
      onDisk(async ({ store, restart }) => {
        const raft = await founded(store);
        await raft.write({ hardState: { term: 1, votedFor: null, commit: 0 } });
        await Promise.all(Array.from({ length: 30 }, (_, i) => raft.write({ entries: entriesOf(i + 1, i + 1, 1) })));
        assert.deepEqual((await recovered(await restart())).entries, entriesOf(1, 30, 1));
      }),
    );

    it(
      "never says more committed than it holds, nor less than it applied",
      onDisk(async ({ store, restart }) => {
        const raft = await founded(store);
        const state = { writes: [], appliedIndex: 3, membership: MEMBERS };
        await raft.write({ hardState: { term: 1, votedFor: null, commit: 99 }, entries: entriesOf(1, 5, 1) });
        assert.equal((await recovered(await restart())).hardState.commit, 5);
        const second = open(await restart());
        await second.load();
        await second.write({ hardState: { term: 1, votedFor: null, commit: 2 }, state });
        assert.equal((await recovered(await restart())).hardState.commit, 3);
      }),
    );

    it(
      "stops at what a correct core never asks for",
      onDisk(async ({ store }) => {
        const raft = await founded(store);
        await writeRegion(raft, 5);
        const refused = [
          { entries: entriesOf(7, 7, 3) },
          { entries: entriesOf(5, 6, 3) },
          { entries: entriesOf(6, 6, 2) },
          { entries: entriesOf(6, 6, 4) },
          { hardState: { term: 2, votedFor: null, commit: 5 } },
          { state: { writes: [], appliedIndex: 4, membership: MEMBERS } },
          { state: { writes: [], appliedIndex: 6, membership: MEMBERS } },
          { compactTo: { index: 6, term: 3 } },
          { compactTo: { index: 4, term: 2 } },
        ];
        for (const batch of refused) await assert.rejects(raft.write(batch), InvariantViolation, JSON.stringify(batch));
        await raft.write({ entries: entriesOf(6, 6, 3) });
        const beyondState = { compactTo: { index: 6, term: 3 } };
        await assert.rejects(raft.write(beyondState), InvariantViolation, "R42: the state does not show it yet");
      }),
    );
  });

  describe(`contract: raft storage: ${name}: replicated state`, () => {
    it(
      "R7, R49, F6: effects, applied index and membership are read back together, in order of key",
      onDisk(async (disk) => {
        const raft = await founded(disk.store);
        await raft.write({ hardState: { term: 1, votedFor: null, commit: 4 }, entries: entriesOf(1, 4, 1) });
        assert.equal(raft.durableAppliedIndex, 0);
        const value = { deep: [1, "two", null, true, 2 ** 40, { "": 0.5 }], bytes: Buffer.of(1, 2) };
        const writes = [
          { key: "b", value },
          { key: "ä", value: 1 },
          { key: "a", value: null },
        ];
        await raft.write({ state: { writes, appliedIndex: 4, membership: SOLE } });
        assert.equal(raft.durableAppliedIndex, 4);
        const second = await reload(disk);
        assert.equal(second.durableAppliedIndex, 4);
        assert.deepEqual(await stateOf(second), [
          ["a", null],
          ["b", value],
          ["ä", 1],
        ]);
        assert.deepEqual((await recovered(await disk.restart())).membership, SOLE);
      }),
    );

    it(
      "R49: the configuration is that of the applied index, whatever later entries say and whatever becomes of them",
      onDisk(async (disk) => {
        const membershipEntry = (index: number, term: number) => ({
          ...entriesOf(index, index, term)[0]!,
          kind: "membership" as const,
        });
        const raft = await founded(disk.store);
        const newer = [...entriesOf(1, 2, 1), membershipEntry(3, 1), membershipEntry(4, 1)];
        await raft.write({ hardState: { term: 1, votedFor: null, commit: 3 }, entries: newer });
        const before = await recovered(await disk.restart());
        assert.deepEqual([before.appliedIndex, before.membership, before.entries], [0, MEMBERS, newer]);

        const second = await reload(disk);
        await second.write({ state: { writes: [], appliedIndex: 3, membership: SOLE } });
        await second.write({ hardState: { term: 2, votedFor: null, commit: 3 }, entries: entriesOf(4, 5, 2) });
        const after = await recovered(await disk.restart());
        assert.deepEqual([after.appliedIndex, after.membership], [3, SOLE]);
        assert.deepEqual(after.entries, [...newer.slice(0, 3), ...entriesOf(4, 5, 2)]);

        const third = await reload(disk);
        await third.write({ compactTo: { index: 3, term: 1 } });
        const compacted = await recovered(await disk.restart());
        assert.deepEqual([compacted.logStart.index, compacted.membership], [3, SOLE], "not only in the log");
      }),
    );

    it(
      "replaces and deletes records; the last change of a key in a batch counts",
      onDisk(async (disk) => {
        const raft = await founded(disk.store);
        await raft.write({ hardState: { term: 1, votedFor: null, commit: 2 }, entries: entriesOf(1, 2, 1) });
        const change = (appliedIndex: number, ...pairs: [key: string, value: unknown][]) =>
          raft.write({
            state: { writes: pairs.map(([key, value]) => ({ key, value })), appliedIndex, membership: MEMBERS },
          });
        await change(1, ["keep", 1], ["replace", 1], ["delete", 1], ["twice", 1], ["twice", 2]);
        await change(2, ["replace", 2], ["delete", undefined], ["never", undefined], ["gone", 1], ["gone", undefined]);
        const expected = [
          ["keep", 1],
          ["replace", 2],
          ["twice", 2],
        ];
        assert.deepEqual(await stateOf(raft), expected);
        assert.deepEqual(await stateOf(await reload(disk)), expected);
      }),
    );

    it(
      "takes a record again that was deleted",
      onDisk(async (disk) => {
        const raft = await founded(disk.store);
        await raft.write({ hardState: { term: 1, votedFor: null, commit: 5 }, entries: entriesOf(1, 5, 1) });
        for (const [i, value] of [1, undefined, undefined, 2, 3].entries()) {
          const writes = [{ key: "a", value }];
          await raft.write({ state: { writes, appliedIndex: i + 1, membership: MEMBERS } });
          assert.deepEqual(await stateOf(raft), value === undefined ? [] : [["a", value]]);
        }
        assert.deepEqual(await stateOf(await reload(disk)), [["a", 3]]);
      }),
    );
  });

  describe(`contract: raft storage: ${name}: compaction`, () => {
    it(
      "R42: forgets entries up to the one named and remembers where the log begins",
      onDisk(async (disk) => {
        const raft = await founded(disk.store);
        await writeRegion(raft, 10);
        await raft.write({ compactTo: { index: 8, term: 3 } });
        await raft.write({ entries: entriesOf(11, 12, 3) });
        const found = await recovered(await disk.restart());
        assert.deepEqual(found.logStart, { index: 8, term: 3 });
        assert.deepEqual(found.entries, entriesOf(9, 12, 3));
      }),
    );

    it(
      "can forget the whole log and go on",
      onDisk(async (disk) => {
        const raft = await founded(disk.store);
        await writeRegion(raft, 10);
        await raft.write({ compactTo: { index: 10, term: 3 } });
        const second = await reload(disk);
        await second.write({ entries: entriesOf(11, 11, 3) });
        const found = await recovered(await disk.restart());
        assert.deepEqual([found.logStart.index, found.entries, found.appliedIndex], [10, entriesOf(11, 11, 3), 10]);
      }),
    );

    it(
      "deletes many entries over several batches, and the rest at the next start",
      onDisk(async (disk) => {
        const raft = await founded(disk.store);
        await writeRegion(raft, 3_500);
        await raft.write({ compactTo: { index: 3_450, term: 3 } });
        const left = await bucketSize(disk.store, BUCKET.log);
        assert.ok(left > 50 && left < 3_500, `${left} entries are left after one batch`);
        await raft.write({});
        assert.ok((await bucketSize(disk.store, BUCKET.log)) < left);
        const reopened = await disk.restart();
        assert.equal((await recovered(reopened)).entries.length, 50);
        assert.equal(await bucketSize(reopened, BUCKET.log), 50);
      }),
    );
  });

  describe(`contract: raft storage: ${name}: snapshots`, () => {
    it(
      "shows the state as of its own index while the region goes on",
      onDisk(async ({ store }) => {
        const raft = await founded(store);
        await writeRegion(raft, 3);
        const view = raft.openSnapshot();
        await raft.write({
          entries: entriesOf(4, 4, 3),
          state: { writes: [{ key: "agent/000001", value: undefined }], appliedIndex: 4, membership: SOLE },
        });
        assert.deepEqual([view.lastIndex, view.lastTerm, view.membership], [3, 3, MEMBERS]);
        await withDisk(async (other) => {
          const follower = await founded(other.store);
          const install = await follower.beginInstall(headerOf(view));
          for (const chunk of await chunksOf(view)) await install.write(chunk);
          await install.commit({ term: 5, votedFor: null, commit: 3 });
          assert.equal((await stateOf(follower)).length, 3);
        });
      }),
    );

    it(
      "R6, R44: replaces state, log, membership and hard state of the receiver",
      onDisk(async ({ store }) => {
        const raft = await founded(store);
        await writeRegion(raft, 1_000, 1_000);
        const view = raft.openSnapshot();
        const header = headerOf(view);
        const chunks = await chunksOf(view);
        assert.ok(chunks.length > 4, `${chunks.length} chunks`);
        for (const chunk of chunks) assert.ok(chunk.length <= 256 * 1024 + 2_000, `${chunk.length} bytes`);
        await withDisk(async (other) => {
          const follower = await founded(other.store);
          await follower.write({
            hardState: { term: 2, votedFor: null, commit: 1 },
            // An uncommitted tail that reaches behind the snapshot.
            entries: entriesOf(1, 1_010, 2),
            state: { writes: [{ key: "old", value: 1 }], appliedIndex: 1, membership: SOLE },
          });
          const install = await follower.beginInstall(header);
          for (const chunk of chunks) await install.write(chunk);
          assert.deepEqual(await stateOf(follower), [["old", 1]], "nothing changes before the commit");
          const vote = MEMBERS.voters[0]!.id;
          await install.commit({ term: 5, votedFor: vote, commit: 1_000 });
          await install.abort();
          assert.equal(follower.durableAppliedIndex, 1_000);
          assert.deepEqual(await stateOf(follower), await stateOf(raft));
          await follower.write({ entries: entriesOf(1_001, 1_002, 5) });

          const reopened = await other.restart();
          assert.deepEqual(await recovered(reopened), {
            hardState: { term: 5, votedFor: vote, commit: 1_000 },
            logStart: { index: 1_000, term: 3 },
            entries: entriesOf(1_001, 1_002, 5),
            appliedIndex: 1_000,
            membership: MEMBERS,
          });
          assert.equal(await bucketSize(reopened, BUCKET.state), 1_000, "the old state is gone from disk");
          assert.equal(await bucketSize(reopened, BUCKET.log), 2);
        });
      }),
    );

    it(
      "installs an empty state",
      onDisk(async ({ store }) => {
        const raft = await founded(store);
        await writeRegion(raft, 1);
        await raft.write({
          entries: entriesOf(2, 2, 3),
          state: { writes: [{ key: "agent/000000", value: undefined }], appliedIndex: 2, membership: MEMBERS },
        });
        const view = raft.openSnapshot();
        const header = headerOf(view);
        const chunks = await chunksOf(view);
        await withDisk(async (other) => {
          const follower = await founded(other.store);
          const install = await follower.beginInstall(header);
          for (const chunk of chunks) await install.write(chunk);
          await install.commit({ term: 5, votedFor: null, commit: 2 });
          assert.deepEqual(await stateOf(follower), []);
        });
      }),
    );

    it(
      "F5: refuses a transfer that is damaged, incomplete, reordered or another's, and stays as it was",
      onDisk(async ({ store }) => {
        const raft = await founded(store);
        await writeRegion(raft, 600, 1_000);
        const view = raft.openSnapshot();
        const header = headerOf(view);
        const chunks = await chunksOf(view);
        await raft.write({
          entries: entriesOf(601, 601, 3),
          state: { writes: [], appliedIndex: 601, membership: MEMBERS },
        });
        const foreign = await chunksOf(raft.openSnapshot());
        const flipped = Buffer.from(chunks[1]!);
        flipped[flipped.length >> 1]! ^= 4;
        const last = chunks.length - 1;
        const transfers: Record<string, Uint8Array[]> = {
          "a flipped bit": chunks.with(1, flipped),
          "a shortened chunk": chunks.with(1, chunks[1]!.subarray(0, 1_000)),
          "an empty chunk": chunks.with(1, new Uint8Array()),
          "a lost chunk": chunks.toSpliced(1, 1),
          "a repeated chunk": chunks.toSpliced(1, 0, chunks[0]!),
          "swapped chunks": chunks.with(0, chunks[1]!).with(1, chunks[0]!),
          "no last chunk": chunks.slice(0, last),
          nothing: [],
          "more after the last chunk": [...chunks, chunks[last]!],
          "a chunk of another snapshot": chunks.with(1, foreign[1]!),
          "only the last chunk of another snapshot": chunks.with(last, foreign[last]!),
        };
        await withDisk(async (other) => {
          const follower = await founded(other.store);
          const before = await contentOf(other.store);
          for (const [what, transfer] of Object.entries(transfers)) {
            const install = await follower.beginInstall(header);
            const run = async () => {
              for (const chunk of transfer) await install.write(chunk);
              await install.commit({ term: 5, votedFor: null, commit: 600 });
            };
            await assert.rejects(run(), isCorrupt, what);
            await install.abort();
            assert.deepEqual(await contentOf(other.store), before, `${what}: nothing is left behind`);
          }
          const install = await follower.beginInstall(header);
          for (const chunk of chunks) await install.write(chunk);
          await install.commit({ term: 5, votedFor: null, commit: 600 });
          assert.equal((await stateOf(follower)).length, 600);
        });
      }),
    );
  });
}
