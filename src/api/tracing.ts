/**
 * A span for each request, named by its route (OpenTelemetry's semantic conventions for HTTP servers), within the trace that its
 * `traceparent` header names.
 *
 * Neither the path nor the query is in it, but the route's pattern: ids of agents and what callers put behind `/proxy` stay here.
 */

import type { FastifyInstance, FastifyRequest } from "fastify";
import { isTraceparent, type Span, type Tracing } from "../types/tracing.ts";
import { isEventStream } from "./headers.ts";

/** Probes and scrapes come every few seconds and tell nothing. */
const UNTRACED: ReadonlySet<string | undefined> = new Set(["/health", "/ready", "/metrics"]);

export function traceRequests(app: FastifyInstance, tracing: Tracing): void {
  const spans = new WeakMap<FastifyRequest, Span>();
  app.addHook("onRequest", (request, _reply, done) => {
    const { url: route } = request.routeOptions;
    if (UNTRACED.has(route)) return done();
    const span = tracing.start({
      name: route === undefined ? request.method : `${request.method} ${route}`,
      kind: "server",
      attributes: {
        "http.request.method": request.method,
        "url.scheme": request.protocol,
        ...(route !== undefined && { "http.route": route }),
      },
      parent: parentOf(request),
    });
    spans.set(request, span);
    done();
  });
  // Last before the handler: a body is read in the context of its connection, which other requests share.
  app.addHook("preHandler", (request, _reply, done) => {
    const span = spans.get(request);
    if (span === undefined) done();
    else span.run(done);
  });
  app.addHook("onSend", (request, reply, payload, done) => {
    // A stream lasts as long as its reader likes; what it sends later is not the request's doing.
    if (isEventStream(reply.getHeader("content-type"))) spans.get(request)?.end(endOf(reply.statusCode));
    done(null, payload);
  });
  app.addHook("onResponse", (request, reply, done) => {
    spans.get(request)?.end(endOf(reply.statusCode));
    done();
  });
  app.addHook("onRequestAbort", (request, done) => {
    spans.get(request)?.end({ error: "aborted" });
    done();
  });
}

function parentOf(request: FastifyRequest): string | undefined {
  const { traceparent } = request.headers;
  return typeof traceparent === "string" && isTraceparent(traceparent) ? traceparent : undefined;
}

/** A 4xx is the caller's affair and no error of this server's. */
function endOf(status: number) {
  return {
    attributes: { "http.response.status_code": status },
    ...(status >= 500 && { error: String(status) }),
  };
}
