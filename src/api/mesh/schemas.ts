/** `GET /schemas` and `GET /schemas/{hash}`: the schemas that agents registered with, for `meshctl schema` (contract C). */

import { Type } from "typebox";
import type { KnownSchema } from "../../registry/interface.ts";
import { rfc3339 } from "../../util/clock.ts";
import type { Face } from "../modules.ts";
import { AnyObject, Count, Shown, Timestamp } from "../schemas.ts";
import { MESH_ERROR_RESPONSES, MESH_QUERY_ERROR_RESPONSES } from "./errors.ts";
import { clampedLimit, meshQuery } from "./query.ts";

const tags = ["mcp-mesh"];
const LIMIT = { byDefault: 100, max: 1_000 };

const ShownSchema = Type.Object({
  hash: Type.String(),
  canonical: AnyObject,
  runtime_origin: Type.String(),
  created_at: Timestamp,
});

export const schemaRoutes: Face = async (app, { registry, clock }) => {
  const list = {
    tags,
    summary: "List the schemas that agents of this region registered with",
    querystring: meshQuery(["limit"]),
    response: {
      200: Type.Object({ schemas: Shown<readonly object[]>(Type.Array(ShownSchema)), count: Count }),
      ...MESH_QUERY_ERROR_RESPONSES,
    },
  };
  app.get("/schemas", { schema: list }, async ({ query }) => {
    const limit = clampedLimit(query, LIMIT);
    await registry.read("stale");
    const schemas = registry.schemas(limit).map(shownSchema);
    return { schemas, count: schemas.length };
  });

  const one = { tags, summary: "A schema by its hash", response: { 200: ShownSchema, ...MESH_ERROR_RESPONSES } };
  app.get<{ Params: { hash: string } }>("/schemas/:hash", { schema: one }, async ({ params: { hash } }, reply) => {
    if (hash === "") return reply.callNotFound();
    await registry.read("stale");
    const known = registry.schema(hash);
    if (known !== undefined) return shownSchema(known);
    return reply.code(404).send({ error: `schema not found: ${hash}`, timestamp: rfc3339(clock.wallTime()) });
  });
};

function shownSchema({ hash, canonical, runtimeOrigin, createdAtMs }: KnownSchema) {
  return { hash, canonical, runtime_origin: runtimeOrigin, created_at: rfc3339(createdAtMs) };
}
