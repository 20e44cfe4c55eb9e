/**
 * An agent as `GET /agents` of the MCP Mesh face shows it (contract A5).
 *
 * What it needs of others is resolved when the list is read, not frozen at the agent's last heartbeat as in the real
 * registry: what the list shows is what a heartbeat now would get.
 */

import { Type } from "typebox";
import type { ListedAgent, Registry, ResolvedDependency } from "../../registry/interface.ts";
import type { Capability, FoundAgent, StoredAgent } from "../../types/agent.ts";
import { rfc3339 } from "../../util/clock.ts";
import { AnyObject, ArrayOrNull, Count, HealthName, Strings, Timestamp } from "../schemas.ts";
import {
  LlmProviderResolution,
  LlmToolResolution,
  llmProviderResolutions,
  llmToolResolutions,
  shownLlmFilter,
  shownLlmProvider,
} from "./llm-info.ts";

const CapabilityInfo = Type.Object({
  name: Type.String(),
  version: Type.String(),
  function_name: Type.String(),
  tags: Strings,
  description: Type.String(),
  available: Type.Boolean(),
  unavailable_reason: Type.Optional(Type.String()),
  task: Type.Optional(Type.Boolean()),
  llm_filter: Type.Optional(AnyObject),
  llm_provider: Type.Optional(AnyObject),
});

const DependencyResolution = Type.Object({
  function_name: Type.String(),
  capability: Type.String(),
  tags: Type.Optional(Strings),
  mcp_tool: Type.Optional(Type.String()),
  provider_agent_id: Type.Optional(Type.String()),
  endpoint: Type.Optional(Type.String()),
  status: Type.Unsafe<"available" | "unavailable" | "unresolved">({
    type: "string",
    enum: ["available", "unavailable", "unresolved"],
    description: "unavailable: the only agents that fit are unhealthy, or lack what they need themselves.",
  }),
});

export const AgentInfo = Type.Object({
  id: Type.String(),
  name: Type.String(),
  agent_type: Type.String(),
  runtime: Type.String(),
  version: Type.String(),
  description: Type.String(),
  status: HealthName,
  endpoint: Type.String(),
  created_at: Timestamp,
  last_seen: Timestamp,
  entity_id: Type.Optional(Type.String()),
  a2a_producer: Type.Boolean(),
  a2a_consumer: Type.Boolean(),
  total_dependencies: Count,
  dependencies_resolved: Count,
  capabilities: ArrayOrNull(CapabilityInfo),
  dependency_resolutions: ArrayOrNull(DependencyResolution),
  llm_tool_resolutions: ArrayOrNull(LlmToolResolution),
  llm_provider_resolutions: ArrayOrNull(LlmProviderResolution),
});

export function agentInfo(registry: Registry, agent: ListedAgent) {
  const { id, record, health, registeredAtMs, lastSeenMs } = agent;
  const { dependencies, tools, llmProviders } = registry.resolutionsOf(agent);
  const resolutions = dependencies.map((each) => dependencyResolution(registry, each));
  return {
    id,
    name: record.name,
    agent_type: record.type,
    runtime: record.runtime,
    version: record.version,
    description: record.description ?? "",
    status: health,
    endpoint: record.endpoint,
    ...(agent.entity === undefined ? {} : { entity_id: agent.entity }),
    created_at: rfc3339(registeredAtMs),
    last_seen: rfc3339(lastSeenMs),
    a2a_producer: record.a2aProducer ?? false,
    a2a_consumer: record.a2aConsumer ?? false,
    total_dependencies: resolutions.length,
    dependencies_resolved: resolutions.filter(({ status }) => status === "available").length,
    capabilities: nullIfEmpty(record.capabilities.map((each) => capabilityInfo(registry, agent, each))),
    dependency_resolutions: nullIfEmpty(resolutions),
    llm_tool_resolutions: nullIfEmpty(llmToolResolutions(tools)),
    llm_provider_resolutions: nullIfEmpty(llmProviderResolutions(llmProviders)),
  };
}

/** How the contract writes an empty list. */
function nullIfEmpty<Item>(items: readonly Item[]): readonly Item[] | null {
  return items.length === 0 ? null : items;
}

function capabilityInfo(registry: Registry, agent: StoredAgent, capability: Capability) {
  const { name, version, functionName, tags, description = "", kwargs, llmFilter, llmProvider } = capability;
  const reason = registry.unavailableReason(agent, capability);
  const shownFilter = llmFilter === undefined ? undefined : shownLlmFilter(llmFilter);
  return {
    name,
    version,
    function_name: functionName,
    tags,
    description,
    available: reason === undefined,
    ...(reason === undefined ? {} : { unavailable_reason: reason }),
    ...(kwargs?.task === true ? { task: true } : {}),
    ...(shownFilter === undefined ? {} : { llm_filter: shownFilter }),
    ...(llmProvider === undefined ? {} : { llm_provider: shownLlmProvider(llmProvider) }),
  };
}

function dependencyResolution(registry: Registry, { functionName, dependency, provider }: ResolvedDependency) {
  const { capability } = dependency;
  const tags = dependency.tags.filter((tag) => typeof tag === "string");
  const declared = { function_name: functionName, capability, ...(tags.length === 0 ? {} : { tags }) };
  if (provider !== null) return { ...declared, ...shownProvider(provider), status: "available" as const };
  const missed = findUnavailable(registry, dependency);
  if (missed === undefined) return { ...declared, status: "unresolved" as const };
  return { ...declared, ...shownProvider(missed), status: "unavailable" as const };
}

function shownProvider({ functionName, id, endpoint }: FoundAgent) {
  return { mcp_tool: functionName, provider_agent_id: id, endpoint };
}

/** Who would provide the dependency, if it could: it is registered here, and the reason lies with it. */
function findUnavailable(registry: Registry, { capability, tags, version }: ResolvedDependency["dependency"]) {
  const { agents } = registry.lookupHere({ capability, tags, version, health: "any", limit: 1 });
  return agents.find((found) => {
    const agent = registry.get(found.id);
    const offered = agent?.record.capabilities.find(
      (each) => each.name === capability && each.functionName === found.functionName,
    );
    return agent !== undefined && offered !== undefined && registry.unavailableReason(agent, offered) !== undefined;
  });
}
