import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { entryBytes } from "../../../../src/raft/core/log.ts";
import { Progress } from "../../../../src/raft/core/progress.ts";
import type { NodeId } from "../../../../src/types/ids.ts";
import { NO_MEMBERS } from "../../../../src/types/membership.ts";
import {
  Bench,
  type Condition,
  entriesOf,
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

function leaderOf(condition: Condition = {}): Bench {
  const bench = new Bench(condition);
  bench.leadWithAllCaughtUp(n2, n3);
  return bench;
}

const indexesOf = (entries: readonly { readonly index: number }[]) => entries.map(({ index }) => index);

describe("raft/core/replication: committing (§3.6)", () => {
  it("commits what a majority holds, its own disk among them (R3)", () => {
    const bench = leaderOf();
    bench.propose();
    bench.acknowledge(n2);
    assert.equal(bench.state.log.commit, 1, "its own disk has yet to write");
    bench.persisted();
    assert.equal(bench.state.log.commit, 2);
  });

  it("commits what the others hold while its own disk is still writing (R3)", () => {
    const bench = leaderOf();
    bench.propose();
    bench.acknowledge(n2);
    const ready = bench.acknowledge(n3);
    assert.deepEqual(indexesOf(ready.committed), [2]);
  });

  it("commits an older-term entry only through one of its own term (§3.6.2, R27)", () => {
    const bench = new Bench({ terms: [1, 1], term: 1, membership: votersUpTo(5) });
    bench.elect(n2, n3);
    bench.persisted();
    for (const peer of [n2, n3, n4, n5]) bench.acknowledge(peer, 2);
    assert.equal(bench.state.log.commit, 0, "held by all, and yet figure 8 could replace it");
    bench.acknowledge(n2, 3);
    bench.acknowledge(n3, 3);
    assert.equal(bench.state.log.commit, 3);
  });

  it("an acknowledgement of an earlier term commits nothing (R32)", () => {
    const bench = leaderOf();
    bench.propose();
    bench.persisted();
    const body = { type: "appendResponse", accepted: true, index: 2, hintIndex: 0, hintTerm: 0 } as const;
    bench.receive(n2, body, bench.state.term - 1);
    assert.equal(bench.state.log.commit, 1);
    bench.receive(n2, body);
    assert.equal(bench.state.log.commit, 2);
  });

  it("a refusal commits nothing, whatever it hints at (R32)", () => {
    const bench = leaderOf();
    bench.propose(3);
    bench.persisted();
    for (const peer of [n2, n3]) bench.refuse(peer, 4, 4, bench.state.term);
    assert.deepEqual([bench.state.log.commit, bench.state.progress.get(n2)!.match], [1, 1]);
  });

  it("an acknowledgement beyond its own log counts for nothing (R32)", () => {
    const bench = leaderOf();
    bench.acknowledge(n2, 99);
    assert.equal(bench.state.progress.get(n2)!.match, 1);
  });

  it("a learner's acknowledgement commits nothing", () => {
    const bench = new Bench({ membership: { ...NO_MEMBERS, voters: members(1, 3), learners: learners(4, 4) } });
    bench.elect(n2);
    bench.persisted();
    bench.acknowledge(n4);
    assert.equal(bench.state.log.commit, 0);
    bench.acknowledge(n3);
    assert.equal(bench.state.log.commit, 1);
  });

  it("needs both majorities while the configuration changes (§4.3)", () => {
    const bench = new Bench({ membership: { ...NO_MEMBERS, voters: members(1, 3), outgoing: members(3, 5) } });
    bench.elect(n2, n4, n5);
    bench.persisted();
    bench.acknowledge(n2);
    bench.acknowledge(n4);
    assert.equal(bench.state.log.commit, 0);
    bench.acknowledge(n5);
    assert.equal(bench.state.log.commit, 1);
  });

  it("a word of the disk about replaced entries commits nothing (R4)", () => {
    const bench = new Bench({ terms: [1], term: 1 });
    bench.append(n2, { prev: [1, 1], terms: [1, 1] });
    bench.append(n3, { prev: [1, 1], terms: [2] }, 2);
    bench.persisted();
    assert.equal(bench.state.log.stable, 2);
  });

  it("keeps count of what is not committed, and forgets it on losing office (R38)", () => {
    const bench = leaderOf();
    assert.equal(bench.state.uncommittedBytes, 0);
    const [entry] = bench.propose().entries;
    assert.equal(bench.state.uncommittedBytes, entryBytes(entry!));
    bench.persisted();
    bench.acknowledge(n2);
    assert.equal(bench.state.uncommittedBytes, 0);
    bench.propose();
    bench.heartbeat(n2, {}, bench.state.term + 1);
    assert.equal(bench.state.uncommittedBytes, 0);
  });
});

describe("raft/core/replication: sending (§3.5, §10.2)", () => {
  it("sends while its own disk writes (R37)", () => {
    const ready = leaderOf().propose();
    assert.deepEqual(
      sent(ready, "append").map(({ to }) => to),
      [n2, n3],
    );
    assert.equal(ready.messages.length, 2);
    assert.equal(ready.entries.length, 1);
  });

  it("pipelines up to its window by count, and goes on with each answer (R35)", () => {
    const bench = leaderOf({ options: { window: { messagesMax: 2, bytesMax: 1e6 }, appendBytesMax: 1 } });
    const appendsTo2 = (ready: ReturnType<Bench["propose"]>) =>
      sent(ready, "append", n2)
        .filter(({ entries }) => entries.length > 0)
        .map(({ entries }) => indexesOf(entries));
    assert.deepEqual(appendsTo2(bench.propose(5)), [[2], [3]]);
    assert.deepEqual(appendsTo2(bench.acknowledge(n2, 2)), [[4]]);
    assert.deepEqual(appendsTo2(bench.acknowledge(n2, 4)), [[5], [6]]);
  });

  it("pipelines up to its window by bytes (R35)", () => {
    const each = entryBytes({ index: 1, term: 1, kind: "command", data: new TextEncoder().encode("command 0") });
    const bench = leaderOf({ options: { window: { messagesMax: 100, bytesMax: 2 * each }, appendBytesMax: 1 } });
    assert.equal(sent(bench.propose(5), "append", n2).length, 2);
  });

  it("an append carries at least one entry, however small its limit (R36)", () => {
    const bench = leaderOf({ options: { appendBytesMax: 1 } });
    for (const append of sent(bench.propose(3), "append", n2)) assert.equal(append.entries.length, 1);
  });

  it("an answered heartbeat reopens a window whose messages were all lost (R35)", () => {
    const bench = leaderOf({ options: { window: { messagesMax: 1, bytesMax: 1e6 }, appendBytesMax: 1 } });
    bench.propose(2);
    const ready = bench.receive(n2, heartbeatAnswer());
    assert.deepEqual(indexesOf(theOne(ready, "append", n2).entries), [3]);
    const retry = bench.refuse(n2, 2, 1, bench.state.term);
    assert.deepEqual(indexesOf(theOne(retry, "append", n2).entries), [2], "and the refusal brings the lost one");
  });

  it("an answered heartbeat finds out that the last append was lost (R35)", () => {
    const bench = leaderOf();
    bench.propose();
    const ready = bench.receive(n2, heartbeatAnswer());
    const probe = theOne(ready, "append", n2);
    assert.deepEqual([probe.prevIndex, probe.entries], [2, []]);
    assert.deepEqual(indexesOf(theOne(bench.refuse(n2, 2, 1, 1), "append", n2).entries), [2]);
  });

  it("sends nothing for the heartbeat's answer of a peer that has everything", () => {
    assert.equal(leaderOf().receive(n2, heartbeatAnswer()).messages.length, 0);
  });

  it("tells followers of a new commit at once", () => {
    const bench = leaderOf();
    bench.propose();
    bench.persisted();
    const ready = bench.acknowledge(n2);
    assert.deepEqual(
      sent(ready, "append").map(({ to, commit, entries }) => [to, commit, entries.length]),
      [
        [n2, 2, 0],
        [n3, 2, 0],
      ],
    );
  });

  it("a heartbeat tells each follower no more than it is known to hold (R30)", () => {
    const bench = leaderOf();
    bench.propose();
    bench.persisted();
    bench.acknowledge(n2);
    const beats = sent(bench.tick(50), "heartbeat");
    assert.deepEqual(
      beats.map(({ to, commit, leaderCommit }) => [to, commit, leaderCommit]),
      [
        [n2, 2, 2],
        [n3, 1, 2],
      ],
    );
  });

  it("beats once per interval", () => {
    const bench = leaderOf();
    bench.tick(50);
    assert.equal(sent(bench.tick(25), "heartbeat").length, 0);
    assert.equal(sent(bench.tick(25), "heartbeat").length, 2);
  });

  it("beats at once when elected, so that nobody else stands", () => {
    assert.equal(sent(new Bench().elect(n2), "heartbeat").length, 2);
  });
});

describe("raft/core/replication: finding where logs agree (§3.5, R33)", () => {
  /** Follower logs as in figure 3.6, and the leader that must reach each of them. */
  const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  for (const { what, terms } of [
    { what: "one entry short", terms: [1, 1, 1, 4, 4, 5, 5, 6, 6] },
    { what: "far behind", terms: [1, 1, 1, 4] },
    { what: "one entry more", terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6] },
    { what: "a term more", terms: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7] },
    { what: "other entries at the end", terms: [1, 1, 1, 4, 4, 4, 4] },
    { what: "whole other terms", terms: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] },
    { what: "nothing", terms: [] },
  ]) {
    it(`brings a follower with ${what} to its own log within a few round trips (figure 3.6)`, () => {
      const leader = new Bench({ terms: leaderTerms, term: 7, membership: votersUpTo(3) });
      const follower = new Bench({ self: n2, terms, term: 7 });
      let ready = leader.elect(n3);
      let trips = 0;
      for (; follower.terms.join() !== leader.terms.join(); trips++) {
        assert.ok(trips < 6, `still at ${follower.terms}`);
        const append = sent(ready, "append", n2).at(-1)!;
        const answer = theOne(follower.receive(n1, append, append.term), "appendResponse");
        ready = leader.receive(n2, answer, answer.term);
      }
      assert.ok(trips >= 1);
    });
  }

  it("skips hundreds of entries of other terms in a few round trips (R33)", () => {
    const hundreds = (term: number) => Array.from({ length: 300 }, () => term);
    const leader = new Bench({ terms: [1, ...hundreds(3)], term: 4, options: { appendBytesMax: 1_000_000 } });
    const follower = new Bench({ self: n2, terms: [1, ...hundreds(2)], term: 4 });
    let ready = leader.elect(n3);
    let refusals = 0;
    while (follower.terms.join() !== leader.terms.join()) {
      const append = sent(ready, "append", n2).at(-1)!;
      const answer = theOne(follower.receive(n1, append, append.term), "appendResponse");
      if (!answer.accepted) refusals++;
      assert.ok(refusals < 4, `still looking below ${answer.index}`);
      ready = leader.receive(n2, answer, answer.term);
    }
  });

  it("never goes below what the peer has acknowledged", () => {
    const bench = leaderOf();
    bench.propose(3);
    bench.acknowledge(n2, 3);
    const ready = bench.refuse(n2, 4, 0, 0);
    assert.equal(theOne(ready, "append", n2).prevIndex, 3);
  });

  it("probes one append at a time, the next after an answer or a heartbeat's answer (R34)", () => {
    const bench = new Bench();
    assert.equal(sent(bench.elect(n2), "append", n2).length, 1);
    assert.equal(sent(bench.propose(), "append").length, 0);
    assert.equal(sent(bench.receive(n2, heartbeatAnswer()), "append", n2).length, 1);
  });

  it("a peer that is gone is sent nothing until it answers a heartbeat, and then one probe (R34)", () => {
    const bench = leaderOf();
    assert.equal(sent(bench.peerGone(n2), "append", n2).length, 0);
    assert.equal(sent(bench.propose(3), "append", n2).length, 0);
    assert.equal(sent(bench.receive(n2, heartbeatAnswer()), "append", n2).length, 1);
    assert.equal(sent(bench.propose(3), "append", n2).length, 0);
  });
});

describe("raft/core/progress", () => {
  const progressOf = (messagesMax = 2): Progress => new Progress(5, 0, { messagesMax, bytesMax: 1_000 });
  const replicating = () => {
    const progress = progressOf();
    progress.accepted(4);
    return progress;
  };

  it("match only grows, and only by acknowledgements (R32)", () => {
    const progress = replicating();
    assert.equal(progress.accepted(3), false);
    assert.equal(progress.match, 4);
    progress.rejected(5, 9);
    progress.becomeProbe(50);
    assert.deepEqual([progress.match, progress.next], [4, 51]);
    assert.equal(progress.accepted(6), true);
    assert.equal(progress.match, 6);
  });

  it("a refusal of what was acknowledged since is of no interest", () => {
    const progress = replicating();
    assert.equal(progress.rejected(4, 0), false);
    assert.equal(progress.state, "replicate");
    assert.equal(progress.rejected(5, 0), true);
    assert.deepEqual([progress.state, progress.next], ["probe", 5]);
  });

  it("a probe goes back only for the answer to its own question", () => {
    const progress = progressOf();
    assert.equal(progress.rejected(9, 0), false);
    assert.equal(progress.next, 5);
    assert.equal(progress.rejected(4, 2), true);
    assert.equal(progress.next, 3);
  });

  it("a probe never goes below what was acknowledged (R32)", () => {
    const progress = replicating();
    progress.becomeProbe();
    assert.equal(progress.rejected(4, 0), true);
    assert.equal(progress.next, 5);
  });

  it("each refusal brings the probe back by at least one, so that it ends", () => {
    const progress = progressOf();
    for (let refused = 4; refused >= 1; refused--) {
      assert.equal(progress.rejected(refused, 100), true);
      assert.equal(progress.next, refused);
    }
  });

  it("is paused with a full window, by count or by bytes, and in snapshot", () => {
    const progress = replicating();
    progress.sent(5, 1, 10);
    assert.equal(progress.isPaused, false);
    progress.sent(6, 1, 10);
    assert.equal(progress.isPaused, true);
    progress.accepted(5);
    assert.equal(progress.isPaused, false);
    progress.sent(7, 1, 2_000);
    progress.accepted(6);
    assert.equal(progress.isPaused, true, "one message, too many bytes");
    progress.becomeSnapshot();
    assert.equal(progress.isPaused, true);
    progress.reopen();
    assert.equal(progress.isPaused, true, "a heartbeat's answer says nothing about the snapshot");
  });

  it("an empty append takes no place in the window", () => {
    const progress = replicating();
    for (let i = 0; i < 10; i++) progress.sent(4, 0, 0);
    assert.equal(progress.isPaused, false);
    assert.equal(progress.next, 5);
  });

  it("any entry that connects ends the wait for a snapshot (R46)", () => {
    const progress = replicating();
    progress.becomeSnapshot();
    progress.accepted(4);
    assert.equal(progress.state, "snapshot");
    progress.accepted(8);
    assert.deepEqual([progress.state, progress.next], ["probe", 9]);
  });
});

describe("raft/core/replication: pages", () => {
  it("hands out a backlog page by page (R39)", () => {
    const bench = new Bench({ term: 1, options: { committedPage: 2 } });
    const first = bench.receive(n2, {
      type: "append",
      prevIndex: 0,
      prevTerm: 0,
      commit: 5,
      entries: entriesOf([1, 1, 1, 1, 1]),
    });
    assert.deepEqual(indexesOf(first.committed), [1, 2]);
    assert.deepEqual(indexesOf(bench.tick(1).committed), [3, 4]);
    assert.deepEqual(indexesOf(bench.tick(1).committed), [5]);
    assert.deepEqual(indexesOf(bench.tick(1).committed), []);
  });

  it("hands over each hard state and each entry once", () => {
    const bench = leaderOf();
    const ready = bench.propose();
    assert.deepEqual(ready.hardState, { term: 1, votedFor: n1 as NodeId, commit: 1 });
    const after = bench.tick(1);
    assert.deepEqual([after.hardState, after.entries, after.messages], [null, [], []]);
  });
});
