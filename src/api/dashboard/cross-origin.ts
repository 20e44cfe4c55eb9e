/**
 * Lets the dashboard of another node of the federation read this one, as it does when its own has died.
 *
 * Only what the page reads, only by GET, and only to pages that a node of the federation served. Credentials that a
 * browser would send by itself play no part: whoever may read is judged by the token, as everywhere.
 */

import type { FastifyReply, FastifyRequest } from "fastify";
import type { ClusterView } from "../ports.ts";
import { isNodeOrigin } from "./origins.ts";

const READABLE =
  /^\/(ready|v1\/(cluster|nodes|regions|capabilities|lookup|trend|activity|agents|agents\/[^/]+|agents\/[^/]+\/relations))$/;
const PREFLIGHT_VALID_SECONDS = 600;

/** Makes a hook for the moment in which a request comes in. It answers preflights itself. */
export function admitPagesOfNodes(view: ClusterView) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { origin } = request.headers;
    if (origin === undefined) return done();
    const asked = request.headers["access-control-request-method"] ?? request.method;
    const path = request.url.split("?", 1)[0]!;
    if (asked !== "GET" || !READABLE.test(path) || !isNodeOrigin(view, origin)) return done();
    reply.header("access-control-allow-origin", origin).header("vary", "Origin");
    if (request.method !== "OPTIONS") return done();
    reply
      .code(204)
      .header("access-control-allow-methods", "GET")
      .header("access-control-allow-headers", "authorization, last-event-id")
      .header("access-control-max-age", PREFLIGHT_VALID_SECONDS)
      .send();
  };
}
