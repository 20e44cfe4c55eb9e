/**
 * One run of a simulated federation: trouble for a while, then healing, and then every node's summaries must equal the
 * regions' within a stated bound, and every lookup what all regions hold together (P8).
 */

import { scheduleFaults } from "./federation-sim-faults.ts";
import { drawFederationPlan, type FederationPlan } from "./federation-sim-plan.ts";
import type { FederationProcess } from "./federation-sim-process.ts";
import { capabilityName, LEASE_MS, queryOf, Workload } from "./federation-sim-workload.ts";
import { FederationWorld } from "./federation-sim-world.ts";
import { check, InvariantBroken } from "./raft-invariants.ts";

export interface FederationSimulationResult {
  readonly seed: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly committed: number;
  /** How often an entry, a header or an answer was held against the truth. */
  readonly checks: number;
  /** Equal for equal runs. */
  readonly traceHash: number;
  /** From the healing until all summaries were equal. */
  readonly convergenceMs: number;
  /** How often something worth reaching was reached. */
  readonly counters: ReadonlyMap<string, number>;
}

/** The first breach, with what led to it. */
export class FederationSimulationFailure extends Error {
  override readonly name = "FederationSimulationFailure";

  constructor({ faults, ...plan }: FederationPlan, step: number, story: readonly string[], cause: unknown) {
    const isExpected = cause instanceof InvariantBroken;
    const what = isExpected ? cause.message : cause instanceof Error ? String(cause.stack) : String(cause);
    const told = faults.map(({ number, kind, atMs, lengthMs }) => `${number}:${kind}@${atMs}+${lengthMs}`);
    const lines = [`plan: ${JSON.stringify(plan)}`, `faults: ${told.join(" ")}`, ...story];
    super([`seed ${plan.seed}, step ${step}: ${what}`, ...lines].join("\n"), { cause });
  }
}

/** What a pull waits for at most (`summary-pull.ts`), also when its link died silently just before the healing. */
const PULL_TIMEOUT_MS = 5_000;
/** The longest pause between two pulls, in intervals: the timer's, and that of the backoff, with their jitter. */
const PULL_INTERVALS = 1.5;
/** Digests, and up to three pages of buckets. */
const ROUND_TRIPS = 4;
/** A breaker that opened just before the healing (`region-client.ts`). */
const BREAKER_OPEN_MS = 2_000;
const POLL_MS = 50;
const MANY_REGIONS = 10;

/**
 * How long after the healing, or the last write, all summaries are equal, whatever was missed and without any gossip: a pull
 * that hangs ends, the next one is due, and it takes some round trips. What a follower has not applied is pulled once more.
 *
 * A pull that hung, or that a lagging node answered, is repeated after its backoff, which is the timer's pace at most. Where
 * none was under way, one is due when the newest header is overdue: that is watched for each interval, with up to a quarter
 * of one as jitter, so at most 2.75 of them after the last proof, or 5.5 s, which is less than what the others take.
 */
export function convergenceBoundMs({ config, wan, lagMs, commitMs, clocks }: FederationPlan): number {
  const roundTripMs = 2 * (wan.delayMsMax + wan.jitterMs);
  const pullMs = PULL_INTERVALS * config.pullIntervalMs + ROUND_TRIPS * roundTripMs;
  return (PULL_TIMEOUT_MS + pullMs + lagMs + commitMs) / (1 - clocks.drift);
}

/** What introductions wait for (`node/introductions.ts`). */
const INTRODUCTION_MS = 5_000;
/** What nobody told for three of their slow rounds is forgotten in the next. */
const UNTOLD_MS = 4 * 6 * INTRODUCTION_MS;
/** Of the leases: a new leader's grace, and a look for those that ran out (`lease-keeper.ts`); an agent that was refused. */
const EXPIRY_MS = 1_000;
/** Leases that the brake lets run out one after the other. */
const BRAKE_MS = 100;

/**
 * How long after the healing no lease is left that nobody renews (P7): whoever leads may have heard of none of them, and
 * gives each a whole one; when there are many, it ends ten a second.
 */
function expiryBoundMs({ clocks, agents, commitMs, lagMs }: FederationPlan): number {
  return LEASE_MS / (1 - clocks.drift) + EXPIRY_MS + agents * BRAKE_MS + commitMs + lagMs;
}

/** How long it takes until all know all, where each is configured with one other: the distance between any two is halved each time. */
function introductionBoundMs({ isRing, regions }: FederationPlan): number {
  return isRing ? INTRODUCTION_MS * Math.ceil(Math.log2(regions.length)) : 0;
}

/** How long a region is known that is gone, to who hears of it last: whoever knows tries anew after a question that was lost. */
function farewellBoundMs({ config }: FederationPlan): number {
  return PULL_TIMEOUT_MS + PULL_INTERVALS * config.pullIntervalMs;
}

export function simulateFederation(seed: number): Promise<FederationSimulationResult> {
  return simulateFederationPlan(drawFederationPlan(seed));
}

/** @throws FederationSimulationFailure at the first broken promise */
export async function simulateFederationPlan(plan: FederationPlan): Promise<FederationSimulationResult> {
  const world = new FederationWorld(plan);
  const { time, story, counters } = world;
  const onRejection = (error: unknown) => time.fail(error);
  process.on("unhandledRejection", onRejection);
  let convergenceMs: number;
  try {
    world.found();
    if (world.regions.length > MANY_REGIONS) world.count("many regions");
    if (plan.isRing) world.count("ring of names");
    if (plan.clocks.drift > 0) world.count("clocks that drift");
    if (plan.clocks.wallOffsetMsMax > 0) world.count("wall clocks that differ");
    if (plan.isMute) for (const what of ["gossip", "pulses"] as const) muteLater(world, what);
    scheduleFaults(world);
    const workload = new Workload(world);
    workload.start();
    await time.run(plan.durationMs);
    workload.stop();
    world.heal();
    await settle(world, workload);
    convergenceMs = await converge(world);
    await time.run(BREAKER_OPEN_MS);
    await compareLookups(world);
    await dialNobody(world);
    if (world.regions.some(({ truth }) => truth.now.expired > 0)) world.count("lease ran out");
    await time.giveWay();
  } catch (cause) {
    throw new FederationSimulationFailure(plan, time.events, story.lines, cause);
  } finally {
    process.off("unhandledRejection", onRejection);
  }
  return {
    seed: plan.seed,
    events: time.events,
    virtualMs: time.now,
    committed: world.regions.reduce((sum, { log }) => sum + log.commands.length, 0),
    checks: world.oracle.checks,
    traceHash: story.hash,
    convergenceMs,
    counters,
  };
}

/** From the middle on, for ever: neither changes nor signs of life are heard of. */
function muteLater({ network, time, plan }: FederationWorld, what: "gossip" | "pulses"): void {
  network.block({ what, holds: () => time.now > plan.durationMs / 2 });
}

/** Whoever does not renew is expired, who does is there, and who leaves has left. @throws InvariantBroken when it takes too long */
async function settle(world: FederationWorld, workload: Workload): Promise<void> {
  const { plan, regions, time } = world;
  const boundMs = expiryBoundMs(plan);
  const leavingMs = convergenceBoundMs(plan) + introductionBoundMs(plan);
  const startedAt = world.now;
  for (;;) {
    const undead = workload.undead();
    const lost = workload.lost();
    const leaving = regions.filter(({ isLeaving, isGone }) => isLeaving && !isGone).map(({ name }) => name);
    if (undead.length + lost.length + leaving.length === 0) return;
    const tookMs = world.now - startedAt;
    check(undead.length === 0 || tookMs <= boundMs, `P7: healthy after ${tookMs} ms without renewal: ${undead}`);
    check(lost.length === 0 || tookMs <= boundMs, `P7: unknown after ${tookMs} ms of renewals: ${lost}`);
    check(leaving.length === 0 || tookMs <= leavingMs, `P8: nobody heard the farewell of ${leaving}`);
    await time.run(POLL_MS);
  }
}

/** @returns how long it took @throws InvariantBroken when the bound passes */
export async function converge(world: FederationWorld): Promise<number> {
  const { plan, regions } = world;
  const hasLost = regions.some(({ isGone }) => isGone);
  const boundMs = convergenceBoundMs(plan) + introductionBoundMs(plan) + (hasLost ? farewellBoundMs(plan) : 0);
  const startedAt = world.now;
  for (;;) {
    const differences = world.oracle.differences(world.processes);
    if (differences.length === 0) return world.now - startedAt;
    if (world.now - startedAt > boundMs) {
      throw new InvariantBroken(`P8: not equal within ${boundMs} ms:\n${differences.join("\n")}`);
    }
    await world.time.run(POLL_MS);
  }
}

/** Who is gone is not dialled for ever because somebody who had not heard so told of it (P10). */
async function dialNobody(world: FederationWorld): Promise<void> {
  const { processes, time } = world;
  const gone = world.regions.filter(({ isGone }) => isGone).map(({ name }) => name);
  const diallers = () =>
    processes.filter(({ endpoint }) => gone.some((region) => (endpoint.learned.get(region) ?? []).length > 0));
  if (diallers().length > 0) world.count("introduced to who is gone");
  const startedAt = world.now;
  while (diallers().length > 0) {
    const names = diallers().map(({ name }) => name);
    check(world.now - startedAt <= UNTOLD_MS, `P10: ${names} still dial ${gone}`);
    await time.run(INTRODUCTION_MS);
  }
}

/** Everybody finds everything, wherever it is. */
export async function compareLookups(world: FederationWorld): Promise<void> {
  const names = Array.from({ length: world.plan.capabilities }, (_, i) => capabilityName(i + 1));
  const { processes } = world;
  const answered = new Map(processes.map((process) => [process, 0]));
  // One after the other: a breaker lets a single one try.
  const askNext = (process: FederationProcess) => {
    const name = names[answered.get(process)!];
    if (name === undefined) return;
    const query = queryOf(name);
    world.lookup(process, query, (answer) => {
      if (!answer.complete) {
        throw new InvariantBroken(`P8: ${process.name} gets ${JSON.stringify(answer.regions)} in a healed federation`);
      }
      world.oracle.checkUnion(process, query, answer);
      answered.set(process, answered.get(process)! + 1);
      askNext(process);
    });
  };
  for (const process of processes) askNext(process);
  const isDone = () => processes.every((process) => answered.get(process) === names.length);
  if (await world.time.until(isDone, names.length * world.plan.config.lookupDeadlineMs)) return;
  throw new InvariantBroken("P8: a lookup in a healed federation is not answered");
}
