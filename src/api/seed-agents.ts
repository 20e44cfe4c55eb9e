/** Agents as the seed forms show them: a bare array, whichever path asked for it (contract, section 3). */

import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import type { Metrics } from "../metrics/metrics.ts";
import type { Registry } from "../registry/interface.ts";
import type { AgentRecord, FoundAgent, Health } from "../types/agent.ts";
import { invalidField } from "./api-error.ts";
import { showView } from "./headers.ts";
import { AnyObject, HealthName, LIMIT_MAX, Strings } from "./schemas.ts";

const CAPABILITY_LENGTH_MAX = 253;

export const SeedAgent = Type.Object({
  id: Type.String(),
  name: Type.String(),
  endpoint: Type.String(),
  status: HealthName,
  region: Type.String(),
  capabilities: Strings,
  metadata: AnyObject,
});

type SeedFacts = Pick<AgentRecord, "name" | "endpoint" | "metadata">;

export function seedAgent(
  id: string,
  region: string,
  health: Health,
  facts: SeedFacts,
  capabilities: readonly string[],
) {
  const { name, endpoint, metadata } = facts;
  return { id, name, endpoint, status: health, region, capabilities, metadata };
}

/**
 * The healthy agents of all regions that offer `capability`, best first, at most 1,000. An array has no place for what is
 * missing, so an answer without some region says so in the header `x-atoll-complete: false`.
 *
 * @throws ApiError INVALID_FIELD
 */
export async function findSeedAgents(
  { registry, metrics }: { registry: Registry; metrics: Metrics },
  capability: string,
  reply: FastifyReply,
) {
  if (capability.length > CAPABILITY_LENGTH_MAX) {
    throw invalidField("capability", `must be at most ${CAPABILITY_LENGTH_MAX} characters`);
  }
  const answer = await registry.lookup({
    capability,
    tags: [],
    version: "",
    health: "healthy",
    scope: "federation",
    consistency: "stale",
    limit: LIMIT_MAX,
  });
  metrics.registry.lookup("seed", answer);
  const local = answer.regions.find(({ source }) => source === "local");
  if (local !== undefined) showView(reply, local);
  reply.header("x-atoll-complete", String(answer.complete));
  return oncePerAgent(answer.agents).map((agent) =>
    seedAgent(agent.id, agent.region, agent.health, agent, [agent.capability]),
  );
}

/** An agent may offer a capability by several functions; a caller of the seed forms wants agents. */
function oncePerAgent(found: readonly FoundAgent[]): FoundAgent[] {
  const byId = new Map<string, FoundAgent>();
  for (const agent of found) {
    if (!byId.has(agent.id)) byId.set(agent.id, agent);
  }
  return [...byId.values()];
}
