import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NodeId } from "../../../../src/types/ids.ts";
import { NO_MEMBERS } from "../../../../src/types/membership.ts";
import { Bench, heartbeatAnswer, n2, n3, n4, n5, sent, theOne, votersUpTo } from "../../../support/raft-core.ts";
import { learners, members } from "../../../support/raft-sim-plan.ts";

function leader(): Bench {
  const bench = new Bench();
  bench.leadWithAllCaughtUp(n2, n3);
  return bench;
}

const answer = (bench: Bench, from: NodeId, readRound: number) => bench.receive(from, heartbeatAnswer(readRound));

describe("raft/core/read-index (§6.4)", () => {
  it("confirms a read by a round of heartbeats that begins after it", () => {
    const bench = leader();
    const asked = bench.read(7);
    assert.deepEqual(asked.readsReady, []);
    const rounds = sent(asked, "heartbeat").map(({ readRound }) => readRound);
    assert.deepEqual(rounds, [1, 1]);
    assert.deepEqual(answer(bench, n2, 1).readsReady, [{ request: 7, index: 1 }]);
  });

  it("an answer to an earlier heartbeat confirms nothing (R54)", () => {
    const bench = leader();
    bench.read(7);
    answer(bench, n2, 1);
    bench.read(8);
    assert.deepEqual(answer(bench, n3, 1).readsReady, []);
    assert.deepEqual(answer(bench, n3, 0).readsReady, []);
    assert.deepEqual(answer(bench, n3, 2).readsReady, [{ request: 8, index: 1 }]);
  });

  it("an answer of an earlier term confirms nothing (R54)", () => {
    const bench = leader();
    bench.read(7);
    const stale = bench.receive(n2, heartbeatAnswer(1), bench.state.term - 1);
    assert.deepEqual(stale.readsReady, []);
  });

  it("waits for a commit in its own term: before, it may not know what was committed (R53)", () => {
    const bench = new Bench({ terms: [1, 1], commit: 1 });
    bench.elect(n2);
    assert.equal(sent(bench.read(7), "heartbeat").length, 0);
    bench.persisted();
    const ready = bench.acknowledge(n2);
    assert.equal(bench.state.log.commit, 3);
    assert.equal(sent(ready, "heartbeat").length, 2, "now the round begins");
    assert.deepEqual(answer(bench, n3, 1).readsReady, [{ request: 7, index: 3 }]);
  });

  it("reads that arrive during a round share the next, at its own commit index (R54)", () => {
    const bench = leader();
    bench.read(1);
    bench.read(2);
    bench.propose();
    bench.persisted();
    bench.acknowledge(n2);
    bench.read(3);
    const first = answer(bench, n2, 1);
    assert.deepEqual(first.readsReady, [{ request: 1, index: 1 }]);
    assert.deepEqual(
      sent(first, "heartbeat").map(({ readRound }) => readRound),
      [2, 2],
    );
    assert.deepEqual(answer(bench, n3, 2).readsReady, [
      { request: 2, index: 2 },
      { request: 3, index: 2 },
    ]);
  });

  it("a single voter confirms by itself, once its term has a commit", () => {
    const bench = new Bench({ membership: votersUpTo(1) });
    bench.elect();
    assert.deepEqual(bench.read(7).readsReady, []);
    assert.deepEqual(bench.persisted().readsReady, [{ request: 7, index: 1 }]);
    assert.deepEqual(bench.read(8).readsReady, [{ request: 8, index: 1 }]);
  });

  it("needs both majorities while the configuration changes, and no learner counts (§4.3)", () => {
    // n4 takes the place of n3, which went silent and speaks again: {n1, n2, n3} and {n1, n2, n4} decide together.
    const heir = { ...members(4, 4)[0]!, becomes: "learner", replaces: n3 } as const;
    const membership = { ...NO_MEMBERS, voters: members(1, 3), learners: [heir, ...learners(5, 5)] };
    const bench = new Bench({ membership });
    bench.leadWithAllCaughtUp(n2, n4);
    for (let beat = 0; beat < 102; beat++) {
      bench.tick(50);
      for (const peer of [n2, n4]) answer(bench, peer, 0);
    }
    bench.change({ type: "promote", id: n4 });
    assert.deepEqual(bench.state.membership.outgoing, members(1, 3));
    bench.read(7);
    assert.deepEqual(answer(bench, n5, 1).readsReady, []);
    assert.deepEqual(answer(bench, n3, 1).readsReady, []);
    assert.deepEqual(answer(bench, n4, 1).readsReady, [{ request: 7, index: 1 }]);
  });

  it("needs no answer of a voter that leaves meanwhile (§4.1)", () => {
    const bench = new Bench({ membership: { ...NO_MEMBERS, voters: members(1, 2) } });
    bench.leadWithAllCaughtUp(n2);
    assert.deepEqual(bench.read(7).readsReady, []);
    bench.change({ type: "remove", id: n2 });
    assert.deepEqual(bench.persisted().readsReady, [{ request: 7, index: 1 }]);
  });

  it("fails reads that wait when the leader loses its office (R54)", () => {
    const bench = leader();
    bench.read(1);
    bench.read(2);
    bench.receive(n2, { type: "readIndex", requests: [9] });
    const ready = bench.heartbeat(n3, {}, bench.state.term + 1);
    assert.deepEqual(ready.readsFailed, [1, 2]);
    assert.deepEqual(theOne(ready, "readIndexResponse", n2).requests, [9]);
    assert.equal(theOne(ready, "readIndexResponse", n2).refused, true);
  });

  it("a round of an earlier office confirms nothing in a later one", () => {
    const bench = leader();
    bench.read(1);
    bench.heartbeat(n3, {}, bench.state.term + 1);
    bench.leadWithAllCaughtUp(n2, n3);
    assert.deepEqual(answer(bench, n2, 1).readsReady, []);
    bench.read(2);
    assert.deepEqual(answer(bench, n2, 1).readsReady, []);
    assert.deepEqual(
      answer(bench, n2, 2).readsReady.map(({ request }) => request),
      [2],
    );
  });

  it("heartbeats repeat the round until it is answered", () => {
    const bench = leader();
    bench.read(7);
    assert.deepEqual(
      sent(bench.tick(50), "heartbeat").map(({ readRound }) => readRound),
      [1, 1],
    );
    answer(bench, n2, 1);
    assert.deepEqual(
      sent(bench.tick(50), "heartbeat").map(({ readRound }) => readRound),
      [0, 0],
    );
  });
});

describe("raft/core/read-index: on a follower", () => {
  const follower = () => {
    const bench = new Bench({ term: 1 });
    bench.heartbeat(n2, {}, 1);
    return bench;
  };

  it("asks the leader, and reads at the index it says", () => {
    const bench = follower();
    assert.deepEqual(theOne(bench.read(7), "readIndex", n2).requests, [7]);
    const ready = bench.receive(n2, { type: "readIndexResponse", requests: [7], index: 42, refused: false });
    assert.deepEqual(ready.readsReady, [{ request: 7, index: 42 }]);
  });

  it("passes a refusal on", () => {
    const bench = follower();
    bench.read(7);
    const ready = bench.receive(n2, { type: "readIndexResponse", requests: [7], index: 0, refused: true });
    assert.deepEqual([ready.readsFailed, ready.readsReady], [[7], []]);
  });

  it("takes no answer of an earlier term", () => {
    const bench = follower();
    bench.read(7);
    bench.heartbeat(n3, {}, 2);
    const ready = bench.receive(n2, { type: "readIndexResponse", requests: [7], index: 1, refused: false }, 1);
    assert.deepEqual(ready.readsReady, []);
  });

  it("fails at once without a leader", () => {
    assert.deepEqual(new Bench().read(7).readsFailed, [7]);
  });

  it("refuses for others: only a leader confirms", () => {
    const response = theOne(follower().receive(n3, { type: "readIndex", requests: [5] }), "readIndexResponse", n3);
    assert.deepEqual([response.requests, response.refused], [[5], true]);
  });
});
