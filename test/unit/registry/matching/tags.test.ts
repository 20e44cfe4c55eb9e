import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { scoreTags } from "../../../../src/registry/matching/tags.ts";
import type { TagConstraint } from "../../../../src/types/agent.ts";

type Row = readonly [constraints: readonly TagConstraint[], tags: readonly string[], score: number | null];

const RULES: Record<string, readonly Row[]> = {
  "scores nothing without constraints": [
    [[], [], 0],
    [[], ["a"], 0],
  ],
  "demands a required tag and adds 5 for it": [
    [["a"], ["a", "b"], 5],
    [["a", "b"], ["b", "a"], 10],
    [["a"], ["b"], null],
    [["a", "b"], ["a"], null],
  ],
  "adds 10 for a preferred tag and takes nothing when it is missing": [
    [["+a"], ["a"], 10],
    [["+a"], ["b"], 0],
    [["a", "+b"], ["a", "b"], 15],
  ],
  "refuses an excluded tag": [
    [["-a"], ["b"], 0],
    [["-a"], ["a"], null],
    [["+a", "-b"], ["a", "b"], null],
  ],
  "compares case-sensitively and without patterns": [
    [["A"], ["a"], null],
    [["a*"], ["ab"], null],
  ],
  "skips a constraint without a name": [
    [["", "+", "-"], [""], 0],
    [["", "a"], ["a"], 5],
  ],
  "needs one member of an OR group and counts the best one once": [
    [[["a", "b"]], ["b"], 5],
    [[["a", "b"]], ["a", "b"], 5],
    [[["a", "+b"]], ["a", "b"], 10],
    [[["+b", "a"]], ["a", "b"], 10],
    [[["a", "b"]], ["c"], null],
    [["c", ["a", "b"]], ["a", "c"], 10],
  ],
  "does not make a group of preferred tags optional": [[[["+a"]], ["b"], null]],
  "excludes by a group, and never satisfies it so": [
    [[["a", "-x"]], ["a"], 5],
    [[["a", "-x"]], ["a", "x"], null],
    [[["-x", "a"]], ["b"], null],
    [[["-x"]], ["a"], null],
  ],
  "skips an empty group, but not one of empty names": [
    [[[]], [], 0],
    [[["", "+", "-"]], ["a"], null],
  ],
};

describe("scoreTags", () => {
  for (const [rule, rows] of Object.entries(RULES)) {
    it(rule, () => {
      for (const [constraints, tags, score] of rows) {
        assert.equal(scoreTags(constraints, tags), score, JSON.stringify({ constraints, tags }));
      }
    });
  }
});
