/** Schemas that several routes share. They check requests, shape answers and make the OpenAPI document. */

import { type Static, type TSchema, Type } from "typebox";
import type { Json, JsonObject } from "../types/agent.ts";

/** Text for people and for machines: no control characters, which only ever come from mistakes and attacks. */
export const PRINTABLE = "^[^\\u0000-\\u001f\\u007f]*$";

/** A schema for answers, typed as what is answered with: our own data is readonly all over, which schemas can not say. */
export function Shown<Data>(schema: TSchema) {
  return Type.Unsafe<Data>(schema);
}

export const Nothing = Type.Unsafe<undefined>({ type: "null", description: "Done; there is nothing to say." });

/** Of routes that take no parameters, and of those whose body has nothing to say. */
export const NoQuery = Type.Object({}, { additionalProperties: false });
export const NoFields = Type.Union([NoQuery, Type.Null()]);

/** A name: not empty, bounded, printable. */
export function Name(maxLength: number, description?: string) {
  return Type.String({
    minLength: 1,
    maxLength,
    pattern: PRINTABLE,
    ...(description === undefined ? {} : { description }),
  });
}

/** A text that may be empty. */
export function Text(maxLength: number, description?: string) {
  return Type.String({ maxLength, pattern: PRINTABLE, ...(description === undefined ? {} : { description }) });
}

/** Text with lines and tabs. */
export function Prose(maxLength: number) {
  return Type.String({ maxLength, pattern: "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$" });
}

/** Longer than the contract's ids (A2), which are a subset: letters of any case, digits, and `.`, `_`, `-` inside. */
export const AGENT_ID_LENGTH_MAX = 253;
export const AGENT_ID_PATTERN = "^(?!.*\\.\\.)[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";

export const AgentIdText = Type.String({
  minLength: 1,
  maxLength: AGENT_ID_LENGTH_MAX,
  pattern: AGENT_ID_PATTERN,
  description: "Letters, digits and . _ - inside; no two dots in a row.",
});

/** Whether any face could ever have registered an agent under this id. */
export function isPossibleAgentId(id: string): boolean {
  return id.length <= AGENT_ID_LENGTH_MAX && AGENT_ID.test(id);
}
const AGENT_ID = new RegExp(AGENT_ID_PATTERN);

export const AnyObject = Type.Unsafe<JsonObject>({ type: "object", additionalProperties: true });
export const AnyValue = Type.Unsafe<Json>({});
export const StringMap = Shown<Readonly<Record<string, string>>>(Type.Record(Type.String(), Type.String()));

export const AgentTypeName = Type.Unsafe<"mcp_agent" | "api" | "a2a" | "mesh_tool" | "decorator_agent">({
  type: "string",
  enum: ["mcp_agent", "api", "a2a", "mesh_tool", "decorator_agent"],
});
export const RuntimeName = Type.Unsafe<"python" | "typescript" | "java">({
  type: "string",
  enum: ["python", "typescript", "java"],
});
export const HealthName = Type.Unsafe<"healthy" | "unhealthy">({ type: "string", enum: ["healthy", "unhealthy"] });
export const ConsistencyName = Type.Unsafe<"stale" | "linearizable">({
  type: "string",
  enum: ["stale", "linearizable"],
  default: "stale",
  description: "linearizable sees every write acknowledged before; it needs a leader.",
});

export const LIMIT_DEFAULT = 100;
export const LIMIT_MAX = 1_000;
export const Limit = Type.Integer({ minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT });
export const CursorText = Type.String({
  minLength: 1,
  maxLength: 4_096,
  description: "nextCursor of the page before, as it is.",
});

export const Count = Type.Integer({ minimum: 0 });
export const Milliseconds = Type.Integer({ minimum: 0, description: "Milliseconds." });
export const WallTime = Type.Integer({ description: "Milliseconds since the Unix epoch." });
export const Timestamp = Type.String({ format: "date-time" });
export const Strings = Shown<readonly string[]>(Type.Array(Type.String()));

/** An array that the contract wants as null when it is empty. */
export function ArrayOrNull<Item extends TSchema>(items: Item) {
  return Type.Unsafe<readonly Static<Item>[] | null>({ type: ["array", "null"], items });
}

/** Bodies of errors in the native face and the seed forms. */
export const ErrorBody = Type.Object({
  error: Type.Object(
    {
      code: Type.String({ description: "Stable; listed in docs/http-api.md." }),
      message: Type.String(),
      field: Type.Optional(Type.String({ description: "The field at fault." })),
      retryAfterMs: Type.Optional(Milliseconds),
      otherRegions: Type.Optional(Type.Array(Type.String(), { description: "Nodes of other regions, nearest first." })),
    },
    { additionalProperties: true },
  ),
});

export const ERROR_RESPONSES = { "4xx": ErrorBody, "5xx": ErrorBody };
