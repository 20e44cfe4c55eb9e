import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import {
  CONSTRAINT_LENGTH_MAX,
  compareVersions,
  compileConstraint,
  parseVersion,
  VERSION_LENGTH_MAX,
} from "../../../../src/registry/matching/version-constraint.ts";

const admits = (constraint: string, version: string) => compileConstraint(constraint)(parseVersion(version));

/** Each row of the contract's table (A6.3): constraint, what it admits, what it does not. */
const CONTRACT: Record<string, readonly (readonly [constraint: string, yes: string[], no: string[]])[]> = {
  "a bare version is exact": [["1.4.2", ["1.4.2", "v1.4.2", "1.4.2+build"], ["1.4.3", "1.4.1", "1.4.2-rc.1"]]],
  "a bare partial version is any patch, or any minor": [
    ["1.4", ["1.4.0", "1.4.9", "1.4"], ["1.5.0", "1.3.9"]],
    ["1", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.0"]],
  ],
  "^ keeps the leftmost number that is not 0": [
    ["^1.4.2", ["1.4.2", "1.9.0"], ["1.4.1", "2.0.0"]],
    ["^1.4", ["1.4.0", "1.9.0"], ["1.3.9", "2.0.0"]],
    ["^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"]],
    ["^0.0.3", ["0.0.3"], ["0.0.4", "0.0.2"]],
    ["^0.0", ["0.0.0", "0.0.9"], ["0.1.0"]],
    ["^0", ["0.0.0", "0.9.0"], ["1.0.0"]],
  ],
  "~ and ~> keep the minor": [
    ["~1.4.2", ["1.4.2", "1.4.9"], ["1.5.0", "1.4.1"]],
    ["~>1.4.2", ["1.4.9"], ["1.5.0"]],
    ["~1", ["1.0.0", "1.9.0"], ["2.0.0"]],
  ],
  "x and * stand for any number": [
    ["*", ["0.0.0", "99.0.0"], []],
    ["1.x", ["1.0.0", "1.9.9"], ["2.0.0"]],
    ["1.4.*", ["1.4.0"], ["1.5.0"]],
    ["X", ["3.1.4"], []],
  ],
  "a hyphen spans a range, whole at a partial end": [
    ["1.4 - 2.0", ["1.4.0", "2.0.9"], ["1.3.9", "2.1.0"]],
    ["1.4.2 - 2", ["1.4.2", "2.9.9"], ["3.0.0", "1.4.1"]],
  ],
  "|| is or, comma and space are and": [
    ["^1 || ^3", ["1.2.3", "3.0.0"], ["2.0.0"]],
    ["^1||^3", ["3.0.0"], ["2.0.0"]],
    [">=1.2, <2", ["1.2.0", "1.9.9"], ["2.0.0", "1.1.9"]],
    [">=1.2 <2", ["1.2.0"], ["2.0.0"]],
    [" >= 1.2 ,  < 2 ", ["1.2.0"], ["2.0.0"]],
  ],
  "!= excludes, => and =< are >= and <=": [
    ["!=1.4.2", ["1.4.3"], ["1.4.2"]],
    ["=>1.4", ["1.4.0"], ["1.3.9"]],
    ["=<1.4.2", ["1.4.2"], ["1.4.3"]],
  ],
  "== can not be read, and what can not be read matches only its own text": [
    ["==1.4.2", ["==1.4.2"], ["1.4.2"]],
    ["latest", ["latest"], ["1.0.0", "newest"]],
    ["1.4.2 latest", [], ["1.4.2"]],
  ],
  "a partial operand means the whole of its range": [
    [">1.4", ["1.5.0"], ["1.4.0", "1.4.9"]],
    ["<=1.4", ["1.4.0", "1.4.9", "1.0.0"], ["1.5.0"]],
    ["!=1.4", ["1.5.0", "1.3.0"], ["1.4.0", "1.4.9"]],
    [">1", ["2.0.0"], ["1.0.0", "1.9.9"]],
    [">=1.4", ["1.4.0"], ["1.3.9"]],
    ["<1.4", ["1.3.9"], ["1.4.0"]],
  ],
  "provider versions are read loosely, but not with four numbers": [
    ["^1.2", ["v1.2", "1.2", "01.4.2", "1.4.2+build.7"], ["1.2.3.4", "", "v"]],
    ["1.2.3.4", ["1.2.3.4"], ["1.2.3"]],
  ],
  "a prerelease matches only where a prerelease is mentioned, then of any release": [
    [">=2.0.0-alpha", ["2.0.0-alpha", "2.1.0-rc.1", "2.0.0"], ["1.9.0-rc.1"]],
    [">=2.0.0-alpha, <3", ["2.1.0-rc.1"], []],
    [">=1.0.0", ["1.0.0"], ["2.1.0-rc.1"]],
    ["*", [], ["2.1.0-rc.1"]],
    ["^2.0.0-alpha || <1", ["2.0.0-beta"], ["0.9.0-beta"]],
  ],
  "an empty constraint admits everything": [["", ["1.0.0", "latest", "", "1.0.0-rc.1"], []]],
};

describe("version constraints", () => {
  for (const [rule, rows] of Object.entries(CONTRACT)) {
    it(rule, () => {
      for (const [constraint, yes, no] of rows) {
        for (const version of yes) assert.ok(admits(constraint, version), `"${constraint}" should admit "${version}"`);
        for (const version of no) {
          assert.ok(!admits(constraint, version), `"${constraint}" should not admit "${version}"`);
        }
      }
    });
  }

  it("answer as the library that the agents' own registry uses", () => {
    const file = new URL("masterminds.json", import.meta.url);
    const { versions, admitted } = JSON.parse(readFileSync(file, "utf8")) as {
      versions: string[];
      admitted: Record<string, string>;
    };
    const ours = Object.fromEntries(
      Object.keys(admitted).map((constraint) => [
        constraint,
        versions.map((version) => (admits(constraint, version) ? "1" : "0")).join(""),
      ]),
    );
    assert.deepEqual(ours, admitted);
  });

  it("are bounded: longer ones are text", () => {
    const long = `>=${"1".repeat(CONSTRAINT_LENGTH_MAX)}`;
    assert.equal(admits(long, "2.0.0"), false);
    assert.equal(admits(long, long), true);
    assert.equal(parseVersion(`1.0.0-${"a".repeat(VERSION_LENGTH_MAX)}`).semver, null);
  });

  it("read a hostile text once", () => {
    const hostile = [
      " ".repeat(CONSTRAINT_LENGTH_MAX),
      `1${" ".repeat(CONSTRAINT_LENGTH_MAX - 2)}!`,
      "1 - ".repeat(CONSTRAINT_LENGTH_MAX / 4),
      `1-${"a.".repeat(CONSTRAINT_LENGTH_MAX / 2 - 1)}`,
      `1-${"-".repeat(CONSTRAINT_LENGTH_MAX - 3)}!`,
      ",".repeat(CONSTRAINT_LENGTH_MAX),
      "|".repeat(CONSTRAINT_LENGTH_MAX),
    ];
    // A parser that backtracks would not come back from these; each is only text to ours.
    for (const text of hostile) assert.equal(admits(text, "1.0.0"), false, text.slice(0, 20));
  });

  it("do not overflow", () => {
    assert.equal(parseVersion("9007199254740993.0.0").semver, null);
    assert.equal(admits(">=9007199254740993", "1.0.0"), false);
  });
});

describe("compareVersions", () => {
  const compare = (a: string, b: string) => compareVersions(parseVersion(a), parseVersion(b));

  it("orders by semantic version, not by text", () => {
    assert.ok(compare("1.10.0", "1.9.0") > 0);
    assert.ok(compare("2.0.0-rc.10", "2.0.0-rc.9") > 0);
    assert.ok(compare("2.0.0", "2.0.0-rc.1") > 0);
  });

  it("takes different spellings of one version as equal", () => {
    assert.equal(compare("1.2", "v1.2.0"), 0);
    assert.equal(compare("1.2.0+a", "1.2.0+b"), 0);
  });

  it("puts every version above every text, and texts in their order", () => {
    assert.ok(compare("0.0.0-0", "zzz") > 0);
    assert.ok(compare("latest", "0.0.0") < 0);
    assert.ok(compare("b", "a") > 0);
    assert.equal(compare("same", "same"), 0);
  });
});
