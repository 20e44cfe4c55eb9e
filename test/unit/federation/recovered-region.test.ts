import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readEnvelope } from "../../../src/federation/wire.ts";
import { asRegionId } from "../../../src/types/ids.ts";
import { FakeFederation } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";

const ORIGIN = "0123456789abcdef";
const FIRST_EPOCH = `${ORIGIN}.1.aa`;

/** East lost its majority after ten registrations; what is left of it knows five, and goes on in a new epoch. */
async function recoveredEast(epoch = FIRST_EPOCH) {
  const all = new FakeFederation();
  const lost = all.declare("east", 2, ORIGIN);
  for (const name of ["east-1", "east-2"]) all.start(name);
  all.found("west", 1);
  for (let i = 0; i < 10; i++) lost.register(`a${i}`, `capability-${i}`);
  await all.clock.advance(2_000);
  assert.deepEqual(all.differences(), []);
  for (const name of ["east-1", "east-2"]) all.crash(name);

  const recovered = all.declare("east", 1, epoch);
  recovered.key = lost.key;
  for (let i = 0; i < 5; i++) recovered.register(`a${i}`, `capability-${i}`);
  all.start("east-1");
  return { all, lost, recovered };
}

describe("a region that was recovered by force", () => {
  it("R52: is followed by other regions, although it knows less than it told them before", async () => {
    const { all, recovered } = await recoveredEast();
    await all.clock.advance(2_000);
    assert.deepEqual(all.differences(), []);
    const status = all.node("west-1").federation.status()[0]!;
    assert.deepEqual([status.cluster, status.capabilities, status.distrust], [FIRST_EPOCH, 5, undefined]);
    recovered.register("b", "new");
    await all.clock.advance(1_000);
    assert.deepEqual(all.differences(), []);
  });

  it("R52: is told to those who follow its entries: what it lost is gone", async () => {
    const { all } = await recoveredEast();
    const offered = new Map<string, number>();
    all.node("west-1").federation.onCapability((_region, { name, total }) => offered.set(name, total));
    await all.clock.advance(2_000);
    assert.deepEqual(
      [...offered]
        .filter(([, total]) => total === 0)
        .map(([name]) => name)
        .sort(),
      ["capability-5", "capability-6", "capability-7", "capability-8", "capability-9"],
    );
    const held = [...all.node("west-1").federation.capabilities(null)].map(([, { name }]) => name);
    assert.deepEqual(held.sort(), ["capability-0", "capability-1", "capability-2", "capability-3", "capability-4"]);
  });

  it("F17: is not followed back by whoever still speaks for the epoch that it left", async () => {
    const { all, lost } = await recoveredEast();
    await all.clock.advance(2_000);
    all.start("east-2", {}, lost);
    lost.leader = all.node("east-2").node.self.nodeId;
    lost.register("c", "forked");
    await all.clock.advance(20_000);
    const west = all.node("west-1").federation;
    assert.equal(west.status()[0]!.cluster, FIRST_EPOCH);
    assert.equal(west.status()[0]!.capabilities, 5);
    assert.match(west.status()[0]!.distrust ?? "", /its cluster is 0123456789abcdef/);
  });

  it("F17: is not followed into another epoch than the first that was heard of", async () => {
    const { all, recovered } = await recoveredEast();
    await all.clock.advance(2_000);
    all.crash("east-1");
    const other = all.declare("east", 1, `${ORIGIN}.1.bb`);
    other.key = recovered.key;
    all.start("east-1");
    await all.clock.advance(5_000);
    assert.equal(all.node("west-1").federation.status()[0]!.cluster, FIRST_EPOCH);
  });

  it("costs those who pass on its news nothing, before anybody could ask it", async () => {
    const { all, recovered } = await recoveredEast();
    all.found("south", 1);
    all.crash("west-1");
    recovered.register("d", "news");
    await all.clock.advance(2_000);
    const news = all.network.published.findLast((message) => readEnvelope(message).region === "east")!;
    all.network.cut(asRegionId("east"), asRegionId("west"));
    const { node } = all.start("west-1");
    node.onGossip(news);
    assert.deepEqual(node.verdicts, ["ignore"]);
  });

  it("P9: makes no answer of its former epoch pass as current", async () => {
    const all = new FakeFederation();
    const lost = all.declare("east", 1, ORIGIN);
    all.start("east-1");
    all.found("west", 1);
    lost.register("kept", "other");
    lost.register("old", "translate");
    await all.clock.advance(2_000);
    const ask = async () => {
      const answers = await all.until(
        all.node("west-1").federation.lookup(queryFor("translate"), { consistency: "stale" }),
      );
      return answers.map(({ source, agents }) => [source, agents.map(({ id }) => id).join()]);
    };
    assert.deepEqual(await ask(), [["live", "old"]]);
    assert.deepEqual(await ask(), [["cached", "old"]]);
    all.crash("east-1");
    const recovered = all.declare("east", 1, FIRST_EPOCH);
    recovered.key = lost.key;
    recovered.register("kept", "other");
    // The same revision as in the answer that is kept.
    recovered.register("new", "translate");
    all.start("east-1");
    await all.clock.advance(2_000);
    assert.deepEqual(await ask(), [["live", "new"]]);
  });
});
