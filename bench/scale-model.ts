/**
 * What a federation of 5, 50 or 500 regions would cost, computed from what our own code makes of a message, and how soon a
 * change is everywhere, simulated: the tables of docs/scale.md.
 *
 *   npm run bench:scale -- [--nodes 3] [--agents-per-capability 5] [--changes-per-day 4] [--json]
 *
 * Sizes of messages, memory of a replica and processor time are measured here and now, with the functions that nodes use.
 * Two things can not be: what stands around a message on the wire, and what a link costs in pings. Those are constants below,
 * measured by `npm run bench:summaries`.
 */

import { parseArgs } from "node:util";
import Table from "cli-table3";
import { CapabilitySummary, type Hash64, nodesDigest } from "../src/federation/capability-summary.ts";
import { loadHash64 } from "../src/federation/hash64.ts";
import { generateRegionKey, RegionSigner, RegionVerifier } from "../src/federation/region-key.ts";
import { SummaryReplica } from "../src/federation/summary-replica.ts";
import { encode, encodeEnvelope, GOSSIP_CONTEXT, type GossipBody, readGossipBody } from "../src/federation/wire.ts";
import { asClusterId, asFederationId, asRegionId } from "../src/types/ids.ts";
import type { SummaryEntry, SummaryHeader, SummaryNode } from "../src/types/summary.ts";
import { seededRandom } from "../src/util/random.ts";
import { round } from "./figures.ts";
import { SPREADS, type Spread, type SpreadResult, spreadChange } from "./gossip-model.ts";
import { replicaBytesPerCapability, sampleEntry } from "./replica-memory.ts";
import { type Origin, origin, saveReport } from "./report.ts";

const REGIONS = [5, 50, 500];
/** Traffic is shown of two as well: what `npm run bench:summaries` measures. */
const TRAFFIC_REGIONS = [2, ...REGIONS];
const AGENTS = [10_000, 1_000_000, 10_000_000];
const LOSS = 0.01;
const SEED = 5;
/** Simulated, of which the slowest is shown. */
const RUNS = 5;
const SAMPLED_CAPABILITIES = 100_000;

/** `npm run bench:summaries`: the wire's bytes of a header, less the message's own. Serial, method, answer, yamux, Noise. */
const FRAME_BYTES = 97;
/** A ping and its answer, with all that is around them on the wire. */
const PING_BYTES = 167;
/** The first of two peers asks, 5 to 6 s after either was heard; of two such chances the smaller is 5.33 s on average. */
const PINGS_PER_LINK_AND_SECOND = 1 / 5.33;
const HEADERS_PER_SECOND = 1;
/** Method, nonce and root digest. */
const COMPARISON_QUESTION_BYTES = 100;
/** Each sixth `federation.pullIntervalMs`: headers say the rest. */
const COMPARISONS_PER_SECOND = 1 / 60;
/** Of a filter that rules out all but one name in a hundred that a region does not offer. */
const FILTER_BITS_PER_CAPABILITY = 10;
const SECONDS_PER_DAY = 86_400;

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "3" },
    "agents-per-capability": { type: "string", default: "5" },
    "changes-per-day": { type: "string", default: "4" },
    json: { type: "boolean", default: false },
  },
});
const nodesPerRegion = Number(values.nodes);
const agentsPerCapability = Number(values["agents-per-capability"]);
const changesPerAgentAndDay = Number(values["changes-per-day"]);

/** What one message, entry or replica costs. */
interface Measured {
  readonly headerBytes: number;
  readonly changeBytes: number;
  readonly entryBytes: number;
  /** A comparison that finds nothing: the question, and a signed header with the region's nodes. */
  readonly comparisonBytes: number;
  readonly replicaBytesPerCapability: number;
  readonly signMicros: number;
  readonly takeInMicros: number;
  readonly rootDigestMicros: number;
}

interface Traffic {
  readonly regions: number;
  readonly links: number;
  /** Received by one node from other regions, with nothing to tell. */
  readonly byNode: Readonly<Record<Spread, number>>;
  readonly byPair: Readonly<Record<Spread, number>>;
  readonly comparisonsByNode: number;
  readonly pingsByNode: number;
  /** As proposed: with regions in groups, whose pulses one region of the group puts together. */
  readonly byNodeInGroups: number;
}

interface Size {
  readonly regions: number;
  readonly agents: number;
  readonly capabilitiesPerRegion: number;
  readonly summaryMib: number;
  readonly filterMib: number;
  /** Of all regions together. */
  readonly changesPerSecond: number;
  readonly changeBytesByNode: number;
  /** Processor time of one node for what changes, as a share of one core. */
  readonly takeInShare: number;
  readonly freshMib: number;
}

interface Spreading extends SpreadResult {
  readonly spread: Spread;
  readonly regions: number;
}

interface ScaleReport extends Origin {
  readonly bench: "scale-model";
  readonly measured: Measured;
  readonly traffic: readonly Traffic[];
  readonly sizes: readonly Size[];
  readonly spreading: readonly Spreading[];
}

const hash64 = await loadHash64();
const measured = await measure(hash64);
const report: ScaleReport = {
  ...{ bench: "scale-model", ...origin(), measured },
  traffic: TRAFFIC_REGIONS.map(trafficOf),
  sizes: REGIONS.flatMap((regions) => AGENTS.map((agents) => sizeOf(regions, agents))),
  spreading: REGIONS.flatMap((regions) => SPREADS.map((spread) => spreadingOf(spread, regions))),
};
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${format(report)}\n`);
process.stderr.write(`Kept in ${saveReport(report)}\n`);

async function measure(hash64: Hash64): Promise<Measured> {
  const pair = generateRegionKey();
  const signer = new RegionSigner(() => pair);
  const verifier = new RegionVerifier(pair.publicKey);
  const sample = sampleHeader();
  const message = (entries: readonly SummaryEntry[]) => {
    const body = encode({ header: sample, sequence: 86_400, stalenessMs: 1.234567, entries } satisfies GossipBody);
    const signature = signer.sign(GOSSIP_CONTEXT, body)!;
    return { body, signature, bytes: encodeEnvelope({ region: sample.region, body, signature }) };
  };
  const summary = new CapabilitySummary(hash64);
  const replica = new SummaryReplica(hash64);
  for (let i = 0; i < SAMPLED_CAPABILITIES; i++) summary.set(sampleEntry(i));
  let revision = 2 * SAMPLED_CAPABILITIES;
  const change = message([sampleEntry(0)]);
  return {
    headerBytes: message([]).bytes.length,
    changeBytes: change.bytes.length,
    entryBytes: encode(sampleEntry(SAMPLED_CAPABILITIES)).length,
    comparisonBytes: message([]).bytes.length + encode(sampleNodes()).length + COMPARISON_QUESTION_BYTES,
    replicaBytesPerCapability: await replicaBytesPerCapability(SAMPLED_CAPABILITIES),
    signMicros: microsOf(1_000, () => message([sampleEntry(0)])),
    takeInMicros: microsOf(1_000, () => {
      verifier.verifies(GOSSIP_CONTEXT, change.body, change.signature);
      for (const entry of readGossipBody(change.body).entries) replica.merge({ ...entry, revision: ++revision });
      replica.root();
    }),
    rootDigestMicros: microsOf(1_000, () => {
      summary.set({ ...sampleEntry(0), revision: ++revision });
      summary.root();
    }),
  };
}

/** Names as long as they are in production, and addresses that other nodes are told to dial. */
function sampleNodes(): SummaryNode[] {
  return Array.from({ length: nodesPerRegion }, (_, i) => ({
    name: `registry-us-east-1-${i}`,
    nodeId: `12D3KooW${"x".repeat(44)}`,
    addresses: [`registry-us-east-1-${i}.example.net:4001`],
    http: `https://registry-us-east-1-${i}.example.net`,
  }));
}

function sampleHeader(): SummaryHeader {
  return {
    federation: asFederationId("production"),
    region: asRegionId("us-east-1"),
    cluster: asClusterId("7c6d1750d571aa26f8d4ee4a5bc53a1b"),
    term: 12,
    revision: 12_345_678,
    rootDigest: "0123456789abcdef",
    capabilities: SAMPLED_CAPABILITIES,
    agents: 5 * SAMPLED_CAPABILITIES,
    nodesDigest: nodesDigest(hash64, sampleNodes()),
  };
}

/** Copies of one message between all regions, when none is lost. */
function wanCopies(spread: Spread, regions: number): number {
  const nodes = regions * nodesPerRegion;
  const abroad = nodes - nodesPerRegion;
  if (spread === "leader tells all") return abroad;
  if (spread === "one per region") return regions - 1;
  return spreadChange(spread, { regions, nodesPerRegion, loss: 0, random: seededRandom(SEED) }).wanCopies;
}

function trafficOf(regions: number): Traffic {
  const nodes = regions * nodesPerRegion;
  const linksAbroad = nodes - nodesPerRegion;
  const headerBytes = measured.headerBytes + FRAME_BYTES;
  const comparisonBytes = measured.comparisonBytes + 2 * FRAME_BYTES;
  const comparisonsByNode = (regions - 1) * COMPARISONS_PER_SECOND * comparisonBytes;
  const pingsByNode = (linksAbroad * PINGS_PER_LINK_AND_SECOND * PING_BYTES) / 2;
  const total = (spread: Spread) => regions * HEADERS_PER_SECOND * wanCopies(spread, regions) * headerBytes;
  const everySpread = (value: (spread: Spread) => number) =>
    Object.fromEntries(SPREADS.map((spread) => [spread, value(spread)])) as Record<Spread, number>;
  const pairs = (regions * (regions - 1)) / 2;
  return {
    ...{ regions, links: nodes - 1, comparisonsByNode, pingsByNode },
    byNodeInGroups: inGroups(regions),
    byNode: everySpread((spread) => total(spread) / nodes + comparisonsByNode + pingsByNode),
    byPair: everySpread((spread) => (total(spread) + nodes * (comparisonsByNode + pingsByNode)) / pairs),
  };
}

function inGroups(regions: number): number {
  const pulse = (measured.headerBytes + FRAME_BYTES) * HEADERS_PER_SECOND;
  // Those of the own group, and one pulse for each of the others.
  const heard = Math.min(regions - 1, 2 * Math.ceil(Math.sqrt(regions)) - 2);
  const pings = (heard * nodesPerRegion * PINGS_PER_LINK_AND_SECOND * PING_BYTES) / 2;
  return (heard * pulse) / nodesPerRegion + pings;
}

function sizeOf(regions: number, agents: number): Size {
  const capabilitiesPerRegion = agents / regions / agentsPerCapability;
  const abroad = (regions - 1) / regions;
  const changesPerSecond = (agents * changesPerAgentAndDay) / SECONDS_PER_DAY;
  const capabilitiesAbroad = capabilitiesPerRegion * (regions - 1);
  return {
    ...{ regions, agents, capabilitiesPerRegion, changesPerSecond },
    filterMib: (capabilitiesAbroad * FILTER_BITS_PER_CAPABILITY) / 8 / 2 ** 20,
    summaryMib: (capabilitiesAbroad * measured.replicaBytesPerCapability) / 2 ** 20,
    // One copy each; with everybody repeating, as many times that as there are copies of a header for each node.
    changeBytesByNode: changesPerSecond * abroad * (measured.changeBytes + FRAME_BYTES),
    takeInShare: (changesPerSecond * abroad * measured.takeInMicros) / 1e6,
    freshMib: (capabilitiesAbroad * measured.entryBytes) / 2 ** 20,
  };
}

/** The worst of several runs, each with losses of its own. */
function spreadingOf(spread: Spread, regions: number): Spreading {
  const runs = Array.from({ length: RUNS }, (_, i) =>
    spreadChange(spread, { regions, nodesPerRegion, loss: LOSS, random: seededRandom(SEED + i) }),
  );
  const worst = (of: (run: SpreadResult) => number) => Math.max(...runs.map(of));
  return {
    ...{ spread, regions, halfMs: worst((run) => run.halfMs), mostMs: worst((run) => run.mostMs) },
    ...{ allMs: worst((run) => run.allMs), wanCopies: worst((run) => run.wanCopies) },
    pulled: runs.reduce((sum, run) => sum + run.pulled, 0) / RUNS,
  };
}

/** Mean processor time of `task`, after a warm-up. */
function microsOf(times: number, task: () => void): number {
  for (let i = 0; i < times; i++) task();
  const before = process.cpuUsage();
  for (let i = 0; i < times; i++) task();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

function format({ commit, machine, measured, traffic, sizes, spreading }: ScaleReport): string {
  const facts = Object.entries(measured).map(([name, value]) => [name, round(value)]);
  return [
    `scale model at ${commit}\n${machine}`,
    table("measured", ["", ""], facts),
    table(
      `nothing happens: received by each node from abroad, KiB/s (${nodesPerRegion} nodes a region)`,
      ["regions", "links a node", ...SPREADS, "of it comparisons", "of it pings"],
      traffic.map(({ regions, links, byNode, comparisonsByNode, pingsByNode }) => [
        ...[regions, links],
        ...SPREADS.map((spread) => kib(byNode[spread])),
        ...[kib(comparisonsByNode), kib(pingsByNode)],
      ]),
    ),
    table(
      "nothing happens: between two regions, both ways, KiB/s",
      ["regions", ...SPREADS],
      traffic.map(({ regions, byPair }) => [regions, ...SPREADS.map((spread) => kib(byPair[spread]))]),
    ),
    table(
      "nothing happens, as proposed: with regions in groups; received by each node, KiB/s",
      ["regions", "in groups"],
      traffic.map(({ regions, byNodeInGroups }) => [regions, kib(byNodeInGroups)]),
    ),
    table(
      `${agentsPerCapability} agents a capability, ${changesPerAgentAndDay} changes an agent and day`,
      [
        ...["regions", "agents", "capabilities a region", "summaries, MiB a node", "as filters", "changes/s"],
        ...["changes, KiB/s a node, once", "core for them", "all pulled, MiB"],
      ],
      sizes.map((size) => [
        ...[size.regions, size.agents, size.capabilitiesPerRegion, round(size.summaryMib), round(size.filterMib)],
        ...[round(size.changesPerSecond), kib(size.changeBytesByNode), percent(size.takeInShare), round(size.freshMib)],
      ]),
    ),
    table(
      `one change, ${100 * LOSS} copy in 100 lost: the slowest of ${RUNS} simulated`,
      ["regions", "spread", "half ms", "99 % ms", "all ms", "copies between regions", "nodes that pulled"],
      spreading.map(({ regions, spread, halfMs, mostMs, allMs, wanCopies, pulled }) => [
        ...[regions, spread, round(halfMs), round(mostMs), round(allMs), wanCopies, percent(pulled)],
      ]),
    ),
  ].join("\n\n");
}

function table(title: string, head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const shown = new Table({ head: [...head], style: { head: [], border: [] } });
  shown.push(...rows.map((row) => [...row]));
  return `${title}\n${shown.toString()}`;
}

function kib(bytes: number): number {
  return round(bytes / 1_024);
}

function percent(share: number): string {
  return `${round(100 * share)} %`;
}
