/**
 * One run of a simulated federation: trouble for a while, then healing, and then every node's summaries must equal the
 * regions' within a stated bound, and every lookup what all regions hold together (P8).
 */

import { scheduleFaults } from "./federation-sim-faults.ts";
import { drawFederationPlan, type FederationPlan } from "./federation-sim-plan.ts";
import type { FederationProcess } from "./federation-sim-process.ts";
import { capabilityName, LEASE_MS, queryOf, Workload } from "./federation-sim-workload.ts";
import { FederationWorld } from "./federation-sim-world.ts";
import { InvariantBroken } from "./raft-invariants.ts";

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
export function convergenceBoundMs({ config, wan, lagMs, commitMs }: FederationPlan): number {
  const roundTripMs = 2 * (wan.delayMsMax + wan.jitterMs);
  const pullMs = PULL_INTERVALS * config.pullIntervalMs + ROUND_TRIPS * roundTripMs;
  return PULL_TIMEOUT_MS + pullMs + lagMs + commitMs;
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
    if (plan.isMute) for (const what of ["gossip", "pulses"] as const) muteLater(world, what);
    scheduleFaults(world);
    const workload = new Workload(world);
    workload.start();
    await time.run(plan.durationMs);
    workload.stop();
    world.heal();
    // Agents that moved leave no trace behind.
    await time.run(LEASE_MS);
    convergenceMs = await converge(world);
    await time.run(BREAKER_OPEN_MS);
    await compareLookups(world);
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

/** @returns how long it took @throws InvariantBroken when the bound passes */
export async function converge(world: FederationWorld): Promise<number> {
  const boundMs = convergenceBoundMs(world.plan);
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
