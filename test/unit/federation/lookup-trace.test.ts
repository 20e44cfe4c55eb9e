import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asRegionId } from "../../../src/types/ids.ts";
import type { RegionTrace } from "../../../src/types/lookup.ts";
import { FakeFederation } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";

const EAST = asRegionId("east");
const WEST = asRegionId("west");

async function twoRegions(): Promise<FakeFederation> {
  const all = new FakeFederation();
  all.found("east", 2);
  all.found("west", 1);
  all.regions.get("east")!.register("a1", "translate");
  await all.clock.advance(1_200);
  return all;
}

async function trace(all: FakeFederation, capability = "translate"): Promise<RegionTrace> {
  const { federation } = all.node("west-1");
  const [east] = await all.until(federation.lookup(queryFor(capability), { consistency: "stale", explain: true }));
  assert.ok(east?.trace !== undefined);
  return east.trace;
}

describe("the trace of a region's part of an answer", () => {
  it("P9: says who was asked, and how long that took", async () => {
    const all = await twoRegions();
    const { did, asked, summary, breaker } = await trace(all);
    assert.deepEqual([did, asked, breaker], ["asked", { node: "east-1", requests: 1, tookMs: 10 }, "closed"]);
    assert.deepEqual([summary?.revision, summary?.changedRevision], [1, 1]);
  });

  it("P9: counts the second node that was asked when the first was late", async () => {
    const all = await twoRegions();
    all.node("east-1").node.requests.handle("lookup", () => new Promise(() => {}));
    const { asked } = await trace(all);
    assert.deepEqual([asked?.node, asked?.requests], ["east-2", 2]);
  });

  it("P9: says that an answer was kept, and by what it is vouched for", async () => {
    const all = await twoRegions();
    await trace(all);
    all.regions.get("east")!.register("b1", "paint");
    await all.clock.advance(1_000);
    const { did, asked, summary } = await trace(all);
    assert.deepEqual([did, asked], ["kept", undefined]);
    assert.deepEqual([summary?.revision, summary?.changedRevision], [2, 1], "changed no later than what was kept");
    assert.ok(summary!.ageMs <= 1_100);
  });

  it("P9: says that the summary rules a region out", async () => {
    const { did, summary } = await trace(await twoRegions(), "paint");
    assert.equal(did, "ruled-out");
    assert.equal(summary?.changedRevision, undefined);
  });

  it("P9: tells a region that did not answer from one that is not asked any more", async () => {
    const all = await twoRegions();
    all.network.cut(EAST, WEST, "silent");
    for (let i = 0; i < 5; i++) assert.equal((await trace(all)).did, "failed");
    const { did, breaker } = await trace(all);
    assert.deepEqual([did, breaker], ["breaker-open", "open"]);
  });

  it("P9: says when a kept answer is not confirmed", async () => {
    const all = await twoRegions();
    await trace(all);
    all.network.cut(EAST, WEST);
    assert.equal((await trace(all)).did, "kept-unconfirmed");
  });

  it("is there only for who asks for it", async () => {
    const all = await twoRegions();
    const { federation } = all.node("west-1");
    for (let i = 0; i < 2; i++) {
      const [east] = await all.until(federation.lookup(queryFor("translate"), { consistency: "stale" }));
      assert.equal(east?.trace, undefined);
    }
  });
});
