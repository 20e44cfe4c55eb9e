/** Changes of who belongs to the group (Ongaro 2014, §4; erratum of 2015). */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { refusalOf } from "../../../../src/raft/core/membership.ts";
import type { NodeId } from "../../../../src/types/ids.ts";
import { asNodeName } from "../../../../src/types/ids.ts";
import {
  decodeMembership,
  type Learner,
  MEMBERS_MAX,
  type Membership,
  type MembershipRefusal,
  NO_MEMBERS,
  REMOVED_MAX,
} from "../../../../src/types/membership.ts";
import {
  Bench,
  type Condition,
  heartbeatAnswer,
  n1,
  n2,
  n3,
  n4,
  n5,
  sent,
  theOne,
} from "../../../support/raft-core.ts";
import { learners, members } from "../../../support/raft-sim-plan.ts";

const newcomer = members(4, 4)[0]!;
const add = { type: "add", member: newcomer, becomes: "learner" } as const;

/** Leads in a committed term of its own; everybody in `peers` holds the whole log and answers. */
function leaderOf(membership: Membership, peers: readonly NodeId[], condition: Condition = {}): Bench {
  const bench = new Bench({ membership, ...condition });
  bench.leadWithAllCaughtUp(...peers);
  return bench;
}

const threeVoters: Membership = { ...NO_MEMBERS, voters: members(1, 3) };
const leaderOfThree = () => leaderOf(threeVoters, [n2, n3]);

/** Everybody answers a heartbeat, so that rounds of catching up end. */
function beat(bench: Bench, peers: readonly NodeId[]): void {
  bench.tick(50);
  for (const peer of peers) bench.receive(peer, heartbeatAnswer());
}

/** Beats of 50 ms for which somebody must be silent to be taken for gone, so that another one may have his name. */
const SILENT_BEATS = 102;

/** The leader's disk and these peers hold the whole log. */
function settle(bench: Bench, peers: readonly NodeId[]): void {
  bench.persisted();
  for (const peer of peers) bench.acknowledge(peer);
}

function withLearner(fields: Partial<Learner> = {}): Membership {
  return { ...threeVoters, learners: [{ ...newcomer, becomes: "learner", replaces: null, ...fields }] };
}

/** A leader whose learner n4 keeps pace, while `silent` has not answered for longer than an election takes. */
function leaderWithReadyLearner(fields: Partial<Learner> = {}, silent: readonly NodeId[] = []): Bench {
  const speaking = [n2, n3, n4].filter((id) => !silent.includes(id));
  const bench = leaderOf(withLearner(fields), speaking);
  for (let i = 0; i < SILENT_BEATS; i++) beat(bench, speaking);
  return bench;
}

describe("raft/core/membership: a new learner", () => {
  it("receives the log from the moment its entry is appended, and does not count", () => {
    const bench = leaderOfThree();
    const ready = bench.change(add);
    assert.deepEqual(bench.state.membership.learners, [{ ...newcomer, becomes: "learner", replaces: null }]);
    assert.equal(ready.entries[0]!.kind, "membership");
    assert.equal(sent(ready, "append", n4).length, 1);
    bench.persisted();
    bench.acknowledge(n4);
    assert.equal(bench.state.log.commit, 1);
    bench.acknowledge(n2);
    assert.equal(bench.state.log.commit, 2);
  });

  it("with an empty log is found to need everything", () => {
    const bench = leaderOfThree();
    const probe = theOne(bench.change(add), "append", n4);
    const ready = bench.refuse(n4, probe.prevIndex, 0, 0);
    assert.deepEqual(
      theOne(ready, "append", n4).entries.map(({ index }) => index),
      [1, 2],
    );
  });

  it("stays a learner when it was not added to become a voter", () => {
    const bench = leaderWithReadyLearner({ becomes: "learner" });
    assert.equal(refusalOf(bench.state, { type: "promote", id: n4 }), null);
    assert.deepEqual(bench.state.membership.voters, members(1, 3));
  });

  it("R50: becomes a voter by itself once it keeps pace", () => {
    const bench = leaderWithReadyLearner({ becomes: "voter" });
    assert.deepEqual(bench.state.membership.voters, members(1, 4));
    assert.deepEqual(bench.state.membership.learners, []);
    assert.deepEqual(bench.state.membership.outgoing, []);
  });

  it("R50: is not promoted while it lags, nor when its last round was long ago", () => {
    const bench = leaderOf(withLearner(), [n2, n3]);
    for (let i = 0; i < SILENT_BEATS; i++) beat(bench, [n2, n3]);
    assert.equal(refusalOf(bench.state, { type: "promote", id: n4 }), "not-caught-up");
    bench.acknowledge(n4, 0);
    assert.equal(refusalOf(bench.state, { type: "promote", id: n4 }), "not-caught-up");
    bench.acknowledge(n4);
    beat(bench, [n2, n3, n4]);
    beat(bench, [n2, n3, n4]);
    assert.equal(refusalOf(bench.state, { type: "promote", id: n4 }), null);
    bench.propose();
    bench.persisted();
    bench.acknowledge(n2);
    for (let i = 0; i < 8; i++) beat(bench, [n2, n3, n4]);
    assert.equal(refusalOf(bench.state, { type: "promote", id: n4 }), "not-caught-up");
  });

  it("R28: does not campaign, but votes when it is asked, because the candidate may know better", () => {
    const bench = new Bench({ self: n4, membership: withLearner(), terms: [1], commit: 1 });
    assert.deepEqual(sent(bench.tick(5_000), "preVote"), []);
    const ready = bench.receive(n2, { type: "vote", lastIndex: 1, lastTerm: 1, isTransfer: false }, 2);
    assert.equal(theOne(ready, "voteResponse", n2).granted, true);
  });
});

describe("raft/core/membership: those who stay", () => {
  it("are known to hold what they held before the change (R32)", () => {
    const bench = leaderOfThree();
    bench.change(add);
    const known = [n2, n3, n4].map((id) => bench.state.progress.get(id)!).map(({ match, state }) => [match, state]);
    assert.deepEqual(known, [
      [1, "replicate"],
      [1, "replicate"],
      [0, "probe"],
    ]);
  });
});

describe("raft/core/membership: one change at a time", () => {
  it("R47: none before this leader has committed an entry of its own term (erratum of 2015)", () => {
    const bench = new Bench({ membership: threeVoters });
    bench.elect(n2, n3);
    assert.equal(refusalOf(bench.state, add), "change-pending");
    bench.change(add);
    assert.deepEqual(bench.state.membership, threeVoters);
    settle(bench, [n2]);
    assert.equal(refusalOf(bench.state, add), null);
  });

  it("R48: none while another is not committed", () => {
    const bench = leaderOfThree();
    bench.change(add);
    assert.equal(refusalOf(bench.state, { type: "remove", id: n3 }), "change-pending");
    bench.change({ type: "remove", id: n3 });
    assert.deepEqual(bench.state.membership.voters, members(1, 3));
    settle(bench, [n2]);
    assert.equal(refusalOf(bench.state, { type: "remove", id: n3 }), null);
  });

  it("R48: none by a new leader that inherited one which is not committed", () => {
    const bench = new Bench({ membership: threeVoters, term: 1 });
    bench.appendMembership(n2, withLearner());
    bench.persisted();
    bench.elect(n3);
    assert.equal(refusalOf(bench.state, { type: "remove", id: n2 }), "change-pending");
    settle(bench, [n3]);
    assert.equal(refusalOf(bench.state, { type: "remove", id: n2 }), null);
  });

  it("only a leader that is not handing over begins one", () => {
    const follower = new Bench({ membership: threeVoters });
    assert.equal(refusalOf(follower.state, add), "not-leader");
    follower.change(add);
    assert.equal(follower.state.log.lastIndex, 0);
    const bench = leaderOfThree();
    bench.transfer(n2);
    assert.equal(refusalOf(bench.state, add), "not-leader");
  });
});

describe("raft/core/membership: the configuration is a function of the log (R49)", () => {
  const withFour = { ...threeVoters, voters: members(1, 4) };

  it("comes with its entry, committed or not", () => {
    const bench = new Bench({ membership: threeVoters, term: 1 });
    bench.appendMembership(n2, withFour);
    assert.deepEqual(bench.state.membership, withFour);
    assert.equal(bench.state.log.commit, 0);
  });

  it("goes with it when a new leader's entries replace it", () => {
    const bench = new Bench({ membership: threeVoters, term: 1 });
    bench.appendMembership(n2, withFour);
    bench.appendMembership(n2, withLearner());
    bench.append(n3, { prev: [0, 0], terms: [2] }, 2);
    assert.deepEqual(bench.state.membership, threeVoters);
  });

  it("goes back to the one before when only the last one is replaced", () => {
    const bench = new Bench({ membership: threeVoters, term: 1 });
    bench.appendMembership(n2, withFour);
    bench.appendMembership(n2, withLearner());
    bench.append(n3, { prev: [1, 1], terms: [2] }, 2);
    assert.deepEqual(bench.state.membership, withFour);
  });

  it("is not taken twice from an append that arrives again", () => {
    const bench = new Bench({ membership: threeVoters, term: 1 });
    const entry = bench.appendMembership(n2, withFour).entries[0]!;
    bench.appendMembership(n2, withLearner());
    bench.receive(n2, { type: "append", prevIndex: 0, prevTerm: 0, commit: 0, entries: [entry] });
    assert.deepEqual(bench.state.membership, withLearner());
  });

  it("is that of the log after a restart, whatever was applied before", () => {
    const before = new Bench({ membership: threeVoters, term: 1 });
    const entries = before.appendMembership(n2, withFour).entries;
    const restarted = new Bench({ membership: threeVoters, term: 1, entries });
    assert.deepEqual(restarted.state.membership, withFour);
    restarted.append(n3, { prev: [0, 0], terms: [2] }, 2);
    assert.deepEqual(restarted.state.membership, threeVoters);
  });

  it("R45: is what a snapshot states for its own index", () => {
    const bench = new Bench({ membership: threeVoters, term: 1 });
    bench.appendMembership(n2, withFour);
    bench.snapshotInstalled(9, 1, withLearner());
    assert.deepEqual(bench.state.membership, withLearner());
  });
});

describe("raft/core/membership: voters", () => {
  it("R47: one more or one less takes one entry", () => {
    const bench = leaderOfThree();
    bench.change({ type: "remove", id: n3 });
    assert.deepEqual(bench.state.membership.voters, members(1, 2));
    assert.deepEqual(bench.state.membership.outgoing, []);
    assert.deepEqual(bench.state.membership.removed, [n3]);
    bench.persisted();
    assert.equal(bench.state.log.commit, 1);
    bench.acknowledge(n2);
    assert.equal(bench.state.log.commit, 2);
  });

  it("R47: another in the place of one takes a joint configuration, which the leader leaves once it is committed", () => {
    const bench = leaderWithReadyLearner({ replaces: n3, name: asNodeName("n3"), becomes: "voter" }, [n3]);
    const { membership } = bench.state;
    assert.deepEqual(membership.outgoing, members(1, 3));
    assert.deepEqual(
      membership.voters.map(({ id }) => id),
      [n1, n2, n4],
    );
    assert.deepEqual(membership.removed, []);
    const joint = bench.state.log.lastIndex;
    bench.persisted();
    bench.acknowledge(n4);
    assert.ok(bench.state.log.commit < joint, "the old voters have not agreed");
    const ready = bench.acknowledge(n2);
    assert.equal(bench.state.log.commit, joint);
    assert.deepEqual(bench.state.membership, { ...membership, outgoing: [], removed: [n3] });
    assert.equal(sent(ready, "append", n3).length, 0);
  });

  it("R51: a joint configuration is left by whoever leads next", () => {
    const joint = { ...NO_MEMBERS, voters: [...members(1, 2), newcomer], outgoing: members(1, 3) };
    const bench = new Bench({ membership: threeVoters, term: 1 });
    bench.appendMembership(n2, joint);
    bench.persisted();
    bench.elect(n2, n4);
    assert.deepEqual(bench.state.membership, joint);
    settle(bench, [n2]);
    assert.deepEqual(bench.state.membership, { ...joint, outgoing: [], removed: [n3] });
  });

  it("a leader does not count itself for the change that removes it, hands over, and leaves office (R51)", () => {
    const bench = leaderOfThree();
    bench.change({ type: "remove", id: n1 });
    bench.persisted();
    bench.acknowledge(n2);
    assert.equal(bench.state.log.commit, 1);
    bench.acknowledge(n3);
    assert.equal(bench.state.log.commit, 2);
    assert.equal(bench.state.role, "leader");
    assert.notEqual(bench.state.transfer, null);
    for (let i = 0; i < 13; i++) beat(bench, [n2, n3]);
    assert.equal(bench.state.role, "follower");
    assert.deepEqual(sent(bench.tick(5_000), "preVote"), []);
  });

  it("a leader that removes itself goes on until that is committed, however long it takes (R51)", () => {
    const bench = leaderOfThree();
    bench.change({ type: "remove", id: n1 });
    for (let i = 0; i < 14; i++) beat(bench, [n2, n3]);
    assert.equal(bench.state.log.commit, 1);
    assert.equal(bench.state.role, "leader");
  });

  it("a leader that is removed tells its successor to stand at once", () => {
    const bench = leaderOfThree();
    bench.change({ type: "remove", id: n1 });
    bench.persisted();
    bench.acknowledge(n2);
    const ready = bench.acknowledge(n3);
    const told = [...sent(ready, "timeoutNow", n2), ...sent(ready, "timeoutNow", n3)];
    assert.equal(told.length, 1);
  });

  it("a leader that removed itself and failed stands again, because the others' logs are behind its own (§4.2.2)", () => {
    const alone = { ...NO_MEMBERS, voters: members(2, 2), removed: [n1] };
    const bench = new Bench({ membership: { ...NO_MEMBERS, voters: members(1, 2) }, term: 1 });
    bench.appendMembership(n2, alone);
    bench.persisted();
    bench.tick(700);
    assert.equal(bench.state.role, "pre-candidate");
    bench.receive(n2, { type: "preVoteResponse", granted: true }, 2);
    bench.receive(n1, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "candidate", "its own vote does not count");
    bench.receive(n2, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "leader");
    settle(bench, [n2]);
    assert.equal(bench.state.log.commit, bench.state.log.lastIndex);
    for (let i = 0; i < SILENT_BEATS; i++) beat(bench, [n2]);
    assert.deepEqual([bench.state.role, sent(bench.tick(5_000), "preVote")], ["follower", []]);
  });

  it("R52: a removal is refused when those who would vote then do not answer now", () => {
    const bench = leaderOf(threeVoters, [n2]);
    for (let i = 0; i < SILENT_BEATS; i++) beat(bench, [n2]);
    assert.equal(refusalOf(bench.state, { type: "remove", id: n2 }), "quorum-at-risk");
    assert.equal(refusalOf(bench.state, { type: "remove", id: n3 }), null);
  });

  it("a promotion is refused when it would leave the group without a quorum that answers", () => {
    const five = { ...withLearner(), voters: [...members(1, 3), ...members(5, 5)] };
    const bench = leaderOf(five, [n2, n3, n4]);
    const speaking = [n2, n3, n4];
    for (let i = 0; i < SILENT_BEATS; i++) beat(bench, speaking);
    assert.equal(refusalOf(bench.state, { type: "promote", id: n4 }), null);
    const silent = leaderWithReadyLearner({ replaces: n2 }, [n3]);
    assert.equal(refusalOf(silent.state, { type: "promote", id: n4 }), "name-taken");
  });
});

describe("raft/core/membership: names and identities", () => {
  const successor = { id: n5, name: asNodeName("n3") };
  const take = { type: "add", member: successor, becomes: "learner" } as const;

  it("F7, R12: one with the name of a silent voter takes its place, as a voter", () => {
    const bench = leaderOf(threeVoters, [n2]);
    for (let i = 0; i < SILENT_BEATS; i++) beat(bench, [n2]);
    bench.change(take);
    assert.deepEqual(bench.state.membership.learners, [{ ...successor, becomes: "voter", replaces: n3 }]);
    assert.deepEqual(bench.state.membership.voters, members(1, 3));
  });

  it("F7: one with the name of a silent learner takes over what that one was to become", () => {
    const membership = withLearner({ becomes: "voter", replaces: n3, name: asNodeName("n3") });
    const bench = leaderOf(membership, [n2]);
    for (let i = 0; i < SILENT_BEATS; i++) beat(bench, [n2]);
    bench.change(take);
    assert.deepEqual(bench.state.membership.learners, [{ ...successor, becomes: "voter", replaces: n3 }]);
    assert.deepEqual(bench.state.membership.removed, [n4]);
  });

  it("nobody takes the name of a member that answers", () => {
    const bench = leaderOfThree();
    assert.equal(refusalOf(bench.state, take), "name-taken");
    const own = { type: "add", member: { id: n5, name: asNodeName("n1") }, becomes: "voter" } as const;
    assert.equal(refusalOf(bench.state, own), "name-taken");
  });

  it("a successor is not promoted while the one it is to replace answers again", () => {
    const bench = leaderWithReadyLearner({ replaces: n3, becomes: "voter" });
    assert.deepEqual(bench.state.membership.voters, members(1, 3));
    assert.equal(refusalOf(bench.state, { type: "promote", id: n4 }), "name-taken");
  });

  it("R13: an id that left never returns", () => {
    const bench = leaderOf({ ...threeVoters, removed: [n4] }, [n2, n3]);
    assert.equal(refusalOf(bench.state, add), "removed-for-good");
  });

  it("R13: the oldest removals are forgotten, so that what is kept stays small", () => {
    const removed = Array.from({ length: REMOVED_MAX }, (_, i) => `gone-${i}` as NodeId);
    const bench = leaderOf({ ...withLearner(), removed }, [n2, n3]);
    const { entries } = bench.change({ type: "remove", id: n4 });
    const after = decodeMembership(entries[0]!.data).removed;
    assert.deepEqual(after, [...removed.slice(1), n4]);
  });

  it("R13: a node without a configuration never campaigns, and follows whoever leads", () => {
    const bench = new Bench({ self: n4, membership: NO_MEMBERS });
    assert.deepEqual(sent(bench.tick(10_000), "preVote"), []);
    assert.equal(bench.state.role, "follower");
    bench.appendMembership(n2, withLearner(), 1);
    assert.equal(bench.state.leader, n2);
    assert.deepEqual(bench.state.membership, withLearner());
  });
});

describe("raft/core/membership: what is refused", () => {
  const crowd = Array.from({ length: MEMBERS_MAX - 3 }, (_, i) => learners(10 + i, 10 + i)[0]!);
  const cases: readonly [
    what: string,
    membership: Membership,
    change: Parameters<typeof refusalOf>[1],
    MembershipRefusal,
  ][] = [
    ["adding a member", withLearner(), add, "already-a-member"],
    ["adding more than there may be", { ...threeVoters, learners: crowd }, add, "too-many-members"],
    ["promoting a voter", threeVoters, { type: "promote", id: n2 }, "not-a-learner"],
    ["promoting a stranger", threeVoters, { type: "promote", id: n4 }, "not-a-member"],
    ["removing a stranger", threeVoters, { type: "remove", id: n4 }, "not-a-member"],
    ["removing the last voter", { ...NO_MEMBERS, voters: members(1, 1) }, { type: "remove", id: n1 }, "last-voter"],
  ];
  for (const [what, membership, change, reason] of cases) {
    it(`${what}: ${reason}`, () => {
      const bench = leaderOf(membership, [n2, n3]);
      const before = bench.state.log.lastIndex;
      assert.equal(refusalOf(bench.state, change), reason);
      bench.change(change);
      assert.equal(bench.state.log.lastIndex, before);
    });
  }

  it("removing a learner takes nothing but a majority of the voters", () => {
    const bench = leaderOf(withLearner(), [n2, n3]);
    bench.change({ type: "remove", id: n4 });
    settle(bench, [n2]);
    assert.deepEqual(bench.state.membership, { ...threeVoters, removed: [n4] });
    assert.equal(bench.state.log.commit, 2);
  });
});
