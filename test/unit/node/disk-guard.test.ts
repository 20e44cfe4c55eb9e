import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiskNumbers } from "../../../src/metrics/source.ts";
import { DiskGuard } from "../../../src/node/disk-guard.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

async function createGuard(disk: DiskNumbers | null) {
  const clock = new VirtualClock();
  const state = { disk, writingMs: 0 };
  const guard = new DiskGuard({
    clock,
    read: async () => state.disk,
    reserveBytes: 400,
    writingMs: () => state.writingMs,
    slowMs: 500,
  });
  await guard.start();
  const withFree = async (freeBytes: number) => {
    state.disk = { sizeBytes: 100_000, freeBytes };
    await clock.advance(1_000);
    return guard.level;
  };
  return { clock, state, guard, withFree };
}

describe("the disk guard", () => {
  it("P12: says that room is low, then that there is none, and takes it back at some distance", async () => {
    const { withFree } = await createGuard(null);
    const levels = [];
    for (const free of [400, 399, 499, 500, 399, 99, 124, 125, 500]) levels.push(await withFree(free));
    assert.deepEqual(levels, ["enough", "low", "low", "enough", "low", "full", "full", "low", "enough"]);
  });

  it("knows what there is before the node serves", async () => {
    assert.equal((await createGuard({ freeBytes: 10, sizeBytes: 100_000 })).guard.level, "full");
  });

  it("asks a small disk for a tenth only, and nothing of one that does not say", async () => {
    const { guard } = await createGuard({ freeBytes: 101, sizeBytes: 1_000 });
    assert.deepEqual([guard.level, guard.reserveBytes], ["enough", 100]);
    const unknown = await createGuard(null);
    assert.deepEqual([unknown.guard.level, unknown.guard.disk], ["enough", null]);
  });

  it("calls a disk slow while a write takes long, and for a while after it", async () => {
    const { clock, state, guard } = await createGuard(null);
    state.writingMs = 400;
    await clock.advance(10_000);
    assert.equal(guard.slowMs, null);
    state.writingMs = 800;
    await clock.advance(500);
    assert.equal(guard.slowMs, 800);
    state.writingMs = 0;
    await clock.advance(4_000);
    assert.equal(guard.slowMs, 800);
    await clock.advance(2_000);
    assert.equal(guard.slowMs, null);
  });
});
