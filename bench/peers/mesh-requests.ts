/** What agents and operators of MCP Mesh send, to the registry of MCP Mesh and to Atoll alike: the same bytes. */

import type { HttpAnswer, HttpRequest } from "../load/http-client.ts";
import { AGENTS_PER_CAPABILITY, agentId, capabilityOf } from "./sample-agents.ts";

const JSON_HEADERS = { "content-type": "application/json" };
const PORT_FIRST = 10_000;
const TOOLS = 3;
const INPUT_SCHEMA = { type: "object", properties: { query: { type: "string" } }, required: ["query"] };

/**
 * A registration, or a full heartbeat: three tools with what the SDKs send of them, one of which depends on what other
 * agents offer.
 *
 * @param change - another number moves the agent to another port, so that a registry has something to write
 */
export function meshHeartbeat(i: number, change = 0): HttpRequest {
  const neighbour = { capability: capabilityOf(i + AGENTS_PER_CAPABILITY), version: ">=1.0.0", tags: ["english"] };
  const tools = Array.from({ length: TOOLS }, (_, j) => ({
    function_name: `work_${j}`,
    capability: j === 0 ? capabilityOf(i) : `${capabilityOf(i)}-${j}`,
    version: "1.2.0",
    tags: ["english", "fast"],
    description: "Does what it is asked to do, and says what became of it.",
    inputSchema: INPUT_SCHEMA,
    dependencies: j === 0 ? [neighbour] : [],
  }));
  const body = {
    agent_id: agentId(i),
    version: "1.0.0",
    http_host: "127.0.0.1",
    http_port: PORT_FIRST + change,
    tools,
  };
  return { method: "POST", path: "/heartbeat", headers: JSON_HEADERS, body: JSON.stringify(body) };
}

export function meshFastHeartbeat(i: number): HttpRequest {
  return { method: "HEAD", path: `/heartbeat/${agentId(i)}` };
}

export function meshLookup(i: number): HttpRequest {
  return { method: "GET", path: `/agents?capabilities=${capabilityOf(i)}` };
}

/** Whether an answer has the agent, as MCP Mesh and Atoll write it. */
export function showsAgent({ status, body }: HttpAnswer, i: number): boolean {
  return status === 200 && body.includes(`"id":"${agentId(i)}"`);
}
