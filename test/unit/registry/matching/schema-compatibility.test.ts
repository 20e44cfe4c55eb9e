/** The cases of `AS_THE_REAL_REGISTRY` were put to mcp-mesh-registry 3.7.1, and are what it answered. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  explainSchema,
  SCHEMA_DEPTH_MAX,
  SCHEMA_STEPS_MAX,
  SCHEMA_TEST_STEPS_MAX,
  schemaTest,
} from "../../../../src/registry/matching/schema-compatibility.ts";
import type { Capability, Dependency, JsonObject } from "../../../../src/types/agent.ts";
import { aCapability } from "../fixtures.ts";

const hash = (digit: string) => `sha256:${digit.repeat(64)}`;

function provider(outputSchemaCanonical?: JsonObject, digit = "1"): Capability {
  const schema = outputSchemaCanonical === undefined ? {} : { outputSchemaCanonical, outputSchemaHash: hash(digit) };
  return aCapability("sc", schema);
}

function consumer(expected?: JsonObject, fields: Partial<Dependency> = {}): Dependency {
  const schema = expected === undefined ? {} : { expectedSchemaCanonical: expected, expectedSchemaHash: hash("c") };
  return { capability: "sc", tags: [], version: "", required: false, matchMode: "subset", ...schema, ...fields };
}

function fits(dependency: Dependency, capability: Capability): boolean | undefined {
  return schemaTest(dependency)?.(capability);
}

const SILENT = provider();
const ONE = provider({
  type: "object",
  properties: { a: { type: "integer" }, l: { type: "array" } },
  required: ["a"],
});
const TWO = provider(
  {
    type: ["object", "null"],
    properties: { a: { type: ["string", "null"] }, l: { type: "array", items: { type: "string" } } },
  },
  "2",
);

type Reasons = JsonObject[] | "fits";

/** What a consumer expects, and why each of the two providers is dropped. The silent one never is. */
const AS_THE_REAL_REGISTRY: readonly (readonly [name: string, expected: JsonObject, one: Reasons, two: Reasons])[] = [
  [
    "an integer is a number, a string is none",
    { type: "object", properties: { a: { type: "number" } }, required: ["a"] },
    "fits",
    [{ path: "a", kind: "type_mismatch", consumer_type: "number", producer_type: ["string", "null"] }],
  ],
  [
    "every required field has to be there, with items of a compatible type",
    {
      type: "object",
      properties: { a: { type: ["string"] }, l: { items: { type: "integer" } } },
      required: ["a", "l", "zz"],
    },
    [
      { path: "a", kind: "type_mismatch", consumer_type: ["string"], producer_type: "integer" },
      { path: "l.[]", kind: "missing_items_schema" },
      { path: "zz", kind: "missing_field", field: "zz" },
    ],
    [
      { path: "l.[]", kind: "type_mismatch", consumer_type: "integer", producer_type: "string" },
      { path: "zz", kind: "missing_field", field: "zz" },
    ],
  ],
  [
    "no field is inherited from the language",
    { type: "object", required: ["constructor", "a", "a"] },
    [{ path: "constructor", kind: "missing_field", field: "constructor" }],
    [{ path: "constructor", kind: "missing_field", field: "constructor" }],
  ],
  [
    "items are required where the consumer describes them",
    { type: "array", items: { type: "string" } },
    [
      { path: "", kind: "type_mismatch", consumer_type: "array", producer_type: "object" },
      { path: "[]", kind: "missing_items_schema" },
    ],
    [
      { path: "", kind: "type_mismatch", consumer_type: "array", producer_type: ["object", "null"] },
      { path: "[]", kind: "missing_items_schema" },
    ],
  ],
  [
    "each of the types that the consumer names has to be offered",
    { type: ["object", "string"] },
    [{ path: "", kind: "type_mismatch", consumer_type: ["object", "string"], producer_type: "object" }],
    [{ path: "", kind: "type_mismatch", consumer_type: ["object", "string"], producer_type: ["object", "null"] }],
  ],
  [
    "what is required inside items is looked for there",
    {
      properties: { l: { type: "array", items: { properties: { k: { type: "string" } }, required: ["k"] } } },
      required: ["l"],
    },
    [{ path: "l.[]", kind: "missing_items_schema" }],
    [{ path: "l.[].k", kind: "missing_field", field: "k" }],
  ],
  ["an optional field is nobody's business", { properties: { zz: { type: "string" } } }, "fits", "fits"],
];

describe("schemaTest (contract A9)", () => {
  it("is absent without a match mode: every schema passes", () => {
    const { matchMode: _, ...dependency } = consumer({ type: "array" });
    assert.equal(schemaTest(dependency), undefined);
  });

  for (const [name, expected, one, two] of AS_THE_REAL_REGISTRY) {
    it(`subset: ${name}`, () => {
      const dependency = consumer(expected);
      for (const [capability, reasons] of [
        [ONE, one],
        [TWO, two],
      ] as const) {
        assert.equal(fits(dependency, capability), reasons === "fits");
        if (reasons !== "fits") assert.deepEqual(explainSchema(dependency, capability).reasons, reasons);
      }
      assert.equal(fits(dependency, SILENT), true);
    });
  }

  it("subset: keeps everyone when the consumer gives no schema, and the equal hash in any case", () => {
    assert.equal(fits(consumer(undefined, { expectedSchemaHash: hash("c") }), ONE), true);
    assert.equal(fits(consumer({ type: "array" }, { expectedSchemaHash: hash("1") }), ONE), true);
    assert.equal(fits(consumer({ type: "array" }), ONE), false);
  });

  it("strict: wants the equal hash, and drops who publishes none", () => {
    const strict = { matchMode: "strict", expectedSchemaHash: hash("1") } as const;
    const dependency = consumer({}, strict);
    assert.deepEqual(
      [SILENT, ONE, TWO].map((capability) => fits(dependency, capability)),
      [false, true, false],
    );
    assert.equal(fits(consumer(undefined, { matchMode: "strict" }), ONE), false);
    assert.equal(fits(consumer(undefined, { matchMode: "strict" }), SILENT), false);
    assert.deepEqual(explainSchema(dependency, SILENT), {
      mode: "strict",
      consumer_hash: hash("1"),
      producer_hash: "",
      reasons: [{ kind: "no_published_hash" }],
    });
    assert.deepEqual(explainSchema(dependency, TWO), {
      mode: "strict",
      consumer_hash: hash("1"),
      producer_hash: hash("2"),
    });
  });

  it("judges providers of one hash once, and each hash on its own", () => {
    const test = schemaTest(consumer({ required: ["a"] }))!;
    assert.equal(test(provider({ properties: { a: {} } }, "1")), true);
    assert.equal(test(provider({}, "1")), true);
    assert.equal(test(provider({}, "2")), false);
  });
});

describe("schemaTest and hostile schemas", () => {
  /** `depth` objects within each other, each of which names its one field `times` times. */
  function nested(depth: number, times: number): JsonObject {
    let schema: JsonObject = { type: "object" };
    for (let i = 0; i < depth; i++) {
      schema = { type: "object", properties: { a: schema }, required: Array.from({ length: times }, () => "a") };
    }
    return schema;
  }
  const tooComplex = (dependency: Dependency, capability: Capability) => {
    assert.equal(fits(dependency, capability), false);
    const reasons = explainSchema(dependency, capability).reasons as { kind: string }[];
    assert.deepEqual(
      reasons.map(({ kind }) => kind),
      ["too_complex"],
    );
  };

  it("follows schemas as deep as the bound and not deeper", () => {
    assert.equal(fits(consumer(nested(SCHEMA_DEPTH_MAX, 1)), provider(nested(SCHEMA_DEPTH_MAX, 1))), true);
    tooComplex(consumer(nested(SCHEMA_DEPTH_MAX + 1, 1)), provider(nested(SCHEMA_DEPTH_MAX + 1, 1)));
    tooComplex(consumer(nested(10_000, 1)), provider(nested(10_000, 1)));
  });

  it("is not made to compare a field twice, which would double the work with each level", () => {
    assert.equal(fits(consumer(nested(60, 2)), provider(nested(60, 2))), true);
    const fields = Array.from({ length: 3 * SCHEMA_STEPS_MAX }, () => "a");
    assert.equal(fits(consumer({ required: fields }), provider({ properties: { a: true } })), true);
  });

  it("gives up on more fields than anybody can mean", () => {
    const fields = Array.from({ length: SCHEMA_STEPS_MAX }, (_, i) => `f${i}`);
    const properties = Object.fromEntries(fields.map((field) => [field, true]));
    tooComplex(consumer({ required: fields }), provider({ properties }));
  });

  it("gives up on lists of types that nobody can mean", () => {
    const types = Array.from({ length: SCHEMA_STEPS_MAX }, (_, i) => `t${i}`);
    tooComplex(consumer({ type: types }), provider({ type: types }));
  });

  it("bounds what one test spends on any number of different schemas", () => {
    const fields = Array.from({ length: SCHEMA_STEPS_MAX - 2 }, (_, i) => `f${i}`);
    const properties = Object.fromEntries(["a", ...fields].map((field) => [field, {}]));
    const test = schemaTest(consumer({ required: ["a", ...fields] }))!;
    const simple = (digit: string) => provider({ properties: { a: {} } }, digit);
    assert.equal(schemaTest(consumer({ required: ["a"] }))!(simple("e")), true);
    const hostile = Math.ceil(SCHEMA_TEST_STEPS_MAX / SCHEMA_STEPS_MAX);
    for (let i = 0; i < hostile; i++) {
      assert.equal(test({ ...provider({ properties }), outputSchemaHash: `sha256:${i}` }), true);
    }
    assert.equal(test(simple("f")), false, "nothing is left, also for one that would be judged at a glance");
    assert.deepEqual(explainSchema(consumer({ required: ["a"] }), simple("f")).reasons, [
      { path: "", kind: "too_complex" },
    ]);
  });

  it("lets tests share what they may spend", () => {
    const budget = { stepsLeft: 3 };
    assert.equal(schemaTest(consumer({ required: ["a"] }), budget)!(provider({ properties: { a: true } })), true);
    assert.equal(budget.stepsLeft, 1);
    assert.equal(schemaTest(consumer({ required: ["a"] }), budget)!(provider({ properties: { a: true } })), false);
    assert.equal(budget.stepsLeft, 0);
  });

  it("names at most 20 conflicts", () => {
    const required = Array.from({ length: 500 }, (_, i) => `field${i}`);
    const { reasons } = explainSchema(consumer({ required }), provider({}));
    assert.equal((reasons as unknown[]).length, 20);
  });
});
