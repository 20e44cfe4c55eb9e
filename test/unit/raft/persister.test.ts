import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Persister } from "../../../src/raft/persister.ts";
import type { RaftStorage, RaftWrite, StateWrite } from "../../../src/storage/interface.ts";
import type { HardState, LogEntry, RaftMessage } from "../../../src/types/raft.ts";
import { entriesOf, n1, n2, votersUpTo } from "../../support/raft-core.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const MEMBERS = votersUpTo(3);
const FLUSH_MS = 200;

/** A disk whose writes end when the test says so. */
function desk() {
  const clock = new VirtualClock();
  const writes: RaftWrite[] = [];
  const pending: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const log: string[] = [];
  const sessions: StateWrite[] = [];
  const durations: number[] = [];
  const sent: RaftMessage[] = [];
  const storage: Pick<RaftStorage, "write"> = {
    write: (batch) =>
      new Promise((resolve, reject) => {
        writes.push(batch);
        log.push("write");
        pending.push({ resolve, reject });
      }),
  };
  const persister = new Persister({
    storage: storage as RaftStorage,
    clock,
    flushMs: FLUSH_MS,
    durableApplied: 3,
    takeSessionWrites: () => sessions.splice(0),
    onWritten: ({ promises, last }) => {
      sent.push(...promises);
      for (const { type } of promises) log.push(type);
      if (last !== undefined) log.push(`persisted ${last.index}/${last.term}`);
    },
    onFailed: (error) => log.push(`failed ${(error as Error).message}`),
    metrics: { written: (durationMs) => durations.push(durationMs) },
  });
  return {
    clock,
    writes,
    log,
    sessions,
    durations,
    sent,
    persister,
    add(ready: { hardState?: HardState; entries?: LogEntry[]; promises?: RaftMessage[] }) {
      persister.add({ hardState: null, entries: [], promises: [], ...ready });
      persister.kick();
    },
    async finish() {
      pending.shift()!.resolve();
      await clock.advance(0);
    },
    async fail(message: string) {
      pending.shift()!.reject(new Error(message));
      await clock.advance(0);
    },
  };
}

const ack = (index: number): RaftMessage => {
  const body = { type: "appendResponse", accepted: true, index, hintIndex: 0, hintTerm: 0 } as const;
  return { ...body, from: n1, to: n2, term: 1 };
};
const vote: RaftMessage = { type: "voteResponse", granted: true, from: n1, to: n2, term: 2 };
const hardState = (term: number): HardState => ({ term, votedFor: null, commit: 0 });
const indexesOf = (write: RaftWrite | undefined) => (write?.entries ?? []).map(({ index, term }) => `${index}/${term}`);

describe("raft/persister", () => {
  it("promises leave once what they depend on is on disk (R1, R2)", async () => {
    const { add, log, finish } = desk();
    add({ hardState: hardState(1), entries: entriesOf([1, 1]), promises: [ack(2)] });
    assert.deepEqual(log, ["write"]);
    await finish();
    assert.deepEqual(log, ["write", "appendResponse", "persisted 2/1"]);
  });

  it("one acknowledgement stands for those of the same leader that share its write", async () => {
    const { add, sent, finish } = desk();
    const refusal = { ...ack(9), accepted: false };
    const ofNextTerm = { ...ack(8), term: 2 };
    add({ entries: entriesOf([1]), promises: [ack(1)] });
    add({ entries: entriesOf([1, 1], 1), promises: [ack(2)] });
    add({ entries: entriesOf([1], 3), promises: [ack(4), ack(3), refusal, ack(4), ofNextTerm] });
    await finish();
    await finish();
    assert.deepEqual(sent, [ack(1), ack(4), ack(3), refusal, ack(4), ofNextTerm]);
  });

  it("counts how long a write takes, once it is on disk", async () => {
    const { add, clock, durations, finish, fail } = desk();
    add({ entries: entriesOf([1]) });
    await clock.advance(7);
    assert.deepEqual(durations, []);
    await finish();
    add({ entries: entriesOf([1], 1) });
    await fail("the disk is gone");
    assert.deepEqual(durations, [7]);
  });

  it("a promise that depends on nothing leaves at once", () => {
    const { add, log } = desk();
    add({ promises: [ack(2)] });
    assert.deepEqual(log, ["appendResponse"]);
  });

  it("a promise made during a write waits for it: what it depends on may be in there", async () => {
    const { add, log, finish } = desk();
    add({ entries: entriesOf([1]) });
    add({ promises: [ack(1)] });
    assert.deepEqual(log, ["write"]);
    await finish();
    assert.deepEqual(log, ["write", "persisted 1/1", "appendResponse"]);
  });

  it("one write at a time; all that arrives meanwhile shares the next (R37)", async () => {
    const { add, log, writes, finish } = desk();
    add({ entries: entriesOf([1]), promises: [ack(1)] });
    add({ entries: entriesOf([1], 1), promises: [ack(2)] });
    add({ entries: entriesOf([1], 2), promises: [ack(3)] });
    add({ hardState: hardState(2), promises: [vote] });
    assert.equal(writes.length, 1);
    await finish();
    assert.deepEqual(indexesOf(writes[1]), ["2/1", "3/1"]);
    assert.deepEqual(writes[1]!.hardState, hardState(2));
    await finish();
    assert.equal(writes.length, 2);
    const first = ["write", "appendResponse", "persisted 1/1"];
    assert.deepEqual(log, [...first, "write", "appendResponse", "voteResponse", "persisted 3/1"]);
  });

  it("entries that a newer leader replaced while they waited are never written (R5)", async () => {
    const { add, writes, finish } = desk();
    add({ entries: entriesOf([1]) });
    add({ entries: entriesOf([1, 1, 1], 1) });
    add({ hardState: hardState(2), entries: entriesOf([2], 2) });
    await finish();
    assert.deepEqual(indexesOf(writes[1]), ["2/1", "3/2"]);
  });

  it("what a command changed goes with the next log write, together with the applied index (R7)", async () => {
    const { add, persister, sessions, writes, finish } = desk();
    persister.effects([{ key: "agent/a", value: 1 }]);
    sessions.push({ key: "session/5", value: [0] });
    persister.applied(7, MEMBERS);
    add({ entries: entriesOf([1], 7) });
    assert.deepEqual(writes[0]!.state, {
      writes: [
        { key: "agent/a", value: 1 },
        { key: "session/5", value: [0] },
      ],
      appliedIndex: 7,
      membership: MEMBERS,
    });
    assert.equal(persister.durableApplied, 3, "not before it is written");
    await finish();
    assert.equal(persister.durableApplied, 7);
  });

  it("writes only the newest value of a record", () => {
    const { add, persister, writes } = desk();
    persister.effects([{ key: "agent/a", value: 1 }]);
    persister.effects([{ key: "agent/b", value: 1 }]);
    persister.effects([{ key: "agent/a", value: undefined }]);
    persister.applied(8, MEMBERS);
    add({ entries: entriesOf([1], 8) });
    assert.deepEqual(
      new Map(writes[0]!.state!.writes.map(({ key, value }) => [key, value])),
      new Map([
        ["agent/a", undefined],
        ["agent/b", 1],
      ]),
    );
  });

  it("effects alone wait for company, but not for ever", async () => {
    const { clock, persister, writes } = desk();
    persister.applied(7, MEMBERS);
    persister.kick();
    await clock.advance(FLUSH_MS - 1);
    assert.equal(writes.length, 0);
    await clock.advance(1);
    assert.equal(writes[0]!.state!.appliedIndex, 7);
    await clock.advance(10 * FLUSH_MS);
    assert.equal(writes.length, 1, "nothing new, nothing written");
  });

  it("compaction goes with a write, and only once", async () => {
    const { add, persister, writes, finish } = desk();
    persister.compact(5, 1);
    assert.equal(writes.length, 0);
    add({ entries: entriesOf([1], 9) });
    await finish();
    add({ entries: entriesOf([1], 10) });
    assert.deepEqual(
      writes.map(({ compactTo }) => compactTo),
      [{ index: 5, term: 1 }, undefined],
    );
  });

  it("a failed write is told once, keeps every promise back, and is the last (R8)", async () => {
    const { clock, add, persister, log, fail } = desk();
    add({ entries: entriesOf([1]), promises: [ack(1)] });
    add({ entries: entriesOf([1], 1), promises: [ack(2)] });
    await fail("disk full");
    add({ entries: entriesOf([1], 2), promises: [ack(3)] });
    persister.applied(3, MEMBERS);
    persister.kick();
    await clock.advance(FLUSH_MS);
    await persister.stop();
    assert.deepEqual(log, ["write", "failed disk full"]);
  });

  it("writes what is left when it stops, and nothing afterwards", async () => {
    const { clock, add, persister, writes, finish } = desk();
    add({ entries: entriesOf([1]) });
    persister.applied(1, MEMBERS);
    const stopped = persister.stop();
    await finish();
    await finish();
    await stopped;
    assert.equal(writes[1]!.state!.appliedIndex, 1);
    add({ entries: entriesOf([1], 1) });
    await clock.advance(FLUSH_MS);
    assert.equal(writes.length, 2);
  });
});

describe("raft/persister: a snapshot takes the place of all (R6)", () => {
  function installation() {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    return { task: () => promise, resolve, reject };
  }

  it("after the write under way, and before whatever waits", async () => {
    const { clock, add, persister, log, finish } = desk();
    add({ entries: entriesOf([1]) });
    const { task, resolve } = installation();
    const installed = persister.exclusively(() => {
      log.push("install");
      return task();
    });
    await clock.advance(0);
    assert.deepEqual(log, ["write"]);
    await finish();
    assert.deepEqual(log, ["write", "persisted 1/1", "install"]);
    add({ entries: entriesOf([1], 9) });
    persister.applied(1, MEMBERS);
    await clock.advance(2 * FLUSH_MS);
    assert.equal(log.length, 3, "nothing is written meanwhile, not even by the timer");
    resolve();
    await installed;
    persister.kick();
    assert.equal(log.at(-1), "write");
  });

  it("the timer for effects that was running when it began writes nothing", async () => {
    const { clock, persister, writes } = desk();
    persister.applied(1, MEMBERS);
    persister.kick();
    const { task, resolve } = installation();
    const installed = persister.exclusively(task);
    await clock.advance(2 * FLUSH_MS);
    assert.equal(writes.length, 0);
    persister.discard(9);
    resolve();
    await installed;
    assert.equal(persister.durableApplied, 9);
  });

  it("what it replaced is forgotten: effects, entries, and the older hard state", async () => {
    const { clock, add, persister, writes, finish } = desk();
    add({ entries: entriesOf([1]) });
    add({ hardState: hardState(2), entries: entriesOf([2], 1) });
    persister.effects([{ key: "agent/a", value: 1 }]);
    persister.applied(1, MEMBERS);
    persister.compact(1, 1);
    const { task, resolve } = installation();
    const installed = persister.exclusively(task);
    // The second write is under way before the installation can begin.
    await finish();
    await finish();
    persister.add({ hardState: hardState(3), entries: entriesOf([3], 2), promises: [] });
    persister.effects([{ key: "agent/c", value: 3 }]);
    persister.applied(2, MEMBERS);
    persister.discard(9);
    resolve();
    await installed;
    persister.kick();
    await clock.advance(2 * FLUSH_MS);
    assert.equal(writes.length, 2);
    // Nor does it come along with what is applied after the snapshot.
    persister.effects([{ key: "agent/b", value: 2 }]);
    persister.applied(10, MEMBERS);
    persister.kick();
    await clock.advance(FLUSH_MS);
    assert.deepEqual(writes[2], {
      state: { writes: [{ key: "agent/b", value: 2 }], appliedIndex: 10, membership: MEMBERS },
    });
  });

  it("does not begin after a failed write (R8)", async () => {
    const { clock, add, persister, log, fail } = desk();
    add({ entries: entriesOf([1]) });
    const installed = persister.exclusively(async () => {
      log.push("install");
    });
    const refused = assert.rejects(installed);
    await clock.advance(0);
    await fail("disk full");
    await refused;
    assert.deepEqual(log, ["write", "failed disk full"]);
  });

  it("a stop waits for it", async () => {
    const { clock, persister } = desk();
    const { task, resolve } = installation();
    const installed = persister.exclusively(task);
    let isStopped = false;
    const stopped = persister.stop().then(() => {
      isStopped = true;
    });
    await clock.advance(0);
    assert.equal(isStopped, false);
    resolve();
    await Promise.all([installed, stopped]);
  });

  it("one that fails is reported to its caller, and writing goes on", async () => {
    const { clock, add, persister, writes } = desk();
    const { task, reject } = installation();
    const refused = assert.rejects(persister.exclusively(task), /damaged/);
    await clock.advance(0);
    reject(new Error("damaged"));
    await refused;
    add({ entries: entriesOf([1]) });
    assert.equal(writes.length, 1);
  });
});
