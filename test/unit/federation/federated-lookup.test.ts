import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asNodeId, asRegionId } from "../../../src/types/ids.ts";
import type { RegionAnswer, RegionQuery } from "../../../src/types/lookup.ts";
import { FakeFederation } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";

const EAST = asRegionId("east");
const WEST = asRegionId("west");
const SOUTH = asRegionId("south");

async function federationWithAgent(nodes = 2): Promise<FakeFederation> {
  const all = new FakeFederation();
  all.found("east", nodes);
  all.found("west", nodes);
  all.regions.get("east")!.register("a1", "translate");
  await all.clock.advance(1_200);
  assert.deepEqual(all.differences(), []);
  return all;
}

function lookup(
  all: FakeFederation,
  query: RegionQuery,
  options: { consistency?: "stale" | "linearizable"; maxStalenessMs?: number } = {},
): Promise<readonly RegionAnswer[]> {
  const { federation } = all.node("west-1");
  return all.until(federation.lookup(query, { consistency: "stale", ...options }));
}

function lookupsSent(all: FakeFederation): number {
  return all.node("west-1").node.requests.sent.get("lookup") ?? 0;
}

describe("federated lookup", () => {
  it("asks a region whose summary shows a match, and says when the answer is from", async () => {
    const all = await federationWithAgent();
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(east?.source, "live");
    assert.deepEqual(
      east?.agents.map((agent) => agent.id),
      ["a1"],
    );
    assert.equal(east?.revision, 1);
    assert.equal(east?.stalenessMs, 10);
    assert.equal(east?.error, undefined);
  });

  it("P9: answers from the summary alone when it is fresh and shows no match, and does so without an error", async () => {
    const all = await federationWithAgent();
    const [east] = await lookup(all, queryFor("paint"));
    assert.equal(east?.source, "none");
    assert.equal(east?.error, undefined);
    assert.ok(east!.stalenessMs < 3_000);
    assert.equal(lookupsSent(all), 0);
  });

  it("P9: asks when the summary is known to miss something, though it shows no match", async () => {
    const all = await federationWithAgent();
    all.network.gossipLoss = 1;
    all.regions.get("east")!.register("a2", "paint");
    await all.clock.advance(10);
    all.network.gossipLoss = 0;
    // This header shows that something is missing; what, only the pull will tell.
    all.regions.get("east")!.register("a3", "sing");
    await all.clock.advance(10);
    const [east] = await lookup(all, queryFor("paint"));
    assert.equal(east?.source, "live");
    assert.equal(east?.agents.length, 1);
  });

  it("P9: does not call a region empty when its summary is too old to say so", async () => {
    const all = await federationWithAgent();
    all.network.cut(EAST, WEST, "silent");
    await all.clock.advance(4_000);
    const [east] = await lookup(all, queryFor("paint"));
    assert.equal(east?.source, "none");
    assert.equal(east?.error?.code, "DEADLINE");
  });

  it("P9: names a region whose links just closed, though its summary is still fresh", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    all.network.cut(EAST, WEST);
    const [absent] = await lookup(all, queryFor("paint"));
    assert.equal(absent?.error?.code, "NO_LINK");
    const [kept] = await lookup(all, queryFor("translate"));
    assert.equal(kept?.source, "cached");
    assert.equal(kept?.error?.code, "NO_LINK");
  });

  it("P9: names a configured region that was never heard of", async () => {
    const all = new FakeFederation();
    all.found("west", 1, { pins: { north: "ab".repeat(32) } });
    await all.clock.advance(100);
    const [north] = await lookup(all, queryFor("translate"));
    assert.equal(north?.region, "north");
    assert.equal(north?.error?.code, "NO_LINK");
    assert.equal(all.node("west-1").federation.knows(asRegionId("north")), true);
    assert.equal(all.node("west-1").federation.status()[0]?.link, "away");
  });

  it("P9: names a region that this node pinned before its restart and can not reach now", async () => {
    const all = await federationWithAgent(1);
    all.crash("west-1");
    all.crash("east-1");
    all.start("west-1");
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(east?.region, "east");
    assert.equal(east?.error?.code, "NO_LINK");
  });

  it("answers again from what it kept while the summary shows no later change", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    await all.clock.advance(5_000);
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(east?.source, "cached");
    assert.equal(east?.error, undefined);
    assert.ok(east!.stalenessMs < 1_100, `staleness ${east?.stalenessMs}`);
    assert.equal(lookupsSent(all), 1);
  });

  it("asks anew once the summary shows a change of the capability", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    all.regions.get("east")!.register("a2", "translate");
    await all.clock.advance(20);
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(east?.source, "live");
    assert.equal(east?.agents.length, 2);
  });

  /** East's first member, the nearest, no longer hears its new leader, and has missed that a1 gave way to a2. */
  async function federationWithMemberBehind(): Promise<FakeFederation> {
    const all = await federationWithAgent(2);
    all.node("east-1").view.freeze();
    all.regions.get("east")!.leader = all.node("east-2").node.self.nodeId;
    all.regions.get("east")!.term = 2;
    all.regions.get("east")!.deregister("a1");
    all.regions.get("east")!.register("a2", "translate");
    await all.clock.advance(1_200);
    all.node("west-1").node.directory.roundTrips.set(all.node("east-1").node.self.nodeId, 1);
    return all;
  }

  it("P10: asks another member when the nearest is behind what the summary shows", async () => {
    const all = await federationWithMemberBehind();
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(east?.revision, 3);
    assert.deepEqual(
      east?.agents.map((agent) => agent.id),
      ["a2"],
    );
    assert.equal(lookupsSent(all), 2);
  });

  it("P10: does not let the summary vouch for an answer of a member that was behind it", async () => {
    const all = await federationWithMemberBehind();
    all.crash("east-2");
    const [behind] = await lookup(all, queryFor("translate"));
    assert.equal(behind?.revision, 1, "nobody else is there to ask");
    assert.ok(behind!.stalenessMs >= 1_200, `staleness ${behind?.stalenessMs}`);
    const [again] = await lookup(all, queryFor("translate"));
    assert.equal(again?.source, "live");
  });

  it("gives a kept answer of a region that is gone, with its true age and the reason", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    all.network.cut(EAST, WEST);
    await all.clock.advance(60_000);
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(east?.source, "cached");
    assert.equal(east?.agents.length, 1);
    assert.equal(east?.error?.code, "NO_LINK");
    assert.ok(east!.stalenessMs >= 60_000 && east!.stalenessMs < 61_500, `staleness ${east?.stalenessMs}`);
  });

  it("refuses a kept answer older than the caller allows, and says so", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    all.network.cut(EAST, WEST);
    await all.clock.advance(10_000);
    const [east] = await lookup(all, queryFor("translate"), { maxStalenessMs: 5_000 });
    assert.equal(east?.source, "none");
    assert.deepEqual(east?.agents, []);
    assert.equal(east?.error?.code, "NO_LINK");
  });

  it("fetches when the summary is older than the caller allows", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    await all.clock.advance(500);
    const [east] = await lookup(all, queryFor("translate"), { maxStalenessMs: 50 });
    assert.equal(east?.source, "live");
    assert.ok(east!.stalenessMs <= 50);
  });

  it("asks another node when the first one's state is older than the caller allows", async () => {
    const all = await federationWithAgent(2);
    all.node("east-1").view.freeze();
    await all.clock.advance(2_000);
    all.node("west-1").node.directory.roundTrips.set(all.node("east-1").node.self.nodeId, 1);
    const [east] = await lookup(all, queryFor("translate"), { maxStalenessMs: 500 });
    assert.equal(east?.source, "live");
    assert.ok(east!.stalenessMs <= 500);
  });

  it("never answers a linearizable lookup from what it kept, nor from the summary", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    const [again] = await lookup(all, queryFor("translate"), { consistency: "linearizable" });
    assert.equal(again?.source, "live");
    const [absent] = await lookup(all, queryFor("paint"), { consistency: "linearizable" });
    assert.equal(absent?.source, "live");
    all.network.cut(EAST, WEST);
    const [gone] = await lookup(all, queryFor("translate"), { consistency: "linearizable" });
    assert.equal(gone?.source, "none");
    assert.equal(gone?.error?.code, "NO_LINK");
  });

  it("asks a second node at once when the first one's link breaks under the request", async () => {
    const all = await federationWithAgent(2);
    const nearest = all.node("east-1").node.self.nodeId;
    all.node("west-1").node.directory.roundTrips.set(nearest, 1);
    const answers = all.node("west-1").federation.lookup(queryFor("translate"), { consistency: "stale" });
    await all.clock.advance(2);
    all.crash("east-1");
    const [east] = await all.until(answers);
    assert.equal(east?.source, "live");
    assert.equal(lookupsSent(all), 2);
    assert.ok(east!.stalenessMs <= 12, `staleness ${east?.stalenessMs}`);
  });

  it("asks a second node when the first takes longer than usual", async () => {
    const all = await federationWithAgent(2);
    all.node("east-1").node.requests.handle("lookup", () => new Promise(() => {}));
    all.node("west-1").node.directory.roundTrips.set(all.node("east-1").node.self.nodeId, 1);
    const startMs = all.clock.now();
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(east?.source, "live");
    assert.ok(all.clock.now() - startMs <= 20 + 10 + 2, `took ${all.clock.now() - startMs}`);
  });

  it("F26: a dead region costs an answer the deadline at most, the others' part is whole", async () => {
    const all = await federationWithAgent();
    all.found("south", 2);
    all.regions.get("south")!.register("s1", "translate");
    await all.clock.advance(1_200);
    all.network.cut(EAST, WEST, "silent");
    const startMs = all.clock.now();
    const answers = await lookup(all, queryFor("translate"));
    const tookMs = all.clock.now() - startMs;
    assert.ok(tookMs >= 1_000 && tookMs <= 1_001, `took ${tookMs}`);
    const byRegion = new Map(answers.map((answer) => [answer.region, answer]));
    assert.equal(byRegion.get(EAST)?.error?.code, "DEADLINE");
    assert.equal(byRegion.get(SOUTH)?.source, "live");
    assert.equal(byRegion.get(SOUTH)?.agents.length, 1);
  });

  it("F26: after five failures a dead region costs nothing, and is tried again after two seconds", async () => {
    const all = await federationWithAgent();
    all.network.cut(EAST, WEST, "silent");
    for (let i = 0; i < 5; i++) await lookup(all, queryFor("translate"));
    const sentBefore = lookupsSent(all);
    const startMs = all.clock.now();
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(all.clock.now(), startMs);
    assert.equal(east?.error?.code, "REGION_FAILING");
    assert.equal(lookupsSent(all), sentBefore);
    assert.equal(all.node("west-1").federation.status()[0]?.breaker, "open");
    await all.clock.advance(2_000);
    all.network.heal(EAST, WEST);
    const [back] = await lookup(all, queryFor("translate"));
    assert.equal(back?.source, "live");
    assert.equal(all.node("west-1").federation.status()[0]?.breaker, "closed");
  });

  it("a region's refusal with a reason is passed on and does not open the breaker", async () => {
    const all = await federationWithAgent(1);
    const refuse = () => {
      throw new TypeError("a defect over there");
    };
    all.node("east-1").node.requests.handle("lookup", async () => refuse());
    for (let i = 0; i < 6; i++) {
      const [east] = await lookup(all, queryFor("translate"));
      assert.equal(east?.error?.code, "INTERNAL");
    }
    assert.equal(all.node("west-1").federation.status()[0]?.breaker, "closed");
  });

  it("P11: an answer that holds another region's agent is dropped whole", async () => {
    const all = await federationWithAgent(1);
    const { view, node, metrics } = all.node("east-1");
    node.requests.handle("lookup", async () => {
      const answer = await view.lookup(queryFor("translate"));
      return { ...answer, agents: answer.agents.map((agent) => ({ ...agent, region: "west" })) };
    });
    assert.equal(metrics.refusals.length, 0);
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(east?.source, "none");
    assert.equal(east?.error?.code, "INVALID_ANSWER");
    assert.ok(all.node("west-1").metrics.refusals.includes("wrong-region"));
  });

  it("P11: an answer that does not have its form, or is larger than asked for, is dropped", async () => {
    const all = await federationWithAgent(1);
    const { view, node } = all.node("east-1");
    const agent = (await view.lookup(queryFor("translate"))).agents[0]!;
    const wrong: unknown[] = [
      null,
      { agents: [] },
      { revision: 1, stalenessMs: -1, hasMore: false, agents: [] },
      { revision: 1, stalenessMs: 0, hasMore: false, agents: [{ ...agent, endpoint: "x".repeat(5_000) }] },
      { revision: 1, stalenessMs: 0, hasMore: false, agents: [{ ...agent, metadata: { at: new Date(0) } }] },
      { revision: 1, stalenessMs: 0, hasMore: false, agents: [agent, { ...agent, id: "a2" }] },
    ];
    for (const answer of wrong) {
      node.requests.handle("lookup", async () => answer);
      const [east] = await lookup(all, queryFor("translate", { limit: 1 }));
      const code = east?.error?.code ?? "no error";
      assert.ok(["MALFORMED", "INVALID_ANSWER"].includes(code), `${code} for ${JSON.stringify(answer)}`);
      // A dropped answer is a failure, and the breaker would hide the next one.
      await all.clock.advance(2_000);
    }
  });

  it("P11: a linked peer that only claims the region's name is not asked", async () => {
    const all = await federationWithAgent(1);
    all.start("east-9", {}, all.regions.get("east")!, asNodeId("id-of-a-stranger"));
    all.node("west-1").node.directory.roundTrips.set(asNodeId("id-of-a-stranger"), 1);
    let askedStranger = 0;
    all.node("east-9").node.requests.alter("lookup", (answer) => {
      askedStranger++;
      return answer;
    });
    const [east] = await lookup(all, queryFor("translate"));
    assert.equal(east?.source, "live");
    assert.equal(askedStranger, 0);
  });

  it("leaves out agents that do not fit an answer and says that there are more", async () => {
    const all = await federationWithAgent(1);
    const metadata = { notes: "n".repeat(60_000) };
    for (let i = 0; i < 30; i++) all.regions.get("east")!.register(`big${i}`, "remember", { metadata });
    await all.clock.advance(1_200);
    const [east] = await lookup(all, queryFor("remember"));
    assert.equal(east?.source, "live");
    assert.equal(east?.hasMore, true);
    assert.ok(east!.agents.length > 10 && east!.agents.length < 30);
  });

  it("asks only the region that was named", async () => {
    const all = await federationWithAgent();
    all.found("south", 1);
    await all.clock.advance(1_000);
    const { federation } = all.node("west-1");
    const answers = await all.until(federation.lookup(queryFor("translate"), { consistency: "stale", only: SOUTH }));
    assert.deepEqual(
      answers.map((answer) => answer.region),
      [SOUTH],
    );
  });
});

describe("what is known without asking", () => {
  const known = (all: FakeFederation, capability = "translate") =>
    all
      .node("west-1")
      .federation.known(queryFor(capability))
      .map(({ region, agents }) => [region, agents?.map(({ id }) => id) ?? null]);

  it("is nothing of a region whose summary shows a match, until it was asked", async () => {
    const all = await federationWithAgent();
    assert.deepEqual(known(all), [["east", null]]);
    await lookup(all, queryFor("translate"));
    assert.deepEqual(known(all), [["east", ["a1"]]]);
    assert.equal(lookupsSent(all), 1);
  });

  it("is that there is nobody where the summary shows no match", async () => {
    const all = await federationWithAgent();
    assert.deepEqual(known(all, "paint"), [["east", []]]);
  });

  it("is nothing again once the summary shows a change, and the count of changes tells", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    const { federation } = all.node("west-1");
    const before = federation.changes();
    await all.clock.advance(5_000);
    assert.equal(federation.changes(), before, "headers alone change nothing");
    all.regions.get("east")!.deregister("a1");
    await all.clock.advance(20);
    assert.ok(federation.changes() > before);
    assert.deepEqual(known(all), [["east", []]]);
  });

  it("stays what it was of a region that is away, for an agent told of it may still reach it", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    const { federation } = all.node("west-1");
    const before = federation.changes();
    all.network.cut(EAST, WEST);
    await all.clock.advance(60_000);
    assert.deepEqual(known(all), [["east", ["a1"]]]);
    assert.ok(federation.changes() > before, "links that end are a change");
  });

  it("is nothing while the summary shows a change that the kept answer does not", async () => {
    const all = await federationWithAgent();
    await lookup(all, queryFor("translate"));
    all.regions.get("east")!.register("a2", "translate");
    await all.clock.advance(20);
    assert.deepEqual(known(all), [["east", null]]);
  });

  it("comes nearest first", async () => {
    const all = new FakeFederation();
    for (const region of ["west", "east", "south"]) all.found(region, 1);
    for (const region of ["east", "south"]) all.regions.get(region)!.register(`a-${region}`, "translate");
    await all.clock.advance(1_200);
    await lookup(all, queryFor("translate"));
    all.node("west-1").node.directory.roundTrips.set(all.node("east-1").node.self.nodeId, 80);
    all.node("west-1").node.directory.roundTrips.set(all.node("south-1").node.self.nodeId, 20);
    assert.deepEqual(known(all), [
      ["south", ["a-south"]],
      ["east", ["a-east"]],
    ]);
  });
});
