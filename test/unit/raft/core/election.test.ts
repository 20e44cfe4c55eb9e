import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NodeId } from "../../../../src/types/ids.ts";
import { NO_MEMBERS } from "../../../../src/types/membership.ts";
import {
  Bench,
  CORE_OPTIONS,
  type Condition,
  HEARTBEAT,
  heartbeatAnswer,
  n1,
  n2,
  n3,
  n4,
  n5,
  sent,
  theOne,
  votersUpTo,
} from "../../../support/raft-core.ts";
import { learners, members } from "../../../support/raft-sim-plan.ts";

const TIMEOUT_MS = 601;
const NEWEST = { lastIndex: 1_000, lastTerm: 1_000, isTransfer: false };
const TRANSFER = { ...NEWEST, isTransfer: true };

function voteFor(bench: Bench, candidate: NodeId, term: number, log: typeof NEWEST = NEWEST) {
  return theOne(bench.receive(candidate, { type: "vote", ...log }, term), "voteResponse");
}

function candidateOf(condition: Condition = {}, ...supporters: NodeId[]): Bench {
  const bench = new Bench(condition);
  bench.tick(TIMEOUT_MS);
  for (const id of supporters) bench.receive(id, { type: "preVoteResponse", granted: true }, bench.state.term + 1);
  assert.equal(bench.state.role, "candidate");
  return bench;
}

describe("raft/core/election: votes (§3.4)", () => {
  it("grants its vote once per term", () => {
    const bench = new Bench();
    assert.equal(voteFor(bench, n2, 5).granted, true);
    assert.equal(voteFor(bench, n3, 5).granted, false);
    assert.equal(voteFor(bench, n2, 5).granted, true, "the same candidate asks again after a lost answer");
  });

  it("R18: gives one vote between two candidates that ask before anything was written", () => {
    const bench = new Bench();
    bench.hear(n2, { type: "vote", ...NEWEST }, 5);
    const ready = bench.receive(n3, { type: "vote", ...NEWEST }, 5);
    assert.deepEqual(
      sent(ready, "voteResponse").map(({ to, granted }) => [to, granted]),
      [
        [n2, true],
        [n3, false],
      ],
    );
    assert.equal(ready.hardState!.votedFor, n2);
  });

  it("lets the vote wait for the disk, together with the hard state that records it (R1)", () => {
    const bench = new Bench();
    const ready = bench.receive(n2, { type: "vote", ...NEWEST }, 5);
    assert.deepEqual(ready.hardState, { term: 5, votedFor: n2, commit: 0 });
    assert.equal(ready.promises.length, 1);
    assert.equal(ready.messages.length, 0);
  });

  it("keeps the vote of the term through a restart (R17)", () => {
    const bench = new Bench({ term: 5, votedFor: n2 });
    assert.equal(voteFor(bench, n3, 5).granted, false);
    assert.equal(voteFor(bench, n2, 5).granted, true);
  });

  it("keeps its vote for itself after it lost the election (R17)", () => {
    const bench = candidateOf({ membership: votersUpTo(5) }, n2, n3);
    const { term } = bench.state;
    for (const id of [n2, n3, n4]) bench.receive(id, { type: "voteResponse", granted: false });
    assert.equal(bench.state.role, "follower");
    assert.equal(voteFor(bench, n5, term).granted, false);
  });

  it("keeps its vote for itself after it followed the winner of the term (R17)", () => {
    const bench = candidateOf({}, n2);
    const { term } = bench.state;
    bench.heartbeat(n2);
    assert.equal(bench.state.role, "follower");
    assert.equal(bench.state.votedFor, n1);
    assert.equal(voteFor(bench, n3, term).granted, false);
  });

  it("keeps its vote for itself after it stepped down as leader within the term (R17)", () => {
    const bench = new Bench();
    bench.elect(n2);
    const { term } = bench.state;
    bench.tick(2_000);
    assert.equal(bench.state.role, "follower");
    assert.equal(voteFor(bench, n3, term).granted, false);
  });

  it("adopts a newer term even when it refuses the vote (§3.3)", () => {
    const bench = new Bench({ terms: [1, 2] });
    const response = voteFor(bench, n2, 7, { lastIndex: 9, lastTerm: 1, isTransfer: false });
    assert.equal(response.granted, false);
    assert.equal(response.term, 7);
    assert.equal(bench.state.term, 7);
  });

  it("refuses a vote in a term whose leader it follows", () => {
    const bench = new Bench({ term: 3 });
    bench.heartbeat(n2, {}, 3);
    assert.equal(voteFor(bench, n3, 3).granted, false);
  });

  for (const { what, lastIndex, lastTerm, granted } of [
    { what: "a higher last term, though shorter", lastIndex: 1, lastTerm: 3, granted: true },
    { what: "the same last term and the same length", lastIndex: 3, lastTerm: 2, granted: true },
    { what: "the same last term and longer", lastIndex: 4, lastTerm: 2, granted: true },
    { what: "the same last term and shorter", lastIndex: 2, lastTerm: 2, granted: false },
    { what: "a lower last term, though longer", lastIndex: 9, lastTerm: 1, granted: false },
  ]) {
    it(`${granted ? "votes for" : "refuses"} a log with ${what} (§3.6.1, R16)`, () => {
      const bench = new Bench({ terms: [1, 1, 2] });
      assert.equal(voteFor(bench, n2, 5, { lastIndex, lastTerm, isTransfer: false }).granted, granted);
    });
  }

  it("does not restart its timer for a vote it refuses", () => {
    const bench = new Bench({ terms: [1, 2], term: 5 });
    const before = bench.state.electionDeadline;
    bench.now += 100;
    voteFor(bench, n2, 5, { lastIndex: 1, lastTerm: 1, isTransfer: false });
    assert.equal(bench.state.electionDeadline, before);
    voteFor(bench, n3, 5);
    assert.ok(bench.state.electionDeadline >= bench.now + 300);
  });
});

describe("raft/core/election: campaigns (§3.4)", () => {
  it("counts a voter once however often its answer arrives (R19)", () => {
    const bench = candidateOf({ membership: votersUpTo(5) }, n2, n3);
    bench.receive(n1, { type: "voteResponse", granted: true });
    for (let i = 0; i < 3; i++) bench.receive(n2, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "candidate");
    bench.receive(n3, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "leader");
  });

  it("does not let a later answer of a voter undo its first", () => {
    const bench = candidateOf({}, n2);
    bench.receive(n1, { type: "voteResponse", granted: true });
    bench.receive(n2, { type: "voteResponse", granted: false });
    bench.receive(n2, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "candidate");
  });

  it("counts no vote of a learner or a stranger (R19)", () => {
    const membership = { ...NO_MEMBERS, voters: members(1, 3), learners: learners(4, 4) };
    const bench = candidateOf({ membership }, n2);
    bench.receive(n1, { type: "voteResponse", granted: true });
    bench.receive(n4, { type: "voteResponse", granted: true });
    bench.receive(n5, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "candidate");
  });

  it("counts no vote of an earlier term", () => {
    const bench = candidateOf({}, n2);
    bench.receive(n1, { type: "voteResponse", granted: true });
    bench.receive(n2, { type: "voteResponse", granted: true }, bench.state.term - 1);
    assert.equal(bench.state.role, "candidate");
  });

  it("counts no pre-vote as a vote (R20)", () => {
    const bench = candidateOf({}, n2);
    const { term } = bench.state;
    bench.receive(n1, { type: "voteResponse", granted: true });
    bench.receive(n3, { type: "preVoteResponse", granted: true }, term);
    bench.receive(n3, { type: "preVoteResponse", granted: true }, term + 1);
    assert.equal(bench.state.role, "candidate");
  });

  it("counts its own vote only once it is on disk (R1)", () => {
    const bench = candidateOf({}, n2);
    bench.receive(n2, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "candidate");
    bench.receive(n1, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "leader");
  });

  it("asks for votes only once its own is on disk (R1)", () => {
    const bench = new Bench();
    bench.tick(TIMEOUT_MS);
    const ready = bench.receive(n2, { type: "preVoteResponse", granted: true }, 1);
    assert.deepEqual(
      ready.promises.map(({ type, to }) => `${type} ${to}`),
      ["vote n2", "vote n3", "voteResponse n1"],
    );
    assert.deepEqual(ready.hardState, { term: 1, votedFor: n1, commit: 0 });
    assert.equal(sent(ready, "append").length, 0);
  });

  it("claims no leave of a leader for a campaign of its own: those who hear one must not heed it (R23)", () => {
    const bench = new Bench();
    bench.tick(601);
    const ready = bench.receive(n2, { type: "preVoteResponse", granted: true }, bench.state.term + 1);
    assert.deepEqual(
      sent(ready, "vote").map(({ isTransfer }) => isTransfer),
      [false, false],
    );
  });

  it("leads alone as a single voter, but not before its term is on disk (R1, R3)", () => {
    const bench = new Bench({ membership: votersUpTo(1) });
    const ready = bench.tick(TIMEOUT_MS);
    assert.equal(bench.state.role, "candidate");
    assert.deepEqual(
      ready.promises.map(({ type, to }) => `${type} ${to}`),
      ["voteResponse n1"],
    );
    bench.receive(n1, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "leader");
    assert.equal(bench.state.log.commit, 0, "its first entry is not on disk");
    const after = bench.persisted();
    assert.deepEqual(
      after.committed.map(({ index, kind }) => [index, kind]),
      [[1, "empty"]],
    );
  });

  it("opens its term with an empty entry (R26)", () => {
    const bench = new Bench({ terms: [1, 1] });
    const ready = bench.elect(n2);
    assert.deepEqual(
      ready.entries.map(({ index, term, kind }) => [index, term, kind]),
      [[3, 2, "empty"]],
    );
  });

  it("follows the leader of its term", () => {
    const bench = candidateOf({}, n2);
    bench.append(n3, { prev: [0, 0], terms: [1] });
    assert.equal(bench.state.role, "follower");
    assert.equal(bench.state.leader, n3);
  });

  it("draws its timeout anew at each role change, from its own seed (R25)", () => {
    const deadlines = (seed: number) => {
      const bench = new Bench({ seed });
      return Array.from({ length: 20 }, () => {
        bench.heartbeat(n2, {}, 1);
        return bench.state.electionDeadline - bench.now;
      });
    };
    assert.deepEqual(deadlines(1), deadlines(1));
    assert.notDeepEqual(deadlines(1), deadlines(2));
    assert.ok(new Set(deadlines(1)).size > 15);
    for (const wait of deadlines(1)) assert.ok(wait >= 300 && wait < 600);
  });

  for (const { what, membership } of [
    { what: "a learner", membership: { ...NO_MEMBERS, voters: members(2, 4), learners: learners(1, 1) } },
    { what: "one outside the configuration", membership: { ...NO_MEMBERS, voters: members(2, 4) } },
    { what: "one without a configuration", membership: { ...NO_MEMBERS, voters: [] } },
  ]) {
    it(`${what} never campaigns (R13, R28)`, () => {
      const bench = new Bench({ membership });
      for (let i = 0; i < 10; i++) assert.equal(bench.tick(TIMEOUT_MS).messages.length, 0);
      assert.equal(bench.state.role, "follower");
      assert.equal(bench.state.term, 0);
    });
  }

  it("a learner votes when asked (R28)", () => {
    const membership = { ...NO_MEMBERS, voters: members(2, 4), learners: learners(1, 1) };
    assert.equal(voteFor(new Bench({ membership }), n2, 5).granted, true);
  });

  it("a member whose disk is behind does not campaign (R14)", () => {
    const bench = new Bench();
    bench.append(n2, { prev: [0, 0], terms: [1] }, 1);
    assert.equal(sent(bench.tick(TIMEOUT_MS), "preVote").length, 0);
    bench.persisted();
    assert.equal(sent(bench.tick(TIMEOUT_MS), "preVote").length, 2);
  });

  it("needs both majorities while the configuration changes (§4.3)", () => {
    const membership = { ...NO_MEMBERS, voters: members(1, 3), outgoing: members(3, 5) };
    const bench = candidateOf({ membership }, n2, n4, n5);
    for (const id of [n1, n2, n4]) bench.receive(id, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "candidate");
    bench.receive(n5, { type: "voteResponse", granted: true });
    assert.equal(bench.state.role, "leader");
  });
});

describe("raft/core/election: pre-vote (§9.6)", () => {
  it("asks before it campaigns, and changes neither term nor vote by asking (R20)", () => {
    const bench = new Bench({ term: 4, votedFor: n3 });
    const ready = bench.tick(TIMEOUT_MS);
    assert.equal(bench.state.role, "pre-candidate");
    assert.deepEqual(
      sent(ready, "preVote").map(({ to, term }) => [to, term]),
      [
        [n2, 5],
        [n3, 5],
      ],
    );
    assert.equal(ready.hardState, null);
    assert.equal(bench.state.votedFor, n3);
  });

  it("answers for the term it was asked about, and changes nothing (R20)", () => {
    const bench = new Bench({ term: 4, votedFor: n3 });
    const before = bench.state.electionDeadline;
    const ready = bench.receive(n2, { type: "preVote", ...NEWEST }, 5);
    const response = theOne(ready, "preVoteResponse");
    assert.deepEqual([response.granted, response.term], [true, 5]);
    assert.deepEqual([bench.state.term, bench.state.votedFor, ready.hardState], [4, n3, null]);
    assert.equal(bench.state.electionDeadline, before);
  });

  it("may say yes to several, for it is not a vote", () => {
    const bench = new Bench();
    for (const id of [n2, n3]) {
      assert.equal(theOne(bench.receive(id, { type: "preVote", ...NEWEST }, 1), "preVoteResponse").granted, true);
    }
  });

  it("refuses one whose log is behind, and tells it no term that would depose anybody (R20)", () => {
    const bench = new Bench({ terms: [1, 2], term: 4 });
    const request = { type: "preVote", lastIndex: 9, lastTerm: 1, isTransfer: false } as const;
    const response = theOne(bench.receive(n2, request, 9), "preVoteResponse");
    assert.deepEqual([response.granted, response.term], [false, 4]);
  });

  it("answers one of the past with its own term, and that one learns it (R21)", () => {
    const bench = new Bench({ term: 7 });
    const response = theOne(bench.receive(n2, { type: "preVote", ...NEWEST }, 3), "preVoteResponse");
    assert.deepEqual([response.granted, response.term], [false, 7]);

    const asker = new Bench({ term: 2 });
    asker.tick(TIMEOUT_MS);
    asker.receive(n2, { type: "preVoteResponse", granted: false }, 7);
    assert.deepEqual([asker.state.term, asker.state.role], [7, "follower"]);
  });

  it("forgets its leader when it becomes a pre-candidate, so that two such can elect one (R21)", () => {
    const bench = new Bench({ term: 1 });
    bench.heartbeat(n2, {}, 1);
    bench.tick(TIMEOUT_MS);
    assert.equal(bench.state.leader, null);
    assert.equal(theOne(bench.receive(n3, { type: "preVote", ...NEWEST }, 2), "preVoteResponse").granted, true);
  });

  it("does not campaign on yeses for another term", () => {
    const bench = new Bench({ term: 4 });
    bench.tick(TIMEOUT_MS);
    bench.receive(n2, { type: "preVoteResponse", granted: true }, 6);
    bench.receive(n2, { type: "preVoteResponse", granted: true }, 4);
    assert.deepEqual([bench.state.role, bench.state.term], ["pre-candidate", 4]);
    bench.receive(n2, { type: "preVoteResponse", granted: true }, 5);
    assert.deepEqual([bench.state.role, bench.state.term], ["candidate", 5]);
  });

  it("gives up when a quorum refuses, and waits a timeout", () => {
    const bench = new Bench();
    bench.tick(TIMEOUT_MS);
    for (const id of [n2, n3]) bench.receive(id, { type: "preVoteResponse", granted: false });
    assert.equal(bench.state.role, "follower");
    assert.ok(bench.state.electionDeadline >= bench.now + 300);
  });
});

describe("raft/core/election: stickiness (§4.2.3)", () => {
  const following = () => {
    const bench = new Bench({ term: 1 });
    bench.heartbeat(n2, {}, 1);
    return bench;
  };

  it("F9: ignores a vote while it hears a leader, without taking over the term (R23)", () => {
    const bench = following();
    const ready = bench.receive(n3, { type: "vote", ...NEWEST }, 9);
    assert.equal(sent(ready, "voteResponse").length, 0);
    assert.deepEqual([bench.state.term, bench.state.leader], [1, n2]);
  });

  it("refuses a pre-vote while it hears a leader, and agrees when it has not for the shortest timeout (R23)", () => {
    const bench = following();
    const ask = () => theOne(bench.receive(n3, { type: "preVote", ...NEWEST }, 2), "preVoteResponse").granted;
    assert.equal(ask(), false);
    bench.now += 299;
    assert.equal(ask(), false);
    bench.now += 2;
    assert.equal(ask(), true);
  });

  it("votes at once when the leader itself hands over (R23)", () => {
    assert.equal(voteFor(following(), n3, 9, TRANSFER).granted, true);
  });

  it("a leader is not deposed by a vote, nor by a pre-vote (R23)", () => {
    const bench = new Bench();
    bench.elect(n2);
    const { term } = bench.state;
    bench.receive(n3, { type: "vote", ...NEWEST }, term + 5);
    const response = theOne(bench.receive(n3, { type: "preVote", ...NEWEST }, term + 5), "preVoteResponse");
    assert.deepEqual([bench.state.role, bench.state.term, response.granted], ["leader", term, false]);
  });

  it("is deposed by the higher term of one that answers it, or they could never meet (R21)", () => {
    const bench = new Bench();
    bench.elect(n2);
    const { term } = bench.state;
    bench.receive(n3, { type: "appendResponse", accepted: false, index: 0, hintIndex: 0, hintTerm: 0 }, term + 5);
    assert.deepEqual([bench.state.role, bench.state.term], ["follower", term + 5]);
  });

  for (const type of ["append", "heartbeat", "timeoutNow"] as const) {
    it(`answers a stale ${type} with its own term (R21)`, () => {
      const bench = new Bench({ term: 7 });
      const fields = {
        ...HEARTBEAT,
        prevIndex: 0,
        prevTerm: 0,
        entries: [],
        lastIndex: 0,
      };
      const response = theOne(bench.receive(n2, { ...fields, type }, 3), "appendResponse", n2);
      assert.deepEqual([response.accepted, response.term], [false, 7]);
    });
  }
});

describe("raft/core/election: turns (R25)", () => {
  const { electionMsMin, electionMsMax } = CORE_OPTIONS;
  const turnMs = electionMsMin / 10;

  /** How long after a sign of `leader` each of these stands. */
  const standing = (ids: readonly NodeId[], leader: NodeId, term = 1, membership = votersUpTo(ids.length + 1)) =>
    ids.map((self) => {
      const bench = new Bench({ self, membership });
      bench.heartbeat(leader, {}, term);
      return bench.state.electionDeadline - bench.now;
    });

  it("let one member stand as soon as no other would refuse it, and the next a turn later", () => {
    const [first, second] = standing([n1, n3], n2).sort((a, b) => a - b) as [number, number];
    assert.ok(first > electionMsMin + turnMs / 2 - 1 && first < electionMsMin + turnMs, `${first}`);
    assert.ok(second - first > turnMs / 2 && second - first < 1.5 * turnMs, `${second - first}`);
  });

  it("are those of the others, whoever leads", () => {
    for (const [leader, ...heirs] of [
      [n1, n2, n3],
      [n2, n1, n3],
      [n3, n1, n2],
    ] as const) {
      const [one, other] = standing(heirs, leader) as [number, number];
      assert.ok(Math.abs(one - other) > turnMs / 2);
    }
  });

  it("are drawn anew in each term, so that no member is passed over for ever", () => {
    const firsts = Array.from({ length: 40 }, (_, term) => {
      const [one, other] = standing([n1, n3], n2, term + 1) as [number, number];
      return one < other ? n1 : n3;
    });
    for (const id of [n1, n3]) assert.ok(firsts.filter((first) => first === id).length > 8, `${firsts}`);
  });

  it("are closer where the range of timeouts is narrow, so that no two begin with the same one", () => {
    const options = { electionMsMin: 2_000, electionMsMax: 2_100 };
    const waits = [n1, n3].map((self) => {
      const bench = new Bench({ self, membership: votersUpTo(3), options });
      bench.heartbeat(n2, {}, 1);
      return bench.state.electionDeadline - bench.now;
    });
    assert.ok(Math.abs(waits[0]! - waits[1]!) > 5, `${waits}`);
    assert.ok(Math.max(...waits) < options.electionMsMax, `${waits}`);
  });

  it("never go beyond the longest timeout", () => {
    const [leader, ...heirs] = members(1, 30).map(({ id }) => id) as [NodeId, ...NodeId[]];
    for (const waitMs of standing(heirs, leader)) assert.ok(waitMs <= electionMsMax, `${waitMs}`);
  });

  it("are over once they came to nothing: who stood in vain waits for a random time", () => {
    const waits = [1, 2, 3, 4].map((seed) => {
      const bench = new Bench({ seed });
      bench.heartbeat(n2, {}, 1);
      bench.tick(electionMsMax);
      assert.equal(bench.state.role, "pre-candidate");
      return bench.state.electionDeadline - bench.now;
    });
    assert.ok(Math.max(...waits) - Math.min(...waits) > turnMs, `${waits}`);
  });
});

describe("raft/core/election: check-quorum (§6.2)", () => {
  it("steps down when it heard no quorum for the longest timeout (R22)", () => {
    const bench = new Bench();
    bench.leadWithAllCaughtUp(n2, n3);
    bench.tick(599);
    assert.equal(bench.state.role, "leader");
    bench.tick(1);
    assert.equal(bench.state.role, "follower");
    assert.equal(bench.state.leader, null);
  });

  it("stays while a quorum answers, though others do not", () => {
    const bench = new Bench({ membership: votersUpTo(5) });
    bench.leadWithAllCaughtUp(n2, n3, n4, n5);
    for (let i = 0; i < 40; i++) {
      bench.tick(50);
      for (const id of [n2, n3]) bench.receive(id, heartbeatAnswer());
    }
    assert.equal(bench.state.role, "leader");
  });

  it("R24: gives its followers no sign of life any more once it lost its quorum", () => {
    const bench = new Bench({ membership: votersUpTo(5) });
    bench.leadWithAllCaughtUp(n2, n3, n4, n5);
    for (let i = 0; i < 12; i++) {
      bench.tick(50);
      bench.receive(n2, heartbeatAnswer());
    }
    assert.equal(bench.state.role, "follower");
    bench.acknowledge(n2);
    bench.read(1);
    const ready = bench.tick(100);
    assert.deepEqual([...sent(ready, "heartbeat"), ...sent(ready, "append"), ...ready.snapshotsFor], []);
  });

  it("does not count learners", () => {
    const membership = { ...NO_MEMBERS, voters: members(1, 3), learners: learners(4, 5) };
    const bench = new Bench({ membership });
    bench.leadWithAllCaughtUp(n2, n3);
    for (let i = 0; i < 20; i++) {
      bench.tick(50);
      for (const id of [n4, n5]) bench.receive(id, heartbeatAnswer());
    }
    assert.equal(bench.state.role, "follower");
  });

  it("steps down when its own disk hangs, though everybody answers (R14)", () => {
    const bench = new Bench();
    bench.leadWithAllCaughtUp(n2, n3);
    bench.propose();
    bench.acknowledge(n2);
    const answered = () => {
      bench.tick(50);
      for (const id of [n2, n3]) bench.receive(id, heartbeatAnswer());
    };
    for (let i = 0; i < 24; i++) answered();
    assert.equal(bench.state.role, "leader", "slow is not stalled");
    answered();
    assert.equal(bench.state.role, "follower");
  });

  it("leads on while the disks of all voters hang: nobody could do better (R14)", () => {
    const membership = { ...NO_MEMBERS, voters: members(1, 3), learners: learners(4, 4) };
    const bench = new Bench({ membership });
    bench.leadWithAllCaughtUp(n2, n3);
    bench.propose();
    bench.acknowledge(n4);
    for (let i = 0; i < 100; i++) {
      bench.tick(50);
      for (const id of [n2, n3]) bench.receive(id, heartbeatAnswer());
    }
    assert.equal(bench.state.role, "leader");
  });

  it("a disk that moves on, however slowly it catches up, does not depose the leader", () => {
    const bench = new Bench();
    bench.leadWithAllCaughtUp(n2, n3);
    for (let i = 0; i < 100; i++) {
      const written = bench.state.log.lastIndex;
      bench.propose();
      bench.tick(50);
      for (const id of [n2, n3]) bench.receive(id, heartbeatAnswer());
      if (i % 10 === 0 && written > 1) bench.persisted();
    }
    assert.equal(bench.state.role, "leader");
  });

  it("an empty proposal is not a write that hangs", () => {
    const bench = new Bench();
    bench.leadWithAllCaughtUp(n2, n3);
    bench.propose(0);
    for (let i = 0; i < 40; i++) {
      bench.tick(50);
      for (const id of [n2, n3]) bench.receive(id, heartbeatAnswer());
    }
    assert.equal(bench.state.role, "leader");
  });
});

describe("raft/core/election: own lag (R59, R60)", () => {
  it("does not stand for what was its own stall", () => {
    const bench = new Bench({ term: 1 });
    bench.heartbeat(n2, {}, 1);
    bench.tick(600, 400);
    assert.equal(bench.state.role, "follower");
  });

  it("stands when the silence is longer than its stall explains", () => {
    const bench = new Bench({ term: 1 });
    bench.heartbeat(n2, {}, 1);
    bench.tick(1_100, 400);
    assert.equal(bench.state.role, "pre-candidate");
  });

  it("forgives itself one election period at most", () => {
    const bench = new Bench({ term: 1 });
    bench.heartbeat(n2, {}, 1);
    bench.tick(10_000, 10_000);
    assert.equal(bench.state.role, "pre-candidate");
  });

  it("a leader blames no peer for its own stall, but looks again afterwards", () => {
    const bench = new Bench();
    bench.leadWithAllCaughtUp(n2, n3);
    bench.tick(700, 675);
    assert.equal(bench.state.role, "leader");
    bench.tick(600);
    assert.equal(bench.state.role, "follower");
  });
});

describe("raft/core/election: a leader whose process is gone (P6)", () => {
  const following = (self: NodeId, count = 5) => {
    const bench = new Bench({ self, membership: votersUpTo(count), term: 1 });
    bench.heartbeat(n3, {}, 1);
    return bench;
  };

  it("the first in turn stands at once, the others half a turn apart", () => {
    const waits: number[] = [];
    for (const id of [n1, n2, n4, n5]) {
      const bench = following(id);
      const asked = sent(bench.peerGone(n3), "preVote").length;
      if (asked > 0) assert.equal(asked, 4);
      waits.push(asked > 0 ? 0 : bench.state.electionDeadline - bench.now);
    }
    assert.deepEqual(
      waits.sort((a, b) => a - b),
      [0, 15, 30, 45],
    );
  });

  it("a wrong alarm changes no term: those who still hear the leader refuse", () => {
    const bench = following(n1);
    bench.peerGone(n3);
    for (const id of [n2, n4, n5]) bench.receive(id, { type: "preVoteResponse", granted: false }, 1);
    assert.deepEqual([bench.state.role, bench.state.term], ["follower", 1]);
    bench.heartbeat(n3, {}, 1);
    assert.equal(bench.state.leader, n3);
    assert.ok(bench.state.electionDeadline >= bench.now + 300);
  });

  it("asks again within a heartbeat while others have yet to notice, for one timeout at most", () => {
    const bench = following(n1, 3);
    bench.peerGone(n3);
    let attempts = 0;
    for (let i = 0; i < 200; i++) {
      const ready = bench.tick(10);
      if (sent(ready, "preVote").length > 0) attempts++;
      if (bench.state.role === "pre-candidate") bench.receive(n2, { type: "preVoteResponse", granted: false }, 1);
    }
    assert.ok(attempts >= 10 && attempts <= 60, `${attempts} attempts in two seconds`);
  });

  it("means nothing when the one that is gone does not lead", () => {
    const bench = following(n1);
    const before = bench.state.electionDeadline;
    bench.peerGone(n2);
    assert.deepEqual([bench.state.leader, bench.state.electionDeadline], [n3, before]);
  });

  it("a learner does not stand", () => {
    const membership = { ...NO_MEMBERS, voters: members(2, 4), learners: learners(1, 1) };
    const bench = new Bench({ membership, term: 1 });
    bench.heartbeat(n3, {}, 1);
    bench.peerGone(n3);
    assert.equal(sent(bench.tick(100), "preVote").length, 0);
  });
});
