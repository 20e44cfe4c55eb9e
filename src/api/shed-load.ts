/**
 * Refuses requests that the load guard does not let through: before a token is looked at and a body is read, with 503 and a
 * time to come again.
 *
 * Never with 404 or 410: that a node has too much to do says nothing about who is registered (F18).
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { ApiError } from "./api-error.ts";
import { loadClassOf } from "./load-class.ts";
import type { LoadClass, LoadGuard } from "./load-guard.ts";

/** Made once: an error takes a picture of its stack, which costs more than all else of a refusal. */
const REFUSALS: Readonly<Record<LoadClass, ApiError>> = {
  renewal: new ApiError({ code: "OVERLOADED", shed: "renewal" }),
  write: new ApiError({ code: "OVERLOADED", shed: "write" }),
  lookup: new ApiError({ code: "OVERLOADED", shed: "lookup" }),
  watch: new ApiError({ code: "OVERLOADED", shed: "watch" }),
};

/** Puts the guard before every route of `app`. */
export function shedLoad(app: FastifyInstance, guard: LoadGuard): void {
  const classes = new Map<string, LoadClass | null>();
  app.addHook("onRoute", ({ method, url }) => {
    for (const each of [method].flat()) classes.set(`${each} ${url}`, loadClassOf(each, url));
  });
  app.addHook("onRequest", (request: FastifyRequest, reply: FastifyReply, done) => {
    // What no route answers costs as much as a lookup that finds nothing.
    const name = classes.get(`${request.method} ${request.routeOptions.url}`);
    if (name === null) return done();
    const loadClass = name ?? "lookup";
    const admission = guard.admit(loadClass);
    if (admission === null) return done(REFUSALS[loadClass]);
    reply.raw.once("close", admission.end);
    done();
  });
}
