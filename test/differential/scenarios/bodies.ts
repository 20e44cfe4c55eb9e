/** What `POST /heartbeat` takes as a body at all (contract A2, "Outcomes"). */

import { type Scenario, tool } from "../scenario.ts";

const NO_HEARTBEATS = [
  "",
  " ",
  "{",
  "null",
  "[]",
  "5",
  '"text"',
  "true",
  "{}",
  "{'agent_id': 'a'}",
  '{"agent_id": "a",}',
  '{"agent_id": NaN}',
  '{"agent_id": ""}',
  '{"agent_id": null}',
];

/** Each in place of what a field should be. */
const WRONG_FIELDS: readonly object[] = [
  { agent_id: 5 },
  { agent_id: ["a"] },
  { name: 5 },
  { agent_type: true },
  { runtime: {} },
  { version: 1.5 },
  { namespace: [] },
  { http_host: 10 },
  { http_port: "80" },
  { http_port: 80.5 },
  { http_port: 1e20 },
  { description: {} },
  { a2a_producer: "yes" },
  { a2a_consumer: 1 },
  { timestamp: "yesterday" },
  { timestamp: "" },
  { timestamp: 5 },
  { timestamp: "2026-13-01T00:00:00Z" },
  { timestamp: "2026-01-01 00:00:00Z" },
  { timestamp: "2026-01-01T00:00:00" },
  { tools: {} },
  { tools: ["f"] },
  { tools: [5] },
  { surfaces: "x" },
  { surfaces: [{ path: 1 }] },
  { surfaces: [{ path: "/x", skill_id: "s", tags: "t" }] },
];

const WRONG_TOOL_FIELDS: readonly object[] = [
  { function_name: 5 },
  { capability: [] },
  { version: 1 },
  { tags: "x" },
  { tags: [7] },
  { description: 5 },
  { kwargs: "x" },
  { kwargs: [1] },
  { inputSchema: "x" },
  { outputSchema: [] },
  { inputSchemaHash: 5 },
  { schemaWarnings: "x" },
  { llm_filter: "x" },
  { llm_filter: [] },
  { llm_provider: "x" },
  { dependencies: {} },
  { dependencies: ["x"] },
  { dependencies: [["x"]] },
  { dependencies: [{ capability: 5 }] },
  { dependencies: [{ capability: "x", required: "yes" }] },
  { dependencies: [{ capability: "x", version: 1 }] },
];

/** A field that is ignored may hold anything. */
const GOOD_FIELDS: readonly object[] = [
  { status: "weird" },
  { timestamp: "2026-01-01T00:00:00Z" },
  { timestamp: "2026-01-01T00:00:00.123456789+02:00" },
  { timestamp: null },
  { unknown_field: [{ deep: {} }] },
  { tools: null, name: null, http_port: null, surfaces: null },
];

const CONTENT_TYPES = ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "no type; at all"];

export const bodies: readonly Scenario[] = [
  {
    name: "bodies that are no heartbeat",
    run: async (pair) => {
      for (const body of NO_HEARTBEATS) await pair.post(body);
    },
  },
  {
    name: "fields of the wrong type",
    run: async (pair) => {
      for (const fields of WRONG_FIELDS) await pair.post({ agent_id: "mistyped", ...fields });
      for (const fields of WRONG_TOOL_FIELDS) await pair.post({ agent_id: "mistyped", tools: [tool("x", fields)] });
      await pair.head("mistyped");
    },
  },
  {
    name: "fields that are ignored or null",
    run: async (pair) => {
      for (const [i, fields] of GOOD_FIELDS.entries()) await pair.post({ agent_id: `lenient-${i}`, ...fields });
    },
  },
  {
    name: "JSON in odd spelling",
    run: async (pair) => {
      await pair.post('{"agent_id":"first-of-two","agent_id":"second-of-two"}');
      await pair.head("first-of-two");
      await pair.post('  {"agent_id":"sp\\u0061ces"}\n');
      await pair.post('\ufeff{"agent_id":"marked"}');
    },
  },
  {
    name: "content types",
    run: async (pair) => {
      for (const [i, type] of CONTENT_TYPES.entries()) {
        const body = JSON.stringify({ agent_id: `typed-${i}` });
        await pair.send({ method: "POST", path: "/heartbeat", body, headers: { "content-type": type } });
      }
    },
  },
];
