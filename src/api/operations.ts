/** For probes, Prometheus and people: `/ready`, `/metrics`, `/openapi.json`. `/docs` comes from its plugin. */

import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import type { Metrics } from "../metrics/metrics.ts";
import type { Face, FaceOptions } from "./modules.ts";
import { refuseOtherMethods } from "./refuse-other-methods.ts";
import { Shown } from "./schemas.ts";

const tags = ["operations"];

type Status = "ready" | "degraded" | "not ready";

const Degraded = Type.Object({ code: Type.String(), message: Type.String() });

const Readiness = Type.Object({
  status: Type.Unsafe<Status>({ type: "string", enum: ["ready", "degraded", "not ready"] }),
  reasons: Shown<readonly string[]>(Type.Array(Type.String())),
  degraded: Shown<readonly { readonly code: string; readonly message: string }[]>(Type.Array(Degraded)),
});

export const operations: Face = async (app, { view, metrics, isShuttingDown }) => {
  const refuseOthers = refuseOtherMethods(app);

  addReadyRoute(app, { view, isShuttingDown });
  addMetricsRoute(app, metrics);

  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  refuseOthers();
};

export function addReadyRoute(
  app: Pick<FastifyInstance, "get">,
  { view, isShuttingDown }: Pick<FaceOptions, "view" | "isShuttingDown">,
): void {
  const schema = {
    tags,
    summary: "Whether this node can serve; /health says whether it lives",
    response: { 200: Readiness, 503: Readiness },
  };
  app.get("/ready", { schema, exposeHeadRoute: true }, async (_request, reply) => {
    const { ready, reasons, degraded } = isShuttingDown()
      ? { ready: false, reasons: ["this node is stopping"], degraded: [] }
      : view.readiness();
    const status = ready ? (degraded.length === 0 ? "ready" : "degraded") : "not ready";
    return reply.code(ready ? 200 : 503).send({ status, reasons, degraded });
  });
}

export function addMetricsRoute(app: Pick<FastifyInstance, "get">, metrics: Metrics): void {
  const schema = { tags, summary: "Metrics in Prometheus' text format", response: { 200: Type.String() } };
  app.get("/metrics", { schema }, async (_request, reply) => {
    const text = await metrics.render();
    return reply.type(metrics.contentType).send(text);
  });
}
