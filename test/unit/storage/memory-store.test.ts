/** The failures of the disk that other tests build upon. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StorageError, type WriteOperation } from "../../../src/storage/interface.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const key = (number: number) => Buffer.of(number);
const put = (number: number, value = "v"): WriteOperation => ({
  type: "put",
  key: key(number),
  value: Buffer.from(value),
});
const NO_SPACE = { code: "WRITE_FAILED", reason: "no space left on device" };
const held = (store: MemoryStore, last: number) =>
  Array.from({ length: last }, (_, i) => i + 1).filter((number) => store.get(key(number)) !== undefined);

describe("support/memory-store", () => {
  it("loses in a crash what was not acknowledged, and shows it to nobody before", async () => {
    const store = new MemoryStore();
    await store.write([put(1)]);
    let isAcknowledged = false;
    void store.write([put(2)]).then(() => {
      isAcknowledged = true;
    });
    assert.deepEqual(held(store, 2), [1]);
    const disk = store.crash();
    await new Promise(setImmediate);
    assert.equal(isAcknowledged, false, "a dead process hears nothing");
    assert.deepEqual(held(disk, 2), [1]);
  });

  it("keeps, by its seed, any number of whole unacknowledged batches, in order", () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const crash = () => {
        const store = new MemoryStore();
        for (const batch of [[put(1), put(2)], [put(3)], [put(4), put(5)]]) void store.write(batch);
        return held(store.crash(seededRandom(seed)), 5).join();
      };
      assert.equal(crash(), crash(), "the same seed gives the same disk");
      outcomes.add(crash());
    }
    assert.deepEqual([...outcomes].sort(), ["", "1,2", "1,2,3", "1,2,3,4,5"]);
  });

  it("may bring back what was cleared, until the next batch is on disk", async () => {
    const store = new MemoryStore();
    await store.write([put(1), put(2)]);
    await store.clear({ from: key(1), to: key(2) });
    assert.deepEqual(held(store, 2), [2]);
    assert.deepEqual(held(store.crash(), 2), [1, 2]);

    const other = new MemoryStore();
    await other.write([put(1)]);
    await other.clear({ from: key(1), to: key(2) });
    await other.write([put(2)]);
    assert.deepEqual(held(other.crash(), 2), [2]);
  });

  it("takes as long as told for each batch, one after the other", async () => {
    const clock = new VirtualClock();
    const store = new MemoryStore();
    store.delayWrites(clock, () => 10);
    const done: number[] = [];
    for (const number of [1, 2]) void store.write([put(number)]).then(() => done.push(number));
    const seen: string[] = [];
    for (const ms of [9, 1, 9, 1]) {
      await clock.advance(ms);
      seen.push(done.join());
    }
    assert.deepEqual(seen, ["", "1", "1", "1,2"]);
  });

  it("fails one write, which may have reached the disk all the same", async () => {
    for (const reachesDisk of [false, true]) {
      const store = new MemoryStore();
      store.failNextWrite("no space", reachesDisk);
      await assert.rejects(store.write([put(1)]), (error) => {
        assert.ok(error instanceof StorageError);
        assert.deepEqual(error.detail, { code: "WRITE_FAILED", reason: "no space" });
        return true;
      });
      await store.write([put(2)]);
      assert.deepEqual(held(store, 2), reachesDisk ? [1, 2] : [2]);
    }
  });

  it("does not bring a failed write to the disk by crashing before it is reported", async () => {
    for (const reachesDisk of [false, true]) {
      const store = new MemoryStore();
      store.failNextWrite("no space", reachesDisk);
      void store.write([put(1)]);
      assert.deepEqual(held(store.crash({ next: () => 0.99 }), 1), reachesDisk ? [1] : []);
    }
  });

  it("takes nothing while it is full, also after a crash, until there is room again", async () => {
    const store = new MemoryStore();
    await store.write([put(1)]);
    store.setFull(true);
    for (let i = 0; i < 3; i++) await assert.rejects(store.write([put(2)]), { detail: NO_SPACE });
    await assert.rejects(store.clear({ from: key(1), to: key(9) }), { detail: NO_SPACE });
    assert.deepEqual(held(store, 2), [1]);
    const disk = store.crash();
    await assert.rejects(disk.write([put(2)]), { detail: NO_SPACE });
    disk.setFull(false);
    await disk.write([put(2)]);
    assert.deepEqual(held(disk, 2), [1, 2]);
  });

  it("lets no change come to an end while it is stalled, and all of them in order after it", async () => {
    const clock = new VirtualClock();
    for (const delayMs of [0, 10]) {
      const store = new MemoryStore();
      store.delayWrites(clock, () => delayMs);
      await Promise.all([store.write([put(1)]), clock.advance(delayMs)]);
      const ended: string[] = [];
      const note = (name: string) => () => ended.push(name);
      void store.write([put(2)]).then(note("2"));
      const [release, releaseOther] = [store.stall(), store.stall()];
      void store.write([put(3)]).then(note("3"));
      void store.clear({ from: key(1), to: key(2) }).then(note("clear"));
      store.failNextWrite("input/output error");
      void store.write([put(4)]).catch(note("4 failed"));
      release();
      release();
      await clock.advance(1_000);
      assert.deepEqual([ended, held(store, 4)], [[], [1]]);
      releaseOther();
      await clock.advance(1_000);
      assert.deepEqual(ended, ["2", "3", "clear", "4 failed"]);
      assert.deepEqual(held(store, 4), [2, 3]);
    }
  });

  it("may have, after a crash in a stall, any part of what hung in it", () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 30; seed++) {
      const store = new MemoryStore();
      store.stall();
      for (const number of [1, 2]) void store.write([put(number)]);
      outcomes.add(held(store.crash(seededRandom(seed)), 2).join());
    }
    assert.deepEqual([...outcomes].sort(), ["", "1", "1,2"]);
  });

  it("a dead store settles nothing, whatever is asked of it", async () => {
    const store = new MemoryStore();
    store.crash();
    let isSettled = false;
    const note = () => {
      isSettled = true;
    };
    void store.write([put(1)]).finally(note);
    void store.clear({ from: key(1), to: key(2) }).finally(note);
    await new Promise(setImmediate);
    assert.equal(isSettled, false);
  });

  it("flips the bit it is told to", async () => {
    const store = new MemoryStore();
    await store.write([put(1, "\x00\x00")]);
    store.flipBit(key(1), 9);
    assert.deepEqual([...store.get(key(1))!], [0, 2]);
  });

  it("flips by its seed any bit of any record, whatever the order in which they were written", async () => {
    const contentOf = (store: MemoryStore) =>
      [1, 2].map((number) => Buffer.from(store.get(key(number))!).toString("hex")).join();
    const seen = new Set<string>();
    for (let seed = 1; seed <= 300; seed++) {
      const flipped = await Promise.all(
        [
          [put(1, "\x00"), put(2, "\x00\x00")],
          [put(2, "\x00\x00"), put(1, "\x00")],
        ].map(async (batch) => {
          const store = new MemoryStore();
          await store.write(batch);
          const at = store.flipRandomBit(seededRandom(seed));
          assert.ok(at !== null && !store.get(at)!.every((byte) => byte === 0));
          return contentOf(store);
        }),
      );
      assert.equal(flipped[0], flipped[1]);
      seen.add(flipped[0]!);
    }
    assert.equal(seen.size, 24, "each of 24 bits");
    assert.equal(new MemoryStore().flipRandomBit(seededRandom(1)), null);
  });
});
