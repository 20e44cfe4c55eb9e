import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isFarewellOf, sayFarewell } from "../../../src/federation/farewell.ts";
import { succeedKey, toHex } from "../../../src/federation/key-succession.ts";
import { generateRegionKey } from "../../../src/federation/region-key.ts";
import { encode, type PullAnswer } from "../../../src/federation/wire.ts";
import { asClusterId, asFederationId, asRegionId } from "../../../src/types/ids.ts";
import type { Farewell } from "../../../src/types/region-standing.ts";
import { AtollError } from "../../../src/util/errors.ts";
import { FakeFederation, FEDERATION } from "../../support/fake-federation.ts";
import { nodeIdOf, queryFor } from "../../support/fake-region.ts";

const [EAST, WEST, NORTH] = ["east", "west", "north"].map(asRegionId) as [ReturnType<typeof asRegionId>, ...never[]];

async function threeRegions(nodes = 1): Promise<FakeFederation> {
  const all = new FakeFederation();
  for (const name of ["east", "west", "north"]) all.found(name, nodes);
  all.regions.get("east")!.register("a1", "translate");
  await all.clock.advance(1_500);
  return all;
}

const knownTo = (all: FakeFederation, node: string) =>
  all
    .node(node)
    .federation.status()
    .map(({ region }): string => region);

async function lookup(all: FakeFederation, node: string) {
  const asked = all.node(node).federation.lookup(queryFor("translate"), { consistency: "stale" });
  const answers = await all.until(asked);
  return {
    ids: answers.flatMap(({ agents }) => agents.map(({ id }): string => id)),
    errors: answers.flatMap(({ error }) => error ?? []),
  };
}

/** As the transport has it for who does not serve a method. */
class NotServedYet extends AtollError<{ readonly code: "UNKNOWN_METHOD" }> {}

describe("a region that says farewell", () => {
  it("is forgotten by every node of every other region within two seconds, with all that was kept of it", async () => {
    const all = await threeRegions(2);
    await lookup(all, "west-1");
    const gone: string[] = [];
    all.node("west-1").federation.onCapability((region, { name, total }) => gone.push(`${region} ${name} ${total}`));
    all.regions.get("east")!.sayFarewell(FEDERATION);
    await all.clock.advance(2_000);
    for (const node of ["west-1", "west-2"]) assert.deepEqual(knownTo(all, node), ["north"]);
    for (const node of ["north-1", "north-2"]) assert.deepEqual(knownTo(all, node), ["west"]);
    assert.deepEqual(gone, ["east translate 0"]);
    assert.deepEqual(await lookup(all, "west-1"), { ids: [], errors: [] });
    assert.equal(all.node("west-1").federation.knows(EAST), false);
  });

  it("P9: is not missed by lookups once it is down, nor after a restart; one that is only away is", async () => {
    const all = await threeRegions();
    all.regions.get("east")!.sayFarewell(FEDERATION);
    await all.clock.advance(2_000);
    for (const name of ["east-1", "north-1", "west-1"]) all.crash(name);
    all.start("west-1");
    await all.clock.advance(10_000);
    const { errors } = await lookup(all, "west-1");
    assert.deepEqual(
      errors.map(({ code }) => code),
      ["NO_LINK"],
    );
    const [north] = all.node("west-1").federation.status();
    assert.deepEqual([north?.region, north?.link], ["north", "away"]);
  });

  it("is forgotten by a region that could not hear it, from any other one that did", async () => {
    const all = await threeRegions();
    all.network.cut(EAST, NORTH!);
    all.regions.get("east")!.sayFarewell(FEDERATION);
    await all.clock.advance(2_000);
    all.crash("east-1");
    await all.clock.advance(15_000);
    assert.deepEqual(knownTo(all, "north-1"), ["west"]);
  });

  it("is forgotten by a region that was down for long, and missed that it replaced its key before", async () => {
    const all = await threeRegions();
    const east = all.regions.get("east")!;
    all.crash("north-1");
    for (let i = 0; i < 3; i++) {
      east.rotateKey(FEDERATION);
      await all.clock.advance(2_500);
    }
    east.sayFarewell(FEDERATION);
    await all.clock.advance(2_500);
    all.crash("east-1");
    all.start("north-1");
    await all.clock.advance(15_000);
    assert.deepEqual(knownTo(all, "north-1"), ["west"]);
  });

  it("P10: does not come back: not by its own nodes, not by gossip played back, not by a node that never heard", async () => {
    const all = await threeRegions();
    const recorded = [...all.network.published];
    const east = all.regions.get("east")!;
    east.sayFarewell(FEDERATION);
    await all.clock.advance(2_000);
    east.farewell = undefined;
    east.register("a2", "translate");
    for (const message of recorded) all.node("north-1").node.summaries.publish(message);
    await all.clock.advance(30_000);
    assert.deepEqual(knownTo(all, "west-1"), ["north"]);
    assert.ok(all.node("west-1").metrics.refusals.includes("retired"));
    all.crash("west-1");
    all.start("west-1");
    await all.clock.advance(15_000);
    assert.deepEqual(knownTo(all, "west-1"), ["north"]);
    assert.equal(all.node("west-1").federation.status()[0]?.distrust, undefined);
  });

  it("F17: leaves its name to a region that is founded anew, which is met like any other", async () => {
    const all = await threeRegions();
    all.regions.get("east")!.sayFarewell(FEDERATION);
    await all.clock.advance(2_000);
    all.crash("east-1");
    const anew = all.declare("east", 1, "founded anew");
    anew.register("z1", "translate");
    all.start("east-1");
    await all.clock.advance(2_000);
    const status = all
      .node("west-1")
      .federation.status()
      .find(({ region }) => region === EAST)!;
    assert.deepEqual([status.cluster, status.inSync, status.distrust], ["founded anew", true, undefined]);
    assert.deepEqual(await lookup(all, "west-1"), { ids: ["z1"], errors: [] });
  });

  it("is forgotten though its key was configured, and stays so after a restart with that configuration", async () => {
    const all = new FakeFederation();
    const east = all.found("east", 1);
    all.declare("west", 1);
    const pins = { east: toHex(east.key!.publicKey) };
    all.start("west-1", { pins });
    await all.clock.advance(1_500);
    east.sayFarewell(FEDERATION);
    await all.clock.advance(2_000);
    all.crash("east-1");
    all.crash("west-1");
    all.start("west-1", { pins });
    assert.deepEqual(knownTo(all, "west-1"), []);
  });

  it("is forgotten by mates and neighbours of the one node that heard it, though nobody pulls from that", async () => {
    const all = new FakeFederation();
    all.found("east", 1);
    all.found("west", 2);
    all.found("north", 1);
    await all.clock.advance(2_000);
    const east = all.regions.get("east")!;
    const farewell = sayFarewell({ federation: FEDERATION, region: EAST, cluster: east.cluster }, east.key!, []);
    all.crash("east-1");
    for (const name of ["west-1", "west-2", "north-1"]) {
      all.node(name).node.requests.alter("summary/digests", (answer) => ({ ...(answer as PullAnswer), farewells: [] }));
    }
    const told = all
      .node("north-1")
      .node.requests.request(
        all.node("west-1").node.self.nodeId,
        "region/farewells",
        { farewells: [farewell] },
        { timeoutMs: 1_000 },
      );
    await all.until(told);
    await all.clock.advance(100);
    assert.deepEqual(
      ["west-1", "west-2", "north-1"].map((name) => knownTo(all, name)),
      [["north"], ["north"], ["west"]],
    );
    const before = all.node("west-1").node.requests.sent.get("region/farewells");
    await all.clock.advance(120_000);
    assert.equal(all.node("west-1").node.requests.sent.get("region/farewells"), before, "each is told once");
  });

  it("is told of again to a node that did not serve the question yet", async () => {
    const all = new FakeFederation();
    all.found("east", 1);
    all.found("west", 2);
    await all.clock.advance(2_000);
    const west = all.node("west-2");
    west.node.requests.handle("region/farewells", async () => {
      throw new NotServedYet("its region is not founded yet", { code: "UNKNOWN_METHOD" });
    });
    const east = all.regions.get("east")!;
    const farewell = sayFarewell({ federation: FEDERATION, region: EAST, cluster: east.cluster }, east.key!, []);
    let told = 0;
    all.crash("east-1");
    const telling = west.node.requests.request(
      all.node("west-1").node.self.nodeId,
      "region/farewells",
      { farewells: [farewell] },
      { timeoutMs: 1_000 },
    );
    await all.until(telling);
    await all.clock.advance(1_000);
    west.node.requests.handle("region/farewells", async () => void told++);
    await all.clock.advance(40_000);
    assert.equal(told, 1);
  });

  it("P11: is not sent away by a farewell that it did not sign", async () => {
    const all = await threeRegions();
    const east = all.regions.get("east")!;
    const thief = generateRegionKey();
    const scope = { federation: FEDERATION, region: EAST, cluster: east.cluster };
    const forged: Farewell[] = [
      sayFarewell(scope, thief, []),
      { ...sayFarewell(scope, thief, []), publicKey: toHex(east.key!.publicKey) },
      sayFarewell({ ...scope, federation: asFederationId("other") }, east.key!, []),
      sayFarewell(scope, thief, [succeedKey(scope, thief, thief.publicKey)]),
    ];
    all
      .node("north-1")
      .node.requests.alter("summary/digests", (answer) => ({ ...(answer as PullAnswer), farewells: forged }));
    await all.clock.advance(30_000);
    assert.deepEqual(knownTo(all, "west-1"), ["east", "north"]);
    assert.ok(all.node("west-1").metrics.refusals.includes("bad-signature"));
    assert.equal(all.node("west-1").federation.status()[0]?.distrust, undefined);
  });

  it("F17: a farewell of a region's former cluster does not send away the one that has its name now", async () => {
    const all = await threeRegions();
    const east = all.regions.get("east")!;
    const former = sayFarewell({ federation: FEDERATION, region: EAST, cluster: asClusterId("former") }, east.key!, []);
    all
      .node("north-1")
      .node.requests.alter("summary/digests", (answer) => ({ ...(answer as PullAnswer), farewells: [former] }));
    const passedOn: unknown[] = [];
    all.node("west-1").node.requests.alter("summary/digests", (answer) => {
      passedOn.push(...((answer as PullAnswer).farewells ?? []));
      return answer;
    });
    await all.clock.advance(30_000);
    assert.deepEqual(knownTo(all, "west-1"), ["east", "north"]);
    assert.deepEqual(passedOn, []);
  });

  it("covers every epoch of its cluster", () => {
    const pair = generateRegionKey();
    const scope = { federation: FEDERATION, region: EAST, cluster: asClusterId("c.2.salt") };
    const farewell = sayFarewell(scope, pair, []);
    assert.equal(farewell.cluster, "c");
    assert.equal(isFarewellOf(FEDERATION, toHex(pair.publicKey), farewell), true);
  });

  it("fits a pull's answer at its largest", () => {
    const keys = Array.from({ length: 17 }, () => generateRegionKey());
    const scope = { federation: FEDERATION, region: EAST, cluster: asClusterId("c".repeat(32)) };
    const chain = keys.slice(1).map((next, i) => succeedKey(scope, keys[i]!, next.publicKey));
    const bytes = encode(Array(32).fill(sayFarewell(scope, keys.at(-1)!, chain))).length;
    assert.ok(bytes < 256 * 1024, `${bytes} bytes`);
  });
});

describe("a region that another one's operators retire", () => {
  it("is forgotten there at once, on every node, and nowhere else", async () => {
    const all = await threeRegions(2);
    all.regions.get("west")!.retire(all.regions.get("east")!);
    for (const node of ["west-1", "west-2"]) assert.deepEqual(knownTo(all, node), ["north"]);
    await all.clock.advance(15_000);
    for (const node of ["west-1", "west-2"]) assert.deepEqual(knownTo(all, node), ["north"]);
    assert.deepEqual(knownTo(all, "north-1"), ["east", "west"]);
    assert.deepEqual(await lookup(all, "west-2"), { ids: [], errors: [] });
  });

  it("is met again when they admit it", async () => {
    const all = await threeRegions();
    const west = all.regions.get("west")!;
    west.retire(all.regions.get("east")!);
    await all.clock.advance(2_000);
    west.retirements = [];
    west.register("w1", "other");
    await all.clock.advance(15_000);
    assert.deepEqual(knownTo(all, "west-1"), ["east", "north"]);
    assert.deepEqual((await lookup(all, "west-1")).ids, ["a1"]);
  });

  it("F17: makes way for one that was founded anew under its name while it was pinned", async () => {
    const all = await threeRegions();
    const before = all.regions.get("east")!;
    all.crash("east-1");
    const anew = all.declare("east", 1, "founded anew");
    anew.register("z1", "translate");
    all.start("east-1");
    await all.clock.advance(2_000);
    const statusOf = () =>
      all
        .node("west-1")
        .federation.status()
        .find(({ region }) => region === EAST)!;
    assert.match(statusOf().distrust ?? "", /not the pinned one/);
    all.regions.get("west")!.retire(before);
    await all.clock.advance(15_000);
    assert.deepEqual([statusOf().cluster, statusOf().distrust], ["founded anew", undefined]);
    assert.deepEqual((await lookup(all, "west-1")).ids, ["z1"]);
  });

  it("is named, to be retired, by its pin, or by the cluster of a node that is linked", async () => {
    const all = await threeRegions();
    const { federation } = all.node("west-1");
    const { cluster, key } = all.regions.get("east")!;
    assert.deepEqual(federation.standingOf(EAST), { cluster, publicKey: toHex(key!.publicKey) });
    assert.equal(federation.standingOf(asRegionId("atlantis")), undefined);
    assert.equal(federation.standingOf(WEST!)?.cluster, undefined, "not its own");
    assert.notEqual(all.node("north-1").node.directory.get(nodeIdOf("east-1")), undefined);
  });
});
