import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { acceptsProposals } from "../../../../src/raft/core/step.ts";
import { NO_MEMBERS } from "../../../../src/types/membership.ts";
import { Bench, heartbeatAnswer, n1, n2, n3, n4, sent, theOne } from "../../../support/raft-core.ts";
import { learners, members } from "../../../support/raft-sim-plan.ts";

function leader(): Bench {
  const bench = new Bench();
  bench.leadWithAllCaughtUp(n2, n3);
  return bench;
}

describe("raft/core/transfer (§3.10, R57)", () => {
  it("tells a successor that has everything to stand at once, with the last index it must have", () => {
    const bench = leader();
    assert.equal(theOne(bench.transfer(n2), "timeoutNow", n2).lastIndex, 1);
  });

  it("first lets the successor catch up", () => {
    const bench = leader();
    bench.propose(2);
    assert.equal(sent(bench.transfer(n2), "timeoutNow").length, 0);
    assert.equal(sent(bench.acknowledge(n2, 2), "timeoutNow").length, 0);
    assert.equal(theOne(bench.acknowledge(n2, 3), "timeoutNow", n2).lastIndex, 3);
  });

  it("takes no proposals meanwhile", () => {
    const bench = leader();
    assert.equal(acceptsProposals(bench.state), true);
    bench.transfer(n2);
    assert.equal(acceptsProposals(bench.state), false);
  });

  it("goes on leading when the successor has not taken over within one timeout", () => {
    const bench = leader();
    bench.transfer(n2);
    const beat = (afterMs: number) => {
      bench.tick(afterMs);
      for (const id of [n2, n3]) bench.receive(id, heartbeatAnswer());
    };
    beat(300);
    beat(299);
    assert.equal(acceptsProposals(bench.state), false);
    beat(1);
    assert.equal(acceptsProposals(bench.state), true);
  });

  it("chooses the voter that is furthest along and was heard lately", () => {
    const bench = leader();
    bench.propose();
    bench.acknowledge(n3);
    assert.equal(theOne(bench.transfer(null), "timeoutNow").to, n3);
  });

  it("does not choose one that is silent, however far along", () => {
    const bench = leader();
    bench.propose();
    bench.acknowledge(n3);
    bench.tick(350);
    bench.receive(n2, heartbeatAnswer());
    bench.transfer(null);
    assert.equal(bench.state.transfer?.target, n2);
  });

  for (const { what, target } of [
    { what: "itself", target: n1 },
    { what: "a stranger", target: members(9, 9)[0]!.id },
    { what: "a learner", target: n4 },
  ]) {
    it(`does not hand over to ${what}`, () => {
      const bench = new Bench({ membership: { ...NO_MEMBERS, voters: members(1, 3), learners: learners(4, 4) } });
      bench.leadWithAllCaughtUp(n2, n3, n4);
      assert.equal(bench.transfer(target).messages.length, 0);
      assert.equal(acceptsProposals(bench.state), true);
    });
  }

  it("a follower hands over nothing", () => {
    assert.equal(new Bench().transfer(n2).messages.length, 0);
  });
});

describe("raft/core/transfer: the successor", () => {
  const successor = () => {
    const bench = new Bench({ terms: [1, 1], term: 1 });
    bench.heartbeat(n2, {}, 1);
    return bench;
  };

  it("stands at once, without asking before, and says that it was told to", () => {
    const bench = successor();
    const ready = bench.receive(n2, { type: "timeoutNow", lastIndex: 2 });
    assert.deepEqual([bench.state.role, bench.state.term], ["candidate", 2]);
    assert.deepEqual(
      sent(ready, "vote").map(({ isTransfer }) => isTransfer),
      [true, true],
    );
  });

  for (const { what, from, lastIndex, term } of [
    { what: "for a log that is longer than its own", from: n2, lastIndex: 3, term: 1 },
    { what: "that is late: the leader gave up and appended more", from: n2, lastIndex: 1, term: 1 },
    { what: "of one that does not lead", from: n3, lastIndex: 2, term: 1 },
    { what: "of an earlier term", from: n2, lastIndex: 2, term: 0 },
  ]) {
    it(`ignores a call ${what}`, () => {
      const bench = successor();
      bench.receive(from, { type: "timeoutNow", lastIndex }, term);
      assert.deepEqual([bench.state.role, bench.state.term, bench.state.leader], ["follower", 1, n2]);
    });
  }

  it("the leader votes for its successor although it leads", () => {
    const bench = leader();
    const body = { type: "vote", lastIndex: 1, lastTerm: 1, isTransfer: true } as const;
    const response = theOne(bench.receive(n2, body, 2), "voteResponse", n2);
    assert.deepEqual([response.granted, bench.state.role], [true, "follower"]);
  });

  it("a learner does not stand", () => {
    const bench = new Bench({
      membership: { ...NO_MEMBERS, voters: members(2, 4), learners: learners(1, 1) },
      term: 1,
    });
    bench.heartbeat(n2, {}, 1);
    bench.receive(n2, { type: "timeoutNow", lastIndex: 0 });
    assert.equal(bench.state.role, "follower");
  });
});
