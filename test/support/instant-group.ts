/**
 * A consensus group without consensus: what is proposed is committed at once, on every member that keeps up.
 *
 * Tests switch on what a real group does on a bad day: no leader, a leader that can not prove itself, a member that lags,
 * a proposal whose outcome nobody learns.
 */

import { type ConsensusGroup, type GroupStatus, RaftError, type StateMachine } from "../../src/raft/index.ts";
import { asNodeId, asNodeName, type NodeId } from "../../src/types/ids.ts";
import { foundingMembership, type Membership, NO_MEMBERS } from "../../src/types/membership.ts";

/** Members of one region, their common log, and who leads. */
export class InstantRegion {
  readonly members: InstantGroup[] = [];
  readonly log: Uint8Array[] = [];
  term = 1;
  #leader: InstantGroup | null = null;

  get leader(): InstantGroup | null {
    return this.#leader;
  }

  /** The first member leads. */
  join(stateMachine: StateMachine): InstantGroup {
    const member = new InstantGroup(this, stateMachine, `node-${this.members.length + 1}`);
    this.members.push(member);
    this.#leader ??= member;
    return member;
  }

  /** Begins a term with that leader, or without one. */
  elect(leader: InstantGroup | null): void {
    this.term++;
    this.#leader = leader;
    for (const member of this.members) member.tellStatus();
  }

  membership(): Membership {
    const voters = this.members.map(({ self, name }) => ({ id: self, name: asNodeName(name) }));
    return foundingMembership(voters);
  }
}

export class InstantGroup implements ConsensusGroup {
  readonly self: NodeId;
  readonly name: string;
  /** False: waits for its members, and knows of no configuration. */
  isFounded = true;
  /** Does not apply what others propose until it has to. */
  isLagging = false;
  /** Leads by its own belief, but no quorum answers it. */
  canConfirm = true;
  /** Proposals through this member end in OUTCOME_UNKNOWN, having been committed or not. */
  outcomeUnknown: "committed" | "lost" | null = null;
  /** Reported while there is a leader; without one it is Infinity. */
  sinceLeaderMs = 0;
  stalenessMs = 0;
  /** How often a read barrier was asked for. */
  barriers = 0;
  readonly #region: InstantRegion;
  readonly #stateMachine: StateMachine;
  readonly #listeners = new Set<(status: GroupStatus) => void>();
  #appliedIndex = 0;

  constructor(region: InstantRegion, stateMachine: StateMachine, name: string) {
    this.#region = region;
    this.#stateMachine = stateMachine;
    this.name = name;
    this.self = asNodeId(name);
  }

  async propose(command: Uint8Array): Promise<{ index: number; result: unknown }> {
    if (this.#region.leader === null) throw noLeader();
    const unknown = this.outcomeUnknown;
    if (unknown === "lost") throw outcomeUnknown();
    const index = this.#region.log.push(command);
    for (const member of this.#region.members) {
      if (!member.isLagging && member !== this) member.catchUp();
    }
    const result = this.catchUp();
    if (unknown === "committed") throw outcomeUnknown();
    return { index, result };
  }

  async readBarrier(): Promise<void> {
    this.barriers++;
    if (this.#region.leader === null) throw noLeader();
    this.catchUp();
  }

  async confirmLeadership(): Promise<{ term: number }> {
    if (this.#region.leader !== this || !this.canConfirm) throw noLeader();
    return { term: this.#region.term };
  }

  status(): GroupStatus {
    const { leader, term, log } = this.#region;
    const role = leader === this ? "leader" : "follower";
    return {
      role,
      term,
      leader: leader?.self ?? null,
      commitIndex: log.length,
      appliedIndex: this.#appliedIndex,
      lastIndex: log.length,
      logStartIndex: 0,
      isChanging: false,
      refusedMessages: 0,
      membership: this.isFounded ? this.#region.membership() : NO_MEMBERS,
      stalenessMs: leader === null ? Number.POSITIVE_INFINITY : this.stalenessMs,
      sinceLeaderMs: leader === null ? Number.POSITIVE_INFINITY : this.sinceLeaderMs,
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

  /** Applies everything committed; returns the result of the last command. */
  catchUp(): unknown {
    let result: unknown;
    while (this.#appliedIndex < this.#region.log.length) {
      const command = this.#region.log[this.#appliedIndex]!;
      this.#appliedIndex++;
      result = this.#stateMachine.apply(command, this.#appliedIndex).result;
    }
    return result;
  }
}

function noLeader(): RaftError {
  return new RaftError("no leader", { code: "NO_LEADER", waitedMs: 0 });
}

function outcomeUnknown(): RaftError {
  return new RaftError("the wait ended", { code: "OUTCOME_UNKNOWN", waitedMs: 0 });
}
