/**
 * What one seed of a federation is about: how many regions of how many nodes, how far apart, what goes wrong and when.
 *
 * Swarm testing (Groce et al. 2012): every seed draws its own mix, because faults that are always all on hide each other.
 */

import { FEDERATION_DEFAULTS, type FederationConfig } from "../../src/federation/interface.ts";
import { type Random, randomInteger, seededRandom } from "../../src/util/random.ts";
import type { WanPlan } from "./federation-sim-network.ts";
import type { Hardware } from "./node-sim-loop.ts";

export const FEDERATION_FAULTS = [
  "cut",
  "cut-silent",
  "cut-one-way",
  "region-away",
  "partial-cut",
  "flapping",
  "gossip-silent",
  "requests-silent",
  "slow-node",
  "crash",
  "region-crash",
  "follower-lags",
  "leader-change",
  "leader-deposed",
  "recovered-by-force",
  "forged-gossip",
  "lying-node",
  "pull-loop",
  "hostile-lookups",
  "twin",
  "key-rotation",
  "export-changes",
  "region-forgotten",
  "region-leaves",
  "member-joins",
  "member-leaves",
  "addresses-change",
] as const;
export type FederationFault = (typeof FEDERATION_FAULTS)[number];

/** Streams of random numbers by concern, so that removing a fault does not reshuffle the rest. */
const CONCERNS = ["plan", "network", "workload", "nodes", "fault", "clocks"] as const;

export function federationStream(seed: number, concern: (typeof CONCERNS)[number], instance = 0): Random {
  return seededRandom(seed + 2 ** 32 * (1 + CONCERNS.indexOf(concern) + CONCERNS.length * instance));
}

export interface PlannedFault {
  /** Names it in a mask. */
  readonly number: number;
  readonly kind: FederationFault;
  readonly atMs: number;
  readonly lengthMs: number;
}

export interface ClockPlan {
  /** The share by which they may run too fast or too slow; quartz is a hundred times better than the worst of these. */
  readonly drift: number;
  /** By how much wall clocks may be off, either way. */
  readonly wallOffsetMsMax: number;
}

export interface FederationPlan {
  readonly seed: number;
  /** Nodes of each region. */
  readonly regions: readonly number[];
  readonly wan: WanPlan;
  readonly config: FederationConfig;
  readonly commitMs: number;
  readonly lagMs: number;
  readonly agents: number;
  readonly capabilities: number;
  /** Mean time between two writes, and two lookups, of the whole federation. */
  readonly writeEveryMs: number;
  readonly lookupEveryMs: number;
  readonly durationMs: number;
  /** How well the machines' clocks go (F2). */
  readonly clocks: ClockPlan;
  /** Nodes are configured with the names of one other region's nodes each, and hear of the rest from those. */
  readonly isRing: boolean;
  /** Gossip never heals: the end must be reached by pulls alone (P8). */
  readonly isMute: boolean;
  readonly faults: readonly PlannedFault[];
}

const HOUR_MS = 3_600_000;
/** One seed in so many is of a large federation. */
const LARGE_EVERY = 30;

export function drawFederationPlan(seed: number): FederationPlan {
  const random = federationStream(seed, "plan");
  const between = (min: number, max: number) => randomInteger(random, min, max);
  const chance = (share: number) => random.next() < share;
  const isLarge = chance(1 / LARGE_EVERY);
  const regions = Array.from({ length: isLarge ? between(6, 20) : between(2, 5) }, () =>
    isLarge ? between(1, 2) : between(1, chance(0.2) ? 5 : 3),
  );
  const durationMs = isLarge ? 5_000 : between(8_000, 20_000);
  const delayMsMin = between(1, 80);
  const kinds = FEDERATION_FAULTS.filter(() => chance(0.5));
  const count = kinds.length === 0 ? 0 : between(0, isLarge ? 6 : 20);
  const faults = Array.from({ length: count }, (_, number) => ({
    number,
    kind: kinds[between(0, kinds.length - 1)]!,
    atMs: between(1_000, durationMs),
    lengthMs: between(100, chance(0.3) ? 10_000 : 3_000),
  }));
  return {
    seed,
    regions,
    wan: {
      delayMsMin,
      delayMsMax: delayMsMin + between(0, 80),
      jitterMs: chance(0.5) ? 0 : between(1, 20),
      gossipJitterMs: chance(0.5) ? 0 : between(1, 200),
      gossipLoss: chance(0.5) ? 0 : random.next() * 0.4,
      gossipRelay: chance(0.5) ? 0 : random.next() * 0.3,
    },
    config: {
      ...FEDERATION_DEFAULTS,
      headerIntervalMs: [1_000, 2_000][between(0, 1)]!,
      pullIntervalMs: [2_000, 5_000, 10_000][between(0, 2)]!,
      lookupDeadlineMs: [400, 1_000][between(0, 1)]!,
      cacheEntriesMax: [3, 1_000][between(0, 1)]!,
    },
    commitMs: between(1, 10),
    lagMs: between(1, 60),
    agents: between(3, 30),
    capabilities: between(2, 20),
    writeEveryMs: between(40, 400),
    lookupEveryMs: between(40, 200),
    durationMs,
    clocks: { drift: chance(0.5) ? 0 : 0.01, wallOffsetMsMax: chance(0.5) ? 0 : HOUR_MS },
    isRing: chance(0.5),
    isMute: chance(0.2),
    faults,
  };
}

/** The clocks of a machine, by its name: they stay with it. */
export function clocksOf({ seed, clocks }: Pick<FederationPlan, "seed" | "clocks">, machine: string): Hardware {
  const number = [...machine].reduce((sum, letter) => (31 * sum + letter.charCodeAt(0)) % 65_521, 0);
  const random = federationStream(seed, "clocks", number);
  const spread = (most: number) => most * (2 * random.next() - 1);
  return { rate: 1 + spread(clocks.drift), wallOffsetMs: spread(clocks.wallOffsetMsMax) };
}

/** A federation to which nothing happens but what a test does. */
export function quietFederation(regions: readonly number[], more: Partial<FederationPlan> = {}): FederationPlan {
  return {
    seed: 1,
    regions,
    wan: { delayMsMin: 40, delayMsMax: 40, jitterMs: 0, gossipJitterMs: 0, gossipLoss: 0, gossipRelay: 0 },
    config: FEDERATION_DEFAULTS,
    commitMs: 2,
    lagMs: 5,
    agents: 0,
    capabilities: 4,
    writeEveryMs: Number.POSITIVE_INFINITY,
    lookupEveryMs: Number.POSITIVE_INFINITY,
    durationMs: 0,
    clocks: { drift: 0, wallOffsetMsMax: 0 },
    isRing: false,
    isMute: false,
    faults: [],
    ...more,
  };
}

/** The plan with only these of its faults. */
export function withFaults(plan: FederationPlan, numbers: readonly number[]): FederationPlan {
  return { ...plan, faults: plan.faults.filter(({ number }) => numbers.includes(number)) };
}
