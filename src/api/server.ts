/**
 * The HTTP server of a node: all faces on one app, which does not listen yet.
 *
 * Promises for every face: bounded bodies, no request logged on its way, an answer that says which node gave it
 * (`headers.ts`), and errors in the face's one shape (`problem.ts`). Errors and what is not found are taken care of before
 * any face is added, so that every face inherits it.
 */

import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { admitPagesOfNodes } from "./dashboard/cross-origin.ts";
import { dashboardFiles } from "./dashboard/page.ts";
import { createNativeErrorHandler } from "./error-handler.ts";
import { guardRoutes } from "./guard.ts";
import { commonHeaders, isEventStream } from "./headers.ts";
import { readJsonBodies } from "./json-body.ts";
import { createMeshErrorHandler } from "./mesh/errors.ts";
import { adminFace, meshFace } from "./mesh/index.ts";
import type { FaceOptions } from "./modules.ts";
import { createNotFoundHandler, isNativePath, undecodablePath } from "./not-found.ts";
import { addMetricsRoute, addReadyRoute, operations } from "./operations.ts";
import { seedForms } from "./seed-forms.ts";
import { shedLoad } from "./shed-load.ts";
import type { PortSockets } from "./sockets.ts";
import { traceRequests } from "./tracing.ts";
import { nativeFace } from "./v1/index.ts";
import { createValidatorCompiler } from "./validation.ts";

export interface ServerOptions extends FaceOptions {
  /** Of the port that the server is for. */
  readonly sockets: PortSockets;
}

/** Above the largest URL that node:http takes, so that an over-long id meets the schema, which names it. */
const PARAM_LENGTH_MAX = 65_536;

/** Builds the app with all faces. Listening, and closing it, is for the caller. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = createApp(options);
  await describeApi(app, options);
  await app.register(operations, options);
  await app.register(meshFace, options);
  await app.register(seedForms, options);
  await app.register(nativeFace, options);
  await app.register(dashboardFiles, options);
  await app.ready();
  return app;
}

/**
 * Builds what listens on the metrics port: `/metrics` as on the main port, `/health` and `/ready`, so that the API's port can
 * stay closed to scrapers and probes, and can ask for certificates that they do not have.
 */
export async function buildMetricsServer(
  options: Pick<ServerOptions, "metrics" | "view" | "isShuttingDown" | "sockets">,
): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    serverFactory: (handler) => options.sockets.createServer(handler, undefined),
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).type("text/plain").send("404 page not found"));
  addMetricsRoute(app, options.metrics);
  addReadyRoute(app, options);
  app.get("/health", async () => ({ status: "healthy" }));
  await app.ready();
  return app;
}

/**
 * Builds what listens on the admin port: `/admin` of the MCP Mesh face, and nothing else. The main port does not serve it
 * when `mesh.isAdminApart`.
 */
export async function buildAdminServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = createApp(options);
  await app.register(adminFace, options);
  await app.ready();
  return app;
}

function createApp(options: ServerOptions): FastifyInstance {
  const { view, metrics, limits, sockets, isShuttingDown } = options;
  const answerNativeError = createNativeErrorHandler(options);
  const answerMeshError = createMeshErrorHandler(options);
  const setCommonHeaders = commonHeaders(view, isShuttingDown);
  const app = Fastify({
    serverFactory: (handler) => sockets.createServer(handler, options.tls),
    ...(options.trustedProxies !== undefined && { trustProxy: [...options.trustedProxies] }),
    logger: false,
    // What reaches a node that is closing is still served: a planned stop fails no request (P6).
    return503OnClosing: false,
    bodyLimit: limits.bodyBytesMax,
    // The contract has HEAD in two places only; other routes that have it say so.
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    // A path that can not be decoded meets no route, and so none of the hooks.
    frameworkErrors: (_error, request, reply) => {
      const url = request.raw.url ?? "";
      const answer = isNativePath(url) ? answerNativeError : answerMeshError;
      setCommonHeaders(reply as FastifyReply);
      answer(undecodablePath(url), request as FastifyRequest, reply as FastifyReply);
    },
  });
  // First of all, since preflights carry no token.
  app.addHook("onRequest", admitPagesOfNodes(view));
  if (options.load !== undefined) shedLoad(app, options.load);
  guardRoutes(app, options.security);
  app.setValidatorCompiler(createValidatorCompiler());
  app.setErrorHandler(answerNativeError);
  app.setNotFoundHandler(createNotFoundHandler(app));
  readJsonBodies(app, "application/json");
  if (options.tracing !== undefined) traceRequests(app, options.tracing);
  app.addHook("onSend", (_request, reply, payload, done) => {
    setCommonHeaders(reply);
    done(null, payload);
  });
  app.addHook("onResponse", (request, reply, done) => {
    const route = request.routeOptions.url ?? "none";
    metrics.http.observe(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    if (isOwnWork(route, reply)) metrics.http.observeLatency(reply.elapsedTime / 1000);
    done();
  });
  return app;
}

/** Events and backups last as long as their readers like, and calls of agents as long as those take. */
function isOwnWork(route: string, reply: FastifyReply): boolean {
  const contentType = reply.getHeader("content-type");
  return !route.startsWith("/proxy/") && !isEventStream(contentType) && contentType !== "application/octet-stream";
}

/** `/docs` serves what its package holds; nothing is fetched from elsewhere. */
async function describeApi(app: FastifyInstance, { view }: ServerOptions): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Atoll",
        description: "A registry for AI agents that no single machine, and no single region, can take down.",
        version: view.node().version ?? "0",
      },
      // Both: where nobody is asked for a token, none is needed.
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }, {}],
      tags: [
        { name: "agents", description: "Registrations of this node's region." },
        { name: "lookup", description: "Who can do what." },
        { name: "cluster", description: "Regions, nodes, consensus." },
        { name: "operations", description: "Probes and metrics." },
        { name: "mcp-mesh", description: "For agents of the MCP Mesh SDKs, meshctl and meshui." },
        { name: "seed forms", description: "For older scripts." },
      ],
    },
  });
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true });
}
