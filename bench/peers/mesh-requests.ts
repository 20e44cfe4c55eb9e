/** What agents and operators of MCP Mesh send, to the registry of MCP Mesh and to Atoll alike: the same bytes. */

import type { HttpAnswer, HttpRequest } from "../load/http-client.ts";
import { agentId, capabilityOf, paddingFor } from "./sample-agents.ts";

const JSON_HEADERS = { "content-type": "application/json" };
const PORT_FIRST = 10_000;

/**
 * A registration, or a full heartbeat.
 *
 * @param change - another number moves the agent to another port, so that a registry has something to write
 */
export function meshHeartbeat(i: number, change = 0): HttpRequest {
  const tool = { function_name: "work", capability: capabilityOf(i), version: "1.2.0", tags: ["english", "fast"] };
  const body = { agent_id: agentId(i), http_host: "127.0.0.1", http_port: PORT_FIRST + change, tools: [tool] };
  const padded = {
    ...body,
    tools: [{ ...tool, description: paddingFor({ ...body, tools: [{ ...tool, description: "" }] }) }],
  };
  return { method: "POST", path: "/heartbeat", headers: JSON_HEADERS, body: JSON.stringify(padded) };
}

export function meshFastHeartbeat(i: number): HttpRequest {
  return { method: "HEAD", path: `/heartbeat/${agentId(i)}` };
}

export function meshLookup(i: number): HttpRequest {
  return { method: "GET", path: `/agents?capabilities=${capabilityOf(i)}` };
}

export function meshShows({ status, body }: HttpAnswer, i: number): boolean {
  return status === 200 && body.includes(`"id":"${agentId(i)}"`);
}
