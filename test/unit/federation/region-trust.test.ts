import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FederationError } from "../../../src/federation/errors.ts";
import type { RegionKeyPair } from "../../../src/federation/interface.ts";
import { generateRegionKey, RegionSigner } from "../../../src/federation/region-key.ts";
import { RegionTrust } from "../../../src/federation/region-trust.ts";
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
  const rest = { term: 1, revision: 1, rootDigest: "0".repeat(16), capabilities: 0, agents: 0, nodes: [] };
  return { federation: FEDERATION, region, cluster: asClusterId(cluster), ...rest };
}

function trustWith(facts = memoryFacts(), pins: Record<string, string> = {}, metrics = new CountedMetrics()) {
  return { trust: new RegionTrust({ facts, pins, logger: silentLogger, metrics }), facts, metrics };
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
    await trust.admit(header("c1"), pair.publicKey, PEER);
    assert.equal(isBelieved(trust, pair), true);
    assert.equal(isBelieved(trust, generateRegionKey()), false);
    assert.equal(trust.clusterOf(EAST), "c1");
  });

  it("P11: refuses another key and another cluster, counts them, and says so", async () => {
    const { trust, metrics } = trustWith();
    const pair = generateRegionKey();
    await trust.admit(header("c1"), pair.publicKey, PEER);
    await assert.rejects(trust.admit(header("c1"), generateRegionKey().publicKey, IMPOSTOR), isDistrusted);
    await assert.rejects(trust.admit(header("c2"), pair.publicKey, IMPOSTOR), isDistrusted);
    assert.deepEqual(metrics.refusals, ["key-mismatch", "cluster-mismatch"]);
    assert.match(trust.distrustOf(EAST) ?? "", /cluster is c2, pinned is c1/);
    assert.equal(isBelieved(trust, pair), true);
  });

  it("shows distrust until the peer that caused it is gone", async () => {
    const { trust } = trustWith();
    const pair = generateRegionKey();
    await trust.admit(header("c1"), pair.publicKey, PEER);
    await assert.rejects(trust.admit(header("c1"), generateRegionKey().publicKey, IMPOSTOR), isDistrusted);
    await trust.admit(header("c1"), pair.publicKey, PEER);
    assert.notEqual(trust.distrustOf(EAST), undefined, "an honest peer does not hide the impostor");
    trust.forgive(EAST, IMPOSTOR);
    assert.equal(trust.distrustOf(EAST), undefined);
  });

  it("P11: remembers its pins over a restart, so that a restart can not fall for another key", async () => {
    const { trust, facts } = trustWith();
    const pair = generateRegionKey();
    await trust.admit(header("c1"), pair.publicKey, PEER);
    const { trust: restarted } = trustWith(facts);
    assert.deepEqual(restarted.regions(), [EAST]);
    assert.equal(isBelieved(restarted, pair), true);
    await assert.rejects(restarted.admit(header("c1"), generateRegionKey().publicKey, IMPOSTOR), isDistrusted);
  });

  it("lets a configured key win over a learned one, which is how a refounded region is accepted", async () => {
    const { trust, facts } = trustWith();
    const old = generateRegionKey();
    await trust.admit(header("c1"), old.publicKey, PEER);
    const refounded = generateRegionKey();
    const { trust: configured } = trustWith(facts, { east: hex(refounded.publicKey) });
    assert.equal(isBelieved(configured, old), false);
    await assert.rejects(configured.admit(header("c1"), old.publicKey, PEER), isDistrusted);
    await configured.admit(header("c2"), refounded.publicKey, PEER);
    assert.equal(configured.clusterOf(EAST), "c2");
  });

  it("is bounded: the 257th region is refused", async () => {
    const { trust } = trustWith();
    const { publicKey } = generateRegionKey();
    for (let i = 0; i < 256; i++) await trust.admit(header("c", asRegionId(`region-${i}`)), publicKey, PEER);
    const oneMore = trust.admit(header("c", asRegionId("one-more")), publicKey, PEER);
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
