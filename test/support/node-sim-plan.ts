/**
 * What one seed of whole nodes is about: its own mix of timings, load, latencies and faults (swarm testing, Groce et al.
 * 2012), and the masks that take parts of it away again when a failure is made small.
 *
 * Each fault has a time, a number, and a stream of random numbers of its own, so that leaving one out changes no other.
 */

import { RAFT_DEFAULTS, type RaftGroupOptions } from "../../src/raft/raft-group.ts";
import type { LeaseOptions } from "../../src/registry/lease-keeper.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import type { AgentPlan } from "./node-sim-agents.ts";
import { type ClientPlan, OPERATIONS, type OperationKind } from "./node-sim-clients.ts";
import type { NodeNetworkPlan } from "./node-sim-network.ts";
import { streamOf } from "./raft-sim-plan.ts";

export const FAULT_CLASSES = {
  process: ["crash", "crash-at-point", "crash-all", "leader-crash-mid-append", "pause", "restart", "transfer"],
  network: [
    "isolate",
    "halves",
    "bridge",
    "ring",
    "one-way",
    "random-links",
    "asymmetric",
    "leader-alone-with-one",
    "one-follower-hears",
    "clog",
    "cut-during-transfer",
  ],
  disk: ["slow-disk", "stalled-disk", "full-disk", "failing-sync", "bit-flips"],
  clock: ["wall-jump", "suspend"],
  members: ["wipe", "add-member", "remove-member", "crash-in-change"],
} as const;

export type FaultClass = keyof typeof FAULT_CLASSES;
export type FaultKind = (typeof FAULT_CLASSES)[FaultClass][number];

export interface PlannedFault {
  readonly number: number;
  readonly atMs: number;
  readonly kind: FaultKind;
}

export interface NodeSimulationPlan {
  readonly seed: number;
  readonly nodes: number;
  readonly raft: RaftGroupOptions;
  readonly network: NodeNetworkPlan;
  /** Mean time of a synced write. */
  readonly writeMs: number;
  /** Speed of each machine's clock, and how far its wall clock is off. */
  readonly clocks: readonly { readonly rate: number; readonly wallOffsetMs: number }[];
  /** Chance that a node is told by its kernel that a peer's process ended. */
  readonly kernelTells: number;
  readonly clients: ClientPlan;
  readonly agents: AgentPlan;
  /** What is not as in production, beside what follows from the timings. */
  readonly leases?: Partial<LeaseOptions>;
  readonly faults: readonly PlannedFault[];
  readonly durationMs: number;
}

/** What is taken out of a plan. */
export interface Mask {
  /** Numbers of the faults that stay; all do when undefined. */
  readonly faults?: readonly number[];
  /** Loss, repetition and reordering; slow disks; clocks that differ; clients; agents. */
  readonly without?: readonly Noise[];
}

export const NOISES = ["network", "disk", "clock", "clients", "agents"] as const;
export type Noise = (typeof NOISES)[number];

type Timing = Pick<RaftGroupOptions, "heartbeatMs" | "electionMsMin" | "electionMsMax">;

/** Heartbeat and elections: as in production, and as across a continent and an ocean. */
const TIMINGS: readonly Timing[] = [
  { heartbeatMs: 50, electionMsMin: 300, electionMsMax: 600 },
  { heartbeatMs: 100, electionMsMin: 600, electionMsMax: 1_200 },
  { heartbeatMs: 250, electionMsMin: 1_500, electionMsMax: 3_000 },
];

interface Load extends Pick<ClientPlan, "clients" | "thinkMs"> {
  /** For how many election timeouts it lasts. */
  readonly elections: number;
}

/** Idle, ordinary and busy regions. */
const LOADS: readonly Load[] = [
  { clients: 1, thinkMs: 5_000, elections: 150 },
  { clients: 3, thinkMs: 2_000, elections: 100 },
  { clients: 3, thinkMs: 500, elections: 40 },
  { clients: 6, thinkMs: 200, elections: 20 },
];

const HOUR_MS = 3_600_000;
/** Longer than any run, so that nothing but clients changes what they read. */
const NEVER_MS = 24 * HOUR_MS;

export interface PlanOptions {
  /** As many nodes; drawn when undefined. */
  readonly nodes?: number;
  /** Milliseconds between heartbeats; drawn when undefined. */
  readonly heartbeatMs?: number;
}

export function drawNodePlan(seed: number, options: PlanOptions = {}): NodeSimulationPlan {
  const random = streamOf(seed, "plan");
  const pick = picker(random);
  const chance = (share: number) => random.next() < share;
  // Some seeds have no fault at all, and some are perfectly synchronous, which finds missing randomness.
  const isSynchronous = chance(0.05);
  const isCalm = isSynchronous || chance(0.05);
  const nodes = pick(1, 2, 3, 3, 3, 4, 5, 5, 5, 7);
  const drawn = pick(...TIMINGS);
  const timing = TIMINGS.find(({ heartbeatMs }) => heartbeatMs === options.heartbeatMs) ?? drawn;
  // What few ask for is simulated for longer: it costs less, and rare coincidences need time.
  const load = pick(...LOADS);
  const durationMs = load.elections * pick(0.5, 1, 2) * timing.electionMsMax;
  const plan: NodeSimulationPlan = {
    seed,
    nodes: options.nodes ?? nodes,
    raft: drawRaft(random, timing),
    network: isSynchronous ? synchronousNetwork(pick(1, 5)) : drawNetwork(random, timing.heartbeatMs / 50),
    writeMs: isSynchronous ? 1 : pick(0.5, 2, 10, 40),
    clocks: Array.from({ length: 16 }, () => ({
      rate: isSynchronous || chance(0.6) ? 1 : 0.85 + 0.3 * random.next(),
      wallOffsetMs: pick(0, 0, HOUR_MS * (2 * random.next() - 1)),
    })),
    kernelTells: pick(0, 0.5, 1),
    clients: drawClients(random, load, timing.electionMsMax),
    agents: {
      agents: pick(0, 2, 6),
      leaseMs: Math.round(timing.electionMsMax * pick(4, 8, 16)),
      mortality: 0.4,
      stickiness: pick(0, 0.9),
      patienceMs: pick(1, 3) * timing.electionMsMax,
    },
    faults: isCalm ? [] : drawFaults(random, durationMs, timing.electionMsMax),
    durationMs,
  };
  return plan;
}

/** A world in which nothing goes wrong by itself, for scenarios that say what does. */
export function quietPlan(nodes: number, changes: Partial<NodeSimulationPlan> = {}): NodeSimulationPlan {
  const plan = masked(drawNodePlan(1, { nodes, heartbeatMs: 50 }), { faults: [], without: NOISES });
  return { ...plan, raft: RAFT_DEFAULTS, kernelTells: 0, ...changes };
}

/** The plan without what the mask takes away; everything else happens as it would have. */
export function masked(plan: NodeSimulationPlan, { faults, without = [] }: Mask): NodeSimulationPlan {
  const hasNo = (noise: Noise) => without.includes(noise);
  return {
    ...plan,
    ...(faults !== undefined && { faults: plan.faults.filter(({ number }) => faults.includes(number)) }),
    ...(hasNo("network") && { network: { ...synchronousNetwork(1), isEncoded: plan.network.isEncoded } }),
    ...(hasNo("disk") && { writeMs: 0.5 }),
    ...(hasNo("clock") && { clocks: plan.clocks.map(() => ({ rate: 1, wallOffsetMs: 0 })) }),
    ...(hasNo("clients") && { clients: { ...plan.clients, clients: 0 } }),
    ...(hasNo("agents") && { agents: { ...plan.agents, agents: 0 } }),
  };
}

export function classOf(kind: FaultKind): FaultClass {
  const classes = Object.keys(FAULT_CLASSES) as FaultClass[];
  return classes.find((name) => (FAULT_CLASSES[name] as readonly FaultKind[]).includes(kind))!;
}

function drawRaft(random: Random, timing: Timing): RaftGroupOptions {
  const pick = picker(random);
  return {
    ...RAFT_DEFAULTS,
    ...timing,
    appendBytesMax: pick(1, 2_000, 1_000_000),
    window: { messagesMax: pick(1, 2, 64), bytesMax: pick(1_000, 1_000_000) },
    committedPage: pick(1, 3, 512),
    waitingBytesMax: pick(2_000, 1_000_000),
    logEntriesMax: pick(5, 20, 100, 10_000),
    logTailEntries: pick(0, 2, 10),
    effectsFlushMs: pick(20, 200),
  };
}

function drawNetwork(random: Random, scale: number): NodeNetworkPlan {
  const pick = picker(random);
  const chance = (share: number) => random.next() < share;
  const delayMs = pick(0.5, 1, 5) * scale;
  const common = { delayMs, isEncoded: chance(0.3), chunkMs: pick(1, 20) * scale, streamLoss: pick(0, 0.1) };
  // What TCP promises as long as a connection lasts ...
  if (chance(0.5)) {
    return { ...common, isOrdered: true, loss: 0, duplicates: 0, limbo: 0, jitterMs: pick(0, 1, 5) * scale };
  }
  // ... and what Raft must bear.
  return {
    ...common,
    isOrdered: false,
    loss: pick(0, 0.02, 0.1, 0.3),
    duplicates: pick(0, 0.05, 0.3),
    limbo: pick(0, 0.005, 0.05),
    jitterMs: pick(2, 10, 40) * scale,
  };
}

function synchronousNetwork(delayMs: number): NodeNetworkPlan {
  const isReliable = { loss: 0, duplicates: 0, limbo: 0, jitterMs: 0, streamLoss: 0 };
  return { ...isReliable, delayMs, isOrdered: true, isEncoded: false, chunkMs: 1 };
}

function drawClients(random: Random, load: Load, electionMsMax: number): ClientPlan {
  const pick = picker(random);
  const weight = (kind: OperationKind) => (kind === "register" ? pick(2, 4) : pick(0, 1, 2));
  const weights = Object.fromEntries(OPERATIONS.map((kind) => [kind, weight(kind)]));
  return {
    clients: load.clients,
    thinkMs: load.thinkMs,
    keys: pick(1, 2, 4),
    stickiness: pick(0, 0.5, 0.95),
    weights: weights as ClientPlan["weights"],
    leaseMs: pick(NEVER_MS, 3_000),
    paddingBytes: pick(0, 0, 700),
    patienceMs: pick(1, 4, 12) * electionMsMax,
  };
}

function drawFaults(random: Random, durationMs: number, electionMsMax: number): PlannedFault[] {
  const pick = picker(random);
  const share = pick(0.15, 0.4, 0.9);
  const kinds = Object.values(FAULT_CLASSES)
    .flat()
    .filter(() => random.next() < share);
  const everyMs = pick(0.5, 2, 6) * electionMsMax;
  const faults: PlannedFault[] = [];
  if (kinds.length === 0) return faults;
  for (let atMs = 2 * electionMsMax; ; ) {
    atMs += -everyMs * Math.log(1 - random.next());
    if (atMs >= durationMs) return faults;
    faults.push({ number: faults.length, atMs: Math.round(atMs), kind: pick(...kinds) });
  }
}

function picker(random: Random) {
  return <T>(...values: readonly T[]): T => values[randomInteger(random, 0, values.length - 1)]!;
}
