/** What agents send to Atoll on its native face, of the same size as what others are sent. */

import type { HttpRequest } from "../load/http-client.ts";
import { agentId, capabilityOf, paddingFor } from "../peers/sample-agents.ts";

const JSON_HEADERS = { "content-type": "application/json" };
/** Longer than any run: nothing ends by time. */
export const LONG_LEASE_MS = 86_400_000;
const PORT_FIRST = 10_000;

/** A registration whose body has `RECORD_BYTES`. */
export function registration(i: number, leaseMs = LONG_LEASE_MS): HttpRequest {
  const body = { ...bodyOf(i, [capability(capabilityOf(i))]), leaseMs };
  return registrationAs(agentId(i), { ...body, description: paddingFor({ ...body, description: "" }) });
}

/**
 * A registration of `count` capabilities, all of which nine other agents have too, and nothing else.
 *
 * @param change - another number moves the agent to another port
 */
export function registrationOf(i: number, count: number, change = 0): HttpRequest {
  const others = Array.from({ length: count - 1 }, (_, j) => capability(`${capabilityOf(i)}-${j}`));
  return registrationAs(agentId(i), bodyOf(i, [capability(capabilityOf(i)), ...others], change));
}

/** A registration of any agent. */
export function registrationAs(id: string, body: object): HttpRequest {
  return { method: "PUT", path: `/v1/agents/${id}`, headers: JSON_HEADERS, body: JSON.stringify(body) };
}

export function renewal(i: number): HttpRequest {
  return renewalAs(agentId(i), {});
}

/** A renewal of any agent. */
export function renewalAs(id: string, body: object): HttpRequest {
  return { method: "POST", path: `/v1/agents/${id}/renew`, headers: JSON_HEADERS, body: JSON.stringify(body) };
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
  return { endpoint: `http://${agentId(i)}:${PORT_FIRST + change}`, capabilities, leaseMs: LONG_LEASE_MS };
}

function capability(name: string): object {
  return { name, version: "1.2.0", tags: ["english", "fast"] };
}
