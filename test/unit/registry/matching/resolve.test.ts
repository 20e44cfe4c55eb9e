import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AgentIndex, type KeptAgent } from "../../../../src/registry/agent-index.ts";
import { sortKeyOf } from "../../../../src/registry/matching/compare.ts";
import { chooseProvider, findMatches, type Offer } from "../../../../src/registry/matching/resolve.ts";
import type { Capability, Dependency, FoundAgent } from "../../../../src/types/agent.ts";
import { aCapability, agentId, aQuery, aRecord, HOME } from "../fixtures.ts";

function anIndex(
  agents: Record<string, Partial<Capability> & { health?: "unhealthy"; namespace?: string; zone?: string }>,
): AgentIndex {
  const index = new AgentIndex(HOME);
  for (const [name, { health = "healthy", namespace = "default", zone = "z", ...capability }] of Object.entries(
    agents,
  )) {
    const agent: KeptAgent = {
      id: agentId(name),
      record: aRecord({ namespace, zone, capabilities: [aCapability("weather", capability)] }),
      incarnation: 1,
      health,
      revision: 1,
      registeredAtMs: 0,
      changedAtMs: 0,
      incarnatedAtMs: 0,
    };
    index.put(agent, 1);
  }
  return index;
}

function find(index: AgentIndex, query: Parameters<typeof aQuery>[0] = {}): string[] {
  return findMatches(index.offers("weather"), aQuery(query)).agents.map(({ id }) => id.slice("agent-".length));
}

const dependency = (fields: Partial<Dependency> = {}): Dependency => ({
  capability: "weather",
  tags: [],
  version: "",
  required: false,
  ...fields,
});

describe("findMatches", () => {
  it("answers in order of version, semantic ones first, then id", () => {
    const index = anIndex({
      b: { version: "1.9.0" },
      a: { version: "1.10.0" },
      d: { version: "nightly" },
      c: { version: "1.9" },
      e: { version: "stable" },
    });
    assert.deepEqual(find(index), ["a", "b", "c", "e", "d"]);
  });

  it("puts a better score before a newer version", () => {
    const index = anIndex({
      new: { version: "2.0.0", tags: ["a"] },
      old: { version: "1.0.0", tags: ["a", "fast"] },
      other: { version: "3.0.0", tags: [] },
    });
    assert.deepEqual(find(index, { tags: ["a", "+fast"] }), ["old", "new"]);
  });

  it("says the score", () => {
    const index = anIndex({ a: { tags: ["x", "y"] } });
    const [found] = findMatches(index.offers("weather"), aQuery({ tags: ["x", "+y"] })).agents;
    assert.equal(found?.score, 15);
  });

  it("drops by health, namespace and version", () => {
    const index = anIndex({
      sick: { health: "unhealthy" },
      away: { namespace: "other" },
      old: { version: "0.1.0" },
      fine: {},
    });
    assert.deepEqual(find(index, { version: ">=1", namespace: "default" }), ["fine"]);
    assert.deepEqual(find(index, { health: "any" }), ["away", "fine", "sick", "old"]);
  });

  it("drops what lacks something that it requires, unless any health will do", () => {
    const index = anIndex({ a: {}, b: {} });
    const isAvailable = ({ agent }: Offer) => agent.id === "agent-b";
    const ids = (health: "healthy" | "any") =>
      findMatches(index.offers("weather"), aQuery({ health }), { isAvailable }).agents.map(({ id }) => id);
    assert.deepEqual(ids("healthy"), ["agent-b"]);
    assert.deepEqual(ids("any"), ["agent-a", "agent-b"]);
  });

  it("drops by schema", () => {
    const index = anIndex({ a: { outputSchemaHash: "1" }, b: {} });
    const fits = ({ outputSchemaHash }: Capability) => outputSchemaHash !== undefined;
    const { agents } = findMatches(index.offers("weather"), aQuery(), { fits });
    assert.deepEqual(
      agents.map(({ id }) => id),
      ["agent-a"],
    );
  });

  it("pages without gap or repetition, with and without tags", () => {
    const index = anIndex(
      Object.fromEntries(
        Array.from({ length: 23 }, (_, i) => [`${i}`, { version: `1.${i % 5}.0`, tags: i % 3 === 0 ? ["x"] : [] }]),
      ),
    );
    for (const tags of [[], ["+x"]]) {
      const whole = find(index, { tags });
      const paged: string[] = [];
      let page = findMatches(index.offers("weather"), aQuery({ tags, limit: 4 }));
      for (;;) {
        paged.push(...page.agents.map(({ id }) => id.slice("agent-".length)));
        if (!page.hasMore) break;
        page = findMatches(index.offers("weather"), aQuery({ tags, limit: 4, after: sortKeyOf(page.agents.at(-1)!) }));
      }
      assert.deepEqual(paged, whole);
    }
  });

  it("puts the agents of a zone first among equally good ones, not before better ones", () => {
    const index = anIndex({
      a: { version: "1.0.0" },
      b: { version: "1.0.0", zone: "here" },
      c: { version: "1.0.0", zone: "here", tags: ["fast"] },
      d: { version: "2.0.0" },
      e: { version: "2.0", zone: "here" },
    });
    const findNear = (query: Parameters<typeof aQuery>[0] = {}) =>
      findMatches(index.offers("weather"), aQuery(query), {
        zoneFirst: { zone: "here", isAfterInZone: false },
      }).agents.map(({ id }) => id.slice("agent-".length));
    assert.deepEqual(findNear(), ["e", "d", "b", "c", "a"]);
    assert.deepEqual(findNear({ tags: ["+fast"] }), ["c", "e", "d", "b", "a"]);
    assert.deepEqual(findNear({ limit: 1 }), ["e"]);
    assert.deepEqual(find(index), ["d", "e", "a", "b", "c"]);
  });

  it("pages in that order without gap or repetition", () => {
    const index = anIndex(
      Object.fromEntries(
        Array.from({ length: 23 }, (_, i) => [
          `${i}`,
          { version: `1.${i % 3}.0`, tags: i % 4 === 0 ? ["x"] : [], zone: i % 5 === 0 ? "here" : "z" },
        ]),
      ),
    );
    for (const tags of [[], ["+x"]]) {
      const pageAfter = (last: FoundAgent | undefined, limit: number) =>
        findMatches(index.offers("weather"), aQuery({ tags, limit, ...(last && { after: sortKeyOf(last) }) }), {
          zoneFirst: { zone: "here", isAfterInZone: last?.zone === "here" },
        });
      const paged: FoundAgent[] = [];
      for (let page = pageAfter(undefined, 2); ; page = pageAfter(paged.at(-1), 2)) {
        paged.push(...page.agents);
        if (!page.hasMore) break;
      }
      assert.deepEqual(paged, pageAfter(undefined, 100).agents);
    }
  });

  it("goes on behind an agent that has gone", () => {
    const index = anIndex({ a: {}, b: {}, c: {} });
    const after = sortKeyOf(findMatches(index.offers("weather"), aQuery({ limit: 2 })).agents[1]!);
    index.remove(agentId("b"), 2);
    assert.deepEqual(find(index, { after }), ["c"]);
  });

  it("says that there is more only when there is", () => {
    const index = anIndex({ a: {}, b: {} });
    assert.equal(findMatches(index.offers("weather"), aQuery({ limit: 2 })).hasMore, false);
    assert.equal(findMatches(index.offers("weather"), aQuery({ limit: 1 })).hasMore, true);
  });
});

describe("chooseProvider", () => {
  it("takes the first of what a lookup would find", () => {
    const index = anIndex({
      b: { version: "2.0.0" },
      a: { version: "2.0.0" },
      c: { version: "1.0.0", tags: ["fast"] },
    });
    assert.equal(chooseProvider(index.offers("weather"), dependency())?.id, "agent-a");
    assert.equal(chooseProvider(index.offers("weather"), dependency({ tags: ["+fast"] }))?.id, "agent-c");
  });

  it("never takes an unhealthy agent", () => {
    const index = anIndex({ a: { health: "unhealthy" } });
    assert.equal(chooseProvider(index.offers("weather"), dependency()), null);
  });

  it("ignores the namespace, as the contract has it (A2)", () => {
    const index = anIndex({ a: { namespace: "other" } });
    assert.equal(chooseProvider(index.offers("weather"), dependency({ namespace: "default" }))?.id, "agent-a");
  });

  it("asks the schema stage last", () => {
    const index = anIndex({ a: { version: "2.0.0" }, b: { version: "1.0.0" }, c: { version: "0.1.0" } });
    const asked: string[] = [];
    const fits = ({ version }: Capability) => asked.push(version) > 1;
    assert.equal(chooseProvider(index.offers("weather"), dependency({ version: ">=1" }), { fits })?.id, "agent-b");
    assert.deepEqual(asked, ["2.0.0", "1.0.0"]);
  });

  it("keeps to a namespace where it is told to", () => {
    const index = anIndex({ a: { namespace: "other" }, b: { namespace: "mine", version: "0.1.0" } });
    const mine = chooseProvider(index.offers("weather"), dependency(), { namespace: "mine" });
    assert.equal(mine?.id, "agent-b");
  });

  it("never takes what lacks something that it requires, and asks that only of what could be chosen", () => {
    const index = anIndex({
      a: { version: "3.0.0", tags: ["x"] },
      b: { version: "2.0.0", tags: ["x"] },
      c: { version: "1.0.0", tags: ["x"] },
      d: { version: "4.0.0" },
    });
    const asked: string[] = [];
    const isAvailable = ({ capability }: Offer) => {
      asked.push(capability.version);
      return capability.version !== "3.0.0";
    };
    assert.equal(chooseProvider(index.offers("weather"), dependency({ tags: ["x"] }), { isAvailable })?.id, "agent-b");
    assert.deepEqual(asked, ["3.0.0", "2.0.0"]);
  });
});
