import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Bench, type Condition, entriesOf, HEARTBEAT, n2, n3, sent, theOne } from "../../../support/raft-core.ts";

interface Case {
  readonly what: string;
  readonly has: Condition;
  readonly prev: readonly [number, number];
  readonly comes?: readonly number[];
  readonly commit?: number;
  readonly accepted: boolean;
  readonly index: number;
  readonly left: readonly number[];
  readonly committed: number;
}

/** The follower's half of figure 3.1, row by row. `has.terms` begin behind `has.start`. */
const TABLE: readonly Case[] = [
  {
    what: "the first entry",
    has: { terms: [] },
    prev: [0, 0],
    comes: [3],
    accepted: true,
    index: 1,
    left: [3],
    committed: 0,
  },
  {
    what: "a probe that fits",
    has: { terms: [1, 1] },
    prev: [2, 1],
    accepted: true,
    index: 2,
    left: [1, 1],
    committed: 0,
  },
  {
    what: "a previous entry that is missing",
    has: { terms: [1] },
    prev: [3, 1],
    comes: [1],
    accepted: false,
    index: 3,
    left: [1],
    committed: 0,
  },
  {
    what: "a previous entry of another term",
    has: { terms: [1, 2] },
    prev: [2, 1],
    comes: [3],
    accepted: false,
    index: 2,
    left: [1, 2],
    committed: 0,
  },
  {
    what: "a previous entry of a lower term",
    has: { terms: [1, 1] },
    prev: [2, 2],
    comes: [3],
    accepted: false,
    index: 2,
    left: [1, 1],
    committed: 0,
  },
  {
    what: "entries it has already",
    has: { terms: [1, 1, 1] },
    prev: [0, 0],
    comes: [1, 1],
    accepted: true,
    index: 2,
    left: [1, 1, 1],
    committed: 0,
  },
  {
    what: "entries that conflict with its tail",
    has: { terms: [1, 2, 2] },
    prev: [1, 1],
    comes: [3],
    accepted: true,
    index: 2,
    left: [1, 3],
    committed: 0,
  },
  {
    what: "a probe below a foreign tail",
    has: { terms: [1, 2, 2] },
    prev: [1, 1],
    commit: 3,
    accepted: true,
    index: 1,
    left: [1, 2, 2],
    committed: 1,
  },
  {
    what: "news of a commit within what it brought",
    has: { terms: [1] },
    prev: [1, 1],
    comes: [1, 1],
    commit: 2,
    accepted: true,
    index: 3,
    left: [1, 1, 1],
    committed: 2,
  },
  {
    what: "news of a commit beyond what it brought, with a foreign tail there",
    has: { terms: [1, 2, 2, 2] },
    prev: [0, 0],
    comes: [1],
    commit: 4,
    accepted: true,
    index: 1,
    left: [1, 2, 2, 2],
    committed: 1,
  },
  {
    what: "news of a commit beyond its log",
    has: { terms: [1] },
    prev: [1, 1],
    commit: 9,
    accepted: true,
    index: 1,
    left: [1],
    committed: 1,
  },
  {
    what: "news of a commit with a previous entry that does not fit",
    has: { terms: [1, 2] },
    prev: [2, 1],
    commit: 2,
    accepted: false,
    index: 2,
    left: [1, 2],
    committed: 0,
  },
  {
    what: "an old commit index",
    has: { terms: [1, 1, 1], commit: 2 },
    prev: [3, 1],
    commit: 1,
    accepted: true,
    index: 3,
    left: [1, 1, 1],
    committed: 2,
  },
  {
    what: "a previous entry below its commit (R31)",
    has: { terms: [1, 1, 1], commit: 2 },
    prev: [1, 1],
    comes: [1, 1, 1],
    commit: 4,
    accepted: true,
    index: 2,
    left: [1, 1, 1],
    committed: 2,
  },
  {
    what: "a previous entry below its commit, of a term it has forgotten (R31)",
    has: { terms: [5], start: { index: 7, term: 4 }, commit: 7 },
    prev: [3, 2],
    comes: [2],
    accepted: true,
    index: 7,
    left: [5],
    committed: 7,
  },
  {
    what: "a previous entry where its log starts",
    has: { terms: [4], start: { index: 7, term: 4 }, commit: 7 },
    prev: [7, 4],
    comes: [5],
    accepted: true,
    index: 8,
    left: [5],
    committed: 7,
  },
];

describe("raft/core/append-entries (§3.5)", () => {
  for (const { what, has, prev, comes = [], commit = 0, accepted, index, left, committed } of TABLE) {
    it(`${accepted ? "accepts" : "refuses"} ${what}`, () => {
      const bench = new Bench({ ...has, term: 5 });
      const response = theOne(bench.append(n2, { prev, terms: comes, commit }), "appendResponse", n2);
      assert.deepEqual([response.accepted, response.index], [accepted, index]);
      assert.deepEqual(bench.terms, left);
      assert.equal(bench.state.log.commit, committed);
    });
  }

  it("acknowledges only once the entries are on disk, and lets the disk replace its tail from there (R2, R5)", () => {
    const bench = new Bench({ terms: [1, 2, 2], term: 3 });
    const ready = bench.append(n2, { prev: [1, 1], terms: [3, 3] });
    assert.deepEqual(
      ready.promises.map(({ type }) => type),
      ["appendResponse"],
    );
    assert.equal(ready.messages.length, 0);
    assert.deepEqual(
      ready.entries.map(({ index, term }) => [index, term]),
      [
        [2, 3],
        [3, 3],
      ],
    );
    assert.deepEqual(ready.hardState, { term: 3, votedFor: null, commit: 0 });
  });

  it("several appends of one turn reach the disk as one batch, from the first that was written on (R37)", () => {
    const bench = new Bench({ terms: [1, 2, 2], term: 3 });
    const append = { type: "append", commit: 0 } as const;
    bench.hear(n2, { ...append, prevIndex: 1, prevTerm: 1, entries: entriesOf([3], 1) });
    bench.hear(n2, { ...append, prevIndex: 2, prevTerm: 3, entries: entriesOf([3], 2) });
    const ready = bench.append(n2, { prev: [3, 3], terms: [3] });
    assert.deepEqual(
      ready.entries.map(({ index, term }) => [index, term]),
      [
        [2, 3],
        [3, 3],
        [4, 3],
      ],
    );
    assert.equal(ready.promises.length, 3);
  });

  it("persists nothing for entries it has already", () => {
    const bench = new Bench({ terms: [1, 1], term: 1 });
    const ready = bench.append(n2, { prev: [0, 0], terms: [1, 1] });
    assert.deepEqual([ready.entries.length, ready.hardState], [0, null]);
  });

  it("a refusal says where the logs may agree (R33)", () => {
    const bench = new Bench({ terms: [1, 1, 4, 4, 4], term: 5 });
    const response = theOne(bench.append(n2, { prev: [5, 3], terms: [5] }), "appendResponse");
    assert.deepEqual([response.index, response.hintIndex, response.hintTerm], [5, 2, 1]);
  });

  it("follows whoever appends in its term, and puts its election off", () => {
    const bench = new Bench({ term: 5 });
    bench.now += 250;
    bench.append(n3, { prev: [0, 0] });
    assert.equal(bench.state.leader, n3);
    assert.ok(bench.state.electionDeadline >= bench.now + 300);
  });

  it("takes over a newer term, which reaches the disk before the answer leaves (R1)", () => {
    const bench = new Bench({ term: 5, votedFor: n3 });
    const ready = bench.append(n2, { prev: [0, 0] }, 6);
    assert.deepEqual(ready.hardState, { term: 6, votedFor: null, commit: 0 });
    assert.equal(ready.promises.length, 1);
  });

  it("takes nothing from a leader of the past", () => {
    const bench = new Bench({ terms: [1], term: 5 });
    const ready = bench.append(n2, { prev: [1, 1], terms: [4], commit: 2 }, 4);
    assert.deepEqual([bench.terms, bench.state.log.commit, bench.state.leader], [[1], 0, null]);
    assert.equal(theOne(ready, "appendResponse").term, 5);
  });

  it("hands out what became committed, though its own disk has yet to write it", () => {
    const bench = new Bench({ terms: [1], term: 1 });
    const ready = bench.append(n2, { prev: [1, 1], terms: [1, 1], commit: 2 });
    assert.deepEqual(
      ready.committed.map(({ index }) => index),
      [1, 2],
    );
  });
});

describe("raft/core/append-entries: heartbeats", () => {
  it("moves commit to what the leader knows it to hold", () => {
    const bench = new Bench({ terms: [1, 1, 1], term: 1 });
    const ready = bench.heartbeat(n2, { commit: 2 });
    assert.equal(bench.state.log.commit, 2);
    assert.deepEqual(
      ready.committed.map(({ index }) => index),
      [1, 2],
    );
  });

  it("never moves commit past the end of its log, whatever it is told (R30)", () => {
    const bench = new Bench({ terms: [1], term: 1 });
    bench.heartbeat(n2, { commit: 5 });
    assert.equal(bench.state.log.commit, 1);
  });

  it("never moves commit to what only the leader holds (R30)", () => {
    const bench = new Bench({ terms: [1, 2, 2], term: 3 });
    bench.receive(n2, { ...HEARTBEAT, commit: 1, leaderCommit: 3 });
    assert.equal(bench.state.log.commit, 1);
  });

  it("answers with the read round, once the term is on disk (R1, R54)", () => {
    const bench = new Bench({ term: 5 });
    const ready = bench.heartbeat(n2, { readRound: 7 }, 6);
    assert.equal(theOne(ready, "heartbeatResponse").readRound, 7);
    assert.equal(sent(ready, "heartbeatResponse").length, ready.promises.length);
  });

  it("does not wait for the disk to answer when an entry of the term is on it: a slow disk deposes nobody", () => {
    const bench = new Bench({ terms: [1, 5], term: 5 });
    bench.append(n2, { prev: [2, 5], terms: [5] });
    const ready = bench.heartbeat(n2, { readRound: 7 });
    assert.equal(theOne(ready, "heartbeatResponse").readRound, 7);
    assert.deepEqual(ready.promises, []);
  });
});
