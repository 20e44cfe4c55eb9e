/**
 * A simulated region's consensus: one log, committed in order, with the delays and the confusion that other regions can see.
 *
 * Members apply what is committed some time later; one that is cut off applies nothing and says how long ago that began; a
 * leader that was deposed goes on believing for a while. Raft itself is proved by the other simulators.
 */

import { type ConsensusGroup, type GroupStatus, RaftError, type StateMachine } from "../../src/raft/index.ts";
import type { NodeId } from "../../src/types/ids.ts";
import { foundingMembership, type Member, type Membership } from "../../src/types/membership.ts";
import type { EventQueue } from "./raft-sim-queue.ts";

export interface LogOptions {
  /** From a proposal to its commitment. */
  readonly commitMs: number;
  /** From there until a follower applied it. */
  readonly lagMs: number;
  /** Sees each command at the moment of its commitment. */
  readonly onCommit: (command: Uint8Array, index: number) => void;
}

export class SimulatedLog {
  readonly queue: EventQueue;
  readonly commands: Uint8Array[];
  membership: Membership;
  readonly options: LogOptions;
  readonly members = new Set<SimulatedGroup>();
  term: number;
  leader: SimulatedGroup | null = null;
  leaderLostAt = 0;

  /** @param commands - what survived of an earlier epoch */
  constructor(
    queue: EventQueue,
    options: LogOptions,
    members: readonly Member[],
    commands: readonly Uint8Array[],
    term: number,
  ) {
    this.queue = queue;
    this.options = options;
    this.commands = [...commands];
    this.membership = foundingMembership(members);
    this.term = term;
    for (const [i, command] of this.commands.entries()) options.onCommit(command, i + 1);
  }

  elect(leader: SimulatedGroup | null): void {
    if (leader === null) this.leaderLostAt = this.queue.now;
    else this.term++;
    this.leader = leader;
    leader?.lead();
    this.tellStatus();
  }

  change(members: readonly Member[]): void {
    this.membership = foundingMembership(members);
    this.tellStatus();
  }

  tellStatus(): void {
    for (const member of this.members) member.tellStatus();
  }

  commit(command: Uint8Array): number {
    const index = this.commands.push(command);
    this.options.onCommit(command, index);
    for (const member of this.members) member.onCommit();
    return index;
  }
}

export class SimulatedGroup implements ConsensusGroup {
  readonly self: NodeId;
  readonly #log: SimulatedLog;
  readonly #stateMachine: StateMachine;
  readonly #listeners = new Set<(status: GroupStatus) => void>();
  readonly #waiting: { readonly index: number; readonly done: () => void }[] = [];
  readonly #results = new Map<number, unknown>();
  #appliedIndex = 0;
  /** Since when the applied state may be behind; null while it keeps up. */
  #behindSince: number | null;
  #isStalled = false;
  #hasEnded = false;
  #catchUps = 0;
  #believedTerm: number | null = null;

  /** @param durableIndex - up to where its disk has the state */
  constructor(log: SimulatedLog, self: NodeId, stateMachine: StateMachine, durableIndex: number) {
    this.#log = log;
    this.self = self;
    this.#stateMachine = stateMachine;
    // What its disk has may be of any age.
    this.#behindSince = Number.NEGATIVE_INFINITY;
    this.#applyUpTo(Math.min(durableIndex, log.commands.length));
    log.members.add(this);
    this.#catchUpSoon();
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  get isStalled(): boolean {
    return this.#isStalled;
  }

  /** Cut off from the other members: it hears of nothing until `resume`. A leader goes on believing that it leads. */
  stall(): void {
    if (this.#isStalled) return;
    this.#isStalled = true;
    this.#behindSince ??= this.#log.queue.now - this.#lagMs();
    if (this.#log.leader === this) this.#believedTerm = this.#log.term;
  }

  /** A leader that heard no quorum for an election timeout gives up. */
  doubt(): void {
    this.#believedTerm = null;
    this.tellStatus();
  }

  resume(): void {
    this.#isStalled = false;
    this.doubt();
    this.#catchUpSoon();
  }

  /** A new leader has what is committed, but has not applied all of it yet. */
  lead(): void {
    this.#behindSince ??= this.#log.queue.now - this.#lagMs();
    this.#catchUpSoon();
  }

  end(): void {
    this.#hasEnded = true;
    this.#listeners.clear();
    this.#log.members.delete(this);
  }

  async propose(command: Uint8Array): Promise<{ index: number; result: unknown }> {
    const log = this.#log;
    if (log.leader === null || this.#isStalled) throw noLeader();
    const { term } = log;
    await this.#sleep(log.options.commitMs);
    if (log.term !== term || this.#isStalled) throw new RaftError("lost", { code: "OUTCOME_UNKNOWN", waitedMs: 0 });
    const index = log.commit(command);
    await this.#applied(index);
    return { index, result: this.#results.get(index) };
  }

  async readBarrier(): Promise<void> {
    const log = this.#log;
    const askedAt = log.queue.now;
    await this.#sleep(log.options.commitMs);
    if (log.leader === null || this.#isStalled) throw noLeader();
    await this.#applied(log.commands.length);
    if (this.#behindSince !== null) this.#behindSince = Math.max(this.#behindSince, askedAt);
  }

  async confirmLeadership(): Promise<{ term: number }> {
    if (this.#log.leader !== this || this.#isStalled) throw noLeader();
    return { term: this.#log.term };
  }

  status(): GroupStatus {
    const { leader, term, commands, membership, queue, leaderLostAt } = this.#log;
    const leads = this.#isStalled ? this.#believedTerm !== null : leader === this;
    const silentMs = leader === null || this.#isStalled ? queue.now - Math.max(leaderLostAt, 0) : 0;
    return {
      role: leads ? "leader" : "follower",
      term: this.#believedTerm ?? term,
      leader: leads ? this.self : (leader?.self ?? null),
      commitIndex: this.#isStalled ? this.#appliedIndex : commands.length,
      appliedIndex: this.#appliedIndex,
      lastIndex: commands.length,
      logStartIndex: 0,
      isChanging: false,
      refusedMessages: 0,
      membership,
      stalenessMs: this.#stalenessMs(),
      sinceLeaderMs: silentMs,
    };
  }

  onStatusChange(listener: (status: GroupStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tellStatus(): void {
    const status = this.status();
    for (const listener of this.#listeners) listener(status);
  }

  onCommit(): void {
    if (this.#isStalled) return;
    const upTo = this.#log.commands.length;
    if (this.#log.leader === this && this.#behindSince === null) this.#applyUpTo(upTo);
    else {
      this.#log.queue.schedule(this.#log.options.lagMs, () => {
        if (!this.#isStalled) this.#applyUpTo(upTo);
      });
    }
  }

  #stalenessMs(): number {
    const { queue, leader, leaderLostAt } = this.#log;
    if (this.#behindSince !== null) return queue.now - this.#behindSince;
    if (leader === null) return queue.now - leaderLostAt + this.#lagMs();
    return leader === this ? 0 : this.#lagMs();
  }

  /** What an honest bound must allow for, also right after this member was elected. */
  #lagMs(): number {
    return this.#log.options.lagMs;
  }

  #catchUpSoon(): void {
    const log = this.#log;
    const upTo = log.commands.length;
    const number = ++this.#catchUps;
    log.queue.schedule(this.#lagMs(), () => {
      if (this.#isStalled || number !== this.#catchUps) return;
      this.#applyUpTo(log.leader === this ? log.commands.length : upTo);
      this.#behindSince = null;
    });
  }

  #applied(index: number): Promise<void> {
    if (this.#appliedIndex >= index) return Promise.resolve();
    return new Promise((done) => {
      this.#waiting.push({ index, done });
    });
  }

  #applyUpTo(index: number): void {
    while (!this.#hasEnded && this.#appliedIndex < index) {
      const command = this.#log.commands[this.#appliedIndex]!;
      this.#appliedIndex++;
      const { result } = this.#stateMachine.apply(command, this.#appliedIndex);
      this.#results.set(this.#appliedIndex, result);
    }
    const due = this.#waiting.filter((wait) => wait.index <= this.#appliedIndex);
    for (const wait of due) {
      this.#waiting.splice(this.#waiting.indexOf(wait), 1);
      wait.done();
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#log.queue.schedule(ms, resolve);
    });
  }
}

function noLeader(): RaftError {
  return new RaftError("no leader", { code: "NO_LEADER", waitedMs: 0 });
}
