/** Which headers the proxy hands on, and which end with the connection they came on (RFC 9110, section 7.6.1). */

import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { AgentAnswer } from "./call-agent.ts";

/** Of a request (contract B): no credential is among them, and none follows unless the operator names it. */
const FORWARDED: readonly string[] = [
  "content-type",
  "accept",
  "x-trace-id",
  "x-parent-span",
  "x-mesh-timeout",
  "x-mesh-job-id",
  "x-mesh-calling-job-id",
  "x-mesh-calling-claim-epoch",
];

const OF_ONE_CONNECTION: readonly string[] = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
/** Said anew for the next connection, so never handed on, whatever the operator names. */
const OF_ONE_REQUEST: readonly string[] = [...OF_ONE_CONNECTION, "content-length", "expect", "host"];

/** What this node says of itself is not for agents to say. */
const OWN_PREFIX = "x-atoll-";

/**
 * Makes the choice of a request's headers.
 *
 * @param propagated - names to forward beside the contract's; one that ends with `*` is a prefix
 */
export function requestHeaderFilter(propagated: readonly string[]) {
  const named = propagated.map((name) => name.toLowerCase());
  const names = new Set([...FORWARDED, ...named.filter((name) => !name.endsWith("*"))]);
  const prefixes = named.filter((name) => name.endsWith("*")).map((name) => name.slice(0, -1));
  const isForwarded = (name: string) =>
    !OF_ONE_REQUEST.includes(name) && (names.has(name) || prefixes.some((prefix) => name.startsWith(prefix)));
  return (headers: IncomingHttpHeaders): OutgoingHttpHeaders => {
    const chosen: OutgoingHttpHeaders = {};
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined && isForwarded(name)) chosen[name] = value;
    }
    return chosen;
  };
}

/** An answer's headers by name in lower case, without those of the connection it came on. */
export function answerHeaders({ headers }: AgentAnswer): Map<string, string[]> {
  const byName = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    byName.set(lower, [...(byName.get(lower) ?? []), value]);
  }
  const listed = (byName.get("connection") ?? []).flatMap((value) => value.toLowerCase().split(","));
  for (const name of [...OF_ONE_CONNECTION, ...listed]) byName.delete(name.trim());
  for (const name of byName.keys()) {
    if (name.startsWith(OWN_PREFIX)) byName.delete(name);
  }
  return byName;
}
