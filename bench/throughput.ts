/** What registries take per second: registrations that are safe, signs of life, and renewals beside lookups. */

import { localLookup, registration, renewal } from "./comparison/atoll-requests.ts";
import { highestHeldRate } from "./comparison/held-rate.ts";
import { fill, NO_TIMEOUT, orNotMeasured, startAtoll, startFloor, startPeer } from "./comparison/parts.ts";
import { type Scenario, scenario } from "./comparison/scenario.ts";
import type { Session } from "./comparison/session.ts";
import { compare } from "./comparison/sides.ts";
import { climb } from "./comparison/steps.ts";
import { round } from "./figures.ts";
import { appendAndSync } from "./floors/append-sync.ts";
import { ETCD_DEFAULTS, etcd } from "./peers/etcd.ts";
import { MCP_MESH_REGISTRY } from "./peers/mcp-mesh-registry.ts";
import { meshFastHeartbeat, meshHeartbeat } from "./peers/mesh-requests.ts";
import type { PeerCluster } from "./peers/peer.ts";
import { RECORD_BYTES } from "./peers/sample-agents.ts";

const NODES = 3;
/** As many as the comparison with the registry of MCP Mesh is made at. */
const AGENTS = 1_000;
const REGION_AGENTS = 10_000;
const LOOKUPS_PER_SECOND = 100;

const durableRegistrations = scenario({
  name: "durable-registrations",
  what: "new agents of 600 bytes on three nodes, and puts of 600 bytes on three nodes of etcd",
  targets: {
    ratio: {
      figure: "durable registrations/s, 3 nodes, vs etcd puts",
      ...{ unit: "x", better: "more", must: 1, aim: 2 },
    },
    floor: {
      figure: "durable registrations/s, 3 nodes, vs append + fdatasync",
      ...{ unit: "x", better: "more", must: null, aim: null },
    },
  },
  async run(session) {
    const atoll = await startAtoll(session, NODES);
    const ours = { subject: "atoll", parties: atoll.nodes, next: registration };
    const ratio = await orNotMeasured(async () => {
      const other = await startPeer(session, etcd(ETCD_DEFAULTS), NODES);
      const theirs = { subject: "etcd", parties: other.nodes, next: (i: number) => other.register(i) };
      const measured = await compare(session, ours, theirs, { phase: "durable registrations" });
      await session.stop(other);
      return measured;
    });
    const { seconds, clients: writers } = session.options;
    const alone = await session.load({
      ...ours,
      phase: "durable registrations, alone",
      next: (i) => registration(ALONE + i),
    });
    await session.stop(atoll);
    session.context.note("append + fdatasync ...");
    const { dataDir: parent } = session.place("append");
    const floor = await appendAndSync({ parent, recordBytes: RECORD_BYTES, writers, seconds });
    const detail = `atoll ${round(alone.perSecond)}/s, the disk ${round(floor.perSecond)}/s in ${round(floor.syncsPerSecond)} syncs`;
    return { ratio, floor: { value: alone.perSecond / floor.perSecond, detail } };
  },
});

/** Agents that no other turn registers. */
const ALONE = 500_000;

const oneNodeRegistrations = scenario({
  name: "one-node-registrations",
  what: "1,000 agents register again at another port, on one node, and at the registry of MCP Mesh: the same bytes",
  targets: {
    ratio: {
      figure: "one-node registrations/s at 1,000 agents vs mcp-mesh-registry",
      ...{ unit: "x", better: "more", must: 10, aim: 20 },
    },
  },
  async run(session) {
    const [atoll, other] = await filledPair(session);
    // Each agent moves with each round, so that every registration is written by both.
    const moving = (i: number) => meshHeartbeat(i % AGENTS, 1 + Math.floor(i / AGENTS));
    const ratio = await compare(
      session,
      { subject: "atoll", parties: atoll.nodes, next: moving },
      { subject: MCP_MESH_REGISTRY.name, parties: other.nodes, next: moving },
      { phase: "one-node registrations" },
    );
    await session.stop(atoll, other);
    return { ratio };
  },
});

const heartbeats = scenario({
  name: "heartbeats",
  what: "HEAD /heartbeat of 1,000 agents: one node, the registry of MCP Mesh, and fastify alone",
  targets: {
    ratio: {
      figure: "HEAD /heartbeat /s at 1,000 agents vs mcp-mesh-registry",
      ...{ unit: "x", better: "more", must: 20, aim: 50 },
    },
    floor: {
      figure: "HEAD /heartbeat /s vs bare fastify",
      ...{ unit: "x", better: "more", must: null, aim: 0.8 },
    },
  },
  async run(session) {
    const atoll = await startAtoll(session, 1, NO_TIMEOUT);
    await fillTwice(session, "atoll", atoll);
    const next = (i: number) => meshFastHeartbeat(i % AGENTS);
    const ours = { subject: "atoll", parties: atoll.nodes, next };
    const ratio = await orNotMeasured(async () => {
      const other = await startPeer(session, MCP_MESH_REGISTRY, 1);
      await fillTwice(session, MCP_MESH_REGISTRY.name, other);
      const theirs = { subject: MCP_MESH_REGISTRY.name, parties: other.nodes, next };
      const measured = await compare(session, ours, theirs, { phase: "HEAD /heartbeat" });
      await session.stop(other);
      return measured;
    });
    const bare = await startFloor(session, atoll.nodes[0]?.url ?? "", next(0));
    const theirs = { subject: bare.name, parties: [bare], next };
    const floor = await compare(session, ours, theirs, { phase: "HEAD /heartbeat" });
    await session.stop(atoll, bare);
    return { ratio, floor };
  },
});

const renewals = scenario({
  name: "renewals",
  what: "the most signs of life per second that three nodes hold beside 100 lookups a second, at fixed times",
  targets: {
    held: {
      figure: "renewals held by a 3-node region beside 100 lookups/s",
      ...{ unit: "/s", better: "more", must: 5_000, aim: 10_000 },
    },
  },
  async run(session) {
    const atoll = await startAtoll(session, NODES);
    await fill(session, "atoll", atoll, REGION_AGENTS, registration);
    // One half as agents of MCP Mesh do, the other as native ones.
    const renew = (i: number) => {
      const agent = i % REGION_AGENTS;
      return i % 2 === 0 ? meshFastHeartbeat(agent) : renewal(agent);
    };
    const held = await highestHeldRate(session, {
      parties: atoll.nodes,
      renew,
      lookupsPerSecond: LOOKUPS_PER_SECOND,
      agents: REGION_AGENTS,
    });
    await session.stop(atoll);
    return { held };
  },
});

const steps = scenario({
  name: "steps",
  what: "registrations, signs of life and lookups on three nodes, by number of clients, and at fixed times",
  targets: {},
  async run(session) {
    const { agents, peers } = session.options;
    const atoll = await startAtoll(session, NODES);
    await fill(session, "atoll", atoll, agents, registration);
    await climb(session, {
      ...{ subject: "atoll", parties: atoll.nodes },
      kinds: {
        register: (i) => registration(agents + i),
        renew: (i) => meshFastHeartbeat(i % agents),
        lookup: (i) => localLookup(i % agents),
      },
    });
    await session.stop(atoll);
    if (!peers.includes("etcd")) return {};
    const other = await startPeer(session, etcd(ETCD_DEFAULTS), NODES);
    await fill(session, "etcd", other, agents, (i) => other.register(i));
    await climb(session, {
      ...{ subject: "etcd", parties: other.nodes },
      kinds: {
        register: (i) => other.register(agents + i),
        renew: (i) => other.renew(i % agents),
        lookup: (i) => other.lookup(i % agents),
      },
    });
    await session.stop(other);
    return {};
  },
});

/** Atoll and the registry of MCP Mesh, one node each, with the same agents. */
async function filledPair(session: Session): Promise<[atoll: PeerCluster, other: PeerCluster]> {
  const other = await startPeer(session, MCP_MESH_REGISTRY, 1);
  const atoll = await startAtoll(session, 1, NO_TIMEOUT);
  await fillTwice(session, MCP_MESH_REGISTRY.name, other);
  await fillTwice(session, "atoll", atoll);
  return [atoll, other];
}

/** The second time tells every agent what it missed, so that both registries answer 200 to its heartbeats, not 202. */
async function fillTwice(session: Session, subject: string, cluster: PeerCluster): Promise<void> {
  for (let time = 0; time < 2; time++) await fill(session, subject, cluster, AGENTS, (i) => meshHeartbeat(i));
}

export const THROUGHPUT: readonly Scenario[] = [
  durableRegistrations,
  oneNodeRegistrations,
  heartbeats,
  renewals,
  steps,
];
