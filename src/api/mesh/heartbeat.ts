/** `POST /heartbeat`, `HEAD /heartbeat/{id}` and `DELETE /agents/{id}`: all that an agent ever calls (contract A2 to A4). */

import { Type } from "typebox";
import { RegistryError } from "../../registry/errors.ts";
import type { Registry } from "../../registry/interface.ts";
import { asAgentId } from "../../types/ids.ts";
import type { ChangeGuard } from "../../types/token.ts";
import { rfc3339 } from "../../util/clock.ts";
import { noteChange } from "../audit.ts";
import { guardOf } from "../guard.ts";
import { ignoreBodies } from "../json-body.ts";
import type { Face } from "../modules.ts";
import { AnyObject, isPossibleAgentId, Nothing, Strings, Timestamp } from "../schemas.ts";
import { ShownSurface } from "./a2a.ts";
import { MESH_ERROR_RESPONSES } from "./errors.ts";
import {
  ResolvedDependency,
  type ShownDependency,
  shownDependencies,
  shownLlmProviders,
  shownSurfaces,
  shownTools,
} from "./heartbeat-answer.ts";
import { dropNulls, HeartbeatBody } from "./heartbeat-body.ts";
import { translate } from "./heartbeat-record.ts";

const tags = ["mcp-mesh"];

/** Success and semantic refusal share the status 200; `status` tells them apart. */
const HeartbeatAnswer = Type.Object({
  status: Type.Unsafe<"success" | "error">({ type: "string", enum: ["success", "error"] }),
  agent_id: Type.String(),
  message: Type.String(),
  timestamp: Timestamp,
  dependencies_resolved: Type.Optional(
    Type.Unsafe<Record<string, ShownDependency[]>>({
      type: "object",
      additionalProperties: Type.Array(ResolvedDependency),
    }),
  ),
  llm_tools: Type.Optional(AnyObject),
  llm_providers: Type.Optional(AnyObject),
  surfaces: Type.Optional(Type.Array(ShownSurface)),
  warnings: Type.Optional(Strings),
});

export const heartbeatRoutes: Face = async (app, { registry, metrics, clock, limits, leases, mesh }) => {
  const heartbeat = {
    tags,
    summary: "Register, or send a full heartbeat",
    body: HeartbeatBody,
    response: { 200: HeartbeatAnswer, ...MESH_ERROR_RESPONSES },
  };
  const options = {
    schema: heartbeat,
    bodyLimit: limits.meshBodyBytesMax,
    preValidation: async ({ body }: { body: unknown }) => dropNulls(body),
  };
  app.post("/heartbeat", options, async (request) => {
    const { body } = request;
    const id = asAgentId(body.agent_id);
    const answer = { agent_id: body.agent_id, timestamp: rfc3339(clock.wallTime()) };
    const hasEntity = typeof guardOf(request)?.entity === "string";
    const translation = translate(body, registry.get(id)?.record, leases.meshMs, hasEntity);
    if ("refusal" in translation) return { status: "error" as const, message: translation.refusal, ...answer };
    const { record, warnings } = translation;
    try {
      const { agent, change } = await registry.register(id, record, guardOf(request));
      metrics.registry.registration("mesh", change);
      if (change !== "unchanged") noteChange(request, `${id} ${change}`);
      const resolutions = await registry.inform(agent);
      return {
        status: "success" as const,
        message: change === "created" ? "Agent registered via heartbeat" : "Agent updated via heartbeat",
        ...answer,
        dependencies_resolved: shownDependencies(resolutions),
        llm_tools: shownTools(resolutions),
        ...shownLlmProviders(resolutions),
        ...shownSurfaces(agent.record, mesh.publicUrlPrefix),
        ...(warnings.length === 0 ? {} : { warnings }),
      };
    } catch (thrown) {
      const refusal = thrown instanceof RegistryError ? softRefusal(thrown) : undefined;
      if (refusal === undefined) throw thrown;
      return { status: "error" as const, message: refusal, ...answer };
    }
  });

  const renew = {
    tags,
    summary: "Send a fast heartbeat",
    description: "200: nothing changed. 202: POST /heartbeat to learn what did. 410: register again. 503: not known.",
    response: { 200: Nothing, 202: Nothing, 403: Nothing, 410: Nothing, 503: Nothing },
  };
  app.head<{ Params: { id: string } }>("/heartbeat/:id", { schema: renew }, async (request, reply) => {
    const { id } = request.params;
    if (id === "") return reply.callNotFound();
    const { status, refusal } = await fastHeartbeat(registry, id, guardOf(request));
    if (refusal !== undefined) {
      metrics.http.refused(refusal);
      reply.header("x-atoll-error", refusal);
    }
    if (status < 300) metrics.registry.renewal("mesh");
    if (status === 503) reply.header("retry-after", 1);
    // Without a length some clients, Node's among them, take the answer to end with the connection, and dial anew for each.
    return reply.code(status).header("content-length", 0).send();
  });

  const unregister = {
    tags,
    summary: "Unregister; the agent stays listed as unhealthy for a while",
    response: { 204: Nothing, ...MESH_ERROR_RESPONSES },
  };
  await app.register(async (bodiless) => {
    ignoreBodies(bodiless);
    bodiless.delete<{ Params: { id: string } }>("/agents/:id", { schema: unregister }, async (request, reply) => {
      const { id } = request.params;
      if (id === "") return reply.callNotFound();
      const wasThere = isPossibleAgentId(id) && (await registry.deregister(asAgentId(id), "keep", guardOf(request)));
      if (wasThere) {
        metrics.registry.deregistration("mesh");
        noteChange(request, "deregistered");
      }
      return reply.code(204).send();
    });
  });
};

const FORBIDDING: readonly string[] = ["NAMESPACE_NOT_ALLOWED", "NAMESPACE_NOT_SERVED", "ENTITY_MISMATCH"];

interface FastAnswer {
  readonly status: 200 | 202 | 403 | 410 | 503;
  /** Why the caller may not do this, for the audit trail. */
  readonly refusal?: string;
}

/** What a HEAD is answered with; "gone" only when that is certain, since it makes an agent register anew (P12). */
async function fastHeartbeat(registry: Registry, id: string, guard: ChangeGuard | undefined): Promise<FastAnswer> {
  try {
    const { topologyChanged } = await registry.renewAndCompare(asAgentId(id), guard);
    return { status: topologyChanged ? 202 : 200 };
  } catch (thrown) {
    if (!(thrown instanceof RegistryError)) throw thrown;
    const { code } = thrown.detail;
    if (FORBIDDING.includes(code)) return { status: 403, refusal: code };
    return { status: code === "UNKNOWN_AGENT" || code === "LEASE_LOST" ? 410 : 503 };
  }
}

/** What the contract answers with 200 although nothing was stored. */
function softRefusal({ detail }: RegistryError): string | undefined {
  if (detail.code === "INVALID_RECORD") return `validation failed: ${detail.field}: ${detail.reason}`;
  return detail.code === "DEPENDENCY_CYCLE" ? `required dependency cycle: ${detail.cycle.join(" → ")}` : undefined;
}
