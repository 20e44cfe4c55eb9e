import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CapabilitySummary } from "../../../src/federation/capability-summary.ts";
import { asRegionId } from "../../../src/types/ids.ts";
import { FakeFederation, hash64 } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";

const EAST = asRegionId("east");
const WEST = asRegionId("west");

function twoRegions(nodes = 3): FakeFederation {
  const all = new FakeFederation();
  all.found("east", nodes);
  all.found("west", nodes);
  return all;
}

describe("convergence of summaries", () => {
  it("P8: an agent registered in one region is known on every node of the other within milliseconds", async () => {
    const all = twoRegions();
    await all.clock.advance(1_000);
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(20);
    assert.deepEqual(all.differences(), []);
    assert.equal(all.node("west-2").federation.status()[0]?.capabilities, 1);
  });

  it("P8: after a cut both sides learn what the other did meanwhile, within a second", async () => {
    const all = twoRegions();
    await all.clock.advance(1_000);
    all.network.cut(EAST, WEST);
    for (let i = 0; i < 300; i++) all.regions.get("east")!.register(`e${i}`, `east-${i}`);
    for (let i = 0; i < 200; i++) all.regions.get("west")!.register(`w${i}`, `west-${i}`);
    await all.clock.advance(60_000);
    assert.notDeepEqual(all.differences(), []);
    all.network.heal(EAST, WEST);
    await all.clock.advance(1_000);
    assert.deepEqual(all.differences(), []);
    assert.equal(all.node("west-3").federation.status()[0]?.capabilities, 300);
  });

  it("F12: a node that joins after 2,000 announcements learns them all from one pull", async () => {
    const all = new FakeFederation();
    all.found("east", 3);
    all.declare("west", 3);
    all.start("west-1");
    for (let i = 0; i < 2_000; i++) all.regions.get("east")!.register(`a${i}`, `capability-${i}`);
    await all.clock.advance(5_000);
    all.start("west-2");
    await all.clock.advance(500);
    assert.deepEqual(all.differences(), []);
    assert.equal(all.node("west-2").federation.status()[0]?.capabilities, 2_000);
  });

  it("F12: a restarted node has the other regions' summaries again without waiting for the timer", async () => {
    const all = twoRegions();
    for (let i = 0; i < 50; i++) all.regions.get("east")!.register(`a${i}`, `capability-${i}`);
    await all.clock.advance(3_000);
    all.crash("west-2");
    await all.clock.advance(100);
    all.regions.get("east")!.deregister("a7");
    all.start("west-2");
    await all.clock.advance(200);
    assert.deepEqual(all.differences(), []);
  });

  it("F13: a node that restarts within 5 s, and that no gossip reaches, has all summaries again by its pulls", async () => {
    const all = twoRegions();
    for (let i = 0; i < 50; i++) all.regions.get("east")!.register(`a${i}`, `capability-${i}`);
    await all.clock.advance(3_000);
    all.crash("west-2");
    all.regions.get("east")!.register("meanwhile", "new");
    await all.clock.advance(4_000);
    all.network.gossipLoss = 1;
    all.start("west-2");
    await all.clock.advance(200);
    assert.deepEqual(all.differences(), []);
    all.regions.get("east")!.register("later", "newer");
    await all.clock.advance(12_000);
    assert.deepEqual(all.differences(), []);
  });

  it("F12: with every gossiped message lost, pulls alone bring all nodes to equal digests", async () => {
    const all = twoRegions();
    await all.clock.advance(500);
    all.network.gossipLoss = 1;
    for (let i = 0; i < 100; i++) all.regions.get("east")!.register(`a${i}`, `capability-${i % 40}`);
    await all.clock.advance(20_000);
    assert.deepEqual(all.differences(), []);
  });

  it("F28: under lost, doubled and reordered gossip the summaries end equal once the changes stop", async () => {
    const all = twoRegions();
    all.network.gossipLoss = 0.4;
    all.network.gossipDuplication = 0.3;
    all.network.gossipJitterMs = 200;
    for (let i = 0; i < 200; i++) {
      const region = all.regions.get(i % 2 === 0 ? "east" : "west")!;
      if (i % 5 === 4) region.deregister(`a${i - 4}`);
      else region.register(`a${i}`, `capability-${i % 17}`);
      await all.clock.advance(15);
    }
    await all.clock.advance(12_000);
    assert.deepEqual(all.differences(), []);
  });

  it("F23: an agent that moves from region to region while gossip is lost, doubled and late ends up in one of them", async () => {
    const all = twoRegions(2);
    const north = all.found("north", 2);
    Object.assign(all.network, { gossipLoss: 0.3, gossipDuplication: 0.5, gossipJitterMs: 400 });
    const regions = [all.regions.get("east")!, all.regions.get("west")!, north];
    for (let move = 0; move < 30; move++) {
      const to = regions[move % 3]!;
      to.register("nomad", "translate", { registeredAtMs: move });
      await all.clock.advance(150);
      for (const other of regions) if (other !== to) other.deregister("nomad");
      await all.clock.advance(150);
    }
    await all.clock.advance(30_000);
    assert.deepEqual(all.differences(), []);
    const lookup = all.node("east-2").federation.lookup(queryFor("translate"), { consistency: "stale" });
    const answers = await all.until(lookup);
    assert.deepEqual(
      answers.map(({ region, agents }) => [region, agents.length]),
      [
        ["north", 1],
        ["west", 0],
      ],
    );
  });

  it("P10: gossip of an hour ago, played back by an admitted peer, brings nothing back", async () => {
    const all = twoRegions(1);
    const east = all.regions.get("east")!;
    for (let i = 0; i < 20; i++) east.register(`a${i}`, `capability-${i}`);
    await all.clock.advance(2_000);
    const recorded = [...all.network.published];
    for (let i = 0; i < 20; i++) east.deregister(`a${i}`);
    await all.clock.advance(3_600_000);
    const before = all.node("west-1").federation.status()[0]!;
    for (const message of recorded) all.node("east-1").node.summaries.publish(message);
    await all.clock.advance(500);
    const after = all.node("west-1").federation.status()[0]!;
    assert.deepEqual([after.capabilities, after.revision, after.inSync], [0, before.revision, true]);
    assert.deepEqual(all.differences(), []);
  });

  it("repairs a lost change after the next header, and counts the gap", async () => {
    const all = twoRegions();
    await all.clock.advance(1_500);
    all.network.gossipLoss = 1;
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(50);
    all.network.gossipLoss = 0;
    assert.notDeepEqual(all.differences(), []);
    await all.clock.advance(1_300);
    assert.deepEqual(all.differences(), []);
    assert.ok(all.node("west-1").metrics.gapsTotal > 0);
    assert.ok(all.node("west-1").metrics.pulls.includes("repaired"));
  });

  it("F14: a link that is up but carries nothing lets the summary age, and lookups name the region", async () => {
    const all = twoRegions();
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(2_000);
    all.network.cut(EAST, WEST, "silent");
    await all.clock.advance(10_000);
    const status = all.node("west-1").federation.status()[0]!;
    assert.equal(status.link, "connected");
    assert.ok(status.summaryAgeMs > 9_000, `age ${status.summaryAgeMs}`);
    const answers = await all.until(
      all.node("west-1").federation.lookup(queryFor("translate"), { consistency: "stale" }),
    );
    assert.notEqual(answers[0]?.error, undefined);
    all.network.heal(EAST, WEST);
    all.regions.get("east")!.register("a2", "summarise");
    await all.clock.advance(12_000);
    assert.deepEqual(all.differences(), []);
  });

  it("F14: a member that lost its leader serves pulls, but its old state is not taken for a fresh proof", async () => {
    const all = twoRegions(1);
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(2_000);
    all.node("east-1").view.freeze();
    await all.clock.advance(30_000);
    assert.ok(all.node("west-1").federation.status()[0]!.summaryAgeMs >= 29_000);
  });

  it("F28: a region's own digests, kept incrementally, equal those of its state read anew", async () => {
    const all = twoRegions(1);
    const east = all.regions.get("east")!;
    for (let i = 0; i < 100; i++) east.register(`a${i}`, `capability-${i % 10}`);
    for (let i = 0; i < 100; i += 3) east.deregister(`a${i}`);
    for (let i = 0; i < 100; i += 10) east.deregister(`a${i}`);
    const anew = new CapabilitySummary(hash64);
    for (const entry of east.entries().values()) anew.set(entry);
    assert.equal(all.node("east-1").federation.headerOf(EAST)?.rootDigest, anew.root());
  });

  it("a new leader's first header repairs what the old one never said", async () => {
    const all = twoRegions();
    await all.clock.advance(1_000);
    const east = all.regions.get("east")!;
    east.register("a1", "translate");
    all.crash("east-1");
    east.term = 2;
    east.leader = all.node("east-2").node.self.nodeId;
    await all.clock.advance(1_300);
    assert.deepEqual(all.differences(), []);
  });

  it("nodes of a region do not all pull at the moment a message was lost", async () => {
    const all = twoRegions();
    await all.clock.advance(1_500);
    const before = ["west-1", "west-2", "west-3"].map((name) => pullsOf(all, name));
    all.network.gossipLoss = 1;
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(20);
    all.network.gossipLoss = 0;
    all.regions.get("east")!.register("a2", "summarise");
    await all.clock.advance(11);
    const during = ["west-1", "west-2", "west-3"].map((name, i) => pullsOf(all, name) - before[i]!);
    assert.deepEqual(during, [0, 0, 0]);
    await all.clock.advance(400);
    assert.deepEqual(all.differences(), []);
  });

  it("tells the directory the addresses that the region signed, so that links survive a full change of addresses (F15)", async () => {
    const all = twoRegions();
    await all.clock.advance(200);
    const learned = all.node("west-1").node.directory.learned.get(EAST);
    assert.deepEqual(learned, ["east-1:4001", "east-2:4001", "east-3:4001"]);
  });

  it("waits for a region that has no signing key yet, and believes it once it has one", async () => {
    const all = new FakeFederation();
    const east = all.declare("east", 1);
    const { key } = east;
    east.key = undefined;
    all.start("east-1");
    all.found("west", 1);
    await all.clock.advance(3_000);
    assert.equal(all.node("west-1").federation.status()[0]?.cluster, "");
    east.key = key;
    await all.clock.advance(12_000);
    assert.deepEqual(all.differences(), []);
  });
});

function pullsOf(all: FakeFederation, name: string): number {
  return all.node(name).node.requests.sent.get("summary/digests") ?? 0;
}
