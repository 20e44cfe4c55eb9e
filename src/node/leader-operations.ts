/**
 * The leader's part of what operators ask for: one attempt, on the members as they are now.
 *
 * Names are looked up here and not where they were typed: only the leader knows who bears them.
 */

import type { ClusterErrorDetail } from "../api/cluster-error.ts";
import type { PeerInfo } from "../network/interface.ts";
import { type ConsensusGroup, type GroupMembership, MembershipError, RaftError } from "../raft/index.ts";
import type { NodeId } from "../types/ids.ts";
import type { Member, Membership, MembershipChange, MembershipRefusal } from "../types/membership.ts";
import type { Attempt, MemberOperation, OperationRequest } from "./member-operation.ts";

export interface LeaderOperationsParts {
  readonly group: ConsensusGroup & GroupMembership;
  /** Nodes that asked this leader to join. */
  readonly waiting: () => readonly PeerInfo[];
  /** A member that answered within this time is taken for alive. */
  readonly answeringMs: number;
}

/** Tries once; what may be tried again is for the caller. */
export async function attemptOperation(parts: LeaderOperationsParts, request: OperationRequest): Promise<Attempt> {
  const { operation, mayBeDone, timeoutMs } = request;
  const { role, isChanging, membership } = parts.group.status();
  if (role !== "leader") return again({ code: "NO_LEADER", waitedMs: 0 });
  if (isChanging && operation.type !== "transfer") return again({ code: "CHANGE_PENDING" });
  if (mayBeDone && isDone(operation, membership, parts.group.self)) return { type: "done" };
  switch (operation.type) {
    case "add":
      return add(parts, operation, timeoutMs);
    case "remove":
      return remove(parts, operation.member, timeoutMs);
    case "promote":
      return promote(parts, operation.member, timeoutMs);
    case "transfer":
      return transfer(parts, operation.to);
  }
}

/** Whether the members are already as the operation would have them. */
function isDone(operation: MemberOperation, membership: Membership, leader: NodeId): boolean {
  switch (operation.type) {
    case "add":
      return find(membership, operation.name) !== undefined;
    case "remove":
      return find(membership, operation.member) === undefined;
    case "promote":
      return find({ ...membership, learners: [] }, operation.member) !== undefined;
    case "transfer":
      return operation.to === null || find(membership, operation.to)?.id === leader;
  }
}

async function add(
  parts: LeaderOperationsParts,
  { name, becomes }: Extract<MemberOperation, { type: "add" }>,
  timeoutMs: number,
): Promise<Attempt> {
  if (find(parts.group.status().membership, name) !== undefined)
    return refused({ code: "MEMBER_EXISTS", member: name });
  const newcomer = parts.waiting().find((peer) => peer.name === name);
  // A leader that was just elected hears within a moment from those that wait.
  if (newcomer === undefined) return again({ code: "MEMBER_NOT_WAITING", member: name });
  const member = { id: newcomer.nodeId, name: newcomer.name };
  return change(parts, { type: "add", member, becomes }, member, timeoutMs);
}

async function remove(parts: LeaderOperationsParts, nameOrId: string, timeoutMs: number): Promise<Attempt> {
  const { group } = parts;
  const { membership } = group.status();
  const member = find(membership, nameOrId);
  if (member === undefined) return unknown(membership, nameOrId);
  if (member.id !== group.self) return change(parts, { type: "remove", id: member.id }, member, timeoutMs);
  if (membership.voters.length === 1) return refused({ code: "LAST_VOTER", member: member.name });
  // Before the change, so that writes wait for a transfer and not for an election; whoever leads then removes this node.
  const isHandedOver = await group.transferLeadership();
  return isHandedOver ? again({ code: "NO_LEADER", waitedMs: 0 }) : refused({ code: "NOT_TRANSFERRED", to: null });
}

async function promote(parts: LeaderOperationsParts, nameOrId: string, timeoutMs: number): Promise<Attempt> {
  const { membership } = parts.group.status();
  // Where a learner is to take a voter's place, both have the name, and the learner is meant.
  const member = find({ ...membership, voters: [] }, nameOrId) ?? find(membership, nameOrId);
  if (member === undefined) return unknown(membership, nameOrId);
  return change(parts, { type: "promote", id: member.id }, member, timeoutMs);
}

async function transfer({ group }: LeaderOperationsParts, to: string | null): Promise<Attempt> {
  const { membership } = group.status();
  if (to === null) {
    return (await group.transferLeadership()) ? { type: "done" } : refused({ code: "NOT_TRANSFERRED", to });
  }
  const target = find(membership, to);
  if (target === undefined) return unknown(membership, to);
  if (target.id === group.self) return { type: "done" };
  if (!membership.voters.some(({ id }) => id === target.id)) return refused({ code: "NOT_A_VOTER", member: to });
  return (await group.transferLeadership(target.id)) ? { type: "done" } : refused({ code: "NOT_TRANSFERRED", to });
}

async function change(
  parts: LeaderOperationsParts,
  wanted: MembershipChange,
  member: Member,
  timeoutMs: number,
): Promise<Attempt> {
  try {
    await parts.group.changeMembership(wanted, { timeoutMs });
    return { type: "done" };
  } catch (error) {
    if (error instanceof MembershipError) return explain(parts, error.detail.reason, wanted, member);
    if (!(error instanceof RaftError)) throw error;
    const { detail } = error;
    if (detail.code === "NO_LEADER" || detail.code === "OUTCOME_UNKNOWN") return again(detail);
    // This node is stopping, and hands over first: whoever asks elsewhere finds another leader.
    return refused({ code: "NO_LEADER", waitedMs: 0 });
  }
}

function explain(
  parts: LeaderOperationsParts,
  reason: MembershipRefusal,
  wanted: MembershipChange,
  { id, name }: Member,
): Attempt {
  switch (reason) {
    case "not-leader":
      return again({ code: "NO_LEADER", waitedMs: 0 });
    case "change-pending":
      return again({ code: "CHANGE_PENDING" });
    case "already-a-member":
      return refused({ code: "MEMBER_EXISTS", member: name });
    case "not-a-member":
      return refused({ code: "MEMBER_UNKNOWN", member: name });
    case "removed-for-good":
      return refused({ code: "MEMBER_REMOVED", member: name });
    case "name-taken":
      return refused({ code: "NAME_TAKEN", member: name });
    case "too-many-members":
      return refused({ code: "TOO_MANY_MEMBERS", member: name });
    case "not-a-learner":
      return refused({ code: "NOT_A_LEARNER", member: name });
    case "last-voter":
      return refused({ code: "LAST_VOTER", member: name });
    case "not-caught-up":
      return refused({ code: "NOT_CAUGHT_UP", member: name, lagEntries: lagOf(parts, id) });
    case "quorum-at-risk":
      return refused({ code: "QUORUM_AT_RISK", ...quorumAfter(parts, wanted) });
  }
}

function lagOf({ group }: LeaderOperationsParts, id: NodeId): number {
  const matchIndex = group.progress().find((peer) => peer.id === id)?.matchIndex ?? 0;
  return Math.max(0, group.status().lastIndex - matchIndex);
}

/** Of those who would vote after the change, how many answer now, and how many must. */
function quorumAfter(
  { group, answeringMs }: LeaderOperationsParts,
  wanted: MembershipChange,
): { readonly answering: number; readonly needed: number } {
  const { membership } = group.status();
  const alive = new Set(group.progress().flatMap(({ id, silentMs }) => (silentMs < answeringMs ? [id] : [])));
  const ids = new Set(membership.voters.map(({ id }) => id));
  if (wanted.type === "remove") ids.delete(wanted.id);
  if (wanted.type === "promote") {
    const replaced = membership.learners.find(({ id }) => id === wanted.id)?.replaces;
    if (replaced != null) ids.delete(replaced);
    ids.add(wanted.id);
  }
  const answering = [...ids].filter((id) => id === group.self || alive.has(id)).length;
  return { answering, needed: Math.floor(ids.size / 2) + 1 };
}

/** By node id, or by name; of a voter and the learner that is to take its place, the voter. */
function find({ voters, outgoing, learners }: Membership, nameOrId: string): Member | undefined {
  const members: readonly Member[] = [...voters, ...outgoing, ...learners];
  return members.find(({ id }) => id === nameOrId) ?? members.find(({ name }) => name === nameOrId);
}

function unknown({ removed }: Membership, member: string): Attempt {
  return refused({ code: removed.some((id) => id === member) ? "MEMBER_REMOVED" : "MEMBER_UNKNOWN", member });
}

function refused(error: ClusterErrorDetail): Attempt {
  return { type: "refused", error };
}

function again(error: ClusterErrorDetail): Attempt {
  return { type: "again", error };
}
