/**
 * An agent as `GET /agents` of the MCP Mesh face shows it (contract A5).
 *
 * Dependencies are resolved when the list is read, not frozen at the consumer's last heartbeat as in the real registry:
 * what the list shows is what a heartbeat now would get.
 */

import { Type } from "typebox";
import type { ListedAgent, Registry } from "../../registry/interface.ts";
import type { Capability, Dependency, JsonObject } from "../../types/agent.ts";
import { rfc3339 } from "../../util/clock.ts";
import { AnyObject, ArrayOrNull, Count, HealthName, Strings, Timestamp } from "../schemas.ts";

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
  status: Type.Unsafe<"available" | "unresolved">({ type: "string", enum: ["available", "unresolved"] }),
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
  a2a_producer: Type.Boolean(),
  a2a_consumer: Type.Boolean(),
  total_dependencies: Count,
  dependencies_resolved: Count,
  capabilities: ArrayOrNull(CapabilityInfo),
  dependency_resolutions: ArrayOrNull(DependencyResolution),
  llm_tool_resolutions: Type.Null(),
  llm_provider_resolutions: Type.Null(),
});

export function agentInfo(registry: Registry, agent: ListedAgent) {
  const { id, record, health, registeredAtMs, lastSeenMs } = agent;
  const resolutions = record.capabilities.flatMap(({ functionName, dependencies }) =>
    dependencies.map((dependency) => dependencyResolution(registry, functionName, dependency)),
  );
  return {
    id,
    name: record.name,
    agent_type: record.type,
    runtime: record.runtime,
    version: record.version,
    description: record.description ?? "",
    status: health,
    endpoint: record.endpoint,
    created_at: rfc3339(registeredAtMs),
    last_seen: rfc3339(lastSeenMs),
    a2a_producer: record.a2aProducer ?? false,
    a2a_consumer: record.a2aConsumer ?? false,
    total_dependencies: resolutions.length,
    dependencies_resolved: resolutions.filter(({ status }) => status === "available").length,
    capabilities: nullIfEmpty(record.capabilities.map((each) => capabilityInfo(each, health === "healthy"))),
    dependency_resolutions: nullIfEmpty(resolutions),
    llm_tool_resolutions: null,
    llm_provider_resolutions: null,
  };
}

/** How the contract writes an empty list. */
export function nullIfEmpty<Item>(items: readonly Item[]): readonly Item[] | null {
  return items.length === 0 ? null : items;
}

function capabilityInfo(capability: Capability, available: boolean) {
  const { name, version, functionName, tags, description = "", kwargs, llmFilter, llmProvider } = capability;
  return {
    name,
    version,
    function_name: functionName,
    tags,
    description,
    available,
    ...(available ? {} : { unavailable_reason: "agent unhealthy" }),
    ...(kwargs?.task === true ? { task: true } : {}),
    ...(llmFilter === undefined ? {} : { llm_filter: withObjectFilters(llmFilter) }),
    ...(llmProvider === undefined ? {} : { llm_provider: llmProvider }),
  };
}

/** meshctl can read filters that are objects only: one agent with a plain string would break its every command. */
function withObjectFilters(llmFilter: JsonObject): JsonObject {
  const { filter } = llmFilter;
  if (!Array.isArray(filter)) return llmFilter;
  return { ...llmFilter, filter: filter.map((each) => (typeof each === "string" ? { capability: each } : each)) };
}

function dependencyResolution(registry: Registry, functionName: string, dependency: Dependency) {
  const { capability } = dependency;
  const tags = dependency.tags.filter((tag) => typeof tag === "string");
  const declared = { function_name: functionName, capability, ...(tags.length === 0 ? {} : { tags }) };
  const provider = registry.resolve(dependency);
  if (provider === null) return { ...declared, status: "unresolved" as const };
  return {
    ...declared,
    mcp_tool: provider.functionName,
    provider_agent_id: provider.id,
    endpoint: provider.endpoint,
    status: "available" as const,
  };
}
