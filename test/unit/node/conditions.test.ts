import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Conditions } from "../../../src/node/conditions.ts";
import type { DiskLevel } from "../../../src/node/disk-guard.ts";
import type { HeapLevel } from "../../../src/node/heap-guard.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function createConditions() {
  const clock = new VirtualClock();
  const load = { isShedding: false };
  const heap: { level: HeapLevel; share: number } = { level: "enough", share: 0.85 };
  const disk: {
    level: DiskLevel;
    disk: { freeBytes: number; sizeBytes: number };
    reserveBytes: number;
    slowMs: number | null;
  } = {
    level: "enough",
    disk: { freeBytes: 3 * 2 ** 20, sizeBytes: 2 ** 30 },
    reserveBytes: 8 * 2 ** 20,
    slowMs: null,
  };
  const said: string[] = [];
  const state = { isLeader: true, offers: 0 };
  const note = ({ code, condition = "" }: { code: string; condition?: unknown }) =>
    void said.push(`${code} ${condition}`);
  const conditions = new Conditions({
    load,
    heap,
    disk,
    isLeader: () => state.isLeader,
    handOver: async () => {
      state.offers++;
      return false;
    },
    clock,
    logger: { ...silentLogger, info: note, warn: note },
  });
  conditions.start();
  const codes = () => conditions.current().map(({ code }) => code);
  return { clock, load, heap, disk, said, state, conditions, codes };
}

describe("the conditions of a node", () => {
  it("P12: are each told while they hold, in words that say what to do", () => {
    const { load, heap, disk, conditions, codes } = createConditions();
    assert.deepEqual(codes(), []);
    load.isShedding = true;
    heap.level = "critical";
    disk.level = "full";
    disk.slowMs = 812.4;
    assert.deepEqual(codes(), ["OVERLOADED", "MEMORY_LOW", "DISK_FULL", "DISK_SLOW"]);
    const [, memory, room, slow] = conditions.current().map(({ message }) => message);
    assert.match(memory!, /^85 % of this process's heap is in use: .*--max-old-space-size/);
    assert.match(room!, /^3 MiB are free .*, 8 MiB are kept free: .*make room$/);
    assert.match(slow!, /took 812 ms for a write/);
  });

  it("are said in the log when they begin and when they are over, once each", async () => {
    const { clock, disk, said, state } = createConditions();
    state.isLeader = false;
    disk.level = "low";
    await clock.advance(60_000);
    disk.level = "enough";
    await clock.advance(60_000);
    assert.deepEqual(said, ["NODE_DEGRADED DISK_LOW", "NODE_RECOVERED DISK_LOW"]);
  });

  it("refuse registrations for which there is no room: all without disk, those of new agents without memory", () => {
    const { heap, disk, conditions } = createConditions();
    assert.deepEqual([conditions.refusesRegistration(true), conditions.isDiskFull], [null, false]);
    heap.level = "low";
    assert.deepEqual(
      [conditions.refusesRegistration(true), conditions.refusesRegistration(false)],
      ["MEMORY_LOW", null],
    );
    disk.level = "low";
    assert.deepEqual([conditions.refusesRegistration(false), conditions.isDiskFull], ["DISK_LOW", false]);
    disk.level = "full";
    assert.equal(conditions.isDiskFull, true);
  });

  it("make a leader with a bad disk hand over, and ask again as long as it leads", async () => {
    const { clock, load, disk, state } = createConditions();
    load.isShedding = true;
    await clock.advance(60_000);
    assert.equal(state.offers, 0, "the others have as much to do");
    disk.slowMs = 900;
    await clock.advance(10_000);
    assert.equal(state.offers, 1);
    await clock.advance(30_000);
    assert.equal(state.offers, 2);
    state.isLeader = false;
    await clock.advance(60_000);
    assert.equal(state.offers, 2);
  });
});
