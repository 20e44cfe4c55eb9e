/**
 * `GET /agents`: the list that meshctl and meshui start from (contract A5).
 *
 * With `capability=` (singular), which no real client sends, it answers in the seed form instead: an array.
 */

import { Type } from "typebox";
import type { ListedAgent, Registry } from "../../registry/interface.ts";
import { rfc3339 } from "../../util/clock.ts";
import { invalidField } from "../api-error.ts";
import { listAll } from "../list-all.ts";
import type { Face } from "../modules.ts";
import { oneOrMany } from "../query.ts";
import { Count, Timestamp } from "../schemas.ts";
import { findSeedAgents, SeedAgent } from "../seed-agents.ts";
import { AgentInfo, agentInfo, nullIfEmpty } from "./agent-info.ts";
import { MESH_ERROR_RESPONSES } from "./errors.ts";

/** Anything goes: values that match nothing give an empty list, and unknown parameters are ignored. */
const Parameter = { type: ["string", "array"], items: { type: "string" } };
const PARAMETERS = ["status", "namespace", "type", "capabilities", "fuzzy", "capability"] as const;
type AgentsQuery = { readonly [Name in (typeof PARAMETERS)[number]]?: string | readonly string[] };

const AgentList = Type.Object({
  agents: Type.Unsafe<unknown>({ type: ["array", "null"], items: AgentInfo }),
  count: Count,
  timestamp: Timestamp,
});

export const agentsRoute: Face = async (app, { registry, metrics, clock }) => {
  const schema = {
    tags: ["mcp-mesh"],
    summary: "List the agents of this region; with capability=, find agents in the seed form",
    querystring: Type.Unsafe<AgentsQuery>({
      type: "object",
      properties: Object.fromEntries(PARAMETERS.map((name) => [name, Parameter])),
    }),
    response: {
      // One schema of two types: the serializer switches on the type, where it would try the branches of an `anyOf`.
      200: Type.Unsafe<object>({ ...AgentList, type: ["array", "object"], items: SeedAgent }),
      ...MESH_ERROR_RESPONSES,
    },
  };
  app.get("/agents", { schema }, async ({ query }, reply) => {
    const seedCapability = firstOf(query.capability);
    if (seedCapability !== undefined) return findSeedAgents({ registry, metrics }, seedCapability, reply);
    const fuzzy = parseGoBool(firstOf(query.fuzzy) ?? "false");
    if (fuzzy === undefined) throw invalidField("fuzzy", "must be true or false");
    await registry.read("stale");
    const agents = find(registry, query, fuzzy);
    return {
      agents: nullIfEmpty(agents.map((agent) => agentInfo(registry, agent))),
      count: agents.length,
      timestamp: rfc3339(clock.wallTime()),
    };
  });
};

function find(registry: Registry, query: AgentsQuery, fuzzy: boolean): ListedAgent[] {
  const status = firstOf(query.status);
  if (status !== undefined && status !== "healthy" && status !== "unhealthy") return [];
  const namespace = firstOf(query.namespace);
  const type = firstOf(query.type);
  const capabilities = oneOrMany(query.capabilities ?? []);
  return listAll(registry, {
    fuzzy,
    ...(status === undefined ? {} : { health: status }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(type === undefined ? {} : { type }),
    ...(capabilities.length === 0 ? {} : { capabilities }),
  });
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
