import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { awayAfter, homeAfter, mergeAnswers, nearnessOf, orderOf } from "../../src/registry/lookup-merge.ts";
import { compareFound, compareQuality } from "../../src/registry/matching/compare.ts";
import { scoreTags } from "../../src/registry/matching/tags.ts";
import { compareVersions, compileConstraint, parseVersion } from "../../src/registry/matching/version-constraint.ts";
import type { FoundAgent, TagConstraint } from "../../src/types/agent.ts";
import { asAgentId, asRegionId, type RegionId } from "../../src/types/ids.ts";
import type { Nearness, PagePlace, RegionAnswer, SortKey } from "../../src/types/lookup.ts";

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

interface Held {
  readonly key: SortKey;
  readonly zone: string;
  readonly registeredAtMs: number;
  readonly isHealthy: boolean;
}

/** One agent that offers a function in two versions which are equal, but not written alike. */
const TWINS: Held[] = ["10.0", "10"].map((version) => ({
  key: { score: 5, version, id: "x", functionName: "g", region: "eu" },
  zone: "z1",
  registeredAtMs: 0,
  isHealthy: false,
}));

describe("pages of a federated answer", () => {
  const [home, ...away] = regions as [RegionId, ...RegionId[]];
  const zone = fc.constantFrom("z1", "z2");
  const held: fc.Arbitrary<Held[]> = fc.uniqueArray(
    fc.record({ key: sortKey, zone, registeredAtMs: fc.nat(3), isHealthy: fc.boolean() }),
    {
      maxLength: 30,
      selector: ({ key }) => `${key.region} ${key.id} ${key.functionName} ${key.version} ${key.score}`,
    },
  );
  /** Of the regions abroad, one list for each page: what is near changes from page to page. */
  const distances = fc.array(fc.tuple(...away.map(() => fc.constantFrom(undefined, 10, 20, 30))), {
    minLength: 1,
    maxLength: 5,
  });

  function asFound({ key, zone, registeredAtMs, isHealthy }: Held): FoundAgent {
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
      zone,
      capability: "c",
      tags: [],
      health: isHealthy ? "healthy" : "unhealthy",
      revision: 1,
      registeredAtMs,
    };
  }

  function answer(
    mine: readonly FoundAgent[],
    region: RegionId,
    limit: number,
    distanceMs: number | undefined,
  ): RegionAnswer {
    const agents = mine.slice(0, limit);
    const hasMore = mine.length > limit;
    const asked = { region, source: "live", revision: 1, stalenessMs: 0, agents, hasMore } as const;
    return distanceMs === undefined ? asked : { ...asked, distanceMs };
  }

  /** What the home region answers: those of the zone first among equals. */
  function answerHome(all: readonly FoundAgent[], limit: number, place: PagePlace | undefined, nearness: Nearness) {
    const { after, isAfterInZone } = homeAfter(home, place);
    const isElsewhere = (agent: { zone?: string }) => Number(agent.zone !== nearness.zone);
    const compare = (a: FoundAgent, b: FoundAgent) =>
      compareQuality(a, b) || isElsewhere(a) - isElsewhere(b) || compareFound(a, b);
    const isLeft = (agent: FoundAgent) =>
      after === undefined ||
      (compareQuality(agent, after) || isElsewhere(agent) - Number(!isAfterInZone) || compareFound(agent, after)) > 0;
    const mine = all.filter((agent) => agent.region === home && isLeft(agent)).sort(compare);
    return answer(mine, home, limit, undefined);
  }

  /** What another region answers, by the plain order that every region uses. */
  function answerAway(
    all: readonly FoundAgent[],
    region: RegionId,
    limit: number,
    place: PagePlace | undefined,
    distanceMs: number | undefined,
  ) {
    const after = place && awayAfter(home, region, place);
    const isLeft = (agent: FoundAgent) => after === undefined || compareFound(agent, after) > 0;
    const mine = all.filter((agent) => agent.region === region && isLeft(agent)).sort(compareFound);
    return answer(mine, region, limit, distanceMs);
  }

  it("are in order, without repetition, and lose only what another region holds better, whatever gets nearer meanwhile", () => {
    fc.assert(
      fc.property(
        held,
        fc.integer({ min: 1, max: 4 }),
        fc.option(zone, { nil: null }),
        distances,
        (agents, limit, askersZone, distancesByPage) => {
          const all = agents.map(asFound);
          const seen: FoundAgent[] = [];
          let place: PagePlace | undefined;
          let nearness: Nearness = { zone: askersZone, regions: [] };
          for (let pages = 0; ; pages++) {
            assert.ok(pages <= all.length + 1, "it ends");
            const distancesNow = distancesByPage[pages % distancesByPage.length]!;
            const answers = [
              answerHome(all, limit, place, nearness),
              ...away.map((region, i) => answerAway(all, region, limit, place, distancesNow[i])),
            ];
            nearness = place?.nearness ?? nearnessOf(home, answers, askersZone);
            const merged = mergeAnswers(answers, { home, nearness, limit, isHidden: () => false });
            assert.ok(merged.agents.length <= limit);
            seen.push(...merged.agents);
            if (merged.next === undefined) break;
            place = merged.next;
          }
          const compare = orderOf(home, nearness);
          for (let i = 1; i < seen.length; i++) assert.ok(compare(seen[i - 1]!, seen[i]!) < 0, "in order, each once");
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
        },
      ),
      { numRuns: 1_000, examples: [[TWINS, 1, null, [[undefined, undefined]]]] },
    );
  });
});
