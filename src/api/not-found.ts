/**
 * What is answered where there is nothing: an error in the native shape under `/v1`, the contract's text elsewhere.
 *
 * Elsewhere also means wrong methods, and a trailing slash too many is redirected as the real registry does it, wherever a route would be met without it.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ApiError, invalidField } from "./api-error.ts";

export function isNativePath(url: string): boolean {
  return /^\/v1([/?]|$)/.test(url);
}

/** @param app - the routes added to it from now on are those worth redirecting to */
export function createNotFoundHandler(app: FastifyInstance) {
  const routes = rememberRoutes(app);
  /** @throws ApiError NOT_FOUND, INVALID_FIELD under `/v1` */
  return (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const [path = "/", query] = request.url.split("?", 2);
    if (isNativePath(path)) {
      // An id with a slash in it comes here, since a slash ends the id.
      if (path.startsWith("/v1/agents/") && path.split("/").includes("..")) {
        throw invalidField("id", "must not contain ..");
      }
      throw new ApiError({ code: "NOT_FOUND", path });
    }
    const withoutSlash = path.slice(0, -1);
    if (path.endsWith("/") && routes.get(request.method)?.some((route) => route.test(withoutSlash))) {
      const status = request.method === "GET" ? 301 : 307;
      return reply.redirect(query === undefined ? withoutSlash : `${withoutSlash}?${query}`, status);
    }
    return reply.code(404).type("text/plain").send("404 page not found");
  };
}

/** The paths of the routes added to `app` from now on, by method; those that end in `*` meet a slash by themselves. */
function rememberRoutes(app: FastifyInstance): ReadonlyMap<string, readonly RegExp[]> {
  const routes = new Map<string, RegExp[]>();
  app.addHook("onRoute", ({ url, method }) => {
    if (url.endsWith("*")) return;
    const path = new RegExp(`^${url.replaceAll(/:[^/]+/g, "[^/]+")}$`);
    for (const each of [method].flat()) routes.set(each, [...(routes.get(each) ?? []), path]);
  });
  return routes;
}

const DECODED_PARTS = [
  { within: /^\/(v1\/agents|heartbeat|agents)\//, part: "id" },
  { within: /^\/v1\/cluster\/members\//, part: "member" },
];

/** The request's path can not be decoded, so no route was chosen: says which part of it is wrong. */
export function undecodablePath(url: string): ApiError {
  const named = DECODED_PARTS.find(({ within }) => within.test(url));
  return invalidField(named?.part ?? "path", "is not valid percent-encoding");
}
