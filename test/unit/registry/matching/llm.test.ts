/**
 * The cases were put to mcp-mesh-registry 3.7.1. Where several tools of one function name match, or several that are equally
 * good, it takes the one that was stored first and here the newest wins: those cases say so.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  findLlmTools,
  hasInputSchema,
  LLM_STEPS_MAX,
  LLM_TOOLS_MAX,
  llmDependency,
  type ToolIndex,
} from "../../../../src/registry/matching/llm.ts";
import { chooseProvider, type Offer } from "../../../../src/registry/matching/resolve.ts";
import type { Json, JsonObject } from "../../../../src/types/agent.ts";
import { anOffer, OfferBook, requires } from "./offers.ts";

const inputSchema = { type: "object" };

function indexOf(offers: readonly Offer[]): ToolIndex {
  const book = new OfferBook(offers);
  return { offers: book.offersOf, names: () => [...book.capabilityNames()].sort() };
}

/** The agents of the probe; `me` is the one that asks. */
const INDEX = indexOf([
  anOffer("t1:search", "web", { version: "1.0.0", tags: ["a", "b"], inputSchema }),
  anOffer("t1:noschema", "web"),
  anOffer("t1:calc", "math", { version: "1.0", tags: ["a"], inputSchema: {} }),
  anOffer("t2:search", "web", { version: "2.0.0", tags: ["a"], inputSchema }),
  anOffer("t2:add", "math", { version: "v1.0.0", tags: ["a", "b"], inputSchema }),
  anOffer("t3:find", "web", { version: "weird", tags: ["c"], inputSchema }),
  anOffer("t4:down", "web", { version: "9.0.0", health: "unhealthy", inputSchema }),
  anOffer("t5:stuck", "stuck", { dependencies: [requires("nobody")], inputSchema }),
  anOffer("me:chat", "chat", { inputSchema }),
]);

function find(filter: Json, filter_mode?: Json, index = INDEX): string[] | undefined {
  const llmFilter: JsonObject = { filter, ...(filter_mode !== undefined && { filter_mode }) };
  return findLlmTools(llmFilter, { index, requester: "me" })?.map(({ tool }) => `${tool.id}:${tool.functionName}`);
}

const EVERYTHING = ["me:chat", "t1:calc", "t2:add", "t5:stuck", "t2:search", "t3:find"];

describe("findLlmTools (contract A7)", () => {
  const CASES: Record<string, readonly (readonly [filter: Json, found: readonly string[], mode?: Json])[]> = {
    "takes the tools of each capability in the order of the filter": [
      [["web"], ["t2:search", "t3:find"]],
      [
        ["web", "math"],
        ["t2:search", "t3:find", "t1:calc", "t2:add"],
      ],
      [
        ["math", "web", "math"],
        ["t1:calc", "t2:add", "t2:search", "t3:find"],
      ],
    ],
    "finds nothing where nothing is asked for or nothing matches": [
      [[], []],
      [["nothing"], []],
      [[{ capability: "", tags: ["a"] }], []],
      [[{ capability: "web", version: "bad" }], []],
    ],
    "takes the requester's own tools too": [[["chat"], ["me:chat"]]],
    "does not ask what a tool requires of others": [[["stuck"], ["t5:stuck"]]],
    "compares tags as dependencies do, best score first": [
      [[{ capability: "web", tags: ["+b", "a"] }], ["t1:search"]],
      [[{ capability: "web", tags: ["+zz"] }], ["t2:search", "t3:find"]],
      [[{ tags: ["a", "-b"] }], ["t1:calc", "t2:search"]],
    ],
    "skips tags that are none": [
      [[{ capability: "web", tags: [["a", "b"]] }], ["t2:search", "t3:find"]],
      [[{ capability: "web", tags: [] }], ["t2:search", "t3:find"]],
      [[{ capability: "web", tags: "x" }], ["t2:search", "t3:find"]],
    ],
    "compares versions as dependencies do": [
      [[{ capability: "web", version: ">=2" }], ["t2:search"]],
      [[{ capability: "web", version: "<2" }], ["t1:search"]],
      [[{ capability: "web", version: "weird" }], ["t3:find"]],
    ],
    "takes everything for a part that names no capability": [
      [["*"], EVERYTHING],
      [[{}], EVERYTHING],
      [[{ capability: 5, version: "", tags: "x" }], EVERYTHING],
    ],
    "takes everything but the requester's own in mode *, whatever the filter": [
      [[], EVERYTHING.slice(1), "*"],
      [[5], EVERYTHING.slice(1), "*"],
      [["chat"], EVERYTHING.slice(1), "*"],
    ],
    "takes one tool of each capability in mode best_match: the newest, then the one with most tags": [
      [["web", "math"], ["t2:search", "t2:add"], "best_match"],
      [[{ tags: ["a"] }], ["t2:add", "t2:search"], "best_match"],
      [["web", { capability: "web", tags: ["c"] }], ["t2:search"], "best_match"],
    ],
    "takes any other mode for all": [
      [["web"], ["t2:search", "t3:find"], "bogus"],
      [["web"], ["t2:search", "t3:find"], ""],
      [["web"], ["t2:search", "t3:find"], 5],
    ],
  };
  for (const [name, rows] of Object.entries(CASES)) {
    it(name, () => {
      for (const [filter, found, mode] of rows) assert.deepEqual(find(filter, mode), found, JSON.stringify(filter));
    });
  }

  it("gives no list at all for a filter that can not be read", () => {
    for (const filter of ["web", null, {}, [5], ["web", 5], [null, "web"], [["web"]]]) {
      assert.equal(find(filter), undefined, JSON.stringify(filter));
    }
    assert.equal(find("web", "*"), undefined);
  });

  it("gives the tool with its input schema", () => {
    const [tool] = findLlmTools({ filter: ["math"] }, { index: INDEX, requester: "me" }) ?? [];
    assert.deepEqual(tool?.inputSchema, {});
    assert.equal(tool?.tool.version, "1.0");
  });

  it("takes names for names, whatever the language thinks of them", () => {
    assert.deepEqual(find(["toString", "__proto__", "constructor"]), []);
  });
});

describe("findLlmTools and hostile filters", () => {
  function counting(offers: readonly Offer[]): { index: ToolIndex; looks: () => number } {
    let looks = 0;
    const watched = offers.map((offer) => ({
      ...offer,
      get agent() {
        looks++;
        return offer.agent;
      },
    }));
    const index = indexOf(watched);
    // To put offers in order takes looks of its own, before anybody asks.
    looks = 0;
    return { index, looks: () => looks };
  }
  const many = (count: number, fields = {}) =>
    Array.from({ length: count }, (_, i) => anOffer(`a${i}:f${i}`, `c${i % 100}`, { inputSchema, ...fields }));

  it("answers at most 1,000 tools", () => {
    const index = indexOf(many(1_500));
    assert.equal(find([], "*", index)?.length, LLM_TOOLS_MAX);
    assert.equal(find(["*"], "all", index)?.length, LLM_TOOLS_MAX);
    assert.equal(find([{ tags: ["+x"] }], "all", index)?.length, LLM_TOOLS_MAX);
  });

  it("looks at a bounded number of offers, however many parts, tags and tools there are", () => {
    const offers = many(3_000);
    for (const filter of [
      Array.from({ length: 5_000 }, () => ({ tags: ["nope"] })),
      Array.from({ length: 50 }, () => ({ tags: Array.from({ length: 64 }, (_, i) => `t${i}`) })),
      Array.from({ length: 5_000 }, () => ({ version: ">=2" })),
    ]) {
      const { index, looks } = counting(offers);
      assert.deepEqual(find(filter, "all", index), []);
      assert.ok(looks() > 0 && looks() <= LLM_STEPS_MAX, `${looks()} looks`);
    }
  });

  it("gives the filters of one agent one budget, so that many of them do not multiply the answer", () => {
    const index = indexOf(many(1_000));
    const budget = { stepsLeft: LLM_STEPS_MAX };
    const counts = Array.from(
      { length: 5 },
      () => findLlmTools({ filter: [], filter_mode: "*" }, { index, requester: "me" }, budget)?.length,
    );
    assert.equal(counts[0], LLM_TOOLS_MAX);
    assert.ok(counts[1]! > 0 && counts[1]! < LLM_TOOLS_MAX, "what is left of it");
    assert.deepEqual(counts.slice(2), [0, 0, 0]);
  });

  it("takes more tags than anybody can have for met by nobody", () => {
    const { index, looks } = counting(many(10));
    assert.deepEqual(find([{ tags: Array.from({ length: 65 }, () => "+x") }], "all", index), []);
    assert.equal(looks(), 0);
  });

  it("is not troubled by constraints of 10 KiB or such as look like patterns", () => {
    assert.deepEqual(find([{ capability: "web", version: ">=1 ".repeat(2_560) }]), []);
    assert.deepEqual(find([{ capability: "web", version: "(a+)+$" }]), []);
    assert.deepEqual(find([{ capability: "w.b" }, { capability: "(w+)+b" }]), []);
  });
});

describe("llmDependency (contract A7)", () => {
  const choose = (spec: JsonObject) => {
    const dependency = llmDependency(spec);
    if (dependency === undefined) return null;
    const chosen = chooseProvider(INDEX.offers(dependency.capability), dependency, {
      fits: hasInputSchema,
    });
    return chosen === null ? null : `${chosen.id}:${chosen.functionName}`;
  };

  it("asks for a provider as for any other capability with an input schema", () => {
    assert.equal(choose({ capability: "web" }), "t2:search");
    assert.equal(choose({ capability: "math", tags: ["a"] }), "t1:calc");
    assert.equal(choose({ capability: "math", tags: ["+b"], version: "^1" }), "t2:add");
    assert.equal(choose({ capability: "web", version: "<2" }), "t1:search");
    assert.equal(choose({ capability: "web", tags: ["c"], version: "" }), "t3:find");
    assert.equal(choose({ capability: "web", tags: ["-c"] }), "t2:search");
    assert.equal(choose({ capability: "web", tags: ["nope"] }), null);
    assert.equal(choose({ capability: "none" }), null);
    assert.equal(choose({ capability: "stuck" }), "t5:stuck");
  });

  it("reads null, and what is no text, as left out", () => {
    assert.deepEqual(
      llmDependency({ capability: "web", tags: null, version: null }),
      llmDependency({ capability: "web" }),
    );
    assert.deepEqual(llmDependency({ capability: "web", tags: [5, "a", ["b"]] })?.tags, ["a"]);
  });

  it("asks for nothing where no capability is named, or for more tags than anybody can have", () => {
    assert.equal(llmDependency({}), undefined);
    assert.equal(llmDependency({ capability: "" }), undefined);
    assert.equal(llmDependency({ tags: ["a"] }), undefined);
    assert.equal(llmDependency({ capability: "web", tags: Array.from({ length: 65 }, () => "+x") }), undefined);
  });
});
