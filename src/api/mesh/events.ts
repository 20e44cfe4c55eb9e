/** `GET /events`: what happened to agents and their dependencies, for `meshctl audit` and operators (contract B, A11). */

import { Type } from "typebox";
import type { EventFilter } from "../../registry/interface.ts";
import type { RegistryEvent } from "../../types/event.ts";
import { rfc3339 } from "../../util/clock.ts";
import type { Face } from "../modules.ts";
import { AnyObject, Count, Shown, Timestamp } from "../schemas.ts";
import { MESH_QUERY_ERROR_RESPONSES } from "./errors.ts";
import { clampedLimit, type MeshQuery, meshQuery, single } from "./query.ts";

const LIMIT = { byDefault: 50, max: 500 };

const ShownEvent = Type.Object({
  event_type: Type.String(),
  agent_id: Type.String(),
  agent_name: Type.Optional(Type.String()),
  function_name: Type.Optional(Type.String()),
  timestamp: Timestamp,
  data: Type.Optional(AnyObject),
});

export const eventsRoute: Face = async (app, { registry }) => {
  const schema = {
    tags: ["mcp-mesh"],
    summary: "List what happened to agents of this region and their dependencies, newest first",
    querystring: meshQuery(["type", "agent_id", "function_name", "limit"]),
    response: {
      200: Type.Object({ count: Count, events: Shown<readonly object[]>(Type.Array(ShownEvent)) }),
      ...MESH_QUERY_ERROR_RESPONSES,
    },
  };
  app.get("/events", { schema }, async ({ query }) => {
    const filter = toFilter(query);
    const limit = clampedLimit(query, LIMIT);
    await registry.read("stale");
    const events = registry.events(filter, limit).map(shownEvent);
    return { count: events.length, events };
  });
};

/** An empty parameter is as good as none. */
function toFilter(query: MeshQuery<"type" | "agent_id" | "function_name">): EventFilter {
  const type = single(query, "type");
  const agentId = single(query, "agent_id");
  const functionName = single(query, "function_name");
  return { ...(type && { type }), ...(agentId && { agentId }), ...(functionName && { functionName }) };
}

function shownEvent({ type, agentId, agentName, functionName, atMs, data }: RegistryEvent) {
  return {
    event_type: type,
    agent_id: agentId,
    ...(agentName === undefined ? {} : { agent_name: agentName }),
    ...(functionName === undefined ? {} : { function_name: functionName }),
    timestamp: rfc3339(atMs),
    ...(Object.keys(data).length === 0 ? {} : { data }),
  };
}
