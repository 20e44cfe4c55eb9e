/** `/health` and `/` of the MCP Mesh face: alive is all they say; whether the node can serve is `/ready` (contract B). */

import { Type } from "typebox";
import { rfc3339 } from "../../util/clock.ts";
import { asksForPage, sendPage } from "../dashboard/page.ts";
import type { Face } from "../modules.ts";
import { Nothing, Shown, Timestamp } from "../schemas.ts";

/** What clients expect to read, whatever software answers. */
const SERVICE = "mcp-mesh-registry";
const SERVICE_VERSION = "1.0.0";
const ENDPOINTS = ["/health", "/heartbeat", "/agents"] as const;

const tags = ["mcp-mesh"];

export const healthRoutes: Face = async (app, { clock, view }) => {
  const startedAt = clock.now();
  const uptimeSeconds = () => Math.floor((clock.now() - startedAt) / 1000);

  const health = {
    tags,
    summary: "Whether the process lives",
    response: {
      200: Type.Object({
        status: Type.Literal("healthy"),
        service: Type.String(),
        version: Type.String(),
        uptime_seconds: Type.Integer({ minimum: 0 }),
        timestamp: Timestamp,
      }),
    },
  };
  app.get("/health", { schema: health }, async () => ({
    status: "healthy" as const,
    service: SERVICE,
    version: SERVICE_VERSION,
    uptime_seconds: uptimeSeconds(),
    timestamp: rfc3339(clock.wallTime()),
  }));
  app.head("/health", { schema: { tags, summary: "The same in headers", response: { 200: Nothing } } }, (_, reply) => {
    reply
      .type("application/json")
      .header("x-health-status", "healthy")
      .header("x-service-version", SERVICE_VERSION)
      .header("x-uptime-seconds", uptimeSeconds())
      // As in heartbeat.ts: lets clients keep the connection.
      .header("content-length", 0)
      .send();
  });

  const root = {
    tags,
    summary: "What this is; to browsers, the dashboard",
    response: {
      200: Type.Object({
        service: Type.String(),
        version: Type.String(),
        status: Type.Literal("running"),
        endpoints: Shown<typeof ENDPOINTS>(Type.Array(Type.String())),
      }),
    },
  };
  app.get("/", { schema: root }, async ({ headers }, reply) => {
    if (asksForPage(headers.accept)) return sendPage(reply, view);
    return { service: SERVICE, version: SERVICE_VERSION, status: "running" as const, endpoints: ENDPOINTS };
  });
};
