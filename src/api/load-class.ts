/** What a route is worth when not all requests can be served (P12). */

import { accessOf } from "./access.ts";
import type { LoadClass } from "./load-guard.ts";

/** Streams, which go on and on. */
const WATCHES = /^\/v1\/(watch|activity)$/;
/** Whoever helps a node in trouble needs to see how it is. */
const HELPERS = /^\/(metrics$|v1\/cluster)/;

/**
 * Null for what is always served: probes, metrics, and what operators do, who may be about to help. They are few.
 *
 * A MCP Mesh heartbeat with a body is a write: most register something, and which of them do not is only known once the body
 * has been read. Agents renew with the one that has none.
 */
export function loadClassOf(method: string, url: string): LoadClass | null {
  const access = accessOf(method, url);
  if (access === undefined) return "lookup";
  if (access.isRenewal) return "renewal";
  if (access.who === "probe" || access.who === "operator" || HELPERS.test(url)) return null;
  if (WATCHES.test(url)) return "watch";
  const isRead = method === "GET" || method === "HEAD" || url.startsWith("/proxy/");
  return isRead ? "lookup" : "write";
}
