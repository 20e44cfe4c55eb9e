/** `/v1/agents`: registering, renewing, reading and ending registrations in this node's region. */

import { Type } from "typebox";
import { RegistryError } from "../../registry/errors.ts";
import type { AgentFilter, ListedAgent, Registry } from "../../registry/interface.ts";
import { type AgentId, asAgentId } from "../../types/ids.ts";
import { noteChange } from "../audit.ts";
import { decodeNameCursor, encodeNameCursor } from "../cursor.ts";
import { guardOf } from "../guard.ts";
import type { Face } from "../modules.ts";
import { OneOrMany, oneOrMany } from "../query.ts";
import {
  AgentIdText,
  AgentTypeName,
  ConsistencyName,
  Count,
  CursorText,
  ERROR_RESPONSES,
  HealthName,
  LIMIT_DEFAULT,
  Limit,
  Milliseconds,
  Name,
  Nothing,
} from "../schemas.ts";
import { wholeMs } from "../whole-ms.ts";
import { AgentInput, RegistrationAnswer, registrationAnswer, ShownAgent, showAgent, toRecord } from "./agent-record.ts";
import { searchAgents } from "./search-agents.ts";

const params = Type.Object({ id: AgentIdText });
const tags = ["agents"];

export const agentRoutes: Face = async (app, { registry, metrics, clock, leases }) => {
  const { region } = registry;

  const register = {
    tags,
    summary: "Register an agent, or replace its record, and renew its lease",
    params,
    body: AgentInput,
    response: { 200: RegistrationAnswer, 201: RegistrationAnswer, ...ERROR_RESPONSES },
  };
  app.put("/v1/agents/:id", { schema: register }, async (request, reply) => {
    const { params, body } = request;
    const id = asAgentId(params.id);
    const outcome = await registry.register(id, toRecord(id, body, leases.nativeMs), guardOf(request));
    metrics.registry.registration("v1", outcome.change);
    if (outcome.change !== "unchanged") noteChange(request, outcome.change);
    return reply.code(outcome.change === "created" ? 201 : 200).send(registrationAnswer(region, outcome));
  });

  const show = {
    tags,
    summary: "Show an agent of this region",
    params,
    querystring: Type.Object({ consistency: Type.Optional(ConsistencyName) }, { additionalProperties: false }),
    response: { 200: ShownAgent, ...ERROR_RESPONSES },
  };
  app.get("/v1/agents/:id", { schema: show, exposeHeadRoute: true }, async ({ params, query }) => {
    const agent = await findAgent(registry, asAgentId(params.id), query.consistency ?? "stale");
    return showAgent(region, agent);
  });

  const deregister = {
    tags,
    summary: "End an agent's registration at once",
    params,
    response: { 204: Nothing, ...ERROR_RESPONSES },
  };
  app.delete("/v1/agents/:id", { schema: deregister }, async (request, reply) => {
    const id = asAgentId(request.params.id);
    const wasThere = await registry.deregister(id, "purge", guardOf(request));
    if (!wasThere) throw new RegistryError(id, { code: "UNKNOWN_AGENT", agentId: id });
    metrics.registry.deregistration("v1");
    noteChange(request, "deregistered");
    return reply.code(204).send(undefined);
  });

  const renew = {
    tags,
    summary: "Renew an agent's lease",
    params,
    body: Type.Union([
      Type.Object(
        { incarnation: Type.Optional(Type.Integer({ minimum: 0, description: "The lease meant; any when absent." })) },
        { additionalProperties: false },
      ),
      Type.Null(),
    ]),
    response: {
      200: Type.Object({
        id: Type.String(),
        region: Type.String(),
        incarnation: Count,
        revision: Count,
        leaseMs: Milliseconds,
        renewInMs: Milliseconds,
      }),
      ...ERROR_RESPONSES,
    },
  };
  app.post("/v1/agents/:id/renew", { schema: renew }, async (request) => {
    const incarnation = request.body?.incarnation ?? null;
    const renewed = await registry.renew(asAgentId(request.params.id), incarnation, guardOf(request));
    const { agent, leaseMs, renewInMs } = renewed;
    metrics.registry.renewal("v1");
    const { id, revision } = agent;
    return { id, region, incarnation: agent.incarnation, revision, leaseMs, renewInMs: wholeMs(renewInMs) };
  });

  const list = {
    tags,
    summary: "List the agents of this region, in order of id",
    querystring: Type.Object(
      {
        name: Type.Optional(Name(253)),
        namespace: Type.Optional(Name(63)),
        type: Type.Optional(AgentTypeName),
        health: Type.Optional(HealthName),
        search: Type.Optional(Name(253, "A part of the id, the name or the endpoint, whatever the case of letters.")),
        capability: Type.Optional(OneOrMany(Name(253), 32)),
        fuzzy: Type.Optional(
          Type.Boolean({ description: "Match capabilities by substring, whatever the case of letters." }),
        ),
        consistency: Type.Optional(ConsistencyName),
        limit: Type.Optional(Limit),
        cursor: Type.Optional(CursorText),
      },
      { additionalProperties: false },
    ),
    response: {
      200: Type.Object({ agents: Type.Array(ShownAgent), nextCursor: Type.Optional(Type.String()) }),
      ...ERROR_RESPONSES,
    },
  };
  app.get("/v1/agents", { schema: list, exposeHeadRoute: true }, async ({ query }) => {
    const { consistency = "stale", limit = LIMIT_DEFAULT, cursor, capability, search, ...exact } = query;
    const filter: AgentFilter = {
      ...exact,
      ...(capability === undefined ? {} : { capabilities: oneOrMany(capability) }),
    };
    const page = { limit, ...(cursor === undefined ? {} : { after: decodeNameCursor(cursor) }) };
    await registry.read(consistency);
    const { agents, hasMore } =
      search === undefined
        ? registry.list(filter, page)
        : await searchAgents(registry, clock, filter, { ...page, part: search });
    const last = agents.at(-1);
    return {
      agents: agents.map((agent) => showAgent(region, agent)),
      ...(hasMore && last !== undefined ? { nextCursor: encodeNameCursor(last.id) } : {}),
    };
  });
};

/**
 * Finds an agent, or proves that there is none: a node that lags does not know that, and "unknown" would make the agent
 * register anew (P12).
 *
 * @throws RegistryError UNKNOWN_AGENT, NO_LEADER
 */
export async function findAgent(
  registry: Registry,
  id: AgentId,
  consistency: "stale" | "linearizable",
): Promise<ListedAgent> {
  await registry.read(consistency);
  const held = registry.get(id);
  if (held !== undefined) return held;
  if (consistency === "stale") return findAgent(registry, id, "linearizable");
  throw new RegistryError(id, { code: "UNKNOWN_AGENT", agentId: id });
}
