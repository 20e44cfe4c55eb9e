/**
 * `GET /agents`: the list that meshctl and meshui start from (contract A5).
 *
 * With `capability=` (singular), which no real client sends, it answers in the seed form instead: an array. With `cursor`,
 * which none sends either, it answers in pages.
 */

import { Type } from "typebox";
import type { AgentFilter, ListedAgent, Registry } from "../../registry/interface.ts";
import { rfc3339 } from "../../util/clock.ts";
import { invalidField } from "../api-error.ts";
import { decodeNameCursor, encodeNameCursor } from "../cursor.ts";
import { showView } from "../headers.ts";
import { mapInTurns } from "../in-turns.ts";
import { listAll } from "../list-all.ts";
import type { Face } from "../modules.ts";
import { oneOrMany } from "../query.ts";
import { Count, LIMIT_DEFAULT, LIMIT_MAX, Timestamp } from "../schemas.ts";
import { findSeedAgents, SeedAgent } from "../seed-agents.ts";
import { AgentInfo, agentInfo } from "./agent-info.ts";
import { MESH_ERROR_RESPONSES } from "./errors.ts";
import { type MeshQuery, meshQuery } from "./query.ts";

const PARAMETERS = ["status", "namespace", "type", "capabilities", "fuzzy", "capability", "cursor", "limit"] as const;
type AgentsQuery = MeshQuery<(typeof PARAMETERS)[number]>;

interface Page {
  readonly agents: readonly ListedAgent[];
  readonly nextCursor?: string;
}

const AgentList = Type.Object({
  agents: Type.Unsafe<unknown>({ type: ["array", "null"], items: AgentInfo }),
  count: Count,
  timestamp: Timestamp,
  next_cursor: Type.Optional(Type.String({ description: "Hand it back as cursor; absent on the last page." })),
});

export const agentsRoute: Face = async (app, { registry, metrics, clock }) => {
  const schema = {
    tags: ["mcp-mesh"],
    summary: "List the agents of this region; with capability=, find agents in the seed form",
    querystring: meshQuery(PARAMETERS),
    response: {
      // One schema of two types: the serializer switches on the type, where it would try the branches of an `anyOf`.
      // Typed as text too, because a list is made into JSON agent by agent.
      200: Type.Unsafe<object | string>({ ...AgentList, type: ["array", "object"], items: SeedAgent }),
      ...MESH_ERROR_RESPONSES,
    },
  };
  app.get("/agents", { schema }, async ({ query }, reply) => {
    const seedCapability = firstOf(query.capability);
    if (seedCapability !== undefined) return findSeedAgents({ registry, metrics }, seedCapability, reply);
    const fuzzy = parseGoBool(firstOf(query.fuzzy) ?? "false");
    if (fuzzy === undefined) throw invalidField("fuzzy", "must be true or false");
    const filter = toFilter(query, fuzzy);
    const readPage = pageReader(query);
    showView(reply, await registry.read("stale"));
    const { agents, nextCursor } = filter === undefined ? NO_AGENTS : readPage(registry, filter);
    const rows = await mapInTurns(agents, clock, (agent) => JSON.stringify(agentInfo(registry, agent)));
    const rest = {
      count: agents.length,
      timestamp: rfc3339(clock.wallTime()),
      ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }),
    };
    const list = rows.length === 0 ? "null" : `[${rows.join(",")}]`;
    reply.type("application/json; charset=utf-8");
    return `{"agents":${list},${JSON.stringify(rest).slice(1)}`;
  });
};

const NO_AGENTS: Page = { agents: [] };

/** Undefined when no agent can fit. */
function toFilter(query: AgentsQuery, fuzzy: boolean): AgentFilter | undefined {
  const status = firstOf(query.status);
  if (status !== undefined && status !== "healthy" && status !== "unhealthy") return undefined;
  const namespace = firstOf(query.namespace);
  const type = firstOf(query.type);
  const capabilities = oneOrMany(query.capabilities ?? []);
  return {
    fuzzy,
    ...(status === undefined ? {} : { health: status }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(type === undefined ? {} : { type }),
    ...(capabilities.length === 0 ? {} : { capabilities }),
  };
}

/**
 * Everything at once, as the real registry answers whatever `limit` says; or one page when `cursor` is there, which is empty
 * for the first one.
 *
 * @throws ApiError INVALID_FIELD
 */
function pageReader({ cursor, limit }: AgentsQuery): (registry: Registry, filter: AgentFilter) => Page {
  if (cursor === undefined) return (registry, filter) => ({ agents: listAll(registry, filter) });
  const size = parseLimit(firstOf(limit) ?? String(LIMIT_DEFAULT));
  const place = firstOf(cursor);
  const page = { limit: size, ...(place === undefined ? {} : { after: decodeNameCursor(place) }) };
  return (registry, filter) => {
    const { agents, hasMore } = registry.list(filter, page);
    const last = agents.at(-1);
    return { agents, ...(hasMore && last !== undefined ? { nextCursor: encodeNameCursor(last.id) } : {}) };
  };
}

function parseLimit(text: string): number {
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIMIT_MAX) throw invalidField("limit", `must be a whole number from 1 to ${LIMIT_MAX}`);
  return limit;
}

/** An empty parameter is as good as none. */
function firstOf(value: string | readonly string[] | undefined): string | undefined {
  return oneOrMany(value ?? []).find((each) => each !== "");
}

/** As Go's `strconv.ParseBool` reads it; undefined when it does not. */
function parseGoBool(text: string): boolean | undefined {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  return undefined;
}
