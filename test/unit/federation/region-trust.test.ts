import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FederationError } from "../../../src/federation/errors.ts";
import { FEDERATION_DEFAULTS, type Refusal, type RegionKeyPair } from "../../../src/federation/interface.ts";
import { succeedKey } from "../../../src/federation/key-succession.ts";
import { generateRegionKey, RegionSigner } from "../../../src/federation/region-key.ts";
import { RegionTrust } from "../../../src/federation/region-trust.ts";
import { Retirements } from "../../../src/federation/retirements.ts";
import { encodeEnvelope, GOSSIP_CONTEXT, readEnvelope } from "../../../src/federation/wire.ts";
import { asClusterId, asRegionId } from "../../../src/types/ids.ts";
import type { SummaryHeader } from "../../../src/types/summary.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { CountedMetrics, FakeFederation, FEDERATION, memoryFacts } from "../../support/fake-federation.ts";
import { nodeIdOf, queryFor } from "../../support/fake-region.ts";

const EAST = asRegionId("east");
const PEER = nodeIdOf("east-1");
const IMPOSTOR = nodeIdOf("east-9");
const isDistrusted = (error: FederationError) => error.detail.code === "DISTRUSTED";

function header(cluster: string, region = EAST): SummaryHeader {
  const rest = {
    term: 1,
    revision: 1,
    rootDigest: "0".repeat(16),
    capabilities: 0,
    agents: 0,
    nodesDigest: "0".repeat(16),
  };
  return { federation: FEDERATION, region, cluster: asClusterId(cluster), ...rest };
}

function trustWith(facts = memoryFacts(), pins: Record<string, string> = {}, metrics = new CountedMetrics()) {
  const retirements = new Retirements(facts, { retirements: () => [], farewell: () => undefined });
  const options = { facts, pins, logger: silentLogger, metrics, federation: FEDERATION, retirements };
  return { trust: new RegionTrust(options), facts, metrics };
}

function isBelieved(trust: RegionTrust, pair: RegionKeyPair): boolean {
  const body = Buffer.from("a statement");
  return trust.verifies(EAST, "context", body, new RegionSigner(() => pair).sign("context", body)!);
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("region trust", () => {
  it("pins a region at first contact and believes only that key", async () => {
    const { trust } = trustWith();
    const pair = generateRegionKey();
    assert.equal(isBelieved(trust, pair), false);
    await trust.admit(header("c1"), pair, PEER);
    assert.equal(isBelieved(trust, pair), true);
    assert.equal(isBelieved(trust, generateRegionKey()), false);
    assert.equal(trust.clusterOf(EAST), "c1");
  });

  it("P11: refuses another key and another cluster, counts them, and says so", async () => {
    const { trust, metrics } = trustWith();
    const pair = generateRegionKey();
    await trust.admit(header("c1"), pair, PEER);
    await assert.rejects(trust.admit(header("c1"), generateRegionKey(), IMPOSTOR), isDistrusted);
    await assert.rejects(trust.admit(header("c2"), pair, IMPOSTOR), isDistrusted);
    assert.deepEqual(metrics.refusals, ["key-mismatch", "cluster-mismatch"]);
    assert.match(trust.distrustOf(EAST) ?? "", /cluster is c2, pinned is c1/);
    assert.equal(isBelieved(trust, pair), true);
  });

  it("shows distrust until the peer that caused it is gone", async () => {
    const { trust } = trustWith();
    const pair = generateRegionKey();
    await trust.admit(header("c1"), pair, PEER);
    await assert.rejects(trust.admit(header("c1"), generateRegionKey(), IMPOSTOR), isDistrusted);
    await trust.admit(header("c1"), pair, PEER);
    assert.notEqual(trust.distrustOf(EAST), undefined, "an honest peer does not hide the impostor");
    trust.forgive(EAST, IMPOSTOR);
    assert.equal(trust.distrustOf(EAST), undefined);
  });

  it("P11: remembers its pins over a restart, so that a restart can not fall for another key", async () => {
    const { trust, facts } = trustWith();
    const pair = generateRegionKey();
    await trust.admit(header("c1"), pair, PEER);
    const { trust: restarted } = trustWith(facts);
    assert.deepEqual(restarted.regions(), [EAST]);
    assert.equal(isBelieved(restarted, pair), true);
    await assert.rejects(restarted.admit(header("c1"), generateRegionKey(), IMPOSTOR), isDistrusted);
  });

  it("lets a configured key win over a learned one, which is how a refounded region is accepted", async () => {
    const { trust, facts } = trustWith();
    const old = generateRegionKey();
    await trust.admit(header("c1"), old, PEER);
    const refounded = generateRegionKey();
    const { trust: configured } = trustWith(facts, { east: hex(refounded.publicKey) });
    assert.equal(isBelieved(configured, old), false);
    await assert.rejects(configured.admit(header("c1"), old, PEER), isDistrusted);
    await configured.admit(header("c2"), refounded, PEER);
    assert.equal(configured.clusterOf(EAST), "c2");
  });

  it("follows a key that the pinned one vouches for, and never goes back to the old one", async () => {
    const { trust, facts, metrics } = trustWith();
    const [first, second, third] = [generateRegionKey(), generateRegionKey(), generateRegionKey()];
    const scope = { federation: FEDERATION, region: EAST, cluster: asClusterId("c1") };
    const successions = [succeedKey(scope, first, second.publicKey), succeedKey(scope, second, third.publicKey)];
    await trust.admit(header("c1"), first, PEER);
    await trust.admit(header("c1"), { ...third, successions }, PEER);
    assert.deepEqual(
      [isBelieved(trust, third), isBelieved(trust, second), isBelieved(trust, first)],
      [true, false, false],
    );
    for (const { trust: one } of [{ trust }, trustWith(facts, {}, metrics)]) {
      for (const old of [first, second]) await assert.rejects(one.admit(header("c1"), old, IMPOSTOR), isDistrusted);
    }
    assert.deepEqual(metrics.refusals, Array(4).fill("replaced-key"));
    assert.match(trust.distrustOf(EAST) ?? "", /key that the region has replaced/);
    await trust.admit(header("c1"), { ...third, successions }, PEER);
    assert.equal(trust.distrustOf(EAST), undefined, "the region is believed: whoever has the old key only lags behind");
  });

  it("follows a region from the key that was configured, and is not set back by a configuration that is older", async () => {
    const [first, second] = [generateRegionKey(), generateRegionKey()];
    const pins = { east: hex(first.publicKey) };
    const { trust, facts } = trustWith(memoryFacts(), pins);
    const scope = { federation: FEDERATION, region: EAST, cluster: asClusterId("c1") };
    await trust.admit(header("c1"), { ...second, successions: [succeedKey(scope, first, second.publicKey)] }, PEER);
    const { trust: restarted } = trustWith(facts, pins);
    assert.deepEqual([isBelieved(restarted, second), isBelieved(restarted, first)], [true, false]);
    assert.equal(restarted.clusterOf(EAST), "c1");
  });

  it("P11: does not follow a key that the pinned one vouches for in another cluster", async () => {
    const { trust, metrics } = trustWith();
    const [first, second] = [generateRegionKey(), generateRegionKey()];
    await trust.admit(header("c1"), first, PEER);
    const scope = { federation: FEDERATION, region: EAST, cluster: asClusterId("c2") };
    const successions = [succeedKey(scope, first, second.publicKey)];
    await assert.rejects(trust.admit(header("c2"), { ...second, successions }, IMPOSTOR), isDistrusted);
    assert.deepEqual(metrics.refusals, ["key-mismatch"]);
  });

  it("is bounded: the 257th region is refused", async () => {
    const { trust } = trustWith();
    const pair = generateRegionKey();
    for (let i = 0; i < 256; i++) await trust.admit(header("c", asRegionId(`region-${i}`)), pair, PEER);
    const oneMore = trust.admit(header("c", asRegionId("one-more")), pair, PEER);
    await assert.rejects(oneMore, (error: FederationError) => error.detail.code === "TOO_MANY_REGIONS");
  });

  it("F17: a region of the same name that was founded apart is not believed, and the status says why", async () => {
    const all = new FakeFederation();
    all.found("east", 1);
    all.found("west", 1);
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(1_200);
    const twin = all.declare("east", 1, "another cluster");
    all.start("east-9", {}, twin, IMPOSTOR);
    twin.leader = IMPOSTOR;
    twin.register("z1", "steal");
    await all.clock.advance(15_000);
    const status = all.node("west-1").federation.status()[0]!;
    assert.match(status.distrust ?? "", /not the pinned one/);
    assert.equal(status.cluster, "cluster of east");
    assert.equal(status.capabilities, 1);
    assert.equal(status.inSync, true);
    assert.ok(all.node("west-1").metrics.refusals.includes("bad-signature"), "its gossip is refused too");
    all.crash("east-1");
    const asked = all.node("west-1").federation.lookup(queryFor("steal"), { consistency: "stale" });
    const [answer] = await all.until(asked);
    assert.deepEqual([answer?.agents, answer?.error?.code], [[], "DISTRUSTED"]);
    all.crash("east-9");
    assert.equal(all.node("west-1").federation.status()[0]?.distrust, undefined);
  });
});

describe("a region that replaces its key", () => {
  const twoRegions = async () => {
    const all = new FakeFederation();
    const east = all.found("east", 3);
    all.found("west", 2);
    east.register("a1", "translate");
    await all.clock.advance(1_200);
    return { all, east };
  };
  const distrusts = (all: FakeFederation) =>
    ["west-1", "west-2"].flatMap((name) => all.node(name).federation.status()[0]?.distrust ?? []);

  it("is followed by the others within some seconds, and its summary vouches all the while", async () => {
    const { all, east } = await twoRegions();
    east.rotateKey(FEDERATION);
    let oldestMs = 0;
    for (let passedMs = 0; passedMs < 5_000; passedMs += 50) {
      await all.clock.advance(50);
      for (const name of ["west-1", "west-2"]) {
        oldestMs = Math.max(oldestMs, all.node(name).federation.status()[0]!.summaryAgeMs);
      }
    }
    assert.ok(oldestMs < FEDERATION_DEFAULTS.summaryFreshMs, `the summary was ${oldestMs} ms old`);
    east.register("a2", "summarise");
    await all.clock.advance(100);
    assert.deepEqual([all.differences(), distrusts(all)], [[], []]);
  });

  it("P8: is followed by who was away while it replaced its key several times", async () => {
    const { all, east } = await twoRegions();
    all.crash("west-1");
    for (let i = 0; i < 5; i++) {
      east.rotateKey(FEDERATION);
      await all.clock.advance(3_000);
    }
    all.start("west-1");
    await all.clock.advance(500);
    assert.deepEqual([all.differences(), distrusts(all)], [[], []]);
  });

  it("is shown as not believed by a node that was away for more keys than are kept", async () => {
    const { all, east } = await twoRegions();
    all.crash("west-1");
    for (let i = 0; i < 17; i++) east.rotateKey(FEDERATION);
    east.successions.splice(0, east.successions.length - 16);
    all.start("west-1");
    await all.clock.advance(500);
    assert.match(all.node("west-1").federation.status()[0]?.distrust ?? "", /no succession/);
  });

  it("P10: is not answered for by a member that still has the old key", async () => {
    const { all, east } = await twoRegions();
    all.node("east-3").view.freeze();
    east.rotateKey(FEDERATION);
    await all.clock.advance(180_000);
    const refused = ["west-1", "west-2"].flatMap((name) => all.node(name).metrics.refusals);
    assert.ok(refused.includes("replaced-key"), "it was asked, and not believed");
    all.crash("east-3");
    await all.clock.advance(1_000);
    assert.deepEqual([all.differences().filter((text) => text.startsWith("west")), distrusts(all)], [[], []]);
  });

  it("P11: messages that its key did not sign have it asked once a second, however many they are", async () => {
    const { all } = await twoRegions();
    const west = all.node("west-1");
    await all.clock.advance(10_000);
    const before = west.node.requests.sent.get("summary/digests") ?? 0;
    const stranger = new RegionSigner(() => generateRegionKey());
    const body = Buffer.from("{}");
    for (let i = 0; i < 500; i++) {
      const signature = stranger.sign(GOSSIP_CONTEXT, body)!;
      all.node("east-2").node.summaries.publish(encodeEnvelope({ region: EAST, body, signature }));
      await all.clock.advance(10);
    }
    const asked = (west.node.requests.sent.get("summary/digests") ?? 0) - before;
    assert.ok(asked >= 2 && asked <= 7, `asked ${asked} times within 5 s`);
  });
});

describe("an admitted peer that gossips what it should not", () => {
  const body = (fields: object) => {
    const { header: of, ...rest } = {
      header: header("cluster of east"),
      sequence: 900,
      stalenessMs: 0,
      entries: [],
      ...fields,
    };
    return Buffer.from(JSON.stringify({ header: of, ...rest }));
  };
  const signed = (
    all: FakeFederation,
    text: Uint8Array,
    by = all.regions.get("east")!.key!,
    context = GOSSIP_CONTEXT,
  ) => encodeEnvelope({ region: EAST, body: text, signature: new RegionSigner(() => by).sign(context, text)! });
  const stolen = { name: "steal", healthy: 1, total: 1, versions: [], tags: [], revision: 1e6 };
  const forward = { ...header("cluster of east"), revision: 1e6 };

  const cases: readonly (readonly [
    string,
    Refusal,
    (all: FakeFederation, recorded: readonly Uint8Array[]) => Uint8Array,
  ])[] = [
    [
      "forged",
      "bad-signature",
      (all) => signed(all, body({ header: forward, entries: [stolen] }), generateRegionKey()),
    ],
    ["signed with another region's key", "bad-signature", (all) => signed(all, body({}), all.regions.get("west")!.key)],
    ["signed for another purpose", "bad-signature", (all) => signed(all, body({}), undefined, "atoll/summary/pull/1")],
    ["oversized", "oversized", (all) => signed(all, Buffer.alloc(49 * 1024))],
    ["without a form", "malformed", () => Buffer.alloc(3)],
    [
      "from the wrong region",
      "malformed",
      (all) => signed(all, body({ header: header("cluster of east", asRegionId("north")) })),
    ],
    ["of another federation", "foreign", (all) => signed(all, body({ header: { ...forward, federation: "other" } }))],
    ["of another cluster", "cluster-mismatch", (all) => signed(all, body({ header: header("another") }))],
    ["ahead of its own header", "malformed", (all) => signed(all, body({ entries: [stolen] }))],
    [
      "in the name of a region nobody knows",
      "unpinned",
      () => encodeEnvelope({ region: asRegionId("atlantis"), body: body({}), signature: Buffer.alloc(64) }),
    ],
    ["replayed", "stale", (_, recorded) => recorded[0]!],
    [
      "bit-flipped",
      "bad-signature",
      (_, recorded) => {
        const flipped = Uint8Array.from(recorded.at(-1)!);
        flipped[flipped.length - 9]! ^= 4;
        return flipped;
      },
    ],
  ];
  for (const [what, reason, make] of cases) {
    it(`P11, F16: ${what}: dropped and counted as ${reason}, and nothing changes`, async () => {
      const all = new FakeFederation();
      all.found("east", 1);
      all.found("west", 1);
      const peer = all.found("south", 1);
      all.regions.get("east")!.register("a1", "translate");
      await all.clock.advance(2_300);
      const west = all.node("west-1");
      const recorded = all.network.published.filter((message) => readEnvelope(message).region === EAST);
      const before = west.federation.status()[0]!;
      const message = make(all, recorded);
      west.metrics.refusals.length = 0;
      all.node(`${peer.region}-1`).node.summaries.publish(message);
      await all.clock.advance(10);
      assert.deepEqual(west.metrics.refusals, [reason]);
      const { summaryAgeMs, silentMs } = before;
      assert.deepEqual({ ...west.federation.status()[0]!, summaryAgeMs, silentMs }, before);
    });
  }
});
