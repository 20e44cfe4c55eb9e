/** What agents send to Atoll on its native face, of the same size as what others are sent. */

import type { HttpRequest } from "../load/http-client.ts";
import { agentId, capabilityOf, paddingFor } from "../peers/sample-agents.ts";

const JSON_HEADERS = { "content-type": "application/json" };
/** Longer than any run: nothing ends by time. */
const LEASE_MS = 86_400_000;
const PORT_FIRST = 10_000;

/** A registration whose body has `RECORD_BYTES`. */
export function registration(i: number): HttpRequest {
  const body = bodyOf(i, [capability(capabilityOf(i))]);
  return put(i, { ...body, description: paddingFor({ ...body, description: "" }) });
}

/**
 * A registration of `count` capabilities, all of which nine other agents have too, and nothing else.
 *
 * @param change - another number moves the agent to another port
 */
export function registrationOf(i: number, count: number, change = 0): HttpRequest {
  const others = Array.from({ length: count - 1 }, (_, j) => capability(`${capabilityOf(i)}-${j}`));
  return put(i, bodyOf(i, [capability(capabilityOf(i)), ...others], change));
}

export function renewal(i: number): HttpRequest {
  return { method: "POST", path: `/v1/agents/${agentId(i)}/renew`, headers: JSON_HEADERS, body: "{}" };
}

/** In this region alone: what a node answers from its own memory. */
export function localLookup(i: number): HttpRequest {
  return { method: "GET", path: `/v1/lookup?capability=${capabilityOf(i)}&scope=region` };
}

/** In every region that may have what is asked for. */
export function lookupEverywhere(i: number): HttpRequest {
  return { method: "GET", path: `/v1/lookup?capability=${capabilityOf(i)}` };
}

function bodyOf(i: number, capabilities: readonly object[], change = 0): object {
  return { endpoint: `http://${agentId(i)}:${PORT_FIRST + change}`, capabilities, leaseMs: LEASE_MS };
}

function capability(name: string): object {
  return { name, version: "1.2.0", tags: ["english", "fast"] };
}

function put(i: number, body: object): HttpRequest {
  return { method: "PUT", path: `/v1/agents/${agentId(i)}`, headers: JSON_HEADERS, body: JSON.stringify(body) };
}
