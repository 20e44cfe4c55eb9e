/**
 * One run of a world of whole nodes: trouble for a while, then healing, and then everything must be well again in bounded
 * time: first a read without a write, then agreement, then a write, then the leases, then quiet.
 */

import { AssertionError } from "node:assert/strict";
import { assertLinearizable } from "./linearizability.ts";
import type { NodeSimulationPlan } from "./node-sim-plan.ts";
import { NodeWorld } from "./node-sim-world.ts";
import { InvariantBroken } from "./raft-invariants.ts";

export interface NodeSimulationResult {
  readonly seed: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly committed: number;
  /** How often a member, a command, a state or a promise was checked. */
  readonly checks: number;
  /** Operations of clients whose history was explained. */
  readonly operations: number;
  /** Equal for equal runs. */
  readonly traceHash: number;
  /** How often something worth reaching was reached. */
  readonly counters: ReadonlyMap<string, number>;
}

/** The first breach, with what led to it. */
export class NodeSimulationFailure extends Error {
  override readonly name = "NodeSimulationFailure";
  /** What was broken. */
  readonly what: string;

  constructor(plan: NodeSimulationPlan, story: readonly string[], cause: unknown) {
    const isExpected = cause instanceof InvariantBroken || cause instanceof AssertionError;
    const what = isExpected ? cause.message : cause instanceof Error ? String(cause.stack) : String(cause);
    super([`seed ${plan.seed}: ${what}`, describePlan(plan), ...story].join("\n"), { cause });
    this.what = what;
  }
}

function describePlan({ faults, clocks, ...plan }: NodeSimulationPlan): string {
  const told = faults.map(({ number, kind, atMs }) => `${number}:${kind}@${atMs}`);
  const rates = clocks.slice(0, plan.nodes).map(({ rate }) => rate.toFixed(2));
  return `plan: ${JSON.stringify({ ...plan, rates })}\nfaults: ${told.join(" ")}`;
}

/** @throws NodeSimulationFailure at the first broken promise */
export async function simulateNodes(plan: NodeSimulationPlan): Promise<NodeSimulationResult> {
  const world = new NodeWorld(plan);
  const { time, story, history, counters } = world;
  const onRejection = (error: unknown) => time.fail(error);
  process.on("unhandledRejection", onRejection);
  try {
    await world.found();
    world.unleash();
    await time.run(plan.durationMs);
    await new Recovery(world).check();
    await time.giveWay();
    assertLinearizable(history.events);
  } catch (cause) {
    throw new NodeSimulationFailure(plan, [...story.lines, ...world.standing], cause);
  } finally {
    process.off("unhandledRejection", onRejection);
  }
  return {
    seed: plan.seed,
    events: time.events,
    virtualMs: time.now,
    committed: world.committed,
    checks: world.checks,
    operations: history.events.length / 2,
    traceHash: story.hash,
    counters,
  };
}

/** Election timeouts that a healed region may need for each of the things it must then do, and what requests wait beside. */
const ELECTIONS_MAX = 15;
const PATIENCE_MS = 8_000;
const RETRY_MS = 200;
/** Copies of messages that were sent before the healing arrive up to so much later. */
const LIMBO_MS = 5_000;
const QUIET_BEATS = 20;

class Recovery {
  readonly #world: NodeWorld;
  readonly #boundMs: number;

  constructor(world: NodeWorld) {
    this.#world = world;
    this.#boundMs = ELECTIONS_MAX * world.plan.raft.electionMsMax + PATIENCE_MS;
  }

  async check(): Promise<void> {
    const world = this.#world;
    for (const client of world.clients) client.stop();
    world.heal();
    const healedAt = world.now;
    // A leader that needs a write to get going must not be forgiven.
    await this.#repeat("a read is served", (process, done) =>
      world.ask(
        process,
        PATIENCE_MS,
        ({ registry }) => registry.read("linearizable"),
        ({ is }) => done(is === "ok"),
      ),
    );
    this.#takeInStrangers();
    await this.#require("all members agree without a further write", () => this.#isAgreed(), this.#boundMs);
    const committed = world.committed;
    await this.#repeat("a write is committed", (process, done) => {
      world.writeSomething(process);
      done(world.committed > committed);
    });
    await this.#require("all members agree after the write", () => this.#isAgreed(), this.#boundMs);
    await this.#require("leases show who lives", () => this.#showsWhoLives(), this.#leaseBoundMs());
    await world.time.run(Math.max(0, healedAt + LIMBO_MS - world.now));
    await this.#checkTraffic();
    await this.#require("all members agree in the end", () => this.#isAgreed(), this.#boundMs);
  }

  /** Again and again: membership goes on to settle. */
  #takeInStrangers(): void {
    if (this.#isAgreed()) return;
    this.#world.takeInStrangers();
    this.#world.schedule(this.#world.plan.raft.electionMsMax, () => this.#takeInStrangers());
  }

  async #require(what: string, holds: () => boolean, maxMs: number): Promise<void> {
    if (await this.#world.time.until(holds, maxMs)) return;
    throw new InvariantBroken(`liveness: not within ${maxMs.toFixed(0)} ms: ${what}`);
  }

  /** Tries through one member after the other, until it was done. */
  async #repeat(
    what: string,
    attempt: (process: NonNullable<NodeWorld["leader"]>, done: (isDone: boolean) => void) => void,
  ): Promise<void> {
    let isDone = false;
    let attempts = 0;
    const again = () => {
      const { running } = this.#world;
      const process = running[attempts++ % running.length]?.process;
      if (isDone || attempts > this.#boundMs / RETRY_MS) return;
      if (process) {
        attempt(process, (ok) => {
          isDone ||= ok;
        });
      }
      this.#world.schedule(RETRY_MS, again);
    };
    again();
    await this.#require(what, () => isDone, this.#boundMs);
  }

  /** Whoever runs is a member, follows one leader, and holds the same as all others. */
  #isAgreed(): boolean {
    const { leader, machines, operator } = this.#world;
    if (leader?.core == null || operator.wishes.length > 0) return false;
    const { membership, log } = leader.core;
    if (log.commit !== log.lastIndex || membership.outgoing.length > 0) return false;
    const hash = leader.stateMachine.stateHash();
    return machines.every(({ process }) => {
      const { core, group, stateMachine } = process ?? {};
      return (
        core?.leader === leader.id &&
        group?.status().appliedIndex === log.lastIndex &&
        stateMachine?.stateHash() === hash &&
        JSON.stringify(core.membership) === JSON.stringify(membership)
      );
    });
  }

  /** Agents that stopped are unhealthy or were never known, all others are healthy. */
  #showsWhoLives(): boolean {
    const { leader, agents } = this.#world;
    return agents.every(({ id, isStopped }) => {
      const agent = leader?.stateMachine.index.get(id);
      return isStopped ? agent?.health !== "healthy" : agent?.health === "healthy";
    });
  }

  /** A lease by the slowest clock, granted anew to those whom a new leader never heard of, and an election. */
  #leaseBoundMs(): number {
    const { agents } = this.#world.plan;
    return 1.5 * agents.leaseMs + this.#boundMs;
  }

  /** A region at rest speaks no more than its heartbeats. */
  async #checkTraffic(): Promise<void> {
    const world = this.#world;
    const { heartbeatMs } = world.plan.raft;
    for (const agent of world.agents) agent.stop();
    const [before, committed] = [world.raftMessages, world.committed];
    await world.time.run(QUIET_BEATS * heartbeatMs);
    // Leases that run out are ended by an entry each: it goes out, is acknowledged, and so is that it is committed.
    const written = 4 * (world.committed - committed);
    const most = (2 * (QUIET_BEATS + 2) * 1.3 + written) * (world.machines.length - 1);
    const sent = world.raftMessages - before;
    if (sent > most)
      throw new InvariantBroken(`traffic: ${sent} messages in ${QUIET_BEATS} heartbeats, ${most} are due`);
  }
}
