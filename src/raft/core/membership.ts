/**
 * Changing who belongs to the group (Ongaro 2014, §4; the erratum of 2015).
 *
 *   add      a learner, which receives the log and does not count
 *   promote  a learner that keeps pace becomes a voter: by itself if it was added to become one
 *   remove   for good: the id never returns
 *
 * A change of one voter takes one entry. Where more voters change, as when a newcomer takes the place of a voter whose disk
 * was lost, old and new majorities decide together until the joint configuration is committed, and the leader, whoever
 * it then is, leaves it (R47, R51). One change at a time, and none before the leader has committed an entry of its own term
 * (R48): otherwise two leaders could each commit a change that the other does not know of.
 */

import type { NodeId } from "../../types/ids.ts";
import {
  encodeMembership,
  type Learner,
  MEMBERS_MAX,
  type Member,
  type Membership,
  type MembershipChange,
  type MembershipRefusal,
  REMOVED_MAX,
} from "../../types/membership.ts";
import { peersOf } from "./quorum.ts";
import { appendAsLeader } from "./replication.ts";
import { isChanging, isConfigurationCommitted, isVoter, type RaftState } from "./state.ts";
import { transferLeadership } from "./transfer.ts";

/** A member that is silent for less may be restarting, and keeps its name; in milliseconds. */
const NAME_HELD_MS = 5_000;

type Plan = { readonly next: Membership } | { readonly refused: MembershipRefusal };

/** Why a change would not be begun now; null when it would. */
export function refusalOf(state: RaftState, change: MembershipChange): MembershipRefusal | null {
  const plan = planOf(state, change);
  return "refused" in plan ? plan.refused : null;
}

/** Begins a change, unless there is a reason not to. */
export function changeMembership(state: RaftState, change: MembershipChange): void {
  const plan = planOf(state, change);
  if ("next" in plan) appendMembership(state, plan.next);
}

/** The leader's part once a configuration is committed: leaves a joint one, and hands over when it has removed itself. */
export function settleMembership(state: RaftState): void {
  if (state.role !== "leader" || !isConfigurationCommitted(state)) return;
  const { membership, transfer, log, termStartIndex } = state;
  if (membership.outgoing.length > 0) {
    if (log.commit >= termStartIndex) appendMembership(state, withoutOutgoing(membership));
  } else if (!isVoter(state) && transfer === null) {
    transferLeadership(state, null);
  }
}

/** Promotes a learner that was added to become a voter and keeps pace by now. */
export function promoteCaughtUp(state: RaftState): void {
  for (const { id, becomes } of state.membership.learners) {
    if (becomes !== "voter") continue;
    const plan = planOf(state, { type: "promote", id });
    if ("next" in plan) return appendMembership(state, plan.next);
  }
}

function appendMembership(state: RaftState, membership: Membership): void {
  appendAsLeader(state, [{ kind: "membership", data: encodeMembership(membership) }]);
}

function planOf(state: RaftState, change: MembershipChange): Plan {
  if (state.role !== "leader" || state.transfer !== null) return { refused: "not-leader" };
  if (isChanging(state) || state.log.commit < state.termStartIndex) return { refused: "change-pending" };
  switch (change.type) {
    case "add":
      return planAddition(state, change.member, change.becomes);
    case "promote":
      return planPromotion(state, change.id);
    case "remove":
      return planRemoval(state, change.id);
  }
}

function planAddition(state: RaftState, member: Member, becomes: Learner["becomes"]): Plan {
  const { membership } = state;
  const { voters, learners, removed } = membership;
  if (removed.includes(member.id)) return { refused: "removed-for-good" };
  if (peersOf(membership).includes(member.id)) return { refused: "already-a-member" };
  const hasName = ({ name }: Member) => name === member.name;
  const voter = voters.find(hasName);
  const learner = learners.find(hasName);
  if ([voter, learner].some((holder) => holder !== undefined && mayReturn(state, holder.id))) {
    return { refused: "name-taken" };
  }
  if (learner === undefined && peersOf(membership).length >= MEMBERS_MAX) return { refused: "too-many-members" };
  const newcomer: Learner = {
    ...member,
    becomes: voter === undefined ? (learner?.becomes ?? becomes) : "voter",
    replaces: voter?.id ?? null,
  };
  const next = {
    ...membership,
    learners: [...learners.filter((other) => other !== learner), newcomer],
    removed: withRemoved(removed, learner === undefined ? [] : [learner]),
  };
  return { next };
}

function planPromotion(state: RaftState, id: NodeId): Plan {
  const { membership, progress } = state;
  const learner = membership.learners.find((member) => member.id === id);
  if (learner === undefined) {
    return { refused: peersOf(membership).includes(id) ? "not-a-learner" : "not-a-member" };
  }
  const { name, replaces } = learner;
  if (!progress.get(id)!.keepsPace(state.now, state.options.electionMsMin) || !answers(state, id))
    return { refused: "not-caught-up" };
  if (replaces !== null && mayReturn(state, replaces)) return { refused: "name-taken" };
  const voters = [...membership.voters.filter((voter) => voter.id !== replaces), { id, name }];
  const learners = membership.learners.filter((other) => other !== learner);
  return planVoters(state, { ...membership, learners }, voters);
}

function planRemoval(state: RaftState, id: NodeId): Plan {
  const { membership } = state;
  const learner = membership.learners.find((member) => member.id === id);
  if (learner !== undefined) {
    const learners = membership.learners.filter((other) => other !== learner);
    return { next: { ...membership, learners, removed: withRemoved(membership.removed, [learner]) } };
  }
  const voters = membership.voters.filter((voter) => voter.id !== id);
  if (voters.length === membership.voters.length) return { refused: "not-a-member" };
  if (voters.length === 0) return { refused: "last-voter" };
  return planVoters(state, membership, voters);
}

/** Goes over to other voters, in one step where old and new majorities overlap anyway. */
function planVoters(state: RaftState, membership: Membership, voters: readonly Member[]): Plan {
  const answering = voters.filter(({ id }) => answers(state, id)).length;
  // A change that those who are left can not commit would stop the group (R52).
  if (2 * answering <= voters.length) return { refused: "quorum-at-risk" };
  const joint: Membership = { ...membership, voters, outgoing: membership.voters };
  const isOneVoter = without(voters, membership.voters).length + without(membership.voters, voters).length === 1;
  return { next: isOneVoter ? withoutOutgoing(joint) : joint };
}

/** The configuration that a joint one leads to. */
function withoutOutgoing(joint: Membership): Membership {
  const removed = withRemoved(joint.removed, without(joint.outgoing, joint.voters));
  return { ...joint, outgoing: [], removed };
}

function without(members: readonly Member[], others: readonly Member[]): readonly Member[] {
  return members.filter(({ id }) => !others.some((other) => other.id === id));
}

function withRemoved(removed: readonly NodeId[], members: readonly Member[]): readonly NodeId[] {
  return [...removed, ...members.map(({ id }) => id)].slice(-REMOVED_MAX);
}

/** Whether a peer is known to live: it answered this leader within an election timeout. */
function answers(state: RaftState, id: NodeId): boolean {
  const hasAnswered = state.progress.get(id)?.hasAnswered ?? false;
  return id === state.self || (hasAnswered && silentMs(state, id) < state.options.electionMsMax);
}

/** Whether a peer may come back under its name: it answered lately, or this leader is too new to tell. */
function mayReturn(state: RaftState, id: NodeId): boolean {
  return id === state.self || silentMs(state, id) < Math.max(NAME_HELD_MS, state.options.electionMsMax);
}

function silentMs(state: RaftState, id: NodeId): number {
  return state.progress.get(id)?.silentMs(state.now) ?? Number.POSITIVE_INFINITY;
}
