import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ShownRevisions } from "../../../src/federation/shown-revisions.ts";
import type { RegionAnswer, RegionQuery } from "../../../src/types/lookup.ts";
import { FakeFederation, type RunningNode } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";

/** East has two members; the first one leads. West asks. */
async function eastAndWest(): Promise<{ all: FakeFederation; west: RunningNode }> {
  const all = new FakeFederation();
  all.found("east", 2);
  all.found("west", 1);
  all.regions.get("east")!.register("a", "translate");
  all.regions.get("east")!.register("b", "translate");
  await all.clock.advance(1_200);
  return { all, west: all.node("west-1") };
}

async function ask(all: FakeFederation, west: RunningNode, more: Partial<RegionQuery> = {}): Promise<RegionAnswer> {
  const [east] = await all.until(west.federation.lookup(queryFor("translate", more), { consistency: "stale" }));
  return east!;
}

function idsOf({ agents }: RegionAnswer): string[] {
  return agents.map(({ id }) => id).sort();
}

describe("what was shown of a region", () => {
  it("keeps the newest revision of each capability and source", () => {
    const shown = new ShownRevisions();
    assert.equal(shown.of("east 1", "translate"), 0);
    shown.note("east 1", "translate", 7);
    shown.note("east 1", "translate", 5);
    assert.equal(shown.of("east 1", "translate"), 7);
    assert.equal(shown.of("east 2", "translate"), 0);
    assert.equal(shown.of("east 1", "paint"), 0);
  });

  it("P10: an answer kept from before does not return when the region is cut off", async () => {
    const { all, west } = await eastAndWest();
    assert.deepEqual(idsOf(await ask(all, west)), ["a", "b"]);
    all.regions.get("east")!.deregister("a");
    await all.clock.advance(100);
    // Another question about the same capability.
    assert.deepEqual(idsOf(await ask(all, west, { limit: 10 })), ["b"]);
    all.network.cut(all.regions.get("east")!.region, west.of.region);
    const answer = await ask(all, west);
    assert.deepEqual(idsOf(answer), []);
    assert.equal(answer.error?.code, "NO_LINK");
  });

  it("P10: a member that is behind what was shown is not believed, and says so when it is the only one", async () => {
    const { all, west } = await eastAndWest();
    all.node("east-2").view.freeze();
    all.regions.get("east")!.deregister("a");
    await all.clock.advance(100);
    assert.deepEqual(idsOf(await ask(all, west)), ["b"]);
    all.crash("east-1");
    await all.clock.advance(4_000);
    const answer = await ask(all, west, { limit: 10 });
    assert.deepEqual(idsOf(answer), []);
    assert.equal(answer.error?.code, "BEHIND");
  });

  it("P9: a member that has not applied a known change answers, with its age, only when no other does", async () => {
    const { all, west } = await eastAndWest();
    all.node("east-1").view.freeze();
    all.regions.get("east")!.leader = all.node("east-2").node.self.nodeId;
    all.regions.get("east")!.term++;
    all.regions.get("east")!.deregister("a");
    await all.clock.advance(1_500);
    assert.deepEqual(idsOf(await ask(all, west)), ["b"]);
  });

  it("P9: an answer grows older while another region is waited for", async () => {
    const { all, west } = await eastAndWest();
    all.found("south", 1);
    all.regions.get("south")!.register("c", "translate");
    await all.clock.advance(1_200);
    all.network.cut(all.regions.get("south")!.region, west.of.region, "silent");
    const answers = await all.until(west.federation.lookup(queryFor("translate"), { consistency: "stale" }));
    const east = answers.find(({ region }) => region === "east")!;
    assert.deepEqual(idsOf(east), ["a", "b"]);
    assert.ok(east.stalenessMs >= 980, `${east.stalenessMs} ms`);
  });
});
