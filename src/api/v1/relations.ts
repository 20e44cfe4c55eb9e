/** `GET /v1/agents/{id}/relations`: whom an agent depends on, who depends on it, and how it fared. */

import { Type } from "typebox";
import type { ListedAgent, Registry } from "../../registry/interface.ts";
import type { Dependency, TagConstraint } from "../../types/agent.ts";
import type { RegistryEvent } from "../../types/event.ts";
import { asAgentId } from "../../types/ids.ts";
import type { Clock } from "../../util/clock.ts";
import { mapInTurns, pagesInTurns } from "../in-turns.ts";
import type { Face } from "../modules.ts";
import { AgentIdText, AnyObject, ERROR_RESPONSES, HealthName, NoQuery, Shown, WallTime } from "../schemas.ts";
import { findAgent } from "./agents.ts";

const DEPENDENTS_MAX = 100;
const EVENTS_MAX = 200;

const ShownProvider = Type.Object({
  id: Type.String(),
  name: Type.String(),
  region: Type.String(),
  functionName: Type.String(),
  version: Type.String(),
  endpoint: Type.String(),
});

const RelationsAnswer = Type.Object({
  dependsOn: Shown<readonly object[]>(
    Type.Array(
      Type.Object({
        functionName: Type.String({ description: "What needs it." }),
        capability: Type.String(),
        version: Type.String({ description: "A constraint; empty means any." }),
        tags: Type.Array(Type.Unsafe<TagConstraint>({ type: ["array", "string"], items: { type: "string" } })),
        required: Type.Boolean(),
        provider: Type.Optional(ShownProvider),
      }),
      { description: "In the order of the record; provider is absent where none fits that this node knows of." },
    ),
  ),
  dependents: Shown<readonly object[]>(
    Type.Array(
      Type.Object({
        id: Type.String(),
        name: Type.String(),
        health: HealthName,
        capability: Type.String({ description: "What it needs that the agent offers." }),
        required: Type.Boolean(),
        isServed: Type.Boolean({ description: "The agent is the one that it would be given now." }),
      }),
      { description: `Of this region, by id; at most ${DEPENDENTS_MAX} agents.` },
    ),
  ),
  hasMoreDependents: Type.Boolean(),
  events: Shown<readonly object[]>(
    Type.Array(
      Type.Object({
        type: Type.Unsafe<RegistryEvent["type"]>({ type: "string" }),
        atMs: WallTime,
        functionName: Type.Optional(Type.String()),
        data: AnyObject,
      }),
      { description: `Newest first, at most ${EVENTS_MAX} that the region still holds.` },
    ),
  ),
});

export const relationRoute: Face = async (app, { registry, clock }) => {
  const schema = {
    tags: ["agents"],
    summary: "Show whom an agent depends on, who depends on it, and how it fared",
    params: Type.Object({ id: AgentIdText }),
    querystring: NoQuery,
    response: { 200: RelationsAnswer, ...ERROR_RESPONSES },
  };
  app.get("/v1/agents/:id/relations", { schema, exposeHeadRoute: true }, async ({ params }) => {
    const agent = await findAgent(registry, asAgentId(params.id), "stale");
    const { found, hasMore } = await dependentsOf(registry, clock, agent);
    return {
      dependsOn: registry.resolutionsOf(agent).dependencies.map(({ functionName, dependency, provider }) => ({
        functionName,
        ...showDependency(dependency),
        ...(provider !== null && { provider }),
      })),
      dependents: found,
      hasMoreDependents: hasMore,
      events: registry.events({ agentId: agent.id }, EVENTS_MAX).map(showEvent),
    };
  });
};

function showDependency({ capability, version, tags, required }: Dependency) {
  return { capability, version, tags, required };
}

function showEvent({ type, atMs, functionName, data }: RegistryEvent) {
  return { type, atMs, data, ...(functionName !== undefined && { functionName }) };
}

/** Looks at every agent of the region, in turns; only those that ask for something the agent offers are resolved. */
async function dependentsOf(registry: Registry, clock: Clock, provider: ListedAgent) {
  const offered = new Set(provider.record.capabilities.map(({ name }) => name));
  const dependents: ListedAgent[] = [];
  for await (const agents of pagesInTurns(registry, clock, {})) {
    dependents.push(
      ...agents.filter((agent) => dependenciesOf(agent).some(({ capability }) => offered.has(capability))),
    );
    if (dependents.length > DEPENDENTS_MAX) break;
  }
  const shown = await mapInTurns(dependents.slice(0, DEPENDENTS_MAX), clock, (agent) =>
    showDependent(registry, agent, offered, provider),
  );
  return { found: shown.flat(), hasMore: dependents.length > DEPENDENTS_MAX };
}

/** One row for each capability that it asks for and that is on offer. */
function showDependent(registry: Registry, agent: ListedAgent, offered: ReadonlySet<string>, provider: ListedAgent) {
  const served = new Set(
    registry
      .resolutionsOf(agent)
      .dependencies.filter((resolved) => resolved.provider?.id === provider.id)
      .map(({ dependency }) => dependency.capability),
  );
  const asked = dependenciesOf(agent).filter(({ capability }) => offered.has(capability));
  const names = [...new Set(asked.map(({ capability }) => capability))];
  return names.map((capability) => ({
    id: agent.id,
    name: agent.record.name,
    health: agent.health,
    capability,
    required: asked.some((dependency) => dependency.capability === capability && dependency.required),
    isServed: served.has(capability),
  }));
}

function dependenciesOf({ record }: ListedAgent): readonly Dependency[] {
  return record.capabilities.flatMap(({ dependencies }) => dependencies);
}
