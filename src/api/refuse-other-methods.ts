/** 405 with `Allow` for the methods that a known path does not have. */

import type { FastifyInstance } from "fastify";
import { ApiError } from "./api-error.ts";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/**
 * Watches the routes that are added to `app` from now on.
 *
 * @returns call it when all routes are added
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>();
  app.addHook("onRoute", ({ url, method }) => {
    const methods = known.get(url) ?? new Set();
    for (const each of [method].flat()) methods.add(each);
    known.set(url, methods);
  });
  return () => {
    for (const [url, methods] of [...known]) {
      const allow = [...methods].sort().join(", ");
      const others = METHODS.filter((method) => !methods.has(method));
      app.route({
        url,
        method: others,
        schema: { hide: true },
        config: { isNoRoute: true },
        // Before the body is read: what it holds does not matter.
        onRequest: async ({ method }, reply) => {
          reply.header("allow", allow);
          throw new ApiError({ code: "METHOD_NOT_ALLOWED", method, allow });
        },
        handler: async () => undefined,
      });
    }
  };
}
