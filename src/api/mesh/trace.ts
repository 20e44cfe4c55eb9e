/** `/trace`: that no traces are kept here, in the words that meshctl knows (contract B). */

import { Type } from "typebox";
import type { Face } from "../modules.ts";

const tags = ["mcp-mesh"];

const Disabled = Type.Object({ enabled: Type.Literal(false), reason: Type.String() });
const DISABLED = { enabled: false as const, reason: "tracing not initialized" };

export const traceRoutes: Face = async (app) => {
  const state = { tags, summary: "Whether traces are kept: they are not", response: { 200: Disabled } };
  app.get("/trace/status", { schema: state }, async () => DISABLED);
  app.get("/trace/stats", { schema: state }, async () => DISABLED);

  const info = {
    tags,
    summary: "The same, with the setting of the real registry",
    response: { 200: Type.Object({ ...Disabled.properties, config: Type.String() }) },
  };
  app.get("/trace/info", { schema: info }, async () => ({
    ...DISABLED,
    config: "MCP_MESH_DISTRIBUTED_TRACING_ENABLED=false",
  }));

  const trace = {
    tags,
    summary: "A trace: there is none",
    response: { 404: Type.Object({ error: Type.String(), enabled: Type.Literal(false) }) },
  };
  app.get<{ Params: { id: string } }>("/trace/:id", { schema: trace }, async ({ params }, reply) => {
    if (params.id === "") return reply.callNotFound();
    return reply.code(404).send({ error: "tracing not enabled", enabled: false });
  });
};
