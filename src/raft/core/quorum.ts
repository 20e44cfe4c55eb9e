/**
 * Majorities, of one configuration or of two at once.
 *
 * While a configuration changes, a decision needs a majority of the old and of the new voters (Ongaro 2014, §4.3).
 */

import type { NodeId } from "../../types/ids.ts";
import type { Member, Membership } from "../../types/membership.ts";

/** Voters of both halves, each once, in order of id: nothing may depend on the order of insertion (R58). */
export const votersOf = perMembership(({ voters, outgoing }) => idsOf([...voters, ...outgoing]));

/** Everybody who receives the log, in order of id. */
export const peersOf = perMembership(({ voters, outgoing, learners }) => idsOf([...voters, ...outgoing, ...learners]));

function idsOf(members: readonly Member[]): readonly NodeId[] {
  return [...new Set(members.map(({ id }) => id))].sort();
}

/** Asked for with each message, and the same as long as the configuration is. */
function perMembership<Value>(derive: (membership: Membership) => Value): (membership: Membership) => Value {
  const known = new WeakMap<Membership, Value>();
  return (membership) => {
    const kept = known.get(membership);
    if (kept !== undefined) return kept;
    const value = derive(membership);
    known.set(membership, value);
    return value;
  };
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

/**
 * The highest value that every member of some quorum reaches: of the indexes that members hold, what is committed; of the
 * times they were heard, when a quorum was.
 */
export function quorumReaches(membership: Membership, reach: (id: NodeId) => number): number {
  return Math.min(majorityReaches(membership.voters, reach), majorityReaches(membership.outgoing, reach));
}

function majorityReaches(voters: readonly Member[], reach: (id: NodeId) => number): number {
  if (voters.length === 0) return Number.POSITIVE_INFINITY;
  const values = voters.map((member) => reach(member.id)).sort((a, b) => b - a);
  return values[Math.floor(voters.length / 2)]!;
}
