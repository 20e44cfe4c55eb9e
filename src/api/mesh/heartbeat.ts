/** `POST /heartbeat`, `HEAD /heartbeat/{id}` and `DELETE /agents/{id}`: all that an agent ever calls (contract A2 to A4). */

import { Type } from "typebox";
import { RegistryError } from "../../registry/errors.ts";
import type { Registry } from "../../registry/interface.ts";
import type { AgentRecord, Dependency, JsonObject } from "../../types/agent.ts";
import { asAgentId } from "../../types/ids.ts";
import { rfc3339 } from "../../util/clock.ts";
import type { Face } from "../modules.ts";
import { AnyObject, isPossibleAgentId, Nothing, Strings, Timestamp } from "../schemas.ts";
import { MESH_ERROR_RESPONSES } from "./errors.ts";
import { dropNulls, HeartbeatBody } from "./heartbeat-body.ts";
import { translate } from "./heartbeat-record.ts";

const tags = ["mcp-mesh"];

const ResolvedDependency = Type.Object({
  agent_id: Type.String(),
  function_name: Type.String(),
  endpoint: Type.String(),
  capability: Type.String(),
  status: Type.Unsafe<"available" | "unresolved">({ type: "string", enum: ["available", "unresolved"] }),
  kwargs: Type.Optional(AnyObject),
});

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
  warnings: Type.Optional(Strings),
});

interface ShownDependency {
  readonly agent_id: string;
  readonly function_name: string;
  readonly endpoint: string;
  readonly capability: string;
  readonly status: "available" | "unresolved";
  readonly kwargs?: JsonObject;
}

export const heartbeatRoutes: Face = async (app, { registry, metrics, clock, limits, leases }) => {
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
  app.post("/heartbeat", options, async ({ body }) => {
    const id = asAgentId(body.agent_id);
    const answer = { agent_id: body.agent_id, timestamp: rfc3339(clock.wallTime()) };
    const translation = translate(body, registry.get(id)?.record, leases.meshMs);
    if ("refusal" in translation) return { status: "error" as const, message: translation.refusal, ...answer };
    const { record, warnings } = translation;
    try {
      const { agent, change } = await registry.register(id, record);
      metrics.registry.registration("mesh", change);
      // Read before the dependencies are resolved: the agent may be told of a change twice, never too seldom.
      const { revision } = await registry.read("stale");
      const dependenciesResolved = resolveAll(registry, agent.record);
      registry.markInformed(agent, revision);
      return {
        status: "success" as const,
        message: change === "created" ? "Agent registered via heartbeat" : "Agent updated via heartbeat",
        ...answer,
        dependencies_resolved: dependenciesResolved,
        llm_tools: {},
        ...(warnings.length === 0 ? {} : { warnings }),
      };
    } catch (thrown) {
      if (!(thrown instanceof RegistryError) || thrown.detail.code !== "INVALID_RECORD") throw thrown;
      const { field, reason } = thrown.detail;
      return { status: "error" as const, message: `validation failed: ${field}: ${reason}`, ...answer };
    }
  });

  const renew = {
    tags,
    summary: "Send a fast heartbeat",
    description: "200: nothing changed. 202: POST /heartbeat to learn what did. 410: register again. 503: not known.",
    response: { 200: Nothing, 202: Nothing, 410: Nothing, 503: Nothing },
  };
  app.head<{ Params: { id: string } }>("/heartbeat/:id", { schema: renew }, async ({ params }, reply) => {
    if (params.id === "") return reply.callNotFound();
    const status = await fastHeartbeat(registry, params.id);
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
  app.delete<{ Params: { id: string } }>("/agents/:id", { schema: unregister }, async ({ params }, reply) => {
    if (params.id === "") return reply.callNotFound();
    const wasThere = isPossibleAgentId(params.id) && (await registry.deregister(asAgentId(params.id), "keep"));
    if (wasThere) metrics.registry.deregistration("mesh");
    return reply.code(204).send();
  });
};

/** What a HEAD is answered with; "gone" only when that is certain, since it makes an agent register anew (P12). */
async function fastHeartbeat(registry: Registry, id: string): Promise<200 | 202 | 410 | 503> {
  try {
    const { topologyChanged } = await registry.renewAndCompare(asAgentId(id));
    return topologyChanged ? 202 : 200;
  } catch (thrown) {
    if (!(thrown instanceof RegistryError)) throw thrown;
    const { code } = thrown.detail;
    return code === "UNKNOWN_AGENT" || code === "LEASE_LOST" ? 410 : 503;
  }
}

/**
 * For each function that declares dependencies: one entry per dependency, in their order, which is the SDK's order of
 * injection. A function that is offered by several tools has the entries of all of them.
 */
function resolveAll(registry: Registry, { capabilities }: AgentRecord): Record<string, ShownDependency[]> {
  const dependent = capabilities.filter(({ dependencies }) => dependencies.length > 0);
  const byFunction = Map.groupBy(dependent, ({ functionName }) => functionName);
  return Object.fromEntries(
    [...byFunction].map(([functionName, tools]) => [
      functionName,
      tools.flatMap(({ dependencies }) => dependencies.map((each) => resolve(registry, each))),
    ]),
  );
}

function resolve(registry: Registry, dependency: Dependency): ShownDependency {
  const provider = registry.resolve(dependency);
  const { capability } = dependency;
  if (provider === null) return { agent_id: "", function_name: "", endpoint: "", capability, status: "unresolved" };
  const { id, functionName, endpoint, kwargs } = provider;
  const hasKwargs = kwargs !== undefined && Object.keys(kwargs).length > 0;
  return {
    agent_id: id,
    function_name: functionName,
    endpoint,
    capability,
    status: "available",
    ...(hasKwargs ? { kwargs } : {}),
  };
}
