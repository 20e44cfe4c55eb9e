/**
 * Majorities, of one configuration or of two at once.
 *
 * While a configuration changes, a decision needs a majority of the old and of the new voters (Ongaro 2014, §4.3).
 */

import type { NodeId } from "../../types/ids.ts";
import type { Member, Membership } from "../../types/raft.ts";

/** Voters of both halves, each once, in order of id: nothing may depend on the order of insertion (R58). */
export function votersOf(membership: Membership): NodeId[] {
  const ids = new Set([...membership.voters, ...membership.outgoing].map((member) => member.id));
  return [...ids].sort();
}

/** Everybody who receives the log, in order of id. */
export function peersOf(membership: Membership): NodeId[] {
  return [...new Set([...votersOf(membership), ...membership.learners.map((member) => member.id)])].sort();
}

/** Whether the members for which `agrees` holds decide for the group. */
export function isQuorum(membership: Membership, agrees: (id: NodeId) => boolean): boolean {
  return isMajority(membership.voters, agrees) && isMajority(membership.outgoing, agrees);
}

function isMajority(voters: readonly Member[], agrees: (id: NodeId) => boolean): boolean {
  // An empty half has nothing to say; `outgoing` is empty outside a change.
  if (voters.length === 0) return true;
  const count = voters.filter((member) => agrees(member.id)).length;
  return count > voters.length / 2;
}

/** The highest index that a quorum holds, given the highest index each member is known to hold. */
export function committedIndex(membership: Membership, matchOf: (id: NodeId) => number): number {
  return Math.min(majorityIndex(membership.voters, matchOf), majorityIndex(membership.outgoing, matchOf));
}

function majorityIndex(voters: readonly Member[], matchOf: (id: NodeId) => number): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const matches = voters.map((member) => matchOf(member.id)).sort((a, b) => b - a);
  return matches[Math.floor(voters.length / 2)]!;
}
