import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type GossipBody, readEnvelope, readGossipBody } from "../../../src/federation/wire.ts";
import { FakeFederation, FEDERATION } from "../../support/fake-federation.ts";

async function oneRegion(nodes = 1): Promise<FakeFederation> {
  const all = new FakeFederation();
  all.found("east", nodes);
  // Somebody to tell.
  all.found("west", 1);
  await all.clock.advance(1_500);
  all.network.published.length = 0;
  return all;
}

const published = (all: FakeFederation): GossipBody[] =>
  all.network.published
    .map((message) => readGossipBody(readEnvelope(message).body))
    .filter(({ header }) => header.region === "east");

describe("summary publisher", () => {
  it("sends changes within five milliseconds, with the header they lead to", async () => {
    const all = await oneRegion();
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(4);
    assert.equal(published(all).length, 0);
    await all.clock.advance(1);
    const [body] = published(all);
    assert.deepEqual(
      body?.entries.map((entry) => entry.name),
      ["translate"],
    );
    assert.equal(body?.header.revision, 1);
    assert.equal(body?.header.rootDigest, all.node("east-1").federation.headerOf(body!.header.region)?.rootDigest);
  });

  it("says nothing where nobody of another region is linked, and all of it to who comes", async () => {
    const all = new FakeFederation();
    all.found("east", 3);
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(3_000);
    assert.equal(all.network.published.length, 0);
    all.found("west", 1);
    await all.clock.advance(1_500);
    assert.deepEqual(all.differences(), []);
    assert.ok(published(all).length > 0);
  });

  it("says nothing where only nodes of a region that is gone for good are linked", async () => {
    const all = await oneRegion();
    all.regions.get("west")!.sayFarewell(FEDERATION);
    await all.clock.advance(2_000);
    all.network.published.length = 0;
    const { summariesPublishedTotal } = all.node("east-1").metrics;
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(3_000);
    assert.equal(published(all).length, 0);
    assert.equal(all.node("east-1").metrics.summariesPublishedTotal, summariesPublishedTotal);
  });

  it("sends a capability once, however often it changed meanwhile", async () => {
    const all = await oneRegion();
    for (let i = 0; i < 50; i++) all.regions.get("east")!.register(`a${i}`, "translate");
    await all.clock.advance(5);
    assert.equal(published(all).length, 1);
    assert.equal(published(all)[0]?.entries[0]?.total, 50);
  });

  it("tells a deleted capability as one with a total of 0, as of now", async () => {
    const all = await oneRegion();
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(5);
    all.regions.get("east")!.deregister("a1");
    await all.clock.advance(5);
    const { name, total, revision } = published(all)[1]!.entries[0]!;
    assert.deepEqual({ name, total, revision }, { name: "translate", total: 0, revision: 2 });
  });

  it("sends a header every second, numbered, when nothing changes", async () => {
    const all = await oneRegion();
    await all.clock.advance(3_000);
    const bodies = published(all);
    assert.equal(bodies.length, 3);
    assert.deepEqual(
      bodies.map((body) => body.entries.length),
      [0, 0, 0],
    );
    const [first] = bodies;
    assert.deepEqual(
      bodies.map((body) => body.sequence - first!.sequence),
      [0, 1, 2],
    );
  });

  it("splits what does not fit 48 KiB, and loses nothing", async () => {
    const all = await oneRegion();
    const tags = ["t".repeat(1_500)];
    for (let i = 0; i < 200; i++) all.regions.get("east")!.register(`a${i}`, `capability-${i}`, { tags });
    await all.clock.advance(5);
    const bodies = published(all);
    assert.ok(bodies.length > 5, `${bodies.length} messages`);
    assert.ok(all.node("east-1").metrics.largestMessage <= 48 * 1024);
    assert.equal(new Set(bodies.flatMap((body) => body.entries.map((entry) => entry.name))).size, 200);
  });

  it("is silent on followers and before the region has a key", async () => {
    const all = await oneRegion(3);
    const east = all.regions.get("east")!;
    east.register("a1", "translate");
    await all.clock.advance(2_000);
    assert.equal(all.node("east-2").metrics.summariesPublishedTotal, 0);
    assert.ok(all.node("east-1").metrics.summariesPublishedTotal > 0);
    const { length } = published(all);
    east.key = undefined;
    await all.clock.advance(2_000);
    assert.equal(published(all).length, length);
  });

  it("does not send later, as leader, what it heard of as a follower", async () => {
    const all = await oneRegion(2);
    const east = all.regions.get("east")!;
    east.register("a1", "translate");
    await all.clock.advance(2);
    east.leader = all.node("east-2").node.self.nodeId;
    east.term = 2;
    await all.clock.advance(1_200);
    assert.deepEqual(
      published(all).map(({ header, sequence, entries }) => [header.term, sequence, entries.length]),
      [[2, 1, 0]],
    );
  });

  it("stops when the node does", async () => {
    const all = await oneRegion();
    all.regions.get("east")!.register("a1", "translate");
    all.node("east-1").federation.stop();
    await all.clock.advance(5_000);
    assert.equal(published(all).length, 0);
  });
});
