/**
 * The MCP Mesh face: what agents of the real SDKs, meshctl and meshui call, as the contract has it
 * (docs/http-api.md lists where it is better on purpose).
 */

import { readJsonBodies } from "../json-body.ts";
import type { Face } from "../modules.ts";
import { agentsRoute } from "./agents.ts";
import { createMeshErrorHandler } from "./errors.ts";
import { healthRoutes } from "./health.ts";
import { heartbeatRoutes } from "./heartbeat.ts";

export const meshFace: Face = async (app, options) => {
  app.setErrorHandler(createMeshErrorHandler(options));
  readJsonBodies(app, "*");
  await app.register(heartbeatRoutes, options);
  await app.register(agentsRoute, options);
  await app.register(healthRoutes, options);
};
