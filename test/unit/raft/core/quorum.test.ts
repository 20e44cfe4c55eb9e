import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQuorum, peersOf, quorumReaches, votersOf } from "../../../../src/raft/core/quorum.ts";
import { asNodeId, type NodeId } from "../../../../src/types/ids.ts";
import { type Membership, NO_MEMBERS } from "../../../../src/types/membership.ts";
import { votersUpTo } from "../../../support/raft-core.ts";
import { learners, members } from "../../../support/raft-sim-plan.ts";

const among =
  (...ids: string[]) =>
  (id: NodeId) =>
    ids.includes(id);
const holding =
  (...matches: number[]) =>
  (id: NodeId) =>
    matches[Number(id.slice(1)) - 1] ?? 0;
const joint: Membership = { ...NO_MEMBERS, voters: members(1, 3), outgoing: members(3, 5) };

describe("raft/core/quorum", () => {
  for (const [size, quorum] of [
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [6, 4],
    [7, 4],
  ] as const) {
    it(`of ${size} voters, ${quorum} decide`, () => {
      const ids = members(1, size).map(({ id }) => id);
      const membership = votersUpTo(size);
      assert.equal(isQuorum(membership, among(...ids.slice(0, quorum))), true);
      assert.equal(isQuorum(membership, among(...ids.slice(0, quorum - 1))), false);
    });
  }

  it("learners and strangers decide nothing", () => {
    const membership = { ...NO_MEMBERS, voters: members(1, 3), learners: learners(4, 6) };
    assert.equal(isQuorum(membership, among("n1", "n4", "n5", "n6", "n7")), false);
  });

  it("a change needs a majority of both halves (§4.3)", () => {
    assert.equal(isQuorum(joint, among("n1", "n2")), false);
    assert.equal(isQuorum(joint, among("n4", "n5")), false);
    assert.equal(isQuorum(joint, among("n1", "n3", "n4")), true);
    assert.equal(isQuorum(joint, among("n1", "n2", "n4", "n5")), true);
    assert.equal(isQuorum(joint, among("n1", "n2", "n3")), false);
  });

  for (const { matches, index } of [
    { matches: [7], index: 7 },
    { matches: [7, 3], index: 3 },
    { matches: [7, 3, 5], index: 5 },
    { matches: [7, 0, 0], index: 0 },
    { matches: [7, 3, 5, 4], index: 4 },
    { matches: [1, 2, 3, 4, 5], index: 3 },
  ]) {
    it(`voters that hold up to ${matches} have committed up to ${index}`, () => {
      assert.equal(quorumReaches(votersUpTo(matches.length), holding(...matches)), index);
    });
  }

  it("a change commits what both halves hold (§4.3)", () => {
    assert.equal(quorumReaches(joint, holding(9, 9, 0, 5, 4)), 4);
    assert.equal(quorumReaches(joint, holding(2, 3, 0, 9, 9)), 2);
  });

  it("names voters and peers in order of id, each once, whatever the order of the lists (R58)", () => {
    const membership = {
      ...NO_MEMBERS,
      voters: [...members(2, 3), ...members(1, 1)],
      outgoing: members(3, 4),
      learners: learners(2, 2),
    };
    assert.deepEqual(votersOf(membership), ["n1", "n2", "n3", "n4"].map(asNodeId));
    assert.deepEqual(
      peersOf({ ...membership, learners: learners(5, 5) }),
      ["n1", "n2", "n3", "n4", "n5"].map(asNodeId),
    );
  });
});
