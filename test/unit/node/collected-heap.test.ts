import assert from "node:assert/strict";
import { PerformanceObserver } from "node:perf_hooks";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CollectedHeap } from "../../../src/node/collected-heap.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as (options: { readonly type: "major" | "minor" }) => void;

/** Resolves once observers were told of a collection. */
function collected(type: "major" | "minor"): Promise<void> {
  return new Promise((resolve) => {
    const observer = new PerformanceObserver(() => {
      observer.disconnect();
      resolve();
    });
    observer.observe({ entryTypes: ["gc"] });
    collect({ type });
  });
}

describe("node/collected-heap", () => {
  it("is what was used when a full collection had been, and nothing later or less thorough changes it", async () => {
    let usedBytes = 300;
    const heap = new CollectedHeap(() => ({ usedBytes }));
    heap.start();
    assert.equal(heap.liveBytes, 0);
    await collected("major");
    assert.equal(heap.liveBytes, 300);
    usedBytes = 500;
    await collected("minor");
    assert.equal(heap.liveBytes, 300);
    heap.stop();
    await collected("major");
    assert.equal(heap.liveBytes, 300);
  });
});
