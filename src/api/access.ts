/**
 * Who may use which route: one table.
 *
 * A route that is not in it is for operators, and fails a test. `probe`: whoever looks whether the node lives is served
 * whatever else holds. `public`: no token, but the rules for networks and TLS hold.
 */

import type { Role } from "../types/token.ts";

export interface Access {
  readonly who: "probe" | "public" | Role;
  /** Renewals have a budget of their own: what else an agent does must not cost it its lease. */
  readonly isRenewal?: boolean;
  /** It is done by this node alone, and may be what it needs to find its region: it does not wait until the node has caught up. */
  readonly isLocal?: boolean;
}

const PROBE: Access = { who: "probe" };
const PUBLIC: Access = { who: "public" };
const READER: Access = { who: "reader" };
const AGENT: Access = { who: "agent" };
const RENEWAL: Access = { who: "agent", isRenewal: true };
const OPERATOR: Access = { who: "operator" };
const LOCAL: Access = { who: "operator", isLocal: true };

const ACCESS: Readonly<Record<string, Access>> = {
  "GET /health": PROBE,
  "HEAD /health": PROBE,
  "GET /ready": PROBE,
  "GET /": PUBLIC,
  "GET /openapi.json": PUBLIC,
  "GET /metrics": READER,

  "PUT /v1/agents/:id": AGENT,
  "DELETE /v1/agents/:id": AGENT,
  "POST /v1/agents/:id/renew": RENEWAL,
  "GET /v1/agents/:id": READER,
  "GET /v1/agents": READER,
  "GET /v1/lookup": READER,
  "GET /v1/capabilities": READER,
  "GET /v1/watch": READER,
  "GET /v1/activity": READER,
  "GET /v1/trend": READER,
  "GET /v1/agents/:id/relations": READER,
  "GET /v1/regions": READER,
  "GET /v1/nodes": READER,
  "GET /v1/cluster": READER,
  "GET /v1/cluster/members": READER,
  "GET /v1/cluster/backup": OPERATOR,
  "POST /v1/cluster/members": OPERATOR,
  "DELETE /v1/cluster/members/:member": OPERATOR,
  "POST /v1/cluster/members/:member/promote": OPERATOR,
  "POST /v1/cluster/transfer": OPERATOR,
  "POST /v1/cluster/retire": OPERATOR,
  "POST /v1/cluster/region-key/rotate": OPERATOR,
  "POST /v1/regions/:region/retire": OPERATOR,
  "POST /v1/regions/:region/admit": OPERATOR,
  "GET /v1/tokens": OPERATOR,
  "GET /v1/audit": OPERATOR,
  "POST /v1/tokens": OPERATOR,
  "DELETE /v1/tokens/:id": OPERATOR,
  "GET /v1/cluster/peers": READER,
  "POST /v1/cluster/peers": LOCAL,
  "DELETE /v1/cluster/peers/:name": LOCAL,

  "POST /heartbeat": AGENT,
  "HEAD /heartbeat/:id": RENEWAL,
  "DELETE /agents/:id": AGENT,
  "GET /agents": READER,
  "GET /events": READER,
  "GET /schemas": READER,
  "GET /schemas/:hash": READER,
  "GET /a2a/agents": READER,
  "GET /trace/status": READER,
  "GET /trace/stats": READER,
  "GET /trace/info": READER,
  "GET /trace/:id": READER,
  "GET /proxy/*": AGENT,
  "POST /proxy/*": AGENT,
  "GET /admin/drain": READER,
  "POST /admin/drain": OPERATOR,
  "DELETE /admin/drain": OPERATOR,
  "POST /admin/rotate": OPERATOR,
  "GET /admin/entities": READER,

  "POST /agents": AGENT,
  "POST /api/v1/agents": AGENT,
  "GET /api/v1/agents": READER,
  "GET /capabilities": READER,
};

/** Pages that are in every copy of the program, and show nothing of this one: what they show, they ask for. */
const PAGES = /^\/(docs|dashboard)(\/|$)/;

/** What a route that nobody thought of gets. */
export const UNLISTED: Access = OPERATOR;

/** Undefined for a route that is not in the table. A HEAD is as good as the GET that it is made from. */
export function accessOf(method: string, url: string): Access | undefined {
  if (PAGES.test(url)) return PUBLIC;
  return ACCESS[`${method} ${url}`] ?? (method === "HEAD" ? ACCESS[`GET ${url}`] : undefined);
}

/** The routes of the table, as `METHOD /url`. */
export const LISTED_ROUTES: readonly string[] = Object.keys(ACCESS);
