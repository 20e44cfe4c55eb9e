import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeapGuard, v8Heap } from "../../../src/node/heap-guard.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function createGuard() {
  const clock = new VirtualClock();
  const heap = { usedBytes: 0, limitBytes: 100 };
  const guard = new HeapGuard(clock, () => heap);
  guard.start();
  const use = async (percent: number) => {
    heap.usedBytes = percent;
    await clock.advance(2_500);
    return guard.level;
  };
  return { clock, heap, guard, use };
}

describe("the heap guard", () => {
  it("P12: says that memory is low long before there is none, and that it is not, further below", async () => {
    const { use } = createGuard();
    const levels = [];
    for (const percent of [79, 81, 75, 69, 81, 91, 86, 84, 69]) levels.push(await use(percent));
    assert.deepEqual(levels, ["enough", "low", "low", "enough", "low", "critical", "critical", "low", "enough"]);
  });

  it("does not take for living what the collector has not taken away yet", async () => {
    const { clock, heap, guard } = createGuard();
    for (let i = 0; i < 200; i++) {
      heap.usedBytes = 40 + (i % 6) * 10;
      await clock.advance(250);
      assert.equal(guard.level, "enough");
    }
    assert.equal(guard.share, 0.4);
  });

  it("takes V8's limit of the old generation from the flag, and what V8 chose where there is none", () => {
    const MIB = 1024 * 1024;
    assert.equal(v8Heap(["--inspect", "--max-old-space-size=256"])().limitBytes, 256 * MIB);
    assert.equal(v8Heap(["--max_old_space_size=100", "--max-old-space-size=300"])().limitBytes, 300 * MIB);
    const { usedBytes, limitBytes } = v8Heap([])();
    assert.ok(usedBytes > MIB && limitBytes > usedBytes);
  });
});
