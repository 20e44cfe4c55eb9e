import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { acceptsSnapshot } from "../../../../src/raft/core/snapshot.ts";
import { Bench, entriesOf, heartbeatAnswer, n2, n3, sent, theOne, votersUpTo } from "../../../support/raft-core.ts";

/** A leader whose log begins behind what n2 needs; n3 is caught up. */
function leaderWithCompactedLog(): Bench {
  const bench = new Bench({ terms: [4, 4], start: { index: 10, term: 4 }, commit: 12, term: 4 });
  bench.elect(n3);
  bench.persisted();
  bench.acknowledge(n3);
  return bench;
}

describe("raft/core/snapshot: the leader (§5)", () => {
  it("asks for a snapshot when the entries a peer needs are compacted, and only beats meanwhile (R43)", () => {
    const bench = leaderWithCompactedLog();
    const ready = bench.refuse(n2, 12, 3, 1);
    assert.deepEqual(ready.snapshotsFor, [n2]);
    assert.equal(sent(bench.propose(), "append", n2).length, 0);
    assert.deepEqual(bench.receive(n2, heartbeatAnswer()).snapshotsFor, [], "once is enough");
    assert.equal(sent(bench.tick(50), "heartbeat", n2).length, 1);
  });

  it("goes on behind the snapshot when it arrived (R46)", () => {
    const bench = leaderWithCompactedLog();
    bench.refuse(n2, 12, 3, 1);
    const append = theOne(bench.snapshotSent(n2, 11, true), "append", n2);
    assert.deepEqual([append.prevIndex, append.prevTerm], [11, 4]);
  });

  it("does not count an arrived snapshot as an acknowledgement (R32)", () => {
    const bench = leaderWithCompactedLog();
    bench.refuse(n2, 12, 3, 1);
    bench.snapshotSent(n2, 13, true);
    assert.equal(bench.state.progress.get(n2)!.match, 0);
    assert.equal(sent(bench.tick(50), "heartbeat", n2)[0]!.commit, 0);
  });

  it("tries again, paced by heartbeats, when the transfer failed (R46)", () => {
    const bench = leaderWithCompactedLog();
    bench.refuse(n2, 12, 3, 1);
    assert.deepEqual(bench.snapshotSent(n2, 0, false).snapshotsFor, []);
    assert.deepEqual(bench.receive(n2, heartbeatAnswer()).snapshotsFor, [n2]);
  });

  it("sends another when the log was compacted past the first meanwhile", () => {
    const bench = leaderWithCompactedLog();
    bench.refuse(n2, 12, 3, 1);
    bench.state.log.compactTo(12);
    assert.deepEqual(bench.snapshotSent(n2, 11, true).snapshotsFor, [n2]);
  });

  it("the end of a transfer means nothing to a peer that needs none any more, nor after a change of leader", () => {
    const bench = leaderWithCompactedLog();
    bench.refuse(n2, 12, 3, 1);
    bench.acknowledge(n2, 12);
    assert.equal(bench.snapshotSent(n2, 11, true).messages.length, 0);
    assert.equal(bench.state.progress.get(n2)!.match, 12);
    bench.heartbeat(n3, {}, 9);
    assert.equal(bench.snapshotSent(n2, 11, true).messages.length, 0);
  });
});

describe("raft/core/snapshot: the receiver (R44)", () => {
  for (const { what, index, term, accepts, commit } of [
    { what: "below its commit", index: 1, term: 1, accepts: false, commit: 2 },
    { what: "at its commit", index: 2, term: 1, accepts: false, commit: 2 },
    { what: "that its log contains: commit moves, the tail stays", index: 3, term: 1, accepts: false, commit: 3 },
    { what: "at an entry where it has another", index: 3, term: 2, accepts: true, commit: 2 },
    { what: "beyond its log", index: 9, term: 2, accepts: true, commit: 2 },
  ]) {
    it(`${accepts ? "installs" : "needs no"} snapshot ${what}`, () => {
      const bench = new Bench({ terms: [1, 1, 1, 1], commit: 2, term: 2 });
      assert.equal(acceptsSnapshot(bench.state, index, term), accepts);
      assert.equal(bench.state.log.commit, commit);
      assert.equal(bench.state.log.lastIndex, 4);
    });
  }

  it("needs no snapshot from before the begin of its log, where nothing says any more what it held", () => {
    const bench = new Bench({ terms: [4, 4], start: { index: 10, term: 4 }, term: 4 });
    assert.equal(acceptsSnapshot(bench.state, 9, 3), false);
    assert.equal(bench.state.log.lastIndex, 12);
  });

  it("drops its log and takes the membership of the snapshot (R44, R49)", () => {
    const bench = new Bench({ terms: [1, 1, 1], term: 2 });
    bench.hear(n2, { type: "append", prevIndex: 3, prevTerm: 1, commit: 0, entries: entriesOf([1], 3) });
    const ready = bench.snapshotInstalled(9, 2, votersUpTo(5));
    const { log } = bench.state;
    assert.deepEqual([log.startIndex, log.lastIndex, log.commit, log.applied, log.stable], [9, 9, 9, 9, 9]);
    assert.equal(bench.state.membership.voters.length, 5);
    assert.deepEqual([ready.entries, ready.committed], [[], []]);
  });

  it("goes on from the snapshot's end", () => {
    const bench = new Bench({ term: 2 });
    bench.snapshotInstalled(9, 2);
    const ready = bench.append(n2, { prev: [9, 2], terms: [2], commit: 10 });
    assert.equal(theOne(ready, "appendResponse").accepted, true);
    assert.deepEqual(
      ready.committed.map(({ index }) => index),
      [10],
    );
  });

  it("keeps its term and its vote", () => {
    const bench = new Bench({ term: 6, votedFor: n3 });
    bench.snapshotInstalled(9, 2);
    assert.deepEqual([bench.state.term, bench.state.votedFor], [6, n3]);
  });

  it("ends a campaign: what it stood on is gone", () => {
    const bench = new Bench({ term: 6 });
    bench.tick(601);
    assert.equal(bench.state.role, "pre-candidate");
    bench.snapshotInstalled(9, 2);
    assert.equal(bench.state.role, "follower");
  });
});
