/**
 * Refuses requests that the load guard does not let through: before a token is looked at and a body is read, with 503 and a
 * time to come again.
 *
 * A request is over when its connection has nothing more to say of it, and a write not before its handler is done too: a client
 * that gives up does not take back what it asked for, and a node that took that for room would pile up more and more of it.
 *
 * Never with 404 or 410: that a node has too much to do says nothing about who is registered (F18).
 */

import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from "fastify";
import { ApiError } from "./api-error.ts";
import { loadClassOf } from "./load-class.ts";
import type { Admission, LoadClass, LoadGuard } from "./load-guard.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Null of what is no write, or was not let in. */
    write: Write | null;
  }
}

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
  app.decorateRequest("write", null);
  app.addHook("onRoute", (route) => {
    const names = [route.method].flat().map((each) => [each, loadClassOf(each, route.url)] as const);
    for (const [each, name] of names) classes.set(`${each} ${route.url}`, name);
    if (names.some(([, name]) => name === "write")) route.handler = noticed(route.handler);
  });
  app.addHook("onRequest", (request: FastifyRequest, reply: FastifyReply, done) => {
    // What no route answers costs as much as a lookup that finds nothing.
    const name = classes.get(`${request.method} ${request.routeOptions.url}`);
    if (name === null) return done();
    const loadClass = name ?? "lookup";
    const admission = guard.admit(loadClass);
    if (admission === null) return done(REFUSALS[loadClass]);
    if (loadClass !== "write") reply.raw.once("close", admission.end);
    else {
      const write = new Write(admission);
      request.write = write;
      reply.raw.once("close", () => write.close());
    }
    done();
  });
}

/** A write that was let in: over once its connection has closed it and its handler, if it came to that, is done. */
class Write {
  readonly #admission: Admission;
  #isHandled = false;
  #isClosed = false;
  #isOver = false;

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  close(): void {
    this.#isClosed = true;
    if (!this.#isHandled) this.#end();
  }

  async during(handled: unknown): Promise<unknown> {
    this.#isHandled = true;
    try {
      return await handled;
    } finally {
      this.#isHandled = false;
      if (this.#isClosed) this.#end();
    }
  }

  #end(): void {
    if (!this.#isOver) this.#admission.end();
    this.#isOver = true;
  }
}

/** A handler of which the request's write knows how long it goes on. */
function noticed(handler: RouteHandlerMethod): RouteHandlerMethod {
  return function (request, reply) {
    const handled = handler.call(this, request, reply);
    return request.write === null ? handled : request.write.during(handled);
  };
}
