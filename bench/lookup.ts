/** What lookups cost: beside others, as a region grows, and abroad. */

import { localLookup, lookupEverywhere, registration } from "./comparison/atoll-requests.ts";
import { fill, NO_TIMEOUT, orNotMeasured, startAtoll, startFloor, startPeer } from "./comparison/parts.ts";
import { type Scenario, scenario } from "./comparison/scenario.ts";
import type { Session } from "./comparison/session.ts";
import { acknowledgedPerSecond, compare, type Side } from "./comparison/sides.ts";
import type { HttpRequest } from "./load/http-client.ts";
import { atollPeer } from "./peers/atoll.ts";
import { MCP_MESH_REGISTRY } from "./peers/mcp-mesh-registry.ts";
import { meshHeartbeat, meshLookup } from "./peers/mesh-requests.ts";
import type { PeerCluster } from "./peers/peer.ts";
import type { Measured } from "./targets.ts";

const AGENTS = 1_000;
const AGENTS_FEW = 100;
const AGENTS_MANY = 100_000;
const HOME = "here";
const ABROAD = "there";
/** Between the ports of a federation's first region and its second. */
const PORTS_PER_REGION = 100;
const SETTLE_TIMEOUT_MS = 30_000;
/** At the registry of MCP Mesh more of them only wait, and take its memory. */
const CLIENTS = 16;

const lookups = scenario({
  name: "lookups",
  what: "lookups that find 10 of 1,000 agents: one node, the registry of MCP Mesh, and fastify alone with the same bytes",
  targets: {
    ratio: {
      figure: "lookup by capability/s at 1,000 agents vs mcp-mesh-registry",
      ...{ unit: "x", better: "more", must: 200, aim: 500 },
    },
    sameRequest: {
      figure: "the same request, GET /agents?capabilities=, vs mcp-mesh-registry",
      ...{ unit: "x", better: "more", must: null, aim: null },
    },
    floor: {
      figure: "lookup by capability/s vs bare fastify, same bytes",
      ...{ unit: "x", better: "more", must: null, aim: 0.7 },
    },
  },
  async run(session) {
    const atoll = await startAtoll(session, 1, NO_TIMEOUT);
    await fill(session, "atoll", atoll, AGENTS, (i) => meshHeartbeat(i));
    const native = side("atoll", atoll, localLookup);
    const other = await orNotMeasured(() => versusOther(session, atoll, native));
    const bare = await startFloor(session, atoll.nodes[0]?.url ?? "", localLookup(0));
    const theirs = { subject: bare.name, parties: [bare], next: native.next };
    const floor = await compare(session, native, theirs, { phase: "lookup" });
    await session.stop(atoll, bare);
    return "ratio" in other ? { ...other, floor } : { ratio: other, sameRequest: other, floor };
  },
});

async function versusOther(
  session: Session,
  atoll: PeerCluster,
  native: Side,
): Promise<{ ratio: Measured; sameRequest: Measured }> {
  const other = await startPeer(session, MCP_MESH_REGISTRY, 1);
  await fill(session, MCP_MESH_REGISTRY.name, other, AGENTS, (i) => meshHeartbeat(i));
  const theirs = side(MCP_MESH_REGISTRY.name, other, meshLookup);
  const options = { phase: "lookup", clients: CLIENTS };
  const ratio = await compare(session, native, theirs, options);
  const sameRequest = await compare(session, side("atoll", atoll, meshLookup), theirs, {
    ...options,
    phase: "GET /agents",
  });
  await session.stop(other);
  return { ratio, sameRequest };
}

const growth = scenario({
  name: "growth",
  what: "lookups that find 10 agents of 100,000 and of 100, each on a node of its own",
  targets: {
    cost: {
      figure: "lookup cost, 100 to 100,000 agents, same answer size",
      ...{ unit: "x", better: "less", must: 1.5, aim: 1.1 },
    },
  },
  async run(session) {
    const [few, many] = [await startAtoll(session, 1), await startAtoll(session, 1)];
    await fill(session, "atoll", few, AGENTS_FEW, registration);
    await fill(session, "atoll", many, AGENTS_MANY, registration);
    const spread = (agents: number) => (i: number) => localLookup((i * STRIDE) % agents);
    const cost = await compare(
      session,
      { subject: `${AGENTS_MANY} agents`, parties: many.nodes, next: spread(AGENTS_MANY) },
      { subject: `${AGENTS_FEW} agents`, parties: few.nodes, next: spread(AGENTS_FEW) },
      { phase: "lookup", of: (turn) => 1 / acknowledgedPerSecond(turn) },
    );
    await session.stop(few, many);
    return { cost };
  },
});

/** Prime, and so far from one capability to the next that no two lookups in a row ask for the same. */
const STRIDE = 7_919;

const abroad = scenario({
  name: "abroad",
  what: "the same question of one client to one node: for what only another region offers, asked before, and only its own",
  targets: {
    ratio: {
      figure: "second lookup abroad vs local, p50",
      ...{ unit: "x", better: "less", must: 1.2, aim: 1 },
    },
  },
  async run(session) {
    const { clock, signal } = session.context;
    const { httpBase, dataDir } = session.place("two-regions");
    const peer = atollPeer({ regions: `${HOME}:1,${ABROAD}:1`, hasStallableDisks: false });
    const federation = session.keep(await peer.start({ nodes: 1, httpBase, dataDir, clock, signal }));
    const there = { name: `${ABROAD}-1`, url: `http://127.0.0.1:${httpBase + PORTS_PER_REGION}`, pid: null };
    await fill(session, HOME, federation, AGENTS_FEW, registration);
    await fill(session, ABROAD, { nodes: [there] }, AGENTS_FEW, (i) => registration(AGENTS_FEW + i));
    await federation.untilReady(SETTLE_TIMEOUT_MS, signal);
    const ratio = await compare(
      session,
      side("abroad", federation, (i) => lookupEverywhere(AGENTS_FEW + (i % AGENTS_FEW))),
      side("local", federation, (i) => lookupEverywhere(i % AGENTS_FEW)),
      { phase: "lookup", clients: 1, of: ({ p50Ms }) => p50Ms },
    );
    await session.stop(federation);
    return { ratio };
  },
});

function side(subject: string, { nodes }: PeerCluster, ask: (i: number) => HttpRequest): Side {
  return { subject, parties: nodes, next: (i) => ask((i * STRIDE) % AGENTS) };
}

export const LOOKUP: readonly Scenario[] = [lookups, growth, abroad];
