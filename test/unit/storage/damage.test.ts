/** What a disk can do to a member's data without telling, and that `load` finds out. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BUCKET, logKey, ROOT_KEYS, stateKey } from "../../../src/storage/buckets.ts";
import {
  type KeyValueStore,
  type RecoveredRaft,
  type StateRecord,
  StorageError,
  type WriteOperation,
} from "../../../src/storage/interface.ts";
import { RaftStore } from "../../../src/storage/raft-store.ts";
import { type Root, sealEntry, sealRoot, unsealRoot } from "../../../src/storage/records.ts";
import { asClusterId } from "../../../src/types/ids.ts";
import { type LogEvent, type Logger, silentLogger } from "../../../src/util/logger.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { CLUSTER, entriesOf, MEMBERS, recovered } from "../../support/raft-data.ts";
import { contentOf } from "../../support/stores.ts";

const isCorrupt = (error: unknown) => error instanceof StorageError && error.detail.code === "CORRUPT";
const saysCorrupt = (what: RegExp) => (error: unknown) => isCorrupt(error) && what.test((error as Error).message);

/** A store that notes each batch. */
class RecordingStore extends MemoryStore {
  readonly batches: (readonly WriteOperation[])[] = [];

  override write(operations: readonly WriteOperation[]): Promise<void> {
    this.batches.push(operations);
    return super.write(operations);
  }
}

/** A few batches of everything a region writes: entries, a replaced tail, effects, a vote, a compaction. */
async function fill(store: KeyValueStore, cluster = CLUSTER): Promise<void> {
  const raft = new RaftStore(store, silentLogger);
  const effect = (appliedIndex: number, key: string, value: unknown) => ({
    state: { writes: [{ key, value }], appliedIndex, membership: MEMBERS },
  });
  await raft.found(cluster, MEMBERS);
  await raft.write({ hardState: { term: 1, votedFor: null, commit: 0 }, entries: entriesOf(1, 6, 1) });
  await raft.write({ hardState: { term: 1, votedFor: null, commit: 4 }, ...effect(2, "agent/a", { n: 1 }) });
  await raft.write({ ...effect(3, "agent/b", { n: 2 }) });
  await raft.write({ hardState: { term: 2, votedFor: null, commit: 4 }, entries: entriesOf(5, 6, 2) });
  await raft.write({ entries: entriesOf(7, 9, 2), compactTo: { index: 2, term: 1 } });
  await raft.write({ ...effect(4, "agent/a", { n: 3 }) });
  await raft.write({ hardState: { term: 3, votedFor: MEMBERS.voters[1]!.id, commit: 4 } });
  await raft.write({ entries: entriesOf(10, 10, 3) });
}

async function filled(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await fill(store);
  return store;
}

/** Everything a node would go on with. */
async function everything(store: KeyValueStore): Promise<{ raft: RecoveredRaft; state: StateRecord[] }> {
  const raft = await recovered(store);
  const loaded = new RaftStore(store, silentLogger);
  await loaded.load();
  const state = [];
  for await (const page of loaded.readState()) state.push(...page);
  return { raft, state };
}

const isRoot = (key: Uint8Array) => key[0] === BUCKET.root || key[0] === BUCKET.rootCopy;

describe("storage: damage", () => {
  it("R9, F5: finds one flipped bit in any log entry or state record, wherever it is", async () => {
    const store = await filled();
    const records = (await contentOf(store)).filter(([key]) => !isRoot(key));
    assert.equal(records.length, 8 + 2);
    for (const [key, value] of records) {
      for (let bit = 0; bit < value.length * 8; bit++) {
        store.flipBit(key, bit);
        await assert.rejects(recovered(store), isCorrupt, `key ${Buffer.from(key).toString("hex")}, bit ${bit}`);
        store.flipBit(key, bit);
      }
    }
    await recovered(store);
  });

  it("R9: finds a record that lies under a key with one flipped bit", async () => {
    const store = await filled();
    for (const [key, value] of await contentOf(store)) {
      if (isRoot(key)) continue;
      for (let bit = 0; bit < key.length * 8; bit++) {
        const moved = Buffer.from(key);
        moved[bit >> 3]! ^= 1 << (bit & 7);
        // Two keys that differ in one bit swap places.
        const there = store.get(moved);
        const back: WriteOperation = there ? { type: "put", key, value: there } : { type: "delete", key };
        await store.write([{ type: "put", key: moved, value }, back]);
        await assert.rejects(recovered(store), isCorrupt, `key ${Buffer.from(key).toString("hex")}, bit ${bit}`);
        const undo: WriteOperation = there ? { type: "put", key: moved, value: there } : { type: "delete", key: moved };
        await store.write([undo, { type: "put", key, value }]);
      }
    }
    await recovered(store);
  });

  it("R9: finds any record that is missing", async () => {
    const store = await filled();
    for (const [key, value] of await contentOf(store)) {
      if (isRoot(key)) continue;
      await store.write([{ type: "delete", key }]);
      await assert.rejects(recovered(store), saysCorrupt(/missing/), Buffer.from(key).toString("hex"));
      await store.write([{ type: "put", key, value }]);
    }
  });

  it("R11: one damaged copy of term and vote is survived, said and repaired", async () => {
    const intact = await everything(await filled());
    for (const key of ROOT_KEYS) {
      const store = await filled();
      const healthy = store.get(key)!;
      for (let bit = 0; bit < healthy.length * 8; bit += 5) {
        store.flipBit(key, bit);
        const events: LogEvent[] = [];
        const logger: Logger = { ...silentLogger, warn: (event) => events.push(event) };
        await new RaftStore(store, logger).load();
        assert.deepEqual(
          events.map(({ code }) => code),
          ["STORE_REPAIRED"],
        );
        assert.deepEqual(store.get(key), healthy);
      }
      await store.write([{ type: "delete", key }]);
      assert.deepEqual(await everything(store), intact);
    }
  });

  it("R11: with both copies damaged or missing nothing is taken for a fresh disk or a free vote", async () => {
    const store = await filled();
    for (const key of ROOT_KEYS) store.flipBit(key, 77);
    await assert.rejects(recovered(store), saysCorrupt(/both copies of the root record/));
    await store.write(ROOT_KEYS.map((key) => ({ type: "delete", key })));
    await assert.rejects(recovered(store), saysCorrupt(/both copies of the root record/));
    await assert.rejects(new RaftStore(store, silentLogger).found(CLUSTER, MEMBERS), isCorrupt);
  });

  it("finds copies of the root that are of different batches", async () => {
    const store = await filled();
    const older = store.get(ROOT_KEYS[1]!)!;
    const raft = new RaftStore(store, silentLogger);
    await raft.load();
    await raft.write({ hardState: { term: 9, votedFor: null, commit: 4 } });
    await store.write([{ type: "put", key: ROOT_KEYS[1]!, value: older }]);
    await assert.rejects(recovered(store), saysCorrupt(/differ/));
  });

  it("R9: finds a root that contradicts itself, however intact it is", async () => {
    const writeRoot = async (store: KeyValueStore, change: Partial<Root>) => {
      const value = sealRoot({ ...unsealRoot(store.get(ROOT_KEYS[0]!)!), ...change });
      await store.write(ROOT_KEYS.map((key) => ({ type: "put", key, value })));
    };
    for (const [change, what] of [
      [{ commit: 11 }, /out of order: start 2, applied 4, commit 11, last 10/],
      [{ commit: 3 }, /out of order: start 2, applied 4, commit 3, last 10/],
      [{ applied: { index: 1, term: 1 } }, /out of order: start 2, applied 1/],
      [{ term: 2 }, /the term is 2, the last log entry is of term 3/],
    ] as const) {
      const store = await filled();
      await writeRoot(store, change);
      await assert.rejects(recovered(store), saysCorrupt(what));
    }
  });

  it("does not guess at a root of a later format, nor takes it for damage: the data is whole", async () => {
    const store = await filled();
    const value = sealRoot({ ...unsealRoot(store.get(ROOT_KEYS[0]!)!), format: 99 } as Root);
    await store.write(ROOT_KEYS.map((key) => ({ type: "put", key, value })));
    await assert.rejects(recovered(store), { detail: { code: "STORE_FORMAT", format: 99, formatMax: 1 } });
  });

  it("R9: finds a log whose terms fall, however intact it is", async () => {
    const store = await filled();
    const root = unsealRoot(store.get(ROOT_KEYS[0]!)!);
    const entry = { index: 11, term: 2, kind: "empty", data: new Uint8Array() } as const;
    const { key, value, at } = sealEntry(entry, root.last);
    const sealed = sealRoot({ ...root, last: at });
    await store.write([
      { type: "put", key, value },
      ...ROOT_KEYS.map((key) => ({ type: "put", key, value: sealed }) as const),
    ]);
    await assert.rejects(recovered(store), saysCorrupt(/log entry 11 is of term 2, the one before of term 3/));
  });

  it("R9: a batch left out of the middle is found, or made no difference any more", async () => {
    const recording = new RecordingStore();
    await fill(recording);
    const whole = await everything(recording);
    const harmless: number[] = [];
    for (let lost = 0; lost < recording.batches.length - 1; lost++) {
      const store = new MemoryStore();
      for (const batch of recording.batches.toSpliced(lost, 1)) await store.write(batch);
      try {
        assert.deepEqual(await everything(store), whole, `batch ${lost} left out`);
        harmless.push(lost);
      } catch (error) {
        if (!isCorrupt(error)) throw error;
      }
    }
    // The founding and the bare vote are told again by every later root, and the first value of agent/a was replaced.
    assert.deepEqual(harmless, [0, 2, 7]);
  });

  it("finds an entry, or a record, that came back from the past", async () => {
    const store = await filled();
    const stale = new RecordingStore();
    await fill(stale);
    const put = (batch: number, key: Uint8Array) =>
      stale.batches[batch]!.find((operation) => Buffer.compare(operation.key, key) === 0)!;
    for (const operation of [put(1, logKey(5)), put(2, stateKey(0, "agent/a"))]) {
      const present = store.get(operation.key)!;
      await store.write([operation]);
      await assert.rejects(recovered(store), isCorrupt);
      await store.write([{ type: "put", key: operation.key, value: present }]);
    }
    await recovered(store);
  });

  it("R5: finds a last entry that is still the one which was replaced", async () => {
    const store = await filled();
    const replaced = store.get(logKey(10))!;
    const raft = new RaftStore(store, silentLogger);
    await raft.load();
    await raft.write({ hardState: { term: 4, votedFor: null, commit: 4 }, entries: entriesOf(10, 10, 4) });
    await store.write([{ type: "put", key: logKey(10), value: replaced }]);
    await assert.rejects(recovered(store), saysCorrupt(/log entry 10 is not the one written last/));
  });

  it("finds records of another region, intact as they are", async () => {
    const other = new MemoryStore();
    await fill(other, asClusterId("other"));
    for (const key of [logKey(5), stateKey(0, "agent/a")]) {
      const store = await filled();
      await store.write([{ type: "put", key, value: other.get(key)! }]);
      await assert.rejects(recovered(store), isCorrupt);
    }
  });

  it("finds an entry behind the end of the log", async () => {
    const store = await filled();
    await store.write([{ type: "put", key: logKey(11), value: store.get(logKey(10))! }]);
    await assert.rejects(recovered(store), saysCorrupt(/log entry 11 lies behind the end/));
  });

  it("F5: does not send a damaged record to a peer, nor restore from it", async () => {
    const store = await filled();
    const raft = new RaftStore(store, silentLogger);
    await raft.load();
    store.flipBit(stateKey(0, "agent/b"), 50);
    const view = raft.openSnapshot();
    const drain = async (values: AsyncIterable<unknown>) => {
      for await (const value of values) assert.ok(value);
    };
    await assert.rejects(drain(view.chunks()), saysCorrupt(/state record "agent\/b" is damaged/));
    await assert.rejects(drain(raft.readState()), saysCorrupt(/state record "agent\/b" is damaged/));
    await view.close();
  });

  it("F5: does not take over a snapshot whose sender had lost a record since it started", async () => {
    const store = await filled();
    const raft = new RaftStore(store, silentLogger);
    await raft.load();
    await store.write([{ type: "delete", key: stateKey(0, "agent/b") }]);
    const view = raft.openSnapshot();
    const follower = new RaftStore(new MemoryStore(), silentLogger);
    await follower.found(CLUSTER, MEMBERS);
    const { lastIndex, lastTerm, membership } = view;
    const install = await follower.beginInstall({ cluster: CLUSTER, term: 3, lastIndex, lastTerm, membership });
    const transfer = async () => {
      for await (const chunk of view.chunks()) await install.write(chunk);
    };
    await assert.rejects(transfer(), saysCorrupt(/missing or out of date/));
    await install.abort();
    await view.close();
  });
});
