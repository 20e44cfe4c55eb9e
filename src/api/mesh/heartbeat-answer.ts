/** What a heartbeat is answered with: who does what the agent needs (contract A2, A6, A7, C "A2A"). Pure. */

import { Type } from "typebox";
import type { Resolutions } from "../../registry/interface.ts";
import type { AgentRecord, FoundAgent, JsonObject } from "../../types/agent.ts";
import { AnyObject } from "../schemas.ts";
import { shownSurface } from "./a2a.ts";
import { llmEndpoint } from "./llm-endpoint.ts";

export const ResolvedDependency = Type.Object({
  agent_id: Type.String(),
  function_name: Type.String(),
  endpoint: Type.String(),
  capability: Type.String(),
  status: Type.Unsafe<"available" | "unresolved">({ type: "string", enum: ["available", "unresolved"] }),
  kwargs: Type.Optional(AnyObject),
});

export interface ShownDependency {
  readonly agent_id: string;
  readonly function_name: string;
  readonly endpoint: string;
  readonly capability: string;
  readonly status: "available" | "unresolved";
  readonly kwargs?: JsonObject;
}

/**
 * For each function that declares dependencies: one entry per dependency, in their order, which is the SDK's order of
 * injection. A function that is offered by several tools has the entries of all of them.
 */
export function shownDependencies({ dependencies }: Resolutions): Record<string, ShownDependency[]> {
  const byFunction = Map.groupBy(dependencies, ({ functionName }) => functionName);
  return Object.fromEntries(
    [...byFunction].map(([functionName, resolved]) => [
      functionName,
      resolved.map(({ dependency, provider }) => shownDependency(dependency.capability, provider)),
    ]),
  );
}

function shownDependency(capability: string, provider: FoundAgent | null): ShownDependency {
  if (provider === null) return { agent_id: "", function_name: "", endpoint: "", capability, status: "unresolved" };
  const { id, functionName, endpoint, kwargs } = provider;
  const shown = { agent_id: id, function_name: functionName, endpoint, capability, status: "available" } as const;
  return isEmpty(kwargs) ? shown : { ...shown, kwargs };
}

/** For each function with a filter: the tools that it may show to a language model. */
export function shownTools({ tools }: Resolutions): JsonObject {
  return Object.fromEntries(
    tools.map(({ functionName, tools }) => [
      functionName,
      tools.map(({ tool, inputSchema }) => ({
        name: tool.functionName,
        capability: tool.capability,
        description: tool.description ?? "",
        inputSchema,
        endpoint: llmEndpoint(tool.endpoint),
        tags: [...tool.tags],
        version: tool.version,
      })),
    ]),
  );
}

/** Only of those that were found, and nothing at all when none was. */
export function shownLlmProviders({ llmProviders }: Resolutions): { llm_providers?: JsonObject } {
  const found = llmProviders.flatMap(({ functionName, provider }) =>
    provider === null ? [] : [[functionName, shownLlmProvider(provider)] as const],
  );
  return found.length === 0 ? {} : { llm_providers: Object.fromEntries(found) };
}

function shownLlmProvider({ id, functionName, endpoint, capability, tags, version, kwargs }: FoundAgent): JsonObject {
  const vendor = kwargs?.vendor;
  return {
    agent_id: id,
    name: functionName,
    endpoint: llmEndpoint(endpoint),
    capability,
    status: "available",
    vendor: typeof vendor === "string" ? vendor : "unknown",
    ...(tags.length === 0 ? {} : { tags: [...tags] }),
    version,
    ...(isEmpty(kwargs) ? {} : { kwargs }),
  };
}

/** Where the agent can be reached by the A2A protocol, as the outside sees it. */
export function shownSurfaces({ surfaces = [] }: AgentRecord, publicUrlPrefix: string) {
  if (surfaces.length === 0) return {};
  return { surfaces: surfaces.map((surface) => shownSurface(surface, publicUrlPrefix)) };
}

function isEmpty(value: JsonObject | undefined): value is undefined {
  return value === undefined || Object.keys(value).length === 0;
}
