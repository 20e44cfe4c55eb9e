/**
 * Consensus groups without consensus: one list of members, and a leader who changes it as the core would.
 *
 * Tests say who answers, who leads, and what the next change is to end in.
 */

import {
  type ConsensusGroup,
  type GroupMembership,
  type GroupStatus,
  MembershipError,
  type PeerProgress,
  RaftError,
} from "../../src/raft/index.ts";
import type { NodeId } from "../../src/types/ids.ts";
import {
  foundingMembership,
  type Learner,
  type Member,
  type Membership,
  type MembershipChange,
  type MembershipRefusal,
} from "../../src/types/membership.ts";

export class FakeGroups {
  membership: Membership;
  leader: NodeId | null;
  term = 1;
  isChanging = false;
  lastIndex = 100;
  /** Members that do not answer the leader. */
  readonly silent = new Set<NodeId>();
  /** What the next change ends in, instead of happening: refused, lost, or done although nobody learns of it. */
  nextOutcome: MembershipRefusal | "unknown" | "unknown-but-done" | null = null;
  /** Every change that was begun. */
  readonly changes: MembershipChange[] = [];
  readonly transfers: (NodeId | null)[] = [];
  canTransfer = true;

  constructor(voters: readonly Member[], leader: NodeId | null) {
    this.membership = foundingMembership(voters);
    this.leader = leader;
  }

  group(self: NodeId): FakeGroup {
    return new FakeGroup(this, self);
  }

  change(change: MembershipChange): void {
    const { voters, learners, removed } = this.membership;
    this.changes.push(change);
    if (change.type === "add") {
      const replaces = voters.find(({ name }) => name === change.member.name)?.id ?? null;
      const learner: Learner = { ...change.member, becomes: change.becomes, replaces };
      this.membership = { ...this.membership, learners: [...learners, learner] };
      return;
    }
    const others = (member: Member) => member.id !== change.id;
    if (change.type === "remove") {
      const left = { voters: voters.filter(others), learners: learners.filter(others) };
      this.membership = { ...this.membership, ...left, removed: [...removed, change.id] };
    } else {
      const { id, name } = learners.find((learner) => learner.id === change.id)!;
      this.membership = {
        ...this.membership,
        voters: [...voters, { id, name }],
        learners: learners.filter(others),
      };
    }
  }
}

export class FakeGroup implements ConsensusGroup, GroupMembership {
  readonly self: NodeId;
  readonly #groups: FakeGroups;

  constructor(groups: FakeGroups, self: NodeId) {
    this.self = self;
    this.#groups = groups;
  }

  status(): GroupStatus {
    const { leader, term, membership, isChanging, lastIndex } = this.#groups;
    const sinceLeaderMs = leader === null ? Number.POSITIVE_INFINITY : 0;
    return {
      role: leader === this.self ? "leader" : "follower",
      term,
      leader,
      commitIndex: lastIndex,
      appliedIndex: lastIndex,
      lastIndex,
      logStartIndex: 0,
      membership,
      isChanging,
      stalenessMs: sinceLeaderMs,
      sinceLeaderMs,
      refusedMessages: 0,
    };
  }

  async changeMembership(change: MembershipChange): Promise<{ index: number }> {
    const groups = this.#groups;
    const { nextOutcome } = groups;
    groups.nextOutcome = null;
    const refusal = groups.leader === this.self ? refusalOf(groups, change) : "not-leader";
    if (nextOutcome === "unknown" || nextOutcome === "unknown-but-done") {
      if (nextOutcome === "unknown-but-done") groups.change(change);
      throw new RaftError("the wait ended", { code: "OUTCOME_UNKNOWN", waitedMs: 1 });
    }
    const reason = nextOutcome ?? refusal;
    if (reason !== null) throw new MembershipError(reason, { code: "MEMBERSHIP_REFUSED", reason });
    groups.change(change);
    return { index: ++groups.lastIndex };
  }

  progress(): readonly PeerProgress[] {
    const { leader, membership, silent, lastIndex } = this.#groups;
    if (leader !== this.self) return [];
    return [...membership.voters, ...membership.learners]
      .filter(({ id }) => id !== this.self)
      .map(({ id }) => ({ id, matchIndex: silent.has(id) ? 0 : lastIndex, silentMs: silent.has(id) ? 60_000 : 10 }));
  }

  async transferLeadership(target: NodeId | null = null): Promise<boolean> {
    const groups = this.#groups;
    groups.transfers.push(target);
    const next = target ?? groups.membership.voters.find(({ id }) => id !== this.self)?.id;
    if (groups.leader !== this.self || next === undefined || !groups.canTransfer) return false;
    groups.leader = next;
    groups.term++;
    return true;
  }

  propose(): Promise<never> {
    throw new Error("nothing is proposed to a fake group");
  }

  readBarrier(): Promise<never> {
    throw new Error("nothing is read of a fake group");
  }

  confirmLeadership(): Promise<never> {
    throw new Error("a fake group has no quorum");
  }

  onStatusChange(): () => void {
    return () => {};
  }
}

function refusalOf({ membership, silent, isChanging }: FakeGroups, change: MembershipChange): MembershipRefusal | null {
  const { voters, learners, removed } = membership;
  if (isChanging) return "change-pending";
  if (change.type === "add") {
    const { id, name } = change.member;
    if (removed.includes(id)) return "removed-for-good";
    if ([...voters, ...learners].some((member) => member.id === id)) return "already-a-member";
    const isTaken = [...voters, ...learners].some((member) => member.name === name && !silent.has(member.id));
    return isTaken ? "name-taken" : null;
  }
  const isVoter = voters.some(({ id }) => id === change.id);
  if (!isVoter && !learners.some(({ id }) => id === change.id)) return "not-a-member";
  if (change.type === "promote") return isVoter ? "not-a-learner" : silent.has(change.id) ? "not-caught-up" : null;
  if (!isVoter) return null;
  const left = voters.filter(({ id }) => id !== change.id);
  if (left.length === 0) return "last-voter";
  return 2 * left.filter(({ id }) => !silent.has(id)).length > left.length ? null : "quorum-at-risk";
}
