import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asRegionId } from "../../../src/types/ids.ts";
import type { RegionAnswer, RegionQuery, SortKey } from "../../../src/types/lookup.ts";
import { FakeFederation } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";

const EAST = asRegionId("east");
const WEST = asRegionId("west");

async function twoRegions(): Promise<FakeFederation> {
  const all = new FakeFederation();
  all.found("east", 2);
  all.found("west", 1);
  for (const name of ["translate", "paint", "sing"]) all.regions.get("east")!.register(`a-${name}`, name);
  await all.clock.advance(1_200);
  assert.deepEqual(all.differences(), []);
  return all;
}

async function lookup(
  all: FakeFederation,
  query: RegionQuery,
  more: { maxStalenessMs?: number; afterIn?: () => SortKey } = {},
): Promise<RegionAnswer> {
  const { federation } = all.node("west-1");
  const [east] = await all.until(federation.lookup(query, { consistency: "stale", ...more }));
  return east!;
}

function lookupsSent(all: FakeFederation): number {
  return all.node("west-1").node.requests.sent.get("lookup") ?? 0;
}

describe("an answer that the summary vouches for", () => {
  it("costs no request, however often it is asked for: one for each question, and one for each change", async () => {
    const all = await twoRegions();
    const after: SortKey = { score: 0, version: "1.0.0", id: "a", functionName: "f", region: "east" };
    const questions: (() => Promise<RegionAnswer>)[] = [
      () => lookup(all, queryFor("translate")),
      () => lookup(all, queryFor("translate", { tags: ["fast"] })),
      () => lookup(all, queryFor("translate"), { afterIn: () => after }),
      () => lookup(all, queryFor("paint"), { maxStalenessMs: 2_500 }),
      () => lookup(all, queryFor("sing", { version: "^1" })),
      // Ruled out: nothing is ever asked.
      () => lookup(all, queryFor("dance")),
      () => lookup(all, queryFor("translate", { tags: ["slow"] })),
    ];
    for (let round = 0; round < 60; round++) {
      for (const ask of questions) assert.equal((await ask()).error, undefined);
      await all.clock.advance(1_000);
    }
    assert.equal(lookupsSent(all), 5);
    all.regions.get("east")!.register("b", "paint");
    await all.clock.advance(50);
    for (let round = 0; round < 10; round++) for (const ask of questions) await ask();
    assert.equal(lookupsSent(all), 6, "of the capability that changed, and no other");
  });

  it("says the revision that it shows and the age of the proof, which stays within a header's interval", async () => {
    const all = await twoRegions();
    await lookup(all, queryFor("translate"));
    for (let round = 0; round < 50; round++) {
      await all.clock.advance(730);
      const { source, revision, stalenessMs } = await lookup(all, queryFor("translate"));
      assert.deepEqual([source, revision], ["cached", 3]);
      assert.ok(stalenessMs <= 1_000 + 2 * 5, `${stalenessMs} ms`);
    }
  });

  it("P9: is vouched for no longer than 3 s after the last proof, then the region is asked", async () => {
    const all = await twoRegions();
    await lookup(all, queryFor("translate"));
    all.network.gossipLoss = 1;
    for (const { of, node } of all.nodes.values())
      if (of.region === EAST) node.requests.alter("summary/digests", () => null);
    const { federation } = all.node("west-1");
    const ageMs = () => federation.status()[0]!.summaryAgeMs;
    while (ageMs() < 2_998) await all.clock.advance(1);
    assert.equal((await lookup(all, queryFor("translate"))).source, "cached");
    while (ageMs() < 3_000) await all.clock.advance(1);
    assert.equal((await lookup(all, queryFor("translate"))).source, "live");
  });

  it("max_staleness_ms: is vouched for by no summary that is older than that", async () => {
    const all = await twoRegions();
    await lookup(all, queryFor("translate"));
    all.network.gossipLoss = 1;
    await all.clock.advance(1_500);
    const ageMs = all.node("west-1").federation.status()[0]!.summaryAgeMs;
    const kept = await lookup(all, queryFor("translate"), { maxStalenessMs: ageMs });
    assert.deepEqual([kept.source, kept.stalenessMs], ["cached", ageMs]);
    const asked = await lookup(all, queryFor("translate"), { maxStalenessMs: ageMs - 1 });
    assert.equal(asked.source, "live");
    assert.ok(asked.stalenessMs < ageMs);
  });

  it("max_staleness_ms: is refused with the reason when the region can not be asked and what was kept is older", async () => {
    const all = await twoRegions();
    await lookup(all, queryFor("translate"));
    all.network.cut(EAST, WEST);
    await all.clock.advance(2_000);
    const refused = await lookup(all, queryFor("translate"), { maxStalenessMs: 1_000 });
    assert.deepEqual([refused.source, refused.agents, refused.error?.code], ["none", [], "NO_LINK"]);
    const given = await lookup(all, queryFor("translate"), { maxStalenessMs: 10_000 });
    assert.deepEqual([given.source, given.agents.length, given.error?.code], ["cached", 1, "NO_LINK"]);
  });
});
