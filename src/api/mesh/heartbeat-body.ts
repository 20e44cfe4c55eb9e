/**
 * The body of `POST /heartbeat` as real agents send it (contract A2).
 *
 * Only JSON types are checked here, and the bounds that keep a hostile body from costing more than its size; what the
 * values mean is judged later, because the contract answers that with another status. Unknown fields are ignored, and
 * null means absent.
 */

import { type Static, Type } from "typebox";
import type { TagConstraint } from "../../types/agent.ts";
import { AnyObject, AnyValue } from "../schemas.ts";

const Str = Type.Optional(Type.String({ maxLength: 65_536 }));
const Int = Type.Optional(Type.Integer({ minimum: -2_147_483_648, maximum: 2_147_483_647 }));
const Flag = Type.Optional(Type.Boolean());
const Obj = Type.Optional(AnyObject);
const Anything = Type.Optional(AnyValue);
const Tags = Type.Optional(Type.Array(Type.String()));

const DependencyBody = Type.Object({
  capability: Str,
  tags: Type.Optional(
    Type.Unsafe<readonly TagConstraint[]>({
      type: "array",
      items: { type: ["string", "array"], items: { type: "string" } },
    }),
  ),
  version: Str,
  required: Flag,
  expectedSchemaCanonical: Anything,
  expectedSchemaHash: Str,
  matchMode: Str,
});

const ToolBody = Type.Object({
  function_name: Str,
  capability: Str,
  version: Str,
  tags: Tags,
  description: Str,
  dependencies: Type.Optional(Type.Array(DependencyBody)),
  inputSchema: Obj,
  outputSchema: Obj,
  inputSchemaCanonical: Anything,
  inputSchemaHash: Str,
  outputSchemaCanonical: Anything,
  outputSchemaHash: Str,
  schemaWarnings: Tags,
  llm_filter: Obj,
  llm_provider: Obj,
  kwargs: Obj,
});

const SurfaceBody = Type.Object({
  path: Str,
  skill_id: Str,
  name: Str,
  description: Str,
  input_modes: Tags,
  output_modes: Tags,
  tags: Tags,
});

export const HeartbeatBody = Type.Object({
  agent_id: Type.String({ minLength: 1 }),
  name: Str,
  agent_type: Str,
  runtime: Str,
  version: Str,
  namespace: Str,
  http_host: Str,
  http_port: Int,
  description: Str,
  a2a_producer: Flag,
  a2a_consumer: Flag,
  surfaces: Type.Optional(Type.Array(SurfaceBody)),
  tools: Type.Optional(Type.Array(ToolBody)),
  timestamp: Type.Optional(Type.String({ format: "date-time" })),
});

export type Heartbeat = Static<typeof HeartbeatBody>;
export type Tool = Static<typeof ToolBody>;
export type SurfaceOfAgent = Static<typeof SurfaceBody>;
export type ToolDependency = Static<typeof DependencyBody>;

/**
 * Takes away the fields that are null, where the real registry reads null as absent: in the body, its tools and their
 * dependencies. Inside free objects such as `kwargs` a null is a value, and stays.
 */
export function dropNulls(body: unknown): void {
  dropNullFields(body);
  for (const surface of itemsOf(body, "surfaces")) dropNullFields(surface);
  for (const tool of itemsOf(body, "tools")) {
    dropNullFields(tool);
    for (const dependency of itemsOf(tool, "dependencies")) dropNullFields(dependency);
  }
}

function dropNullFields(value: unknown): void {
  if (!isObject(value)) return;
  for (const [name, field] of Object.entries(value)) {
    if (field === null) delete value[name];
  }
}

function itemsOf(value: unknown, name: string): readonly unknown[] {
  const items = isObject(value) ? value[name] : undefined;
  return Array.isArray(items) ? items : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
