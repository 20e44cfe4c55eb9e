/**
 * The MCP Mesh face: what agents of the real SDKs, meshctl and meshui call, as the contract has it
 * (docs/http-api.md lists where it is better on purpose).
 */

import { readJsonBodies } from "../json-body.ts";
import type { Face } from "../modules.ts";
import { a2aRoute } from "./a2a.ts";
import { adminRoutes } from "./admin.ts";
import { agentsRoute } from "./agents.ts";
import { createMeshErrorHandler } from "./errors.ts";
import { eventsRoute } from "./events.ts";
import { healthRoutes } from "./health.ts";
import { heartbeatRoutes } from "./heartbeat.ts";
import { proxyRoutes } from "./proxy.ts";
import { schemaRoutes } from "./schemas.ts";
import { traceRoutes } from "./trace.ts";

export const meshFace: Face = async (app, options) => {
  app.setErrorHandler(createMeshErrorHandler(options));
  readJsonBodies(app, "*");
  await app.register(heartbeatRoutes, options);
  await app.register(agentsRoute, options);
  await app.register(eventsRoute, options);
  await app.register(schemaRoutes, options);
  await app.register(a2aRoute, options);
  await app.register(traceRoutes, options);
  await app.register(proxyRoutes, options);
  if (!options.mesh.isAdminApart) await app.register(adminRoutes, options);
  await app.register(healthRoutes, options);
};

/** `/admin` alone, for a port of its own. */
export const adminFace: Face = async (app, options) => {
  app.setErrorHandler(createMeshErrorHandler(options));
  readJsonBodies(app, "*");
  await app.register(adminRoutes, options);
};
