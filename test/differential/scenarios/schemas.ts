/** Matching by schema, and the schemas themselves (contract A9, C). */

import { createHash } from "node:crypto";
import { agent, consumer, letter, type Scenario, tool } from "../scenario.ts";

const text = { type: "string" };
const object = (properties: object, required: readonly string[] = []) => ({ type: "object", properties, required });

function hashOf(schema: unknown): string {
  return `sha256:${createHash("sha256").update(JSON.stringify(schema)).digest("hex")}`;
}

const OFFERED: readonly unknown[] = [
  object({ city: text, days: { type: "integer" } }, ["city"]),
  object({ city: { type: ["string", "null"] }, days: { type: "number" } }),
  object({ city: {}, place: object({ zip: text }) }),
  object({ cities: { type: "array", items: text } }),
  object({ cities: { type: "array" } }),
  object({}),
  { type: "string" },
  {},
];

const WANTED: readonly unknown[] = [
  object({ city: text, days: { type: "integer" } }, ["city"]),
  object({ city: text }, ["city"]),
  object({ city: { type: "integer" } }, ["city"]),
  object({ city: text }),
  object({ days: { type: "number" } }, ["days"]),
  object({ days: { type: ["integer", "null"] } }, ["days"]),
  object({ city: { type: ["string", "null"] } }, ["city"]),
  object({ city: {} }, ["city"]),
  object({ place: object({ zip: text }, ["zip"]) }, ["place"]),
  object({ place: object({ street: text }, ["street"]) }, ["place"]),
  object({ cities: { type: "array", items: text } }, ["cities"]),
  object({ cities: { type: "array", items: { type: "integer" } } }, ["cities"]),
  object({}, ["undescribed"]),
  { type: "string" },
  {},
];

const expecting = (capability: string, matchMode: string, wanted: unknown) => ({
  capability,
  matchMode,
  expectedSchemaCanonical: wanted,
  expectedSchemaHash: hashOf(wanted),
});

export const schemas: readonly Scenario[] = [
  {
    name: "strict and subset",
    run: async (pair) => {
      const capabilities = OFFERED.map((_, i) => `schema-${letter(i)}`);
      for (const [i, schema] of OFFERED.entries()) {
        const pairOf = { outputSchemaCanonical: schema, outputSchemaHash: hashOf(schema) };
        await pair.post(agent(`schema-${letter(i)}`, [tool(`schema-${letter(i)}`, pairOf)]));
      }
      await pair.post(agent("schema-none", ["schema-none"]));
      for (const [i, wanted] of WANTED.entries()) {
        for (const mode of ["strict", "subset"]) {
          const asked = [...capabilities, "schema-none"].map((capability) => expecting(capability, mode, wanted));
          await pair.post(consumer(`schema-${mode}-${i}`, asked));
        }
      }
    },
  },
  {
    name: "what /schemas answers",
    run: async (pair) => {
      const schema = object({ listed: text }, ["listed"]);
      await pair.post(
        agent(
          "listed-schema",
          [tool("listed-schema", { outputSchemaCanonical: schema, outputSchemaHash: hashOf(schema) })],
          {
            runtime: "typescript",
          },
        ),
      );
      await pair.get(`/schemas/${hashOf(schema)}`);
      await pair.get(`/schemas/${encodeURIComponent(hashOf(schema))}`);
      await pair.get(`/schemas/${hashOf("never seen")}`);
      await pair.get("/schemas/none");
      for (const query of ["limit=1", "limit=0", "limit=-1", "limit=x", "limit=1.5", "limit=", "limit=5000"]) {
        await pair.get(`/schemas?${query}`);
      }
      await pair.leave("listed-schema");
      await pair.get(`/schemas/${hashOf(schema)}`);
      await pair.post(agent("listed-schema", ["listed-schema"]));
      await pair.get(`/schemas/${hashOf(schema)}`, {
        "schemas of the registered": [
          "status: 200 → 404",
          "body.canonical: {…",
          "body.created_at: …",
          "body.hash: …",
          "body.runtime_origin: …",
          "body.error: (none) → …",
          "body.timestamp: (none) → …",
        ],
      });
    },
  },
  {
    name: "half of what is needed",
    run: async (pair) => {
      const half = object({ half: text }, ["half"]);
      const other = object({ other: text }, ["other"]);
      const halves = {
        "half-schema": { outputSchemaCanonical: half },
        "half-hash": { outputSchemaHash: hashOf(half) },
        "half-input": { inputSchemaCanonical: half, inputSchemaHash: hashOf(half) },
        "half-whole": { outputSchemaCanonical: half, outputSchemaHash: hashOf(half) },
      };
      for (const [id, schema] of Object.entries(halves)) await pair.post(agent(id, [tool(id, schema)]));
      const asking = (id: string, expected: object) => {
        const dependencies = Object.keys(halves).map((capability) => ({ capability, ...expected }));
        return pair.post(consumer(`half-${id}`, dependencies));
      };
      const wholeOther = { expectedSchemaCanonical: other, expectedSchemaHash: hashOf(other) };
      for (const matchMode of ["strict", "subset"]) {
        await asking(`${matchMode}-same`, {
          matchMode,
          expectedSchemaCanonical: half,
          expectedSchemaHash: hashOf(half),
        });
        await asking(`${matchMode}-other`, { matchMode, ...wholeOther });
        await asking(`${matchMode}-no-hash`, { matchMode, expectedSchemaCanonical: other });
        await asking(`${matchMode}-no-schema`, { matchMode, expectedSchemaHash: hashOf(other) });
        await asking(`${matchMode}-nothing`, { matchMode });
      }
      await asking("no-mode", wholeOther);
      await asking("empty-mode", { matchMode: "", ...wholeOther });
    },
  },
  {
    name: "a hash that is none",
    run: async (pair) => {
      const formless = { outputSchemaCanonical: object({ a: text }), outputSchemaHash: "sha256:1" };
      const wanted = object({ b: text }, ["b"]);
      await pair.post(agent("formless", [tool("formless", formless)]));
      await pair.post(consumer("formless-user", [expecting("formless", "subset", wanted)]), {
        "hashes have a form": [
          'body.dependencies_resolved.use[0].agent_id: "" → "formless"',
          'body.dependencies_resolved.use[0].endpoint: "" → "http://10.0.0.7:8080"',
          'body.dependencies_resolved.use[0].function_name: "" → "do_formless"',
          'body.dependencies_resolved.use[0].status: "unresolved" → "available"',
        ],
      });
    },
  },
];
