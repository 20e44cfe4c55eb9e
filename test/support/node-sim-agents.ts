/**
 * Agents that hold leases, and what must be true of these whatever happens to the nodes (P7, F1, F2, F3).
 *
 *   - No node takes a renewal that has no live path to a leader (F18).
 *   - No node proposes to end a lease before it ran out by that node's own clock, counted from the last sign of life that
 *     it heard of, or from when it began to lead, without the time that the node itself stood still.
 *   - It does so only when a quorum has just answered it (F1), and to no other lease than the one it means (F21).
 *   - While the network is whole, no agent is expired that a living node has acknowledged within the last half of its lease.
 *   - An agent that stopped is expired within a bound once the world is healed; one that goes on is healthy then.
 */

import { sinceQuorumMs } from "../../src/raft/core/replication.ts";
import type { KeptAgent } from "../../src/registry/agent-index.ts";
import type { Command } from "../../src/registry/commands.ts";
import { LEASE_DEFAULTS } from "../../src/registry/lease-keeper.ts";
import { type AgentId, asAgentId } from "../../src/types/ids.ts";
import type { Random } from "../../src/util/random.ts";
import { type Answer, type ClientWorld, codeOf } from "./node-sim-clients.ts";
import { recordOf } from "./node-sim-ledger.ts";
import type { NodeProcess } from "./node-sim-process.ts";
import { check } from "./raft-invariants.ts";

export interface AgentPlan {
  readonly agents: number;
  readonly leaseMs: number;
  /** Chance that an agent dies during the run. */
  readonly mortality: number;
  readonly stickiness: number;
  readonly patienceMs: number;
}

/** An agent gives up on a node that refused it, and tries another after about this long. */
const RETRY_MS = 200;
/** Ages travel as whole milliseconds. */
const ROUNDING_MS = 2;
/** So much of a stall of its own a node may charge to agents: twice the time between two checks. */
const STALL_MS = 2 * LEASE_DEFAULTS.expiryCheckMs;
/** By then a renewal has reached every node that runs, if the network is whole. */
const SPREAD_MS = 500;

export class LeaseAgent {
  readonly id: AgentId;
  readonly #plan: AgentPlan;
  readonly #random: Random;
  readonly #world: ClientWorld;
  readonly #leases: LeaseWatch;
  #process: NodeProcess | undefined;
  #incarnation: number | null = null;
  #isStopped = false;
  #isCutOff = false;

  constructor(number: number, plan: AgentPlan, random: Random, world: ClientWorld, leases: LeaseWatch) {
    this.id = asAgentId(`lease-${number}`);
    this.#plan = plan;
    this.#random = random;
    this.#world = world;
    this.#leases = leases;
  }

  /** It dies: whatever it had is to be expired. */
  stop(): void {
    this.#isStopped = true;
  }

  /** It lives, and reaches no node until told otherwise. */
  cutOff(isCutOff: boolean): void {
    this.#isCutOff = isCutOff;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  start(): void {
    this.#after(this.#plan.leaseMs * this.#random.next());
  }

  #after(delayMs: number): void {
    this.#world.schedule(delayMs, () => {
      if (!this.#isStopped) this.#act();
    });
  }

  #act(): void {
    const isStaying = this.#process?.isAlive && this.#random.next() < this.#plan.stickiness;
    if (!isStaying) this.#process = this.#world.anyProcess(this.#random);
    if (this.#process === undefined || this.#isCutOff) this.#retry();
    else if (this.#incarnation === null) this.#register(this.#process);
    else this.#renew(this.#process, this.#incarnation);
  }

  #retry(): void {
    this.#process = undefined;
    this.#after(RETRY_MS * (0.5 + this.#random.next()));
  }

  #register(process: NodeProcess): void {
    const { ledger } = this.#world;
    const value = ledger.newValue();
    const record = recordOf(value, this.#plan.leaseMs);
    this.#ask(
      process,
      ({ registry }) => registry.register(this.id, record),
      ({ agent }) => {
        ledger.acknowledged(value, agent.revision);
        this.#incarnation = agent.incarnation;
        this.#after(this.#plan.leaseMs / 4);
      },
    );
  }

  #renew(process: NodeProcess, incarnation: number): void {
    this.#ask(
      process,
      ({ registry }) => registry.renew(this.id, incarnation),
      ({ renewInMs }) => {
        this.#leases.acknowledged(process, incarnation);
        this.#world.count("ok: lease renewed");
        this.#after(renewInMs);
      },
    );
  }

  #ask<T>(process: NodeProcess, ask: (process: NodeProcess) => Promise<T>, onOk: (value: T) => void): void {
    this.#world.ask(process, this.#plan.patienceMs, ask, (answer: Answer<T>) => {
      if (answer.is === "ok") return onOk(answer.value);
      const code = answer.is === "lost" ? "LOST" : codeOf(answer.error);
      if (code === "LEASE_LOST" || code === "UNKNOWN_AGENT") {
        this.#world.count("lease lost");
        this.#incarnation = null;
      }
      this.#retry();
    });
  }
}

/** The last sign of life that a process knows of a lease. */
interface Sign {
  readonly at: number;
  /** When it heard of it. */
  readonly heardAt: number;
}

interface Acknowledgement {
  readonly process: NodeProcess;
  readonly at: number;
}

export interface LeaseWorld {
  readonly now: number;
  /** Since when nothing was lost, cut or held up on any link; Infinity while something may be. */
  readonly networkWholeSince: number;
  /** For so long after it heard of a leader a node may take renewals, on its own clock. */
  readonly livePathMs: number;
  count(what: string): void;
}

/** What each process knows of each lease, by incarnation, and what the agents were told. */
export class LeaseWatch {
  readonly #world: LeaseWorld;
  readonly #known = new Map<NodeProcess, Map<number, Sign>>();
  /** When each process first led, which is a sign of life of all leases that it never heard of. */
  readonly #leadsSince = new Map<NodeProcess, Sign>();
  readonly #acknowledged = new Map<number, Acknowledgement>();
  /** Agents that the command being applied must leave alone. */
  #spared: readonly KeptAgent[] = [];

  constructor(world: LeaseWorld) {
    this.#world = world;
  }

  leads(process: NodeProcess): void {
    const { now } = this.#world;
    if (!this.#leadsSince.has(process)) this.#leadsSince.set(process, { at: now, heardAt: now });
  }

  forget(process: NodeProcess): void {
    this.#known.delete(process);
    this.#leadsSince.delete(process);
  }

  /** An agent showed itself to a process, which takes it for a sign of life. */
  showed(process: NodeProcess, incarnation: number): void {
    const { sinceLeaderMs } = process.group!.status();
    check(
      sinceLeaderMs < this.#world.livePathMs,
      `${process.id} takes a renewal ${sinceLeaderMs} ms after it heard of a leader (F18)`,
    );
    this.renewed(process, incarnation);
  }

  /** A sign of life reached a process: the agent itself, or that its registration was committed. */
  renewed(process: NodeProcess, incarnation: number): void {
    this.#note(process, incarnation, this.#world.now);
  }

  /** A broadcast of renewals did. */
  heard(process: NodeProcess, payload: unknown): void {
    const { rate } = process.machine.hardware;
    for (const [incarnation, ageMs] of payload as readonly (readonly [number, number])[]) {
      this.#note(process, incarnation, this.#world.now - ageMs / rate);
    }
  }

  acknowledged(process: NodeProcess, incarnation: number): void {
    this.#acknowledged.set(incarnation, { process, at: this.#world.now });
  }

  /** A process wants to end leases. */
  proposing(process: NodeProcess, { leases }: Extract<Command, { kind: "expire" }>): void {
    const unconfirmedMs = sinceQuorumMs(process.core!, process.loop.now());
    check(
      unconfirmedMs <= LEASE_DEFAULTS.confirmTimeoutMs,
      `${process.id} ends leases, ${unconfirmedMs} ms after a quorum answered it (F1)`,
    );
    for (const [id, incarnation] of leases) {
      const agent = process.stateMachine.index.get(id);
      if (agent?.incarnation !== incarnation) continue;
      this.#checkOver(process, id, incarnation, agent.record.leaseMs);
      this.#checkUnheard(process, id, incarnation, agent.record.leaseMs);
      this.#world.count("lease ended");
    }
  }

  /** A process is the first to apply the end of leases. */
  ending(process: NodeProcess, { leases }: Extract<Command, { kind: "expire" }>): void {
    const { index } = process.stateMachine;
    const agents = leases.map(([id, incarnation]) => ({ incarnation, agent: index.get(id) }));
    this.#spared = agents.flatMap(({ incarnation, agent }) =>
      agent === undefined || agent.incarnation === incarnation ? [] : [agent],
    );
  }

  /** It has applied it. */
  ended(process: NodeProcess): void {
    for (const { id, incarnation, health } of this.#spared) {
      const isSpared = process.stateMachine.index.get(id)?.health === health;
      check(isSpared, `the end of an earlier lease of ${id} ended ${incarnation} (F21)`);
    }
    this.#spared = [];
  }

  #checkOver(process: NodeProcess, id: AgentId, incarnation: number, leaseMs: number): void {
    const sign = this.#known.get(process)?.get(incarnation) ?? this.#leadsSince.get(process);
    check(sign !== undefined, `${process.id} ends a lease of ${id} and never led`);
    const { rate } = process.machine.hardware;
    const stoodStillMs = process
      .pausesWithin(sign.heardAt, this.#world.now)
      .reduce((sum, length) => sum + Math.max(0, length - STALL_MS / rate), 0);
    const elapsedMs = (this.#world.now - sign.at - stoodStillMs) * rate;
    const what = `${process.id} ends a lease of ${id} of ${leaseMs} ms, ${elapsedMs.toFixed(0)} ms after what it knows`;
    check(elapsedMs >= leaseMs - ROUNDING_MS, `${what} (P7)`);
  }

  #checkUnheard(process: NodeProcess, id: AgentId, incarnation: number, leaseMs: number): void {
    const last = this.#acknowledged.get(incarnation);
    const { now, networkWholeSince } = this.#world;
    if (last === undefined || last.at < networkWholeSince || last.at + SPREAD_MS > now) return;
    if (!last.process.ranUndisturbed(last.at, last.at + SPREAD_MS)) return;
    const ageMs = now - last.at;
    check(
      ageMs >= leaseMs / 2,
      `${process.id} ends a lease of ${id} that ${last.process.id} acknowledged ${ageMs.toFixed(0)} ms ago (P7)`,
    );
  }

  #note(process: NodeProcess, incarnation: number, at: number): void {
    let known = this.#known.get(process);
    if (known === undefined) {
      known = new Map();
      this.#known.set(process, known);
    }
    const earlier = known.get(incarnation);
    if (earlier === undefined || earlier.at < at) known.set(incarnation, { at, heardAt: this.#world.now });
  }
}
