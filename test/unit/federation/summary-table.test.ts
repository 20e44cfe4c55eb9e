import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BUCKETS, CapabilitySummary, nodesDigest } from "../../../src/federation/capability-summary.ts";
import type { RegionKeyPair } from "../../../src/federation/interface.ts";
import { generateRegionKey, RegionSigner } from "../../../src/federation/region-key.ts";
import { RegionTrust } from "../../../src/federation/region-trust.ts";
import { Retirements } from "../../../src/federation/retirements.ts";
import { entryMayMatch, SummaryTable } from "../../../src/federation/summary-table.ts";
import { encode, encodeEnvelope, GOSSIP_CONTEXT, type GossipBody, PULL_CONTEXT } from "../../../src/federation/wire.ts";
import { asClusterId, asNodeName, asRegionId } from "../../../src/types/ids.ts";
import type { SummaryEntry, SummaryHeader } from "../../../src/types/summary.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { CountedMetrics, FEDERATION, hash64, memoryFacts } from "../../support/fake-federation.ts";
import { FakeNetwork } from "../../support/fake-network.ts";
import { nodeIdOf, queryFor } from "../../support/fake-region.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const EAST = asRegionId("east");
const WEST = asRegionId("west");
const CLUSTER = asClusterId("c1");

const offered = (name: string, revision: number, facts: Partial<SummaryEntry> = {}): SummaryEntry => {
  return { name, healthy: 1, total: 1, versions: ["1.0.0"], tags: ["fast"], revision, ...facts };
};
const deleted = (name: string, revision: number) => offered(name, revision, { healthy: 0, total: 0 });

/** A header for a region that offers exactly these. */
function headerOf(
  entries: readonly SummaryEntry[],
  revision: number,
  facts: Partial<SummaryHeader> = {},
): SummaryHeader {
  const content = new CapabilitySummary(hash64);
  for (const entry of entries) content.set(entry);
  return {
    federation: FEDERATION,
    region: EAST,
    cluster: CLUSTER,
    term: 1,
    revision,
    rootDigest: content.root(),
    capabilities: content.size,
    agents: content.size,
    nodesDigest: nodesDigest(hash64, []),
    ...facts,
  };
}

function message(pair: RegionKeyPair, body: GossipBody, region = body.header.region, context = GOSSIP_CONTEXT) {
  const bytes = encode(body);
  return encodeEnvelope({ region, body: bytes, signature: new RegionSigner(() => pair).sign(context, bytes)! });
}

const bodyOf = (header: SummaryHeader, sequence: number, entries: readonly SummaryEntry[] = []): GossipBody => ({
  header,
  sequence,
  stalenessMs: 0,
  entries,
});

/** A node of west that pinned east. */
async function tableThatTrustsEast() {
  const clock = new VirtualClock();
  const metrics = new CountedMetrics();
  const pair = generateRegionKey();
  const trust = new RegionTrust({
    facts: memoryFacts(),
    pins: {},
    logger: silentLogger,
    metrics,
    federation: FEDERATION,
    retirements: new Retirements(memoryFacts(), { retirements: () => [], farewell: () => undefined }),
  });
  await trust.admit(headerOf([], 0), pair, nodeIdOf("east-1"));
  const network = new FakeNetwork({ clock, random: seededRandom(1) });
  const rest = { region: WEST, cluster: asClusterId("c2"), http: "", addresses: [] };
  const { directory } = network.join({ nodeId: nodeIdOf("west-1"), name: asNodeName("west-1"), ...rest });
  const own = generateRegionKey();
  const signer = new RegionSigner(() => own);
  const options = { region: WEST, federation: FEDERATION, trust, signer, directory, hash64, clock, metrics };
  return { table: new SummaryTable(options), clock, metrics, pair, own };
}

describe("summary table", () => {
  it("takes a change and the header it leads to, and is in sync then", async () => {
    const { table, pair } = await tableThatTrustsEast();
    const entry = offered("translate", 4);
    assert.equal(table.onGossip(message(pair, bodyOf(headerOf([entry], 4), 1, [entry]))), "accept");
    assert.equal(table.isInSync(EAST), true);
    assert.deepEqual(table.entry(EAST, "translate"), entry);
    assert.equal(table.mayMatch(EAST, queryFor("translate")), true);
    assert.equal(table.mayMatch(EAST, queryFor("paint")), false);
  });

  it("P11: drops what another key signed, what was altered, and what another region's key signed for it", async () => {
    const { table, pair, own, metrics } = await tableThatTrustsEast();
    const entry = offered("translate", 4);
    const body = bodyOf(headerOf([entry], 4), 1, [entry]);
    assert.equal(table.onGossip(message(generateRegionKey(), body)), "reject");
    assert.equal(table.onGossip(message(own, body)), "reject");
    const altered = Buffer.from(message(pair, body));
    altered[altered.indexOf("translate")]! ^= 1;
    assert.equal(table.onGossip(altered), "reject");
    assert.deepEqual(metrics.refusals, ["bad-signature", "bad-signature", "bad-signature"]);
    assert.equal(table.headerOf(EAST), undefined);
  });

  it("P11: no single flipped bit of a message gets through", async () => {
    const { table, pair } = await tableThatTrustsEast();
    const entry = offered("translate", 4);
    const good = message(pair, bodyOf(headerOf([entry], 4), 1, [entry]));
    for (let at = 0; at < good.length; at++) {
      const flipped = Uint8Array.from(good);
      flipped[at]! ^= 1 << (at % 8);
      assert.notEqual(table.onGossip(flipped), "accept", `byte ${at}`);
    }
    assert.equal(table.headerOf(EAST), undefined);
    assert.equal(table.onGossip(good), "accept");
  });

  it("P11: drops another federation's, another cluster's, and a message whose envelope names another region", async () => {
    const { table, pair, metrics } = await tableThatTrustsEast();
    const foreign = headerOf([], 1, { federation: "other" as SummaryHeader["federation"] });
    assert.equal(table.onGossip(message(pair, bodyOf(foreign, 1))), "reject");
    assert.equal(table.onGossip(message(pair, bodyOf(headerOf([], 1, { cluster: asClusterId("c9") }), 1))), "reject");
    const north = headerOf([], 1, { region: asRegionId("north") });
    assert.equal(table.onGossip(message(pair, bodyOf(north, 1), EAST)), "reject");
    assert.deepEqual(metrics.refusals, ["foreign", "cluster-mismatch", "malformed"]);
  });

  it("P11: drops an oversized message, noise, and what breaks a bound, without reading further", async () => {
    const { table, pair, metrics } = await tableThatTrustsEast();
    assert.equal(table.onGossip(new Uint8Array(48 * 1024 + 1)), "reject");
    assert.equal(table.onGossip(new Uint8Array(0)), "reject");
    assert.equal(table.onGossip(new Uint8Array(40_000).fill(0x91)), "ignore");
    const long = offered("n".repeat(600), 1);
    assert.equal(table.onGossip(message(pair, bodyOf(headerOf([long], 1), 1, [long]))), "reject");
    const negative = offered("a", -1);
    assert.equal(table.onGossip(message(pair, bodyOf(headerOf([negative], 1), 1, [negative]))), "reject");
    assert.deepEqual(metrics.refusals, ["oversized", "malformed", "unpinned", "malformed", "malformed"]);
  });

  it("P11: a signed answer to a pull can not be played back as gossip", async () => {
    const { table, pair, metrics } = await tableThatTrustsEast();
    const played = message(pair, bodyOf(headerOf([], 1), 1), EAST, PULL_CONTEXT);
    assert.equal(table.onGossip(played), "reject");
    assert.deepEqual(metrics.refusals, ["bad-signature"]);
  });

  it("P11: gossip pins nothing: a region never asked is not believed, but is worth asking", async () => {
    const { table, metrics } = await tableThatTrustsEast();
    const north = asRegionId("north");
    const asked: string[] = [];
    table.onGap((region) => asked.push(region));
    assert.equal(table.onGossip(message(generateRegionKey(), bodyOf(headerOf([], 1, { region: north }), 1))), "ignore");
    assert.deepEqual(metrics.refusals, ["unpinned"]);
    assert.deepEqual(asked, [north]);
    assert.equal(table.headerOf(north), undefined);
  });

  it("F23: a replayed message changes nothing and does not make the summary look fresh", async () => {
    const { table, pair, clock, metrics } = await tableThatTrustsEast();
    const entry = offered("translate", 4);
    const first = message(pair, bodyOf(headerOf([entry], 4), 1, [entry]));
    table.onGossip(first);
    await clock.advance(10_000);
    assert.equal(table.onGossip(first), "ignore");
    assert.equal(table.ageMs(EAST), 10_000);
    assert.deepEqual(metrics.refusals, ["stale"]);
    assert.equal(table.onGossip(message(pair, bodyOf(headerOf([entry], 4), 2))), "accept");
    assert.equal(table.ageMs(EAST), 0);
  });

  it("F23: a part that comes late is merged, but is no fresh proof", async () => {
    const { table, pair, clock } = await tableThatTrustsEast();
    const [a, b] = [offered("a", 1), offered("b", 2)];
    const header = headerOf([a, b], 2);
    table.onGossip(message(pair, bodyOf(header, 2, [b])));
    await clock.advance(10_000);
    assert.equal(table.onGossip(message(pair, bodyOf(header, 1, [a]))), "accept");
    assert.equal(table.isInSync(EAST), true);
    assert.equal(table.ageMs(EAST), 10_000);
  });

  it("F23: messages out of order end in the same state as in order", async () => {
    const a = offered("a", 1);
    const b = offered("b", 2);
    const steps = [
      bodyOf(headerOf([a], 1), 1, [a]),
      bodyOf(headerOf([a, b], 2), 2, [b]),
      bodyOf(headerOf([b], 3), 3, [deleted("a", 3)]),
    ];
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ];
    for (const order of orders) {
      const { table, pair } = await tableThatTrustsEast();
      for (const i of [...order, ...order]) table.onGossip(message(pair, steps[i]!));
      assert.equal(table.isInSync(EAST), true, `order ${order}`);
      assert.equal(table.headerOf(EAST)?.revision, 3);
      assert.equal(table.entry(EAST, "a"), undefined);
    }
  });

  it("P10: a late message does not bring a deleted capability back after its deletion was forgotten", async () => {
    const { table, pair } = await tableThatTrustsEast();
    const late = message(pair, bodyOf(headerOf([offered("a", 1)], 1), 1, [offered("a", 1)]));
    table.onGossip(message(pair, bodyOf(headerOf([], 2), 2, [deleted("a", 2)])));
    table.onGossip(message(pair, bodyOf(headerOf([], 9), 3)));
    assert.equal(table.isInSync(EAST), true);
    assert.equal(table.onGossip(late), "ignore");
    assert.equal(table.entry(EAST, "a"), undefined);
  });

  it("an older header never replaces a newer one, whatever its term", async () => {
    const { table, pair, clock } = await tableThatTrustsEast();
    table.onGossip(message(pair, bodyOf(headerOf([], 10, { term: 5 }), 8)));
    await clock.advance(500);
    table.onGossip(message(pair, bodyOf(headerOf([], 7, { term: 6 }), 1)));
    assert.equal(table.headerOf(EAST)?.revision, 10);
    assert.equal(table.ageMs(EAST), 500, "an older state is no proof of the newer one");
  });

  it("reports a gap when the digests held are not those of the newest header, and then vouches for no absence", async () => {
    const { table, pair } = await tableThatTrustsEast();
    const asked: string[] = [];
    table.onGap((region) => asked.push(region));
    const [a, b] = [offered("a", 1), offered("b", 2)];
    table.onGossip(message(pair, bodyOf(headerOf([a], 1), 1, [a])));
    assert.deepEqual(asked, []);
    const later = [a, b, offered("c", 3)];
    table.onGossip(message(pair, bodyOf(headerOf(later, 3), 3, [later[2]!])));
    assert.deepEqual(asked, [EAST]);
    assert.equal(table.isInSync(EAST), false);
    assert.equal(table.mayMatch(EAST, queryFor("b")), true);
  });

  it("counts two states signed for one revision, and does not hide that they differ", async () => {
    const { table, pair, metrics } = await tableThatTrustsEast();
    const a = offered("a", 1);
    table.onGossip(message(pair, bodyOf(headerOf([a], 1), 1, [a])));
    table.onGossip(message(pair, bodyOf(headerOf([], 1), 2)));
    assert.deepEqual(metrics.refusals, ["contradiction"]);
    assert.equal(table.isInSync(EAST), false);
  });

  it("tells each entry that came, changed or went, by gossip or by pull, and nothing that is as it was", async () => {
    const { table, pair, clock } = await tableThatTrustsEast();
    const told: (readonly [string, number, number])[] = [];
    table.onEntry((_region, { name, total, revision }) => told.push([name, total, revision]));
    const [paint, sing] = [offered("paint", 3), offered("sing", 4)];
    table.onGossip(message(pair, bodyOf(headerOf([paint, sing], 4), 1, [paint, sing])));
    table.onGossip(message(pair, bodyOf(headerOf([paint, sing], 4), 2, [sing])));
    assert.deepEqual(told.splice(0), [
      ["paint", 1, 3],
      ["sing", 1, 4],
    ]);
    const content = new CapabilitySummary(hash64);
    for (const entry of [offered("paint", 6), offered("dance", 7)]) content.set(entry);
    const buckets = Array.from({ length: BUCKETS }, (_, bucket) => ({ bucket, entries: content.bucket(bucket) }));
    const header = headerOf([offered("paint", 6), offered("dance", 7)], 7);
    table.applyPull({ header, nodes: [], provenAtMs: clock.now(), digests: content.bucketDigests(), buckets });
    assert.deepEqual(told.sort(), [
      ["dance", 1, 7],
      ["paint", 1, 6],
      ["sing", 0, 7],
    ]);
    assert.deepEqual([...table.entries(EAST)].map(({ name }) => name).sort(), ["dance", "paint"]);
  });

  it("adds what the signer says of its own lag to the age", async () => {
    const { table, pair, clock } = await tableThatTrustsEast();
    table.onGossip(message(pair, { ...bodyOf(headerOf([], 1), 1), stalenessMs: 700 }));
    await clock.advance(50);
    assert.equal(table.ageMs(EAST), 750);
  });

  it("passes its own region's messages on when they are genuine, and reads none", async () => {
    const { table, own } = await tableThatTrustsEast();
    const ours = bodyOf(headerOf([], 1, { region: WEST, cluster: asClusterId("c2") }), 1);
    assert.equal(table.onGossip(message(own, ours)), "accept");
    assert.equal(table.onGossip(message(generateRegionKey(), ours)), "reject");
    assert.equal(table.headerOf(WEST), undefined);
  });
});

describe("what an entry rules out", () => {
  const entry = offered("translate", 1, { healthy: 1, total: 2, tags: ["fast", "french"] });

  it("P9: only a required tag that nobody has, and only for healthy agents", () => {
    const ask = (tags: readonly (string | string[])[], health: "healthy" | "any" = "healthy") =>
      entryMayMatch(entry, queryFor("translate", { tags, health }));
    assert.equal(ask(["fast"]), true);
    assert.equal(ask(["fast", "german"]), false);
    assert.equal(ask(["+german"]), true);
    assert.equal(ask(["-fast"]), true);
    assert.equal(ask([""]), true);
    assert.equal(ask([["german", "french"]]), true);
    assert.equal(ask(["german"], "any"), true);
  });

  it("P9: nothing, when the list of tags was too long to be told", () => {
    const query = queryFor("translate", { tags: ["german"] });
    assert.equal(entryMayMatch({ ...entry, tags: ["*"] }, query), true);
  });

  it("unhealthy agents match only a question for any health", () => {
    const ill = { ...entry, healthy: 0 };
    assert.equal(entryMayMatch(ill, queryFor("translate")), false);
    assert.equal(entryMayMatch(ill, queryFor("translate", { health: "any" })), true);
  });
});
