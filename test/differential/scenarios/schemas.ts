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
    name: "half of what is needed",
    run: async (pair) => {
      const schema = object({ half: text }, ["half"]);
      const other = object({ other: text }, ["other"]);
      const hash = hashOf(schema);
      await pair.post(agent("half-schema", [tool("half-schema", { outputSchemaCanonical: schema })]));
      await pair.post(agent("half-hash", [tool("half-hash", { outputSchemaHash: hash })]));
      await pair.post(
        agent("half-bad-hash", [
          tool("half-bad-hash", { outputSchemaCanonical: schema, outputSchemaHash: "sha256:1" }),
        ]),
      );
      await pair.post(
        agent("half-input", [tool("half-input", { inputSchemaCanonical: schema, inputSchemaHash: hash })]),
      );
      await pair.post(
        agent("half-whole", [tool("half-whole", { outputSchemaCanonical: schema, outputSchemaHash: hash })]),
      );
      const capabilities = ["half-schema", "half-hash", "half-bad-hash", "half-input", "half-whole"];
      const asking = (id: string, expected: object) =>
        pair.post(
          consumer(
            id,
            capabilities.map((capability) => ({ capability, ...expected })),
          ),
        );
      for (const matchMode of ["strict", "subset"]) {
        await asking(`half-${matchMode}-whole`, {
          matchMode,
          expectedSchemaCanonical: schema,
          expectedSchemaHash: hash,
        });
        await asking(`half-${matchMode}-other`, {
          matchMode,
          expectedSchemaCanonical: other,
          expectedSchemaHash: hashOf(other),
        });
        await asking(`half-${matchMode}-no-hash`, { matchMode, expectedSchemaCanonical: other });
        await asking(`half-${matchMode}-no-schema`, { matchMode, expectedSchemaHash: hashOf(other) });
        await asking(`half-${matchMode}-nothing`, { matchMode });
      }
      await asking("half-no-mode", { expectedSchemaCanonical: other, expectedSchemaHash: hashOf(other) });
      await asking("half-empty-mode", {
        matchMode: "",
        expectedSchemaCanonical: other,
        expectedSchemaHash: hashOf(other),
      });
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
    },
  },
];
