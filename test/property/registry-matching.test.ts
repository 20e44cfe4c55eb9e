import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { awayAfter, homeAfter, mergeAnswers } from "../../src/registry/lookup-merge.ts";
import { compareFound, compareNames, compareQuality } from "../../src/registry/matching/compare.ts";
import { scoreTags } from "../../src/registry/matching/tags.ts";
import { compareVersions, compileConstraint, parseVersion } from "../../src/registry/matching/version-constraint.ts";
import type { FoundAgent, TagConstraint } from "../../src/types/agent.ts";
import { asAgentId, asRegionId, type RegionId } from "../../src/types/ids.ts";
import type { RegionAnswer, SortKey } from "../../src/types/lookup.ts";

const number = fc.constantFrom("0", "1", "2", "10", "01");
const prerelease = fc.constantFrom("", "", "-alpha", "-alpha.2", "-rc.10", "-1");
const version = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.array(number, { minLength: 1, maxLength: 4 }), prerelease).map(([n, p]) => n.join(".") + p),
  },
  { weight: 1, arbitrary: fc.constantFrom("latest", "", "nightly", "v1", "1.0.0+b") },
);
const regions = ["eu", "us", "ap"].map(asRegionId);
const sortKey = fc.record({
  score: fc.constantFrom(0, 5, 10),
  version,
  id: fc.constantFrom("a", "b", "c", "d", "\uffffx"),
  functionName: fc.constantFrom("f", "g"),
  region: fc.constantFrom(...regions),
});

const sign = Math.sign;

describe("the order of answers", () => {
  it("is total: antisymmetric, transitive, and 0 only for the same place", () => {
    fc.assert(
      fc.property(sortKey, sortKey, sortKey, (a, b, c) => {
        assert.equal(sign(compareFound(a, b)), -sign(compareFound(b, a)) + 0);
        if (compareFound(a, b) <= 0 && compareFound(b, c) <= 0) assert.ok(compareFound(a, c) <= 0);
        const isSamePlace =
          a.score === b.score && compareVersions(parseVersion(a.version), parseVersion(b.version)) === 0;
        const isSame = isSamePlace && a.id === b.id && a.functionName === b.functionName && a.region === b.region;
        assert.equal(compareFound(a, b) === 0, isSame);
      }),
    );
  });
});

describe("version constraints", () => {
  const constraint = fc
    .array(
      fc.tuple(
        fc.constantFrom("", ">=", "<", "^", "~", "!=", ">", "<="),
        version,
        fc.constantFrom(" ", ", ", " || ", " - "),
      ),
    )
    .map((parts) => parts.map((part) => part.join("")).join(""));

  it("never throw, whatever they are given", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ maxLength: 600 }), constraint),
        fc.oneof(fc.string(), version),
        (text, given) => {
          assert.equal(typeof compileConstraint(text)(parseVersion(given)), "boolean");
        },
      ),
    );
  });

  it("admit by either side of ||, and by both sides of a comma", () => {
    const simple = fc
      .tuple(fc.constantFrom(">=", "<", "^", "~", "!="), fc.constantFrom("1", "1.2", "0.2.1", "2.0.0"))
      .map((p) => p.join(""));
    const release = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)).map((n) => parseVersion(n.join(".")));
    fc.assert(
      fc.property(simple, simple, release, (a, b, given) => {
        const [isA, isB] = [compileConstraint(a)(given), compileConstraint(b)(given)];
        assert.equal(compileConstraint(`${a} || ${b}`)(given), isA || isB);
        assert.equal(compileConstraint(`${a}, ${b}`)(given), isA && isB);
      }),
    );
  });
});

describe("tag scores", () => {
  const tag = fc.constantFrom("a", "b", "c");
  const signed = fc.tuple(fc.constantFrom("", "+", "-"), tag).map((parts) => parts.join(""));
  const constraint: fc.Arbitrary<TagConstraint> = fc.oneof(signed, fc.array(signed, { maxLength: 3 }));
  const constraints = fc.array(constraint, { maxLength: 5 });
  const tags = fc.uniqueArray(tag);

  it("do not depend on the order of constraints or tags", () => {
    fc.assert(
      fc.property(constraints, tags, (wanted, given) => {
        assert.equal(scoreTags([...wanted].reverse(), [...given].reverse()), scoreTags(wanted, given));
      }),
    );
  });

  it("add up: a list of constraints is met when each is", () => {
    fc.assert(
      fc.property(constraints, tags, (wanted, given) => {
        const parts = wanted.map((one) => scoreTags([one], given));
        const sum = parts.includes(null) ? null : parts.reduce<number>((total, part) => total + part!, 0);
        assert.equal(scoreTags(wanted, given), sum);
      }),
    );
  });

  it("of a group is that of its best member, unless a member excludes", () => {
    fc.assert(
      fc.property(fc.array(signed, { minLength: 1, maxLength: 4 }), tags, (group, given) => {
        const isExcluded = group.some(
          (member) => member.startsWith("-") && (given as string[]).includes(member.slice(1)),
        );
        const scores = group
          .filter((member) => !member.startsWith("-"))
          .map((member) => scoreTags([member], given) ?? 0);
        const best = Math.max(0, ...scores);
        assert.equal(scoreTags([group], given), isExcluded || best === 0 ? null : best);
      }),
    );
  });
});

/** One agent that offers a function in two versions which are equal, but not written alike. */
const TWINS = ["10.0", "10"].map((version) => ({
  key: { score: 5, version, id: "x", functionName: "g", region: "eu" },
  registeredAtMs: 0,
  isHealthy: false,
}));

describe("pages of a federated answer", () => {
  const held = fc.uniqueArray(fc.record({ key: sortKey, registeredAtMs: fc.nat(3), isHealthy: fc.boolean() }), {
    maxLength: 30,
    selector: ({ key }) => `${key.region} ${key.id} ${key.functionName} ${key.version} ${key.score}`,
  });

  function asFound({
    key,
    registeredAtMs,
    isHealthy,
  }: {
    key: SortKey;
    registeredAtMs: number;
    isHealthy: boolean;
  }): FoundAgent {
    return {
      ...key,
      id: asAgentId(key.id),
      region: asRegionId(key.region),
      name: "n",
      namespace: "default",
      type: "mcp_agent",
      runtime: "python",
      endpoint: "http://x",
      labels: {},
      metadata: {},
      capability: "c",
      tags: [],
      health: isHealthy ? "healthy" : "unhealthy",
      revision: 1,
      registeredAtMs,
    };
  }

  /** What a region answers, by the plain order that every region uses. */
  function answer(
    region: RegionId,
    all: readonly FoundAgent[],
    limit: number,
    after: SortKey | undefined,
  ): RegionAnswer {
    const mine = all
      .filter((agent) => agent.region === region && (after === undefined || compareFound(agent, after) > 0))
      .sort(compareFound);
    const agents = mine.slice(0, limit);
    return { region, source: "live", revision: 1, stalenessMs: 0, agents, hasMore: mine.length > limit };
  }

  it("are in order, without repetition, and lose only what another region holds better", () => {
    const [home, ...away] = regions as [RegionId, ...RegionId[]];
    fc.assert(
      fc.property(held, fc.integer({ min: 1, max: 4 }), (agents, limit) => {
        const all = agents.map(asFound);
        const seen: FoundAgent[] = [];
        let after: SortKey | undefined;
        for (let pages = 0; ; pages++) {
          assert.ok(pages <= all.length + 1, "it ends");
          const answers = [
            answer(home, all, limit, after && homeAfter(home, after)),
            ...away.map((region) => answer(region, all, limit, after && awayAfter(home, after))),
          ];
          const merged = mergeAnswers(home, answers, limit, () => false);
          assert.ok(merged.agents.length <= limit);
          seen.push(...merged.agents);
          if (merged.next === undefined) break;
          after = merged.next;
        }
        const isBefore = (a: FoundAgent, b: FoundAgent) =>
          (compareQuality(a, b) || Number(a.region !== home) - Number(b.region !== home) || compareNames(a, b)) < 0;
        for (let i = 1; i < seen.length; i++) assert.ok(isBefore(seen[i - 1]!, seen[i]!), "in order, each once");
        const ids = new Set(all.map(({ id }) => id));
        for (const id of ids) {
          assert.ok(
            seen.some((agent) => agent.id === id),
            `${id} is found somewhere`,
          );
          const holders = new Set(all.filter((agent) => agent.id === id).map(({ region }) => region));
          if (holders.size > 1) continue;
          const expected = all.filter((agent) => agent.id === id).length;
          assert.equal(seen.filter((agent) => agent.id === id).length, expected, "all of one region's offers");
        }
      }),
      { examples: [[TWINS, 1]] },
    );
  });
});
