import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  asPeerWords,
  merge,
  NAMED_MAX,
  namesIn,
  newWord,
  type PeerLedger,
  type PeerWord,
  textOf,
  wordsOf,
} from "../../../src/node/peer-ledger.ts";

const EMPTY: PeerLedger = new Map();
const word = (name: string, revision: number, isNamed = true): PeerWord => ({ name, revision, isNamed });
const say = (ledger: PeerLedger, name: string, isNamed: boolean) => merge(ledger, [newWord(ledger, name, isNamed)]);

describe("the ledger of peers", () => {
  it("has the newest word on each name", () => {
    const named = say(say(EMPTY, "west", true), "north", true);
    assert.deepEqual(namesIn(named), ["north", "west"]);
    const removed = say(named, "west", false);
    assert.deepEqual(namesIn(removed), ["north"]);
    assert.deepEqual(namesIn(say(removed, "west", true)), ["north", "west"]);
  });

  it("does not take a name back from a node that missed its removal", () => {
    const named = say(EMPTY, "west", true);
    const removed = say(named, "west", false);
    assert.deepEqual(namesIn(merge(removed, wordsOf(named))), []);
  });

  it("is the same on every node that heard the same, in whatever order", () => {
    const words = fc.array(
      fc.record({
        name: fc.constantFrom("a", "b", "c", "d:1"),
        revision: fc.integer({ min: 1, max: 6 }),
        isNamed: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(words, words, words, (a, b, c) => {
        const oneByOne = merge(merge(merge(EMPTY, a), b), c);
        assert.equal(textOf(oneByOne), textOf(merge(EMPTY, [...c, ...a, ...b])));
        assert.equal(textOf(merge(oneByOne, b)), textOf(oneByOne));
        assert.equal(textOf(merge(merge(EMPTY, a), wordsOf(merge(EMPTY, b)))), textOf(merge(merge(EMPTY, b), a)));
      }),
    );
  });

  it("is bounded: 64 names, and the newest removals", () => {
    const flood = Array.from({ length: 1_000 }, (_, i) => word(`n${i}`, i + 1, i % 2 === 0));
    const ledger = merge(EMPTY, flood);
    assert.equal(namesIn(ledger).length, NAMED_MAX);
    assert.equal(ledger.size, 256);
    assert.ok(ledger.has("n998") && ledger.has("n999") && !ledger.has("n0") && !ledger.has("n1"));
  });

  it("reads of what others say only what is a word on a peer", () => {
    const good = word("west:4001", 3);
    const bad = [
      null,
      "west",
      word("http://west", 1),
      word("west", 0),
      word("west", 1.5),
      word("west", Number.MAX_SAFE_INTEGER),
      { name: "west", revision: 1 },
      word("x".repeat(300), 1),
    ];
    assert.deepEqual(asPeerWords([...bad, { ...good, more: "fields" }]), [good]);
    assert.deepEqual(asPeerWords("west"), []);
    assert.equal(asPeerWords(Array.from({ length: 10_000 }, (_, i) => word(`n${i}`, 1))).length, 256);
  });
});
