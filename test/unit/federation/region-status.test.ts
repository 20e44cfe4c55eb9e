import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RemoteRegionStatus } from "../../../src/federation/interface.ts";
import { asRegionId } from "../../../src/types/ids.ts";
import { FakeFederation } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";

const EAST = asRegionId("east");
const WEST = asRegionId("west");

async function twoRegions(): Promise<FakeFederation> {
  const all = new FakeFederation();
  all.found("east", 1);
  all.found("west", 1);
  all.regions.get("east")!.register("a1", "translate");
  await all.clock.advance(1_200);
  return all;
}

function statusOfEast(all: FakeFederation): RemoteRegionStatus {
  return all
    .node("west-1")
    .federation.status()
    .find(({ region }) => region === EAST)!;
}

describe("regions that were heard of", () => {
  it("are those whose header is held, with the nodes that it names", async () => {
    const all = await twoRegions();
    all.found("europe", 1);
    const { federation } = all.node("west-1");
    assert.deepEqual(
      federation.status().map(({ region }) => region),
      ["east", "europe"],
    );
    assert.deepEqual(
      federation.heard().map(({ region, nodes }) => [region, nodes.map(({ name }) => name)]),
      [["east", ["east-1"]]],
    );
  });
});

describe("the status of another region", () => {
  it("of one in step: no lag, digests equal, heard of lately, its round trip", async () => {
    const all = await twoRegions();
    const { lagRevisions, inSync, silentMs, roundTripMs, breaker, link, distrust } = statusOfEast(all);
    assert.deepEqual(
      { lagRevisions, inSync, roundTripMs, breaker, link, distrust },
      { lagRevisions: 0, inSync: true, roundTripMs: 10, breaker: "closed", link: "connected", distrust: undefined },
    );
    assert.ok(silentMs! <= 1_000, `silent for ${silentMs}`);
  });

  it("P9: says how many revisions are not known, until the pull has brought them", async () => {
    const all = await twoRegions();
    all.network.gossipLoss = 1;
    for (let i = 0; i < 5; i++) {
      all.regions.get("east")!.register(`b${i}`, `sing-${i}`);
      await all.clock.advance(10);
    }
    all.network.gossipLoss = 0;
    all.regions.get("east")!.register("c", "paint");
    await all.clock.advance(12);
    const behind = statusOfEast(all);
    assert.equal(behind.revision, 7);
    assert.equal(behind.lagRevisions, 6);
    assert.equal(behind.inSync, false);
    await all.clock.advance(1_000);
    assert.equal(statusOfEast(all).lagRevisions, 0);
    assert.equal(statusOfEast(all).inSync, true);
  });

  it("P9: says for how long nothing was heard, and an answer to a lookup counts", async () => {
    const all = await twoRegions();
    all.network.cut(EAST, WEST, "silent");
    await all.clock.advance(60_000);
    const { silentMs, summaryAgeMs } = statusOfEast(all);
    assert.ok(silentMs! >= 60_000 && silentMs! <= 61_000, `silent for ${silentMs}`);
    assert.ok(summaryAgeMs >= 60_000);
    all.network.heal(EAST, WEST);
    all.network.gossipLoss = 1;
    const { federation } = all.node("west-1");
    await all.until(federation.lookup(queryFor("translate"), { consistency: "linearizable" }));
    assert.equal(statusOfEast(all).silentMs, 0);
  });

  it("P9: counts an answer to a pull as heard, where no gossip arrives", async () => {
    const all = await twoRegions();
    all.network.gossipLoss = 1;
    await all.clock.advance(60_000);
    assert.ok(statusOfEast(all).silentMs! <= 12_500, `silent for ${statusOfEast(all).silentMs}`);
  });

  it("P9: of a region that was never heard of says nothing that was not heard", async () => {
    const all = new FakeFederation();
    all.found("west", 1, { pins: { east: "ab".repeat(32) } });
    await all.clock.advance(5_000);
    const { silentMs, lagRevisions, inSync, revision } = statusOfEast(all);
    assert.deepEqual([silentMs, lagRevisions, inSync, revision], [undefined, 0, false, 0]);
  });
});
