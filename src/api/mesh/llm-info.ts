/** What agents ask of language models and their tools, and get, as `GET /agents` shows it (contract A5, A7). */

import { Type } from "typebox";
import type { ResolvedLlmProvider, ResolvedTools } from "../../registry/interface.ts";
import type { FoundAgent, Json, JsonObject } from "../../types/agent.ts";
import { Strings } from "../schemas.ts";
import { llmEndpoint } from "./llm-endpoint.ts";

/** Filters times tools: a filter of many parts that each admit everything must not multiply the answer. */
const TOOL_RESOLUTIONS_MAX = 1_000;

const Status = Type.Unsafe<"available" | "unresolved">({ type: "string", enum: ["available", "unresolved"] });

export const LlmToolResolution = Type.Object({
  function_name: Type.String(),
  filter_capability: Type.String(),
  filter_tags: Type.Optional(Strings),
  filter_mode: Type.String(),
  mcp_tool: Type.Optional(Type.String()),
  provider_capability: Type.Optional(Type.String()),
  provider_agent_id: Type.Optional(Type.String()),
  endpoint: Type.Optional(Type.String()),
  status: Status,
});

export const LlmProviderResolution = Type.Object({
  function_name: Type.String(),
  required_capability: Type.String(),
  required_tags: Type.Optional(Strings),
  mcp_tool: Type.Optional(Type.String()),
  provider_agent_id: Type.Optional(Type.String()),
  endpoint: Type.Optional(Type.String()),
  status: Status,
});

/** One for each part of a filter and each tool it admits, or for the part alone when it admits none; at most 1,000. */
export function llmToolResolutions(resolved: readonly ResolvedTools[]) {
  const resolutions = [];
  for (const each of resolved) {
    for (const part of filterPartsOf(each.llmFilter)) {
      if (resolutions.length >= TOOL_RESOLUTIONS_MAX) return resolutions.slice(0, TOOL_RESOLUTIONS_MAX);
      resolutions.push(...resolutionsOfPart(each, part));
    }
  }
  return resolutions.slice(0, TOOL_RESOLUTIONS_MAX);
}

export function llmProviderResolutions(resolved: readonly ResolvedLlmProvider[]) {
  return resolved.map(({ functionName, llmProvider, provider }) => {
    const { capability, tags = [] } = shownLlmProvider(llmProvider);
    const asked = {
      function_name: functionName,
      required_capability: capability,
      ...(tags.length === 0 ? {} : { required_tags: tags }),
    };
    if (provider === null) return { ...asked, status: "unresolved" as const };
    return { ...asked, ...shownChoice(provider), status: "available" as const };
  });
}

/**
 * A filter with parts that are objects: meshctl can read no others, and one agent with a plain string would break its every
 * command. Undefined where the real registry shows none, because it could not read the filter itself.
 */
export function shownLlmFilter(llmFilter: JsonObject): JsonObject | undefined {
  const { filter = null, filter_mode = null } = llmFilter;
  const isReadable =
    (filter === null || Array.isArray(filter)) && (filter_mode === null || typeof filter_mode === "string");
  if (!isReadable || Object.keys(llmFilter).length === 0) return undefined;
  return {
    filter: filter === null ? null : objectsIn(filter),
    ...(filter_mode === null ? {} : { filter_mode }),
  };
}

export function shownLlmProvider({ capability, tags, version, namespace }: JsonObject) {
  return {
    capability: textOf(capability),
    ...(Array.isArray(tags) ? { tags: textsOf(tags) } : {}),
    ...(typeof version === "string" ? { version } : {}),
    ...(typeof namespace === "string" ? { namespace } : {}),
  };
}

interface FilterPart {
  readonly capability: string;
  readonly tags: readonly string[];
}

/** The parts that ask for something. */
function filterPartsOf({ filter }: JsonObject): FilterPart[] {
  if (!Array.isArray(filter)) return [];
  return objectsIn(filter)
    .map(({ capability, tags }) => ({ capability: textOf(capability), tags: textsOf(tags) }))
    .filter(({ capability, tags }) => capability !== "" || tags.length > 0);
}

/** A part without a capability admits, as the real registry shows it, all tools of the whole filter. */
function resolutionsOfPart({ functionName, llmFilter, tools }: ResolvedTools, { capability, tags }: FilterPart) {
  const { filter_mode } = llmFilter;
  const asked = {
    function_name: functionName,
    filter_capability: capability,
    ...(tags.length === 0 ? {} : { filter_tags: tags }),
    filter_mode: typeof filter_mode === "string" ? filter_mode : "all",
  };
  const admitted = tools.filter(({ tool }) => capability === "" || tool.capability === capability);
  if (admitted.length === 0) return [{ ...asked, status: "unresolved" as const }];
  return admitted.slice(0, TOOL_RESOLUTIONS_MAX).map(({ tool }) => ({
    ...asked,
    provider_capability: tool.capability,
    ...shownChoice(tool),
    status: "available" as const,
  }));
}

function shownChoice({ functionName, id, endpoint }: FoundAgent) {
  return { mcp_tool: functionName, provider_agent_id: id, endpoint: llmEndpoint(endpoint) };
}

/** The parts of a filter: a text stands for the capability of that name, and what is neither text nor object for nothing. */
function objectsIn(filter: readonly Json[]): JsonObject[] {
  return filter
    .map((part) => (typeof part === "string" ? { capability: part } : part))
    .filter((part): part is JsonObject => typeof part === "object" && part !== null && !Array.isArray(part));
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

function textsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
