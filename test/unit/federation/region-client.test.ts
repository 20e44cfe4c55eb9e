import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asRegionId } from "../../../src/types/ids.ts";
import type { RegionAnswer } from "../../../src/types/lookup.ts";
import { FakeFederation } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";

const EAST = asRegionId("east");
const WEST = asRegionId("west");

/** West asks, east answers, and `east-1` is the nearest of its nodes. */
async function twoRegions(nodes = 2): Promise<FakeFederation> {
  const all = new FakeFederation();
  all.found("east", nodes);
  all.found("west", 1);
  all.regions.get("east")!.register("a1", "translate");
  await all.clock.advance(1_200);
  const { roundTrips } = all.node("west-1").node.directory;
  for (let i = 1; i <= nodes; i++) roundTrips.set(all.node(`east-${i}`).node.self.nodeId, 40 * i);
  return all;
}

/** Linearizable, so that each one is asked. */
function ask(all: FakeFederation): Promise<readonly RegionAnswer[]> {
  const { federation } = all.node("west-1");
  return all.until(federation.lookup(queryFor("translate"), { consistency: "linearizable" }));
}

function lookupsSent(all: FakeFederation): number {
  return all.node("west-1").node.requests.sent.get("lookup") ?? 0;
}

/** How long `east-1` takes to answer from now on, beside the way. */
function slowDown(all: FakeFederation, delayMs: () => number): void {
  const { view, node } = all.node("east-1");
  node.requests.handle("lookup", async () => {
    const { revision, stalenessMs, hasMore, agents } = await view.lookup(queryFor("translate"));
    await new Promise<void>((resolve) => all.clock.schedule(delayMs(), resolve));
    return { revision, stalenessMs, hasMore, agents };
  });
}

describe("region client", () => {
  it("asks a second node after what 95 of 100 answers take, not after a multiple of the average", async () => {
    const all = await twoRegions();
    let delayMs = 50;
    slowDown(all, () => delayMs);
    for (let i = 0; i < 64; i++) await ask(all);
    const sentBefore = lookupsSent(all);
    delayMs = 900;
    const startMs = all.clock.now();
    const [east] = await ask(all);
    assert.equal(east?.source, "live");
    assert.equal(lookupsSent(all), sentBefore + 2);
    const tookMs = all.clock.now() - startMs;
    // 60 ms were usual, and the second node is 10 ms away; twice the average would have been 130 ms.
    assert.ok(tookMs >= 70 && tookMs <= 73, `took ${tookMs}`);
  });

  it("does not ask twice while answers of a region that varies come when they usually do", async () => {
    const all = await twoRegions();
    let turn = 0;
    // Every tenth answer is four times as late as the average.
    slowDown(all, () => (++turn % 10 === 0 ? 300 : 50));
    for (let i = 0; i < 64; i++) await ask(all);
    const sentBefore = lookupsSent(all);
    for (let i = 0; i < 40; i++) await ask(all);
    assert.equal(lookupsSent(all), sentBefore + 40);
  });

  it("F26: second requests add a tenth to the first ones, and a few, when all answers of the nearest node are late", async () => {
    const all = await twoRegions();
    slowDown(all, () => 10);
    for (let i = 0; i < 64; i++) await ask(all);
    const sentBefore = lookupsSent(all);
    // The pace at which it gets slower outruns the estimate.
    let delayMs = 10;
    slowDown(all, () => {
      delayMs *= 1.04;
      return Math.min(delayMs, 900);
    });
    for (let i = 0; i < 100; i++) await ask(all);
    const added = lookupsSent(all) - sentBefore - 100;
    assert.ok(added > 5 && added <= 15, `${added} second requests`);
  });

  it("F26: requests that begin later share the deadline of the first one", async () => {
    const all = await twoRegions(3);
    const { requests } = all.node("west-1").node;
    const timeouts: number[] = [];
    const request = requests.request.bind(requests);
    requests.request = (to, method, payload, options) => {
      if (method === "lookup") timeouts.push(all.clock.now() + options.timeoutMs);
      return request(to, method, payload, options);
    };
    all.network.cut(EAST, WEST, "silent");
    const startMs = all.clock.now();
    const [east] = await ask(all);
    assert.equal(east?.error?.code, "DEADLINE");
    assert.deepEqual(timeouts, [startMs + 1_001, startMs + 1_001]);
  });
});
