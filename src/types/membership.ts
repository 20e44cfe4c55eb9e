/**
 * Who belongs to a Raft group, and how that is written down in log entries, snapshots and messages.
 *
 * The bytes are JSON: they are rare, small, and read by people who debug a region.
 */

import { asNodeId, asNodeName, type NodeId, type NodeName } from "./ids.ts";

export interface Member {
  readonly id: NodeId;
  readonly name: NodeName;
}

/** Receives the log, does not count. */
export interface Learner extends Member {
  /** What it is promoted to by itself once it has caught up; one that stays a learner waits for an operator's word. */
  readonly becomes: "voter" | "learner";
  /** The voter of the same name whose place it takes when it is promoted. */
  readonly replaces: NodeId | null;
}

/** Who votes. A joint configuration needs a majority of `voters` and of `outgoing` (Ongaro 2014, §4.3). */
export interface Membership {
  readonly voters: readonly Member[];
  /** The voters being left behind while a change is under way; empty otherwise. */
  readonly outgoing: readonly Member[];
  readonly learners: readonly Learner[];
  /** Who left, the newest last: an id never returns (R13), and its bearer is told so. */
  readonly removed: readonly NodeId[];
}

/** What a change asks for; the leader works out the configurations that lead there. */
export type MembershipChange =
  /** Adds a learner. Where its name is held by members that are silent, it takes their place. */
  | { readonly type: "add"; readonly member: Member; readonly becomes: Learner["becomes"] }
  /** Makes a learner that has caught up a voter. */
  | { readonly type: "promote"; readonly id: NodeId }
  /** For good: the id never returns. */
  | { readonly type: "remove"; readonly id: NodeId };

/** Why a change is not begun. */
export type MembershipRefusal =
  | "not-leader"
  /** One at a time, and none before this leader has committed an entry of its own term (R47, R48). */
  | "change-pending"
  | "already-a-member"
  | "not-a-member"
  | "removed-for-good"
  /** A member of that name answers. */
  | "name-taken"
  | "too-many-members"
  | "not-a-learner"
  | "not-caught-up"
  | "last-voter"
  /** Too few of those who would then vote answer the leader now. */
  | "quorum-at-risk";

/** Most members of a group. */
export const MEMBERS_MAX = 64;
/** Older removals are forgotten: whoever left so many changes ago is not on its way back. */
export const REMOVED_MAX = 256;
const ID_LENGTH_MAX = 128;

/** Before a node is told who belongs to its region. */
export const NO_MEMBERS: Membership = { voters: [], outgoing: [], learners: [], removed: [] };

export function foundingMembership(voters: readonly Member[]): Membership {
  return { ...NO_MEMBERS, voters };
}

export function encodeMembership({ voters, outgoing, learners, removed }: Membership): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ voters, outgoing, learners, removed }));
}

/** @throws TypeError naming what is wrong; nothing else is thrown, whatever the bytes are */
export function decodeMembership(bytes: Uint8Array): Membership {
  const fields = asFields(parse(bytes), "membership");
  return {
    voters: asList(fields.voters, "voters", MEMBERS_MAX).map(asMember),
    outgoing: asList(fields.outgoing, "outgoing", MEMBERS_MAX).map(asMember),
    learners: asList(fields.learners, "learners", MEMBERS_MAX).map(asLearner),
    removed: asList(fields.removed, "removed", REMOVED_MAX).map(asId),
  };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new TypeError("the membership is not JSON", { cause });
  }
}

function asFields(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new TypeError(`${what} is not an object`);
  return value as Record<string, unknown>;
}

function asList(value: unknown, what: string, countMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > countMax) {
    throw new TypeError(`${what} is not a list of at most ${countMax}`);
  }
  return value;
}

function asText(value: unknown, what: string): string {
  if (typeof value !== "string" || value.length === 0 || value.length > ID_LENGTH_MAX) {
    throw new TypeError(`${what} is not a text of 1 to ${ID_LENGTH_MAX} characters`);
  }
  return value;
}

const asId = (value: unknown): NodeId => asNodeId(asText(value, "a member's id"));

function asMember(value: unknown): Member {
  const { id, name } = asFields(value, "a member");
  return { id: asId(id), name: asNodeName(asText(name, "a member's name")) };
}

function asLearner(value: unknown): Learner {
  const { becomes, replaces } = asFields(value, "a learner");
  if (becomes !== "voter" && becomes !== "learner") throw new TypeError("a learner becomes a voter or stays a learner");
  return { ...asMember(value), becomes, replaces: replaces === null ? null : asId(replaces) };
}
