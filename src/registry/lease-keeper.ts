/**
 * Keeps the leases of a region: on every node it takes and spreads renewals, on the leader it ends what ran out.
 *
 * Every node tells all others, in batches, of the renewals it took, so that whoever leads next knows how much time each
 * agent has left (F3). Ages travel, never times (F2). The leader ends a lease through the log, and only when
 *   1. it has led for a grace, in which the others' last batches arrive,
 *   2. the lease is over by lease time, which leaves out this process's stalls and the time without a leader (P7),
 *   3. the renewals waiting in the sockets have been read (R59),
 *   4. a quorum has confirmed that it leads now (F1),
 *   5. the brake agrees (F20).
 * An agent that this node never heard of since it started gets one whole lease from the first time it leads: once, so that
 * a dead agent dies although leaders change faster than its lease.
 *
 * Elsewhere: what is known of a lease (`leases.ts`), the brake (`expiry-brake.ts`), what expiry does to the record
 * (`registry-state-machine.ts`).
 */

import { type ConsensusGroup, type GroupStatus, RaftError } from "../raft/index.ts";
import type { StoredAgent } from "../types/agent.ts";
import type { NodeId } from "../types/ids.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import type { KeptAgent } from "./agent-index.ts";
import { encodeCommand } from "./commands.ts";
import { ExpiryBrake } from "./expiry-brake.ts";
import { type Lease, LeaseClock, LeaseTable } from "./leases.ts";
import type { RegistryStateMachine } from "./registry-state-machine.ts";
import { RenewalMeter } from "./renewal-advice.ts";

/** Tells all other members of the region; a message may be lost, and nobody answers. */
export interface RegionBroadcast {
  send(method: string, payload: unknown): void;
}

/** The broadcast that carries renewals: `[incarnation, ageMs, informedRevision?][]`, at most `RENEWALS_PER_MESSAGE`. */
export const RENEWALS_METHOD = "leases/renewed";
export const RENEWALS_PER_MESSAGE = 4_096;

export interface LeaseOptions {
  /** Renewals taken here wait this long for others to travel with. */
  readonly renewalBatchMs: number;
  /** What a node takes before it asks agents to renew less often (`renewal-advice.ts`). */
  readonly renewalsPerSecond: number;
  /** How often the leader looks for leases that ran out. */
  readonly expiryCheckMs: number;
  /** A new leader ends nothing for this long: two heartbeats, so that every member has met it and sent what it knows. */
  readonly leaseGraceMs: number;
  /** With no sign of a leader for longer than this, time is not charged to agents. */
  readonly livePathMs: number;
  readonly confirmTimeoutMs: number;
  readonly proposeTimeoutMs: number;
  /** Leases ended by one command. */
  readonly expireBatchMax: number;
  /** Unhealthy agents stay listed this long; 0 keeps them. */
  readonly retentionMs: number;
  readonly purgeCheckMs: number;
  readonly brakeShare: number;
  readonly brakeLeasesMin: number;
  readonly brakeRatePerSecond: number;
  readonly brakeMaxMs: number;
  /** Newest events that the region keeps. */
  readonly eventsMax: number;
}

export const LEASE_DEFAULTS: LeaseOptions = {
  renewalBatchMs: 25,
  renewalsPerSecond: 1_000,
  expiryCheckMs: 250,
  leaseGraceMs: 200,
  livePathMs: 600,
  confirmTimeoutMs: 1_000,
  proposeTimeoutMs: 2_000,
  expireBatchMax: 500,
  retentionMs: 3_600_000,
  purgeCheckMs: 5_000,
  brakeShare: 0.3,
  brakeLeasesMin: 20,
  brakeRatePerSecond: 10,
  brakeMaxMs: 60_000,
  eventsMax: 10_000,
};

/** Renewals are counted over this long: shorter than any sensible interval between two of one agent. */
const RENEWAL_WINDOW_MS = 2_000;

export interface LeaseKeeperParts {
  readonly group: ConsensusGroup;
  readonly stateMachine: RegistryStateMachine;
  readonly broadcast: RegionBroadcast;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of anything that is not a refusal of the group: a bug, upon which the node stops. */
  readonly onFatal: (error: unknown) => void;
  readonly options?: Partial<LeaseOptions>;
}

export class LeaseKeeper {
  readonly #group: ConsensusGroup;
  readonly #stateMachine: RegistryStateMachine;
  readonly #broadcast: RegionBroadcast;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onFatal: (error: unknown) => void;
  readonly #options: LeaseOptions;
  readonly #leaseClock: LeaseClock;
  readonly #renewals: RenewalMeter;
  readonly #toShare = new Set<number>();
  readonly #subscriptions: (() => void)[] = [];
  #table = new LeaseTable();
  #cancelBatch: CancelTimer | null = null;
  #hasLeader = false;
  #lastLeader: NodeId | null = null;
  #leadership: { readonly term: number; readonly since: number; readonly brake: ExpiryBrake } | null = null;
  #lastPurgeCheck = 0;
  #round: Promise<void> | null = null;

  constructor({ group, stateMachine, broadcast, clock, logger, onFatal, options }: LeaseKeeperParts) {
    this.#group = group;
    this.#stateMachine = stateMachine;
    this.#broadcast = broadcast;
    this.#clock = clock;
    this.#logger = logger;
    this.#onFatal = onFatal;
    this.#options = { ...LEASE_DEFAULTS, ...options };
    // Two checks apart is a late timer; more than that is a stall of ours.
    this.#leaseClock = new LeaseClock(clock.now(), 2 * this.#options.expiryCheckMs);
    const budget = { perSecond: this.#options.renewalsPerSecond, windowMs: RENEWAL_WINDOW_MS };
    this.#renewals = new RenewalMeter(budget, clock.now());
    this.#takeAll();
    stateMachine.observe({
      agentChanged: (before, after) => this.#follow(before, after),
      restored: () => this.#takeAll(),
    });
  }

  start(): void {
    this.#meet(this.#group.status());
    this.#subscriptions.push(
      this.#group.onStatusChange((status) => this.#meet(status)),
      repeat(this.#clock, this.#options.expiryCheckMs, () => this.#tick()),
    );
  }

  /** Sends the renewals that wait, and resolves when no decision is under way any more. */
  async stop(): Promise<void> {
    for (const stop of this.#subscriptions.splice(0)) stop();
    this.#cancelBatch?.();
    this.#shareNow();
    await this.#round;
  }

  /** Notes that an agent showed itself here. Does nothing for a lease that has ended. */
  renew(incarnation: number): void {
    this.#renewals.note(this.#clock.now());
    const lease = this.#table.renewed(incarnation, this.#now(), this.#clock.wallTime());
    if (lease !== undefined) this.#shareSoon(incarnation);
  }

  /** Renewals that agents bring here, as a share of what this node is to take. */
  get renewalLoad(): number {
    return this.#renewals.load(this.#clock.now());
  }

  /** Whether this node leads and ends leases slowly, because an unlikely share of them ran out at once. */
  get isBrakeEngaged(): boolean {
    return this.#leadership?.brake.isEngaged ?? false;
  }

  /** Notes that the agent was told of everything up to `revision`. */
  markInformed(incarnation: number, revision: number): void {
    if (this.#table.informed(incarnation, revision) !== undefined) this.#shareSoon(incarnation);
  }

  /** What the agent was told of last, as far as this node knows. */
  informedRevision(incarnation: number): number | null {
    return this.#table.get(incarnation)?.informedRevision ?? null;
  }

  /** Wall time of the last sign of life that this node heard of. */
  lastSeenMs(agent: StoredAgent): number {
    return this.#table.get(agent.incarnation)?.lastSeenMs ?? agent.changedAtMs;
  }

  /** Takes a broadcast of `RENEWALS_METHOD`. What is malformed, or comes from no member of the region, is left out. */
  receive(payload: unknown, from: NodeId): void {
    if (!Array.isArray(payload) || payload.length > RENEWALS_PER_MESSAGE || !this.#isMember(from)) return;
    const now = this.#now();
    const wallMs = this.#clock.wallTime();
    for (const entry of payload as unknown[]) {
      if (!isRenewal(entry)) continue;
      const [incarnation, ageMs, informedRevision] = entry;
      this.#table.renewed(incarnation, now - ageMs, wallMs - ageMs);
      if (informedRevision !== undefined) this.#table.informed(incarnation, informedRevision);
    }
  }

  #isMember(nodeId: NodeId): boolean {
    const { voters, outgoing, learners } = this.#group.status().membership;
    return [voters, outgoing, learners].some((members) => members.some(({ id }) => id === nodeId));
  }

  #now(): number {
    const now = this.#clock.now();
    return this.#hasLeader ? this.#leaseClock.read(now) : this.#leaseClock.skip(now);
  }

  #follow(before: KeptAgent | undefined, after: KeptAgent | undefined): void {
    const now = this.#now();
    // A healthy agent changes only by registering, wherever it did, and registering is a sign of life.
    this.#table.follow(before, after, { now, heardAt: now, wallMs: this.#clock.wallTime() });
  }

  /** Follows a state that came as a whole, and keeps what is known of leases that it still holds. */
  #takeAll(): void {
    const known = this.#table;
    const now = this.#now();
    this.#table = new LeaseTable();
    for (const agent of this.#stateMachine.index.agents()) {
      this.#table.follow(undefined, agent, { now, heardAt: null, wallMs: agent.changedAtMs });
      const lease = known.get(agent.incarnation);
      if (lease === undefined) continue;
      if (lease.renewedAt !== null) this.#table.renewed(agent.incarnation, lease.renewedAt, lease.lastSeenMs);
      if (lease.informedRevision !== null) this.#table.informed(agent.incarnation, lease.informedRevision);
    }
    // Should this node lead already, what it never heard of must get its time now, not never.
    if (this.#leadership !== null) this.#table.grantUnheard(now);
  }

  #shareSoon(incarnation: number): void {
    this.#toShare.add(incarnation);
    this.#cancelBatch ??= this.#clock.schedule(this.#options.renewalBatchMs, () => this.#shareNow());
  }

  #shareNow(): void {
    this.#cancelBatch = null;
    const now = this.#now();
    let message: (readonly number[])[] = [];
    for (const incarnation of this.#toShare) {
      const lease = this.#table.get(incarnation);
      if (lease === undefined || lease.renewedAt === null) continue;
      const ageMs = Math.max(0, Math.round(now - lease.renewedAt));
      message.push(
        lease.informedRevision === null ? [incarnation, ageMs] : [incarnation, ageMs, lease.informedRevision],
      );
      if (message.length === RENEWALS_PER_MESSAGE) {
        this.#broadcast.send(RENEWALS_METHOD, message);
        message = [];
      }
    }
    this.#toShare.clear();
    if (message.length > 0) this.#broadcast.send(RENEWALS_METHOD, message);
  }

  /** Meets a leader: itself, which begins to count, or another, which is sent everything known here. */
  #meet(status: GroupStatus): void {
    this.#hasLeader = status.sinceLeaderMs < this.#options.livePathMs;
    if (status.role !== "leader") {
      this.#leadership = null;
    } else if (this.#leadership?.term !== status.term) {
      const since = this.#now();
      this.#leadership = { term: status.term, since, brake: this.#newBrake() };
      this.#table.grantUnheard(since);
    }
    if (status.leader === null || status.leader === this.#lastLeader) return;
    this.#lastLeader = status.leader;
    if (status.leader === this.#group.self) return;
    // Batches are lost when links break, and links break when leaders change: so the new one hears everything again.
    for (const { incarnation, endedAt } of this.#table.all()) {
      if (endedAt === null) this.#shareSoon(incarnation);
    }
  }

  #newBrake(): ExpiryBrake {
    const { brakeShare, brakeLeasesMin, brakeRatePerSecond, brakeMaxMs } = this.#options;
    return new ExpiryBrake({
      share: brakeShare,
      leasesMin: brakeLeasesMin,
      ratePerSecond: brakeRatePerSecond,
      heldMsMax: brakeMaxMs,
    });
  }

  #tick(): void {
    this.#meet(this.#group.status());
    // Also without a decision to make: a clock that nobody reads takes the next reading for a stall.
    this.#now();
    this.#clock.afterIo(() => this.#check());
  }

  #check(): void {
    if (this.#leadership === null || this.#round !== null || this.#subscriptions.length === 0) return;
    const { since, brake, term } = this.#leadership;
    const now = this.#now();
    if (now - since < this.#options.leaseGraceMs) return;
    this.#round = this.#decide(term, brake, now)
      .catch((error: unknown) => this.#postpone(error))
      .finally(() => {
        this.#round = null;
      });
  }

  async #decide(term: number, brake: ExpiryBrake, now: number): Promise<void> {
    if (this.#mayExpire(brake, now).length > 0) await this.#expire(term, brake);
    if (this.#options.retentionMs > 0 && now - this.#lastPurgeCheck >= this.#options.purgeCheckMs) {
      this.#lastPurgeCheck = now;
      await this.#purge(now - this.#options.retentionMs);
    }
  }

  /** The leases to end now: over, allowed by the brake, and not more than one command takes. */
  #mayExpire(brake: ExpiryBrake, now: number): readonly Lease[] {
    const due = this.#table.due(now);
    const windowMs = due.reduce((longest, { leaseMs }) => Math.max(longest, leaseMs), 0);
    const wasEngaged = brake.isEngaged;
    const allowance = brake.allowance(now, { due: due.length, running: this.#table.running, windowMs });
    if (brake.isEngaged !== wasEngaged) this.#reportBrake(brake, due.length);
    return due.slice(0, Math.min(allowance, this.#options.expireBatchMax));
  }

  async #expire(term: number, brake: ExpiryBrake): Promise<void> {
    const confirmed = await this.#group.confirmLeadership({ timeoutMs: this.#options.confirmTimeoutMs });
    if (confirmed.term !== term) return;
    // Renewals may have come while the quorum answered.
    const now = this.#now();
    const leases = this.#mayExpire(brake, now);
    if (leases.length === 0) return;
    brake.expired(now, leases.length);
    const command = encodeCommand({
      kind: "expire",
      leases: leases.map(({ id, incarnation }) => [id, incarnation]),
      atMs: this.#clock.wallTime(),
      eventsMax: this.#options.eventsMax,
    });
    await this.#group.propose(command, { timeoutMs: this.#options.proposeTimeoutMs });
    this.#logger.info({ code: "LEASES_EXPIRED", agents: leases.length }, "agents stopped renewing");
  }

  /**
   * Removes agents that this node has seen unhealthy for the whole retention.
   *
   * Counted from when this node saw it, not from the wall time in the record: a clock that jumps removes nothing (F2), and a
   * change of leader starts nothing anew, because every node counts. A restart does, which only keeps a record longer.
   */
  async #purge(endedBy: number): Promise<void> {
    const agents: (readonly [KeptAgent["id"], number])[] = [];
    for (const { id, incarnation } of this.#table.endedBy(endedBy)) {
      const agent = this.#stateMachine.index.get(id);
      if (agent?.incarnation === incarnation) agents.push([id, agent.revision]);
      if (agents.length === this.#options.expireBatchMax) break;
    }
    if (agents.length === 0) return;
    const command = encodeCommand({ kind: "purge", agents, atMs: this.#clock.wallTime() });
    await this.#group.propose(command, { timeoutMs: this.#options.proposeTimeoutMs });
    this.#logger.info({ code: "AGENTS_PURGED", agents: agents.length }, "retention of unhealthy agents ended");
  }

  /** Nothing is lost by waiting: what is due stays due, and the next check decides anew. */
  #postpone(error: unknown): void {
    if (!(error instanceof RaftError)) {
      this.#onFatal(error);
      return;
    }
    this.#logger.warn({ code: "EXPIRY_POSTPONED", reason: error.detail.code }, "could not end leases now");
  }

  #reportBrake(brake: ExpiryBrake, due: number): void {
    const facts = { due, running: this.#table.running };
    if (brake.isEngaged) {
      this.#logger.warn(
        { code: "EXPIRY_BRAKE_ENGAGED", ...facts },
        "unlikely many agents fell silent; expiry is paced",
      );
    } else {
      this.#logger.warn({ code: "EXPIRY_BRAKE_RELEASED", ...facts }, "expiry is no longer paced");
    }
  }
}

function isRenewal(entry: unknown): entry is [incarnation: number, ageMs: number, informedRevision?: number] {
  return Array.isArray(entry) && entry.length >= 2 && entry.slice(0, 3).every(isCount);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
