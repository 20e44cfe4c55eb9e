/**
 * The cases were put to mcp-mesh-registry 3.7.1, and what is expected is what its events said. It lists candidates in the
 * order in which they registered, and so do the functions of one agent stand in its ranking; here they are in the order of
 * an answer.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  auditData,
  type DependencyTrace,
  type Eviction,
  isWorthTelling,
  TRACE_LISTED_MAX,
  type TraceOptions,
  traceDependency,
} from "../../../../src/registry/matching/explain.ts";
import { chooseProvider, compareOffers, type Offer } from "../../../../src/registry/matching/resolve.ts";
import type { Dependency, JsonObject } from "../../../../src/types/agent.ts";
import { aDependency, anOffer } from "./offers.ts";

const OFFERS = [
  anOffer("prov-a:fa", "w1", { version: "1.0.0", tags: ["x", "y"] }),
  anOffer("prov-b:fb", "w1", { version: "2.0.0", tags: ["x", "z"] }),
  anOffer("prov-c:fc", "w1", { version: "v3", tags: ["q"] }),
].sort(compareOffers);
const ALL = ["prov-c:fc", "prov-b:fb", "prov-a:fa"];

const missing = (id: string, ...tags: string[]): Eviction => ({ id, reason: "MissingTag", details: { missing: tags } });
const oneOf = (id: string, ...tags: string[]): Eviction => ({
  id,
  reason: "MissingTag",
  details: { missing_one_of: tags },
});
const forbidden = (id: string, tag: string): Eviction => ({
  id,
  reason: "ExtraTagDisallowed",
  details: { disallowed: [tag] },
});
const version = (id: string, given: string, constraint: string): Eviction => ({
  id,
  reason: "VersionConstraintFailed",
  details: { version: given, constraint },
});

interface Case {
  readonly asked: Partial<Dependency>;
  readonly spec: JsonObject;
  /** Who was dropped where; a stage that is not named kept everyone. */
  readonly tags?: readonly Eviction[];
  readonly version?: readonly Eviction[];
  /** The ranking; absent when nobody was left. */
  readonly ranked?: readonly string[];
}

const CASES: Record<string, Case> = {
  "nothing but the capability": { asked: {}, spec: { schema_mode: "none" }, ranked: ALL },
  "a tag": {
    asked: { tags: ["x"] },
    spec: { schema_mode: "none", tags: ["x"] },
    tags: [missing("prov-c:fc", "x")],
    ranked: ["prov-b:fb", "prov-a:fa"],
  },
  "several tags of which a forbidden one is told before the missing": {
    asked: { tags: ["x", "nope", "-z", "+y"] },
    spec: { schema_mode: "none", tags: ["x", "nope", "-z", "+y"] },
    tags: [missing("prov-c:fc", "x", "nope"), forbidden("prov-b:fb", "z"), missing("prov-a:fa", "nope")],
  },
  "no such tag": {
    asked: { tags: ["-x"] },
    spec: { schema_mode: "none", tags: ["-x"] },
    tags: [forbidden("prov-b:fb", "x"), forbidden("prov-a:fa", "x")],
    ranked: ["prov-c:fc"],
  },
  "a tag and one of a group, which the spec leaves out": {
    asked: { tags: ["x", ["y", "k"]] },
    spec: { schema_mode: "none", tags: ["x"] },
    tags: [missing("prov-c:fc", "x"), oneOf("prov-b:fb", "y", "k")],
    ranked: ["prov-a:fa"],
  },
  "two groups": {
    asked: {
      tags: [
        ["y", "-q"],
        ["nope", "+no2"],
      ],
    },
    spec: { schema_mode: "none" },
    tags: [forbidden("prov-c:fc", "q"), oneOf("prov-b:fb", "y", "-q"), oneOf("prov-a:fa", "nope", "+no2")],
  },
  "a group that only forbids": {
    asked: { tags: [["-x"]] },
    spec: { schema_mode: "none" },
    tags: [oneOf("prov-c:fc", "-x"), forbidden("prov-b:fb", "x"), forbidden("prov-a:fa", "x")],
  },
  "a group between tags, which are told first": {
    asked: { tags: ["nope", ["k"], "-x"] },
    spec: { schema_mode: "none", tags: ["nope", "-x"] },
    tags: [missing("prov-c:fc", "nope"), forbidden("prov-b:fb", "x"), forbidden("prov-a:fa", "x")],
  },
  "constraints that say nothing": {
    asked: { tags: ["", [], "+"] },
    spec: { schema_mode: "none", tags: ["", "+"] },
    ranked: ALL,
  },
  "a version and a tag": {
    asked: { version: ">=2", tags: ["x"] },
    spec: { schema_mode: "none", tags: ["x"], version_constraint: ">=2" },
    tags: [missing("prov-c:fc", "x")],
    version: [version("prov-a:fa", "1.0.0", ">=2")],
    ranked: ["prov-b:fb"],
  },
  "a version that nobody has": {
    asked: { version: ">=9" },
    spec: { schema_mode: "none", version_constraint: ">=9" },
    version: [
      version("prov-c:fc", "v3", ">=9"),
      version("prov-b:fb", "2.0.0", ">=9"),
      version("prov-a:fa", "1.0.0", ">=9"),
    ],
  },
};

/** The stages of a case as the event lists them. */
function stagesOf({ tags, version, ranked }: Case): JsonObject[] {
  const stages: JsonObject[] = [];
  let kept: readonly string[] = ALL;
  for (const stage of ["health", "capability_match", "tags", "version", "schema"] as const) {
    const evicted = stage === "tags" ? tags : stage === "version" ? version : undefined;
    kept = kept.filter((id) => !evicted?.some((eviction) => eviction.id === id));
    stages.push({ stage, kept: [...kept], ...(evicted !== undefined && { evicted: [...evicted] }) });
    if (kept.length === 0) return stages;
  }
  const [chosen = ""] = ranked ?? [];
  return [...stages, { stage: "tiebreaker", kept: [...(ranked ?? [])], chosen, reason: "HighestScoreThenVersion" }];
}

describe("traceDependency (contract B, Audit)", () => {
  for (const [name, expected] of Object.entries(CASES)) {
    it(`tells what became of ${name}`, () => {
      const dependency = aDependency("w1", expected.asked);
      const trace = traceDependency(OFFERS, dependency);
      assert.deepEqual(trace.spec, { capability: "w1", ...expected.spec });
      assert.deepEqual(trace.stages, stagesOf(expected));
      const chosen = chooseProvider(OFFERS, dependency);
      assert.equal(trace.chosen?.agent_id, chosen?.id);
      assert.equal(expected.ranked?.[0], chosen === null ? undefined : `${chosen.id}:${chosen.functionName}`);
    });
  }

  it("says who was chosen, and where", () => {
    const { chosen } = traceDependency(OFFERS, aDependency("w1"));
    assert.deepEqual(chosen, { agent_id: "prov-c", endpoint: "http://prov-c:8080", function_name: "fc" });
  });

  it("ranks by score before version", () => {
    const { stages } = traceDependency(OFFERS, aDependency("w1", { tags: ["+y"] }));
    assert.deepEqual(stages.at(-1)?.kept, ["prov-a:fa", "prov-c:fc", "prov-b:fb"]);
  });

  it("drops by health first: who is down, and what lacks something that it requires", () => {
    const offers = [anOffer("b1:fb", "B"), anOffer("b2:fb", "B", { health: "unhealthy" })];
    const reasonOf = () => "required dep 'Z' unavailable (provider z1 unhealthy)";
    assert.deepEqual(traceDependency(offers, aDependency("B"), { reasonOf }).stages, [
      {
        stage: "health",
        kept: [],
        evicted: [
          { id: "b1:fb", reason: "Unavailable", details: { reason: reasonOf() } },
          { id: "b2:fb", reason: "Unhealthy", details: { status: "unhealthy" } },
        ],
      },
    ]);
  });

  it("tells the mode and the conflict of schemas", () => {
    const offers = [anOffer("s:f", "sc", { outputSchemaHash: "sha256:1" }), anOffer("t:f", "sc")];
    const dependency = aDependency("sc", { matchMode: "strict", expectedSchemaHash: "sha256:2" });
    const { spec, stages } = traceDependency(offers, dependency);
    assert.equal(spec.schema_mode, "strict");
    const hashes = { mode: "strict", consumer_hash: "sha256:2" };
    assert.deepEqual(stages.at(-1), {
      stage: "schema",
      kept: [],
      evicted: [
        { id: "s:f", reason: "SchemaIncompatible", details: { ...hashes, producer_hash: "sha256:1" } },
        {
          id: "t:f",
          reason: "SchemaIncompatible",
          details: { ...hashes, producer_hash: "", reasons: [{ kind: "no_published_hash" }] },
        },
      ],
    });
  });

  it("takes offers of other namespaces for no candidates where it is told to", () => {
    const { stages } = traceDependency(OFFERS, aDependency("w1"), { namespace: "elsewhere" });
    assert.deepEqual(stages, [{ stage: "health", kept: [] }]);
  });

  it("lists a few candidates of a kind in a stage, and counts the others", () => {
    const offers = Array.from({ length: 1_000 }, (_, i) => anOffer(`p${i}`, "w", { tags: i < 400 ? ["t"] : [] }));
    const { stages, chosen } = traceDependency(offers, aDependency("w", { tags: ["t"] }));
    const tags = stages.find(({ stage }) => stage === "tags")!;
    assert.equal(tags.kept.length, TRACE_LISTED_MAX);
    assert.equal(tags.kept_left_out, 400 - TRACE_LISTED_MAX);
    assert.equal(tags.evicted?.length, TRACE_LISTED_MAX);
    assert.equal(tags.evicted_left_out, 600 - TRACE_LISTED_MAX);
    assert.equal(stages.at(-1)?.kept_left_out, 400 - TRACE_LISTED_MAX);
    assert.equal(chosen?.agent_id, "p0");
  });

  it("tells of a choice among candidates of whom it lists one", () => {
    const trace = traceDependency([anOffer("a", "w"), anOffer("b", "w")], aDependency("w"), { listedMax: 1 });
    assert.deepEqual(trace.stages[0], { stage: "health", kept: ["a:f"], kept_left_out: 1 });
    assert.equal(isWorthTelling(trace, undefined), true);
  });
});

describe("isWorthTelling (contract B, Audit)", () => {
  const [a, b, unfit] = [anOffer("a", "w"), anOffer("b", "w"), anOffer("c", "w", { health: "unhealthy" })];
  const trace = (...offers: Offer[]) => traceDependency(offers, aDependency("w"));
  const told = (trace: DependencyTrace, prior?: JsonObject) => auditData("consumer", 0, trace, prior);

  const SEQUENCES: Record<string, readonly (readonly [offers: readonly Offer[], isTold: boolean, prior?: string])[]> = {
    "keeps silent about one candidate that is taken": [
      [[a], false],
      [[b], false],
    ],
    "keeps silent about what nobody ever offered": [[[], false]],
    "tells a choice among several, once": [
      [[a, b], true],
      [[a, b], false],
      [[a, b, unfit], true, "a"],
      [[a, b, unfit], false],
    ],
    "tells why the only candidate will not do, once, and when it does again": [
      [[unfit], true],
      [[unfit], false],
      [[a], true],
      [[a], false],
    ],
    "tells that another one was chosen, and who it was before": [
      [[a, b], true],
      [[b], true, "a"],
      [[a], true, "b"],
    ],
    "tells the loss of a choice once, even when nobody is left to name": [
      [[a, b], true],
      [[], true, "a"],
      [[], false],
      [[unfit], true, "a"],
      [[], true, "a"],
      [[b], true, "a"],
    ],
  };
  for (const [name, steps] of Object.entries(SEQUENCES)) {
    it(name, () => {
      let prior: JsonObject | undefined;
      for (const [at, [offers, isTold, priorChosen]] of steps.entries()) {
        const now = trace(...offers);
        assert.equal(isWorthTelling(now, prior), isTold, `step ${at + 1}`);
        if (!isTold) continue;
        prior = told(now, prior);
        assert.equal(prior.prior_chosen, priorChosen, `step ${at + 1}`);
      }
    });
  }

  it("takes another order of the same candidates for the same", () => {
    const options: TraceOptions = {};
    const both = traceDependency([unfit, a, b], aDependency("w"), options);
    const reversed = { ...both, stages: both.stages.map((stage) => ({ ...stage, kept: [...stage.kept].reverse() })) };
    assert.equal(isWorthTelling(reversed, told(both)), false);
    const { chosen: _, ...unresolved } = both;
    assert.equal(isWorthTelling(unresolved, told(both)), true);
  });

  it("writes the event's data", () => {
    const data = told(trace(a, b), { prior_chosen: "z" });
    assert.deepEqual(Object.keys(data).sort(), ["chosen", "consumer", "dep_index", "prior_chosen", "spec", "stages"]);
    assert.deepEqual([data.consumer, data.dep_index, data.prior_chosen], ["consumer", 0, "z"]);
  });
});
