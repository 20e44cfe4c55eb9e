import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isQuorum, quorumReaches, votersOf } from "../../src/raft/core/quorum.ts";
import { asNodeId, asNodeName, type NodeId } from "../../src/types/ids.ts";
import type { Member, Membership } from "../../src/types/membership.ts";

const memberList = (minLength: number) =>
  fc
    .uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength, maxLength: 7 })
    .map((numbers) => numbers.map((n): Member => ({ id: asNodeId(`n${n}`), name: asNodeName(`n${n}`) })));

const memberships: fc.Arbitrary<Membership> = fc.record({
  voters: memberList(1),
  outgoing: fc.oneof(fc.constant([]), memberList(1)),
  learners: fc.constant([]),
  removed: fc.constant([]),
});

const sets = fc
  .uniqueArray(fc.integer({ min: 1, max: 9 }))
  .map((numbers) => new Set(numbers.map((n) => asNodeId(`n${n}`))));

describe("property raft/quorum", () => {
  it("any two quorums share a voter, in a joint configuration one of each half", () => {
    const test = (membership: Membership, a: Set<NodeId>, b: Set<NodeId>) => {
      fc.pre(isQuorum(membership, (id) => a.has(id)) && isQuorum(membership, (id) => b.has(id)));
      const shares = (half: readonly Member[]) => half.some(({ id }) => a.has(id) && b.has(id));
      assert.ok(shares(membership.voters));
      assert.ok(membership.outgoing.length === 0 || shares(membership.outgoing));
    };
    fc.assert(fc.property(memberships, sets, sets, test), { numRuns: 500, maxSkipsPerRun: 1_000 });
  });

  it("a set and what it leaves out never both decide", () => {
    const test = (membership: Membership, set: Set<NodeId>) => {
      assert.ok(!(isQuorum(membership, (id) => set.has(id)) && isQuorum(membership, (id) => !set.has(id))));
    };
    fc.assert(fc.property(memberships, sets, test));
  });

  it("a quorum stays one when more agree, and all voters are one", () => {
    const test = (membership: Membership, a: Set<NodeId>, b: Set<NodeId>) => {
      if (isQuorum(membership, (id) => a.has(id))) assert.ok(isQuorum(membership, (id) => a.has(id) || b.has(id)));
      assert.ok(isQuorum(membership, () => true));
      assert.ok(!isQuorum(membership, () => false));
    };
    fc.assert(fc.property(memberships, sets, sets, test));
  });

  it("an index is committed exactly when a quorum holds it", () => {
    const matches = fc.array(fc.nat({ max: 20 }), { minLength: 10, maxLength: 10 });
    const test = (membership: Membership, held: number[], index: number) => {
      const matchOf = (id: NodeId) => held[Number(id.slice(1))]!;
      const isCommitted = index <= quorumReaches(membership, matchOf);
      assert.equal(
        isCommitted,
        isQuorum(membership, (id) => matchOf(id) >= index),
      );
    };
    fc.assert(fc.property(memberships, matches, fc.nat({ max: 20 }), test));
  });

  it("does not depend on the order in which members are listed (R58)", () => {
    const test = (membership: Membership, held: number[]) => {
      const reversed = {
        ...membership,
        voters: membership.voters.toReversed(),
        outgoing: membership.outgoing.toReversed(),
      };
      const matchOf = (id: NodeId) => held[Number(id.slice(1))]!;
      assert.equal(quorumReaches(membership, matchOf), quorumReaches(reversed, matchOf));
      assert.deepEqual(votersOf(membership), votersOf(reversed));
    };
    fc.assert(fc.property(memberships, fc.array(fc.nat(), { minLength: 10, maxLength: 10 }), test));
  });
});
