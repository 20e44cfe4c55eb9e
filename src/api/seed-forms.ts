/**
 * The forms of older documents and scripts (contract, section 3): `POST /agents`, `/api/v1/agents`, `/capabilities`.
 *
 * Lenient in what they take (any content type, unknown fields ignored), strict in bounds; errors have the native shape.
 */

import { type Static, Type } from "typebox";
import type { AgentFilter, ListedAgent } from "../registry/interface.ts";
import type { AgentRecord } from "../types/agent.ts";
import { asAgentId } from "../types/ids.ts";
import { rfc3339 } from "../util/clock.ts";
import { compareText } from "../util/compare.ts";
import { splitList } from "../util/split-list.ts";
import { noteChange } from "./audit.ts";
import { guardOf } from "./guard.ts";
import { readJsonBodies } from "./json-body.ts";
import { listAll } from "./list-all.ts";
import type { Face, FaceOptions } from "./modules.ts";
import { OneOrMany, oneOrMany } from "./query.ts";
import {
  AgentIdText,
  AnyObject,
  Count,
  ERROR_RESPONSES,
  HealthName,
  Name,
  Prose,
  Strings,
  Text,
  Timestamp,
} from "./schemas.ts";
import { findSeedAgents, SeedAgent, seedAgent } from "./seed-agents.ts";
import { CapabilityName, Endpoint, RegistrationAnswer, registrationAnswer, toCapability } from "./v1/agent-record.ts";

const tags = ["seed forms"];

const SeedCapability = Type.Object({
  name: CapabilityName,
  version: Type.Optional(Text(128)),
  tags: Type.Optional(Type.Array(Name(128), { maxItems: 64 })),
  description: Type.Optional(Prose(8_192)),
});

const SeedRegistration = Type.Object({
  id: AgentIdText,
  endpoint: Endpoint,
  capabilities: Type.Optional(Type.Array(Type.Union([CapabilityName, SeedCapability]), { maxItems: 256 })),
  name: Type.Optional(Name(253)),
  namespace: Type.Optional(Name(63)),
  version: Type.Optional(Text(128)),
  metadata: Type.Optional(AnyObject),
});

const CapabilityRow = Type.Object({
  name: Type.String(),
  version: Type.String(),
  description: Type.String(),
  tags: Strings,
  agent_id: Type.String(),
  agent_name: Type.String(),
  agent_namespace: Type.String(),
  agent_status: HealthName,
  agent_endpoint: Type.String(),
});
type CapabilityRow = Static<typeof CapabilityRow>;

const CapabilitiesQuery = Type.Object({
  name: Type.Optional(Text(253)),
  fuzzy: Type.Optional(Type.Boolean()),
  version: Type.Optional(Text(128)),
  tags: Type.Optional(OneOrMany(Text(1_024), 64)),
  status: Type.Optional(HealthName),
  namespace: Type.Optional(Text(63)),
  agent_id: Type.Optional(Text(253)),
});

export const seedForms: Face = async (app, options) => {
  readJsonBodies(app, "*");
  await app.register(registrationForms, options);
  await app.register(listForms, options);
};

const registrationForms: Face = async (app, { registry, metrics, leases }) => {
  const schema = {
    tags,
    summary: "Register an agent, in the seed form",
    body: SeedRegistration,
    response: {
      200: Type.Object({ status: Type.Literal("success"), ...RegistrationAnswer.properties }),
      ...ERROR_RESPONSES,
    },
  };
  for (const path of ["/agents", "/api/v1/agents"]) {
    app.post(path, { schema }, async (request) => {
      const { body } = request;
      const outcome = await registry.register(asAgentId(body.id), toRecord(body, leases.seedMs), guardOf(request));
      metrics.registry.registration("seed", outcome.change);
      if (outcome.change !== "unchanged") noteChange(request, `${body.id} ${outcome.change}`);
      return { status: "success" as const, ...registrationAnswer(registry.region, outcome) };
    });
  }
};

const listForms: Face = async (app, { registry, metrics, clock }) => {
  const agents = {
    tags,
    summary: "List the healthy agents of this region; with capability=, find agents in all regions",
    querystring: Type.Object({ capability: Type.Optional(Name(253)) }),
    response: { 200: Type.Array(SeedAgent), ...ERROR_RESPONSES },
  };
  app.get("/api/v1/agents", { schema: agents }, async ({ query }, reply) => {
    if (query.capability !== undefined) return findSeedAgents({ registry, metrics }, query.capability, reply);
    await registry.read("stale");
    return listAll(registry, { health: "healthy" }).map(({ id, record, health }) => {
      const names = record.capabilities.map(({ name }) => name);
      return seedAgent(id, registry.region, health, record, [...new Set(names)]);
    });
  });

  const capabilities = {
    tags,
    summary: "List the capabilities of this region's agents, by name",
    querystring: CapabilitiesQuery,
    response: {
      200: Type.Object({ capabilities: Type.Array(CapabilityRow), count: Count, timestamp: Timestamp }),
      ...ERROR_RESPONSES,
    },
  };
  app.get("/capabilities", { schema: capabilities }, async ({ query }) => {
    await registry.read("stale");
    const rows = findRows(registry, query);
    return { capabilities: rows, count: rows.length, timestamp: rfc3339(clock.wallTime()) };
  });
};

function toRecord(body: Static<typeof SeedRegistration>, leaseMs: number): AgentRecord {
  return {
    name: body.name ?? body.id,
    namespace: body.namespace ?? "default",
    type: "mcp_agent",
    runtime: "python",
    version: body.version ?? "",
    endpoint: body.endpoint,
    labels: {},
    metadata: body.metadata ?? {},
    capabilities: (body.capabilities ?? []).map(seedCapability),
    leaseMs,
  };
}

/** Only the fields that the seed form knows: others are ignored, not stored. */
function seedCapability(input: string | Static<typeof SeedCapability>) {
  if (typeof input === "string") return toCapability(input);
  const { name, version, tags, description } = input;
  return toCapability({
    name,
    ...(version === undefined ? {} : { version }),
    ...(tags === undefined ? {} : { tags }),
    ...(description === undefined ? {} : { description }),
  });
}

function findRows(registry: FaceOptions["registry"], query: Static<typeof CapabilitiesQuery>): CapabilityRow[] {
  const { status = "healthy", namespace, agent_id } = query;
  const filter: AgentFilter = { health: status, ...(namespace ? { namespace } : {}) };
  const matches = rowFilter(query);
  return listAll(registry, filter)
    .filter(({ id }) => !agent_id || id === agent_id)
    .flatMap(rowsOf)
    .filter(matches)
    .sort((a, b) => compareText(a.name, b.name) || compareText(a.agent_id, b.agent_id));
}

function rowsOf({ id, record, health }: ListedAgent): CapabilityRow[] {
  return record.capabilities.map(({ name, version, description = "", tags }) => ({
    name,
    version,
    description,
    tags,
    agent_id: id,
    agent_name: record.name,
    agent_namespace: record.namespace,
    agent_status: health,
    agent_endpoint: record.endpoint,
  }));
}

/** Name (part of it, whatever its case, when fuzzy), version and every tag must be the row's. */
function rowFilter({ name = "", fuzzy = false, version = "", tags = [] }: Static<typeof CapabilitiesQuery>) {
  const wanted = oneOrMany(tags).flatMap(splitList);
  const part = name.toLowerCase();
  return (row: CapabilityRow) =>
    (fuzzy ? row.name.toLowerCase().includes(part) : name === "" || row.name === name) &&
    (version === "" || row.version === version) &&
    wanted.every((tag) => row.tags.includes(tag));
}
