/**
 * Compares two answers field by field.
 *
 * What two registries can not agree on is taken out first: times become `<time>` when they are RFC 3339 in UTC, uptimes
 * `<seconds>`. Lists whose order the contract leaves open are put in order. Everything else must be the same: status, the
 * headers that clients look at, and each field of the body.
 */

import type { IncomingHttpHeaders } from "node:http";
import { isDeepStrictEqual } from "node:util";
import { compareText } from "../../src/util/compare.ts";
import type { Answer } from "./exchange.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** What clients of the real registry look at. */
const HEADERS = [
  "content-type",
  "location",
  "x-health-status",
  "x-service-version",
  "x-uptime-seconds",
  "x-mesh-pending-jobs",
] as const;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const UPTIMES: readonly string[] = ["uptime_seconds", "x-uptime-seconds"];
/** Lists that the real registry orders as its database likes, and what tells their items apart. */
const UNORDERED: Readonly<Record<string, readonly string[]>> = {
  agents: ["id"],
  dependency_resolutions: ["function_name", "capability", "tags"],
  llm_tool_resolutions: ["function_name", "filter_capability", "filter_tags", "provider_agent_id", "mcp_tool"],
  llm_provider_resolutions: ["function_name", "required_capability"],
  llm_tools_of_function: ["capability", "name", "version", "endpoint"],
  evicted: ["id"],
  kept: [],
};

/**
 * Where two answers differ, one line each: `body.agents[0].status: "healthy" → "unhealthy"`, the real one's value first. A
 * field that only one of them has is `(none)` in the other.
 *
 * @param leftOut - names of fields that are not compared, at whatever depth; `details.reason` is a field of a field
 */
export function differencesOf(real: Answer, ours: Answer, leftOut: readonly string[] = []): string[] {
  return [...compare("", viewOf(real), viewOf(ours))].filter(
    (line) => !leftOut.some((name) => new RegExp(`\\.${name}\\b`).test(pathIn(line))),
  );
}

function pathIn(line: string): string {
  return line.slice(0, line.indexOf(": "));
}

function viewOf({ status, headers, text }: Answer): Json {
  return { status, headers: headersOf(headers), body: bodyOf(text) };
}

function headersOf(headers: IncomingHttpHeaders): Json {
  const found = HEADERS.flatMap((name) => (headers[name] === undefined ? [] : [[name, `${headers[name]}`]]));
  return comparable(Object.fromEntries(found));
}

function bodyOf(text: string): Json {
  try {
    return comparable(JSON.parse(text));
  } catch {
    return text;
  }
}

function comparable(value: Json, name = ""): Json {
  if (UPTIMES.includes(name)) return /^\d+$/.test(`${value}`) ? "<seconds>" : value;
  if (typeof value === "string") return TIME.test(value) ? "<time>" : value;
  if (typeof value !== "object" || value === null) return value;
  if (!Array.isArray(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, field]) => [key, comparable(field, nameIn(name, value, key))]),
    );
  }
  const items = value.map((item) => comparable(item));
  const names = UNORDERED[name];
  return names === undefined ? items : items.sort((a, b) => compareText(identityOf(a, names), identityOf(b, names)));
}

function nameIn(parent: string, { stage }: { readonly stage?: Json }, name: string): string {
  if (parent === "llm_tools") return "llm_tools_of_function";
  // Who is kept has an order, the rank, in the last stage of an audit alone.
  return name === "kept" && stage === "tiebreaker" ? "ranked" : name;
}

function identityOf(item: Json, names: readonly string[]): string {
  return textOf(isObject(item) ? names.map((name) => item[name] ?? null) : item);
}

/** The same for equal values, whatever the order of their properties. */
function textOf(value: Json): string {
  return JSON.stringify(value, (_, field) =>
    typeof field === "object" && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => compareText(a, b)))
      : field,
  );
}

function* compare(path: string, real: Json | undefined, ours: Json | undefined): Generator<string> {
  if (isDeepStrictEqual(real, ours)) return;
  if (Array.isArray(real) && Array.isArray(ours)) {
    for (let i = 0; i < Math.max(real.length, ours.length); i++) yield* compare(`${path}[${i}]`, real[i], ours[i]);
  } else if (isObject(real) && isObject(ours)) {
    const prefix = path === "" ? "" : `${path}.`;
    const names = new Set([...Object.keys(real), ...Object.keys(ours)]);
    for (const name of names) yield* compare(`${prefix}${name}`, real[name], ours[name]);
  } else {
    yield `${path}: ${shown(real)} → ${shown(ours)}`;
  }
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: Json | undefined): string {
  return value === undefined ? "(none)" : textOf(value);
}
