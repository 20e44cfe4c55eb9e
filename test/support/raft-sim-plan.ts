/**
 * What one seed is about. Swarm testing (Groce et al. 2012): every seed draws its own mix of sizes, limits, faults and
 * rates, because faults that are always all on hide each other.
 */

import type { CoreOptions } from "../../src/raft/core/state.ts";
import { asNodeId, asNodeName } from "../../src/types/ids.ts";
import {
  foundingMembership,
  type Learner,
  type Member,
  type Membership,
  NO_MEMBERS,
} from "../../src/types/membership.ts";
import { type Random, randomInteger, seededRandom } from "../../src/util/random.ts";

export const FAULTS = [
  "crash",
  "crash-all",
  "leader-crash-mid-append",
  "leader-crash-mid-write",
  "leader-alone-with-one",
  "one-follower-hears",
  "contested-election",
  "partition",
  "one-way-cut",
  "isolate-one",
  "pause",
  "slow-disk",
  "stalled-disk",
  "transfer",
  "cut-during-transfer",
  "clock-jump",
] as const;
/** The last has seeds of its own: what it holds back would be asked for without end by eager pipelines. */
export type Fault = (typeof FAULTS)[number] | "figure-eight";

/** Streams of random numbers by concern, so that removing a fault does not reshuffle the rest. */
export const CONCERNS = ["plan", "network", "disk", "faults", "workload", "nodes"] as const;
export type Concern = (typeof CONCERNS)[number];

export function streamOf(seed: number, concern: Concern, instance = 0): Random {
  return seededRandom(seed + 2 ** 32 * (1 + CONCERNS.indexOf(concern) + CONCERNS.length * instance));
}

export interface NetworkPlan {
  /** Chance that a message is lost. */
  readonly loss: number;
  readonly duplicates: number;
  /** Chance that a copy of a message arrives many rounds later. */
  readonly limbo: number;
  readonly delayMs: number;
  /** Mean of the exponential part of the delay; 0 keeps messages in order. */
  readonly jitterMs: number;
}

export interface SimulationPlan {
  readonly seed: number;
  readonly membership: Membership;
  readonly core: CoreOptions;
  readonly network: NetworkPlan;
  readonly writeMs: number;
  readonly faults: readonly Fault[];
  readonly faultEveryMs: number;
  readonly logEntriesMax: number;
  readonly logTailEntries: number;
  readonly flushMs: number;
  readonly proposeEveryMs: number;
  /** A leader with more bytes than this uncommitted takes no proposals. */
  readonly uncommittedBytesMax: number;
  readonly readEveryMs: number;
  /** Chance that what an event leaves to do is done only after further events: bursts share a `Ready`. */
  readonly bursts: number;
  /** Chance that peers are told of a crash by their kernels. */
  readonly peerGone: number;
  /** Chance that a snapshot transfer fails. */
  readonly snapshotLoss: number;
  /** Speed of each node's clock. */
  readonly clockRates: readonly number[];
  readonly durationMs: number;
  /** How many nodes may join while the seed runs, and how often something happens to the members. */
  readonly churn: { readonly spares: number; readonly everyMs: number } | null;
}

export function drawPlan(seed: number): SimulationPlan {
  const random = streamOf(seed, "plan");
  const pick = <T>(...values: readonly T[]): T => values[randomInteger(random, 0, values.length - 1)]!;
  const chance = (share: number) => random.next() < share;
  // Some seeds have no fault at all, and some are perfectly synchronous, which finds missing randomness.
  const isSynchronous = chance(0.08);
  const isCalm = chance(0.05);
  const membership = drawMembership(random);
  const nodeCount = new Set([...membership.voters, ...membership.outgoing, ...membership.learners].map(({ id }) => id))
    .size;
  const share = pick(0.2, 0.5, 0.9);
  const plan: SimulationPlan = {
    seed,
    membership,
    core: {
      heartbeatMs: pick(50, 100),
      electionMsMin: 300,
      electionMsMax: 600,
      appendBytesMax: pick(1, 200, 2_000, 1_000_000),
      window: { messagesMax: pick(1, 2, 64), bytesMax: pick(300, 1_000_000) },
      committedPage: pick(1, 3, 512),
    },
    network: {
      loss: isSynchronous || chance(0.3) ? 0 : pick(0.02, 0.1, 0.3),
      duplicates: isSynchronous || chance(0.4) ? 0 : pick(0.05, 0.3),
      limbo: isSynchronous || chance(0.5) ? 0 : pick(0.005, 0.05),
      delayMs: pick(1, 1, 5),
      jitterMs: isSynchronous || chance(0.15) ? 0 : pick(2, 10, 40),
    },
    writeMs: isSynchronous ? 1 : pick(0.5, 2, 10, 40),
    faults: isSynchronous || isCalm ? [] : FAULTS.filter(() => chance(share)),
    faultEveryMs: pick(100, 300, 800),
    logEntriesMax: pick(5, 20, 100, 10_000),
    logTailEntries: pick(0, 2, 10),
    flushMs: pick(20, 200),
    proposeEveryMs: pick(10, 50, 200, 1_000),
    uncommittedBytesMax: pick(0, 500, 3_000),
    readEveryMs: pick(50, 300),
    bursts: isSynchronous ? 0 : pick(0, 0.2, 0.6),
    peerGone: isSynchronous ? 0 : pick(0, 0.5, 1),
    snapshotLoss: pick(0, 0.3),
    clockRates: Array.from({ length: nodeCount }, () => (isSynchronous || chance(0.5) ? 1 : 0.8 + 0.4 * random.next())),
    durationMs: pick(4_000, 8_000, 12_000),
    churn: isSynchronous || isCalm ? null : drawChurn(streamOf(seed, "plan", 1)),
  };
  return chance(0.04) ? figureEightPlan(plan) : plan;
}

function drawChurn(random: Random): SimulationPlan["churn"] {
  if (random.next() < 0.6) return null;
  return { spares: randomInteger(random, 2, 6), everyMs: [150, 500, 1_200][randomInteger(random, 0, 2)]! };
}

/** A world where the figure-eight script comes to its end: nothing disturbs it, and entries spread one by one. */
function figureEightPlan(plan: SimulationPlan): SimulationPlan {
  return {
    ...plan,
    membership: foundingMembership(members(1, 5)),
    core: { ...plan.core, appendBytesMax: 1, window: { messagesMax: 1, bytesMax: 1_000_000 } },
    network: { loss: 0, duplicates: 0, limbo: 0, delayMs: 1, jitterMs: 2 },
    writeMs: 2,
    faults: ["figure-eight"],
    faultEveryMs: 800,
    logEntriesMax: 10_000,
    proposeEveryMs: 1_000,
    clockRates: [1, 1, 1, 1, 1],
    durationMs: 12_000,
    churn: null,
  };
}

function drawMembership(random: Random): Membership {
  const pick = <T>(...values: readonly T[]): T => values[randomInteger(random, 0, values.length - 1)]!;
  // Two voter sets at once: as while a change is under way, for the whole run (Ongaro 2014, §4.3).
  if (random.next() < 0.1) {
    const [voters, outgoing] = pick(
      [members(1, 3), members(3, 5)],
      [members(1, 3), members(2, 4)],
      [members(1, 5), members(1, 3)],
      [members(1, 3), members(4, 6)],
    );
    return { ...NO_MEMBERS, voters, outgoing };
  }
  const size = pick(1, 2, 3, 3, 3, 3, 4, 5, 5, 7);
  const hasLearner = random.next() < 0.15;
  return { ...NO_MEMBERS, voters: members(1, size), learners: hasLearner ? learners(size + 1, size + 1) : [] };
}

/** Members n<first> to n<last>. */
export function members(first: number, last: number): Member[] {
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const name = `n${first + i}`;
    return { id: asNodeId(name), name: asNodeName(name) };
  });
}

/** Learners n<first> to n<last>, that stay such. */
export function learners(first: number, last: number): Learner[] {
  return members(first, last).map((member) => ({ ...member, becomes: "learner", replaces: null }));
}
