/**
 * Versions and version constraints in the dialect of Go's Masterminds/semver 3.4, which MCP Mesh agents write
 * (contract A6.3). npm's ranges look alike and differ: a bare `1.4` is a range, `>1.4` starts at 1.5.0, `!=` exists, and
 * a prerelease matches as soon as the constraint mentions any prerelease.
 *
 * Pure apart from bounded caches of what was parsed. The parser walks the text once, so a hostile constraint costs no
 * more than its length. Comparing is npm semver's.
 *
 * Known differences to the original: numbers beyond 2^53 are not versions, a wildcard stands alone in its place (`1.*2` is
 * refused), and a hyphen range right behind `||`, without a space between, is read as what it looks like.
 */

import { LRUCache } from "lru-cache";
import { SemVer } from "semver";
import { compareText } from "../../util/compare.ts";

/** Longer constraints are not parsed and match only the equal text. */
export const CONSTRAINT_LENGTH_MAX = 512;
/** Longer versions are not parsed and are compared as text. */
export const VERSION_LENGTH_MAX = 256;

/** A version as it was written, and as it is understood; `semver` null means that only its text counts. */
export interface ParsedVersion {
  readonly text: string;
  readonly semver: SemVer | null;
}

/** Tells whether a version satisfies the constraint it was compiled from. */
export type VersionTest = (version: ParsedVersion) => boolean;

const compiledTests = new LRUCache<string, VersionTest>({ max: 1_000 });
const parsedVersions = new LRUCache<string, ParsedVersion>({ max: 10_000 });

/** Reads a version loosely: `v1.2`, `1` and `01.4.2` are fine, build metadata counts for nothing. */
export function parseVersion(text: string): ParsedVersion {
  const known = parsedVersions.get(text);
  if (known !== undefined) return known;
  const parsed = { text, semver: parseLoosely(text) };
  // What is too long to parse is also too long to keep.
  if (text.length <= VERSION_LENGTH_MAX) parsedVersions.set(text, parsed);
  return parsed;
}

/** Ascending: any semantic version above any text, equal precedence is 0 (`1.2` and `1.2.0+build`). */
export function compareVersions(a: ParsedVersion, b: ParsedVersion): number {
  if (a === b) return 0;
  if (a.semver !== null && b.semver !== null) return a.semver.compare(b.semver);
  if (a.semver !== null) return 1;
  if (b.semver !== null) return -1;
  return compareText(a.text, b.text);
}

/**
 * Compiles a constraint. An empty one admits every version; one that can not be read admits only the equal text, and so
 * does every constraint for a version that can not be read.
 */
export function compileConstraint(constraint: string): VersionTest {
  if (constraint === "") return admitAll;
  const known = compiledTests.get(constraint);
  if (known !== undefined) return known;
  const test = compile(constraint);
  if (constraint.length <= CONSTRAINT_LENGTH_MAX) compiledTests.set(constraint, test);
  return test;
}

const admitAll: VersionTest = () => true;

function compile(constraint: string): VersionTest {
  const alternatives = parseConstraint(constraint);
  if (alternatives === null) return (version) => version.text === constraint;
  return ({ text, semver }) =>
    semver === null ? text === constraint : alternatives.some((group) => satisfies(semver, group));
}

const LOOSE_VERSION =
  /^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

function parseLoosely(text: string): SemVer | null {
  if (text.length > VERSION_LENGTH_MAX) return null;
  const [isVersion, major, minor, patch, prerelease] = LOOSE_VERSION.exec(text) ?? [];
  return isVersion === undefined ? null : makeSemVer(major, minor, patch, prerelease);
}

/** @returns null when a number is beyond 2^53 or the prerelease breaks the rules of semver.org */
function makeSemVer(
  major: string | undefined,
  minor: string | undefined,
  patch: string | undefined,
  prerelease: string | undefined,
): SemVer | null {
  const release = `${Number(major ?? 0)}.${Number(minor ?? 0)}.${Number(patch ?? 0)}`;
  try {
    return new SemVer(prerelease === undefined ? release : `${release}-${prerelease}`);
  } catch (error) {
    // The one way this constructor says that a text is no version.
    if (error instanceof TypeError) return null;
    throw error;
  }
}

type Operator = "=" | "!=" | ">" | ">=" | "<" | "<=" | "~" | "^";

/** How much of the operand was written: `*`, `1`, `1.4` or `1.4.2`. What is missing was read as 0. */
type Precision = "any" | "major" | "minor" | "full";

interface Comparator {
  readonly operator: Operator;
  readonly operand: SemVer;
  readonly precision: Precision;
}

/** All of them must hold. */
interface Group {
  readonly comparators: readonly Comparator[];
  readonly mentionsPrerelease: boolean;
}

/** Longest first, so that `>=` is not read as `>`. `==` is missing on purpose: the original refuses it. */
const OPERATORS: readonly (readonly [written: string, operator: Operator])[] = [
  ["!=", "!="],
  [">=", ">="],
  ["=>", ">="],
  ["<=", "<="],
  ["=<", "<="],
  ["~>", "~"],
  ["=", "="],
  [">", ">"],
  ["<", "<"],
  ["~", "~"],
  ["^", "^"],
];

const OPERAND =
  /v?([0-9]+|[xX*])(?:\.([0-9]+|[xX*]))?(?:\.([0-9]+|[xX*]))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?/y;
const SPACE = /[\t\n\f\r ]*/y;
const RANGE_DASH = /[\t\n\f\r ]+-[\t\n\f\r ]+/y;

function parseConstraint(text: string): readonly Group[] | null {
  if (text.length > CONSTRAINT_LENGTH_MAX) return null;
  const groups: Group[] = [];
  for (const alternative of text.split("||")) {
    const comparators = new GroupParser(alternative).parse();
    if (comparators === null) return null;
    groups.push({
      comparators,
      mentionsPrerelease: comparators.some(({ operand }) => operand.prerelease.length > 0),
    });
  }
  return groups;
}

/** Reads comparators and hyphen ranges, separated by commas or space, from left to right. */
class GroupParser {
  readonly #text: string;
  readonly #comparators: Comparator[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): readonly Comparator[] | null {
    let previous: "none" | "comparator" | "range" = "none";
    for (;;) {
      const hasSpace = this.#skip(SPACE);
      if (this.#at === this.#text.length) return previous === "none" ? null : this.#comparators;
      const hasComma = this.#text[this.#at] === ",";
      if (hasComma) {
        if (previous === "none") return null;
        this.#at++;
        this.#skip(SPACE);
      }
      if (previous === "comparator" && !hasSpace && !hasComma) return null;
      const read = this.#readItem();
      // The original rewrites a range together with the space before it, and what stood there then touches it.
      if (read === null || (read === "range" && previous === "comparator" && !hasComma)) return null;
      previous = read;
    }
  }

  #readItem(): "comparator" | "range" | null {
    const operator = this.#readOperator();
    this.#skip(SPACE);
    const operand = this.#readOperand();
    if (operand === null) return null;
    if (operator !== null || !this.#skip(RANGE_DASH)) {
      this.#comparators.push({ operator: operator ?? "=", ...operand });
      return "comparator";
    }
    const upper = this.#readOperand();
    if (upper === null) return null;
    this.#comparators.push({ operator: ">=", ...operand }, { operator: "<=", ...upper });
    return "range";
  }

  #readOperator(): Operator | null {
    for (const [written, operator] of OPERATORS) {
      if (!this.#text.startsWith(written, this.#at)) continue;
      this.#at += written.length;
      return operator;
    }
    return null;
  }

  #readOperand(): { operand: SemVer; precision: Precision } | null {
    OPERAND.lastIndex = this.#at;
    const match = OPERAND.exec(this.#text);
    if (match === null) return null;
    this.#at = OPERAND.lastIndex;
    const [, major, minor, patch, prerelease] = match;
    const precision = isWild(major) ? "any" : isWild(minor) ? "major" : isWild(patch) ? "minor" : "full";
    const operand = makeSemVer(
      precision === "any" ? undefined : major,
      precision === "any" || precision === "major" ? undefined : minor,
      precision === "full" ? patch : undefined,
      prerelease,
    );
    return operand === null ? null : { operand, precision };
  }

  /** Moves behind `pattern`; false when nothing was there. */
  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text) || pattern.lastIndex === this.#at) return false;
    this.#at = pattern.lastIndex;
    return true;
  }
}

function isWild(part: string | undefined): boolean {
  return part === undefined || part === "x" || part === "X" || part === "*";
}

function satisfies(version: SemVer, { comparators, mentionsPrerelease }: Group): boolean {
  if (version.prerelease.length > 0 && !mentionsPrerelease) return false;
  return comparators.every((comparator) => holds(version, comparator));
}

function holds(version: SemVer, comparator: Comparator): boolean {
  const { operator, operand, precision } = comparator;
  switch (operator) {
    case "=":
      return precision === "full" ? version.compare(operand) === 0 : isWithinTilde(version, comparator);
    case "!=":
      return differs(version, comparator);
    case ">":
      return isAbove(version, comparator);
    case ">=":
      return version.compare(operand) >= 0;
    case "<":
      return version.compare(operand) < 0;
    case "<=":
      return isAtMost(version, comparator);
    case "~":
      return isWithinTilde(version, comparator);
    case "^":
      return isWithinCaret(version, comparator);
  }
}

function differs(version: SemVer, { operand, precision }: Comparator): boolean {
  if (precision === "any" || precision === "full") return version.compare(operand) !== 0;
  if (version.major !== operand.major) return true;
  if (precision === "major") return false;
  return version.minor !== operand.minor || version.comparePre(operand) !== 0;
}

/** `>1` starts at 2.0.0 and `>1.4` at 1.5.0. */
function isAbove(version: SemVer, { operand, precision }: Comparator): boolean {
  if (precision === "any" || precision === "full") return version.compare(operand) > 0;
  if (version.major !== operand.major) return version.major > operand.major;
  return precision === "minor" && version.minor > operand.minor;
}

/** `<=1` includes every 1.x, `<=1.4` every 1.4.x. */
function isAtMost(version: SemVer, { operand, precision }: Comparator): boolean {
  if (precision === "full") return version.compare(operand) <= 0;
  if (version.major !== operand.major) return version.major < operand.major;
  return precision === "major" || version.minor <= operand.minor;
}

/** `~1` is any 1.x, `~1.4` any 1.4.x, `~1.4.2` any 1.4.x from there on. */
function isWithinTilde(version: SemVer, { operand, precision }: Comparator): boolean {
  if (version.compare(operand) < 0) return false;
  const isZero = operand.major === 0 && operand.minor === 0 && operand.patch === 0;
  // Of the original: `~0.0.0` admits everything, as `*` does.
  if (isZero && (precision === "any" || precision === "full")) return true;
  if (version.major !== operand.major) return false;
  return precision === "major" || version.minor === operand.minor;
}

/** Up to the next change of the leftmost number that is not 0. Of the original: `^*` admits 0.0.0 alone. */
function isWithinCaret(version: SemVer, { operand, precision }: Comparator): boolean {
  if (version.compare(operand) < 0 || version.major !== operand.major) return false;
  if (operand.major > 0 || precision === "major") return true;
  if (version.minor !== operand.minor) return false;
  return operand.minor > 0 || precision === "minor" || version.patch === operand.patch;
}
