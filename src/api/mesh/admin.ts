/**
 * `/admin`: drain, rotate, entities, for `meshctl registry` and `meshctl entity` (contract B).
 *
 * On the main port, or on one of its own (`buildAdminServer`), so that agents can be kept from it.
 */

import { Type } from "typebox";
import { rfc3339 } from "../../util/clock.ts";
import { ignoreBodies } from "../json-body.ts";
import type { Face } from "../modules.ts";
import { Count, Shown } from "../schemas.ts";
import { MESH_ERROR_RESPONSES } from "./errors.ts";
import { meshQuery } from "./query.ts";

const tags = ["mcp-mesh"];

const Drain = Type.Object({
  draining: Type.Boolean(),
  live_claims: Type.Integer({ minimum: 0, description: "Always 0: jobs are not served." }),
});

const Rotation = Type.Object({ message: Type.String(), affected_agents: Count, entity_id: Type.String() });

const Entities = Type.Object({
  entities: Shown<readonly object[]>(
    Type.Array(Type.Object({ name: Type.String(), subject: Type.String(), expires: Type.String() })),
  ),
});

export const adminRoutes: Face = async (app, { registry, security }) => {
  // The real registry takes any.
  ignoreBodies(app);
  const drain = (summary: string) => ({ tags, summary, response: { 200: Drain, ...MESH_ERROR_RESPONSES } });
  const drainState = () => ({ draining: registry.isDraining(), live_claims: 0 });

  app.get("/admin/drain", { schema: drain("Whether the region gives out no new work") }, async () => {
    await registry.read("stale");
    return drainState();
  });
  app.post("/admin/drain", { schema: drain("Give out no new work in this region") }, async () => {
    await registry.setDraining(true);
    return drainState();
  });
  app.delete("/admin/drain", { schema: drain("Give out work again in this region") }, async () => {
    await registry.setDraining(false);
    return drainState();
  });

  const rotate = {
    tags,
    summary: "Tell the agents of this region, or those of one entity, to ask for their dependencies anew",
    querystring: meshQuery(["entity_id"]),
    response: { 200: Rotation, ...MESH_ERROR_RESPONSES },
  };
  app.post("/admin/rotate", { schema: rotate }, async ({ query }) => {
    const entityId = [query.entity_id ?? ""].flat()[0] ?? "";
    const { affectedAgents } = await registry.rotate(entityId === "" ? null : entityId);
    const target = entityId === "" ? "all agents" : `entity '${entityId}'`;
    return { message: `Rotation triggered for ${target}`, affected_agents: affectedAgents, entity_id: entityId };
  });

  const entities = {
    tags,
    summary: "List the entities whose authorities sign agents' certificates: those of http.trustDir",
    response: { 200: Entities },
  };
  app.get("/admin/entities", { schema: entities }, async () => ({
    entities: (security?.certificates?.trust.list() ?? []).map(({ name, subject, expiresAtMs }) => {
      const [expires = ""] = rfc3339(expiresAtMs).split("T");
      return { name, subject, expires };
    }),
  }));
};
