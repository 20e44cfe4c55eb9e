import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { entryBytes, RaftLog } from "../../../../src/raft/core/log.ts";
import { InvariantViolation } from "../../../../src/util/errors.ts";
import { entriesOf } from "../../../support/raft-core.ts";

interface Shape {
  readonly terms: readonly number[];
  readonly start?: { readonly index: number; readonly term: number };
  readonly commit?: number;
  readonly applied?: number;
}

function logOf({ terms, start = { index: 0, term: 0 }, commit = start.index, applied = start.index }: Shape): RaftLog {
  return new RaftLog({ start, entries: entriesOf(terms, start.index), commit, applied });
}

function termsOf(log: RaftLog): number[] {
  return log.slice(log.startIndex + 1, Number.POSITIVE_INFINITY).map(({ term }) => term);
}

describe("raft/core/log", () => {
  it("knows the term of the entry before its first, and of nothing beyond either end", () => {
    const log = logOf({ terms: [3, 4], start: { index: 7, term: 2 } });
    assert.deepEqual(
      [6, 7, 8, 9, 10].map((index) => log.termAt(index)),
      [undefined, 2, 3, 4, undefined],
    );
    assert.deepEqual([log.startIndex, log.lastIndex, log.lastTerm], [7, 9, 4]);
    assert.deepEqual([log.has(9, 4), log.has(9, 3), log.has(6, 0)], [true, false, false]);
  });

  it("an empty log ends where it starts", () => {
    const log = logOf({ terms: [], start: { index: 7, term: 2 } });
    assert.deepEqual([log.lastIndex, log.lastTerm, log.stable, log.commit], [7, 2, 7, 7]);
  });

  it("refuses to begin in disorder (R9)", () => {
    assert.throws(() => logOf({ terms: [1], commit: 2 }), InvariantViolation);
    assert.throws(() => logOf({ terms: [1, 1], commit: 1, applied: 2 }), InvariantViolation);
    assert.throws(() => logOf({ terms: [1], start: { index: 4, term: 1 }, applied: 3, commit: 4 }), InvariantViolation);
  });

  it("takes only entries that follow, of terms that never fall", () => {
    const log = logOf({ terms: [1, 2] });
    assert.throws(() => log.append(entriesOf([2], 3)), InvariantViolation);
    assert.throws(() => log.append(entriesOf([1], 2)), InvariantViolation);
    log.append(entriesOf([2, 5], 2));
    assert.deepEqual(termsOf(log), [1, 2, 2, 5]);
  });

  for (const { what, has, comes, at, left, written } of [
    {
      what: "a repetition keeps the log as it is",
      has: [1, 1, 1],
      comes: [1, 1],
      at: 0,
      left: [1, 1, 1],
      written: undefined,
    },
    {
      what: "a reordered, shorter append keeps the tail",
      has: [1, 1, 1],
      comes: [1],
      at: 0,
      left: [1, 1, 1],
      written: undefined,
    },
    {
      what: "nothing new keeps the tail, even a foreign one",
      has: [1, 1, 1],
      comes: [],
      at: 1,
      left: [1, 1, 1],
      written: undefined,
    },
    { what: "what is new is appended", has: [1], comes: [1, 2], at: 1, left: [1, 1, 2], written: 2 },
    {
      what: "what is known in part is appended from there",
      has: [1, 1],
      comes: [1, 1, 1],
      at: 0,
      left: [1, 1, 1],
      written: 3,
    },
    {
      what: "a conflict takes the whole tail with it",
      has: [1, 1, 1, 1],
      comes: [1, 2],
      at: 0,
      left: [1, 2],
      written: 2,
    },
    { what: "a conflict at the first entry replaces all", has: [1, 1], comes: [2], at: 0, left: [2], written: 1 },
  ]) {
    it(`merge: ${what} (R29)`, () => {
      const log = logOf({ terms: has });
      assert.equal(log.merge(entriesOf(comes, at)), written);
      assert.deepEqual(termsOf(log), left);
    });
  }

  it("never replaces a committed entry (R29)", () => {
    const log = logOf({ terms: [1, 1, 1], commit: 2 });
    assert.throws(() => log.merge(entriesOf([2], 1)), InvariantViolation);
    log.merge(entriesOf([2], 2));
    assert.deepEqual(termsOf(log), [1, 1, 2]);
  });

  it("what replaces entries on disk is not on disk yet", () => {
    const log = logOf({ terms: [1, 1, 1, 1] });
    assert.equal(log.stable, 4);
    log.merge(entriesOf([2, 2, 2], 1));
    assert.equal(log.stable, 1);
  });

  it("a late word of the disk does not bless entries that were replaced meanwhile (R4)", () => {
    const log = logOf({ terms: [1] });
    log.merge(entriesOf([1, 1], 1));
    log.merge(entriesOf([2, 2], 1));
    log.stableTo(3, 1);
    assert.equal(log.stable, 1);
    log.stableTo(3, 2);
    assert.equal(log.stable, 3);
    log.stableTo(2, 2);
    assert.equal(log.stable, 3, "older words change nothing");
  });

  it("commit moves forward only, and never past the end", () => {
    const log = logOf({ terms: [1, 1, 1] });
    log.commitTo(2);
    log.commitTo(1);
    assert.equal(log.commit, 2);
    assert.throws(() => log.commitTo(4), InvariantViolation);
  });

  it("hands out each committed entry once, in order, in pages (R39)", () => {
    const log = logOf({ terms: [1, 1, 1, 1, 1], commit: 4 });
    const pages = [log.takeCommitted(3), log.takeCommitted(3), log.takeCommitted(3)];
    assert.deepEqual(
      pages.map((page) => page.map(({ index }) => index)),
      [[1, 2, 3], [4], []],
    );
    assert.equal(log.applied, 4);
  });

  it("a slice has at least one entry and then as many as fit (R36)", () => {
    const log = logOf({ terms: [1, 1, 1, 1] });
    const each = entryBytes(entriesOf([1])[0]!);
    assert.equal(log.slice(2, 0).length, 1);
    assert.equal(log.slice(2, 2 * each).length, 2);
    assert.equal(log.slice(2, 3 * each - 1).length, 2);
    assert.equal(log.slice(2, Number.POSITIVE_INFINITY).length, 3);
    assert.equal(log.slice(5, 1_000).length, 0);
    assert.throws(() => logOf({ terms: [1], start: { index: 3, term: 1 } }).slice(3, 1), InvariantViolation);
  });

  it("compaction forgets applied entries only, and keeps the term where it ends (R42)", () => {
    const log = logOf({ terms: [1, 2, 2, 3], commit: 3, applied: 0 });
    assert.throws(() => log.compactTo(1), InvariantViolation);
    log.takeCommitted(10);
    log.compactTo(2);
    log.compactTo(1);
    assert.deepEqual([log.startIndex, log.termAt(2), log.termAt(1), log.lastIndex], [2, 2, undefined, 4]);
    assert.deepEqual(termsOf(log), [2, 3]);
    assert.throws(() => log.compactTo(4), InvariantViolation);
  });

  it("a snapshot leaves nothing of the log, all of it applied and on disk (R44)", () => {
    const log = logOf({ terms: [1, 1, 1] });
    log.reset({ index: 9, term: 4 });
    assert.deepEqual([log.startIndex, log.lastIndex, log.lastTerm], [9, 9, 4]);
    assert.deepEqual([log.commit, log.applied, log.stable, log.bytes], [9, 9, 9, 0]);
  });

  it("accounts for its memory through append, truncation and compaction", () => {
    const log = logOf({ terms: [1, 1, 1, 1], commit: 2 });
    const sizeOf = (terms: readonly number[], start: number) =>
      entriesOf(terms, start).reduce((sum, entry) => sum + entryBytes(entry), 0);
    assert.equal(log.bytes, sizeOf([1, 1, 1, 1], 0));
    log.merge(entriesOf([2], 2));
    log.takeCommitted(10);
    log.compactTo(1);
    assert.equal(log.bytes, sizeOf([1], 1) + sizeOf([2], 2));
    assert.equal(log.bytesBetween(1, 3), log.bytes);
    assert.equal(log.bytesBetween(2, 3), sizeOf([2], 2));
  });

  for (const { what, terms, index, term, hint } of [
    { what: "its end, when it is shorter", terms: [1, 1], index: 9, term: 3, hint: { index: 2, term: 1 } },
    {
      what: "the last entry whose term is not higher",
      terms: [1, 1, 4, 4, 4],
      index: 5,
      term: 3,
      hint: { index: 2, term: 1 },
    },
    { what: "its beginning, when all terms are higher", terms: [4, 4], index: 2, term: 3, hint: { index: 0, term: 0 } },
    {
      what: "the entry itself, when the term is not higher",
      terms: [1, 2, 2],
      index: 3,
      term: 2,
      hint: { index: 3, term: 2 },
    },
  ]) {
    it(`guesses ${what} as the place where logs may agree (R33)`, () => {
      assert.deepEqual(logOf({ terms }).hintBelow(index, term), hint);
    });
  }
});
