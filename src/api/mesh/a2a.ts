/** A2A surfaces: which paths agents answer under, and where clients from outside reach them (contract C "A2A"). */

import { Type } from "typebox";
import type { Surface } from "../../types/agent.ts";
import { listAll } from "../list-all.ts";
import type { Face } from "../modules.ts";
import { Shown } from "../schemas.ts";
import { MESH_ERROR_RESPONSES } from "./errors.ts";

export const ShownSurface = Type.Object({
  path: Type.String(),
  skill_id: Type.String(),
  public_url: Type.Optional(Type.String()),
  agent_card_url: Type.Optional(Type.String()),
});

export const a2aRoute: Face = async (app, { registry, mesh }) => {
  const schema = {
    tags: ["mcp-mesh"],
    summary: "List the surfaces of this region's A2A agents, healthy or not",
    response: {
      200: Type.Object({ surfaces: Shown<readonly object[]>(Type.Array(ShownSurface)) }),
      ...MESH_ERROR_RESPONSES,
    },
  };
  app.get("/a2a/agents", { schema }, async () => {
    await registry.read("stale");
    const surfaces = listAll(registry, { type: "a2a" }).flatMap(({ record }) => record.surfaces ?? []);
    return { surfaces: surfaces.map((surface) => shownSurface(surface, mesh.publicUrlPrefix)) };
  });
};

/** @param publicUrlPrefix - without a slash at its end; while it is empty nobody knows where a surface is reached */
export function shownSurface({ path, skillId }: Surface, publicUrlPrefix: string) {
  const publicUrl = `${publicUrlPrefix}${path.startsWith("/") ? "" : "/"}${path}`;
  return {
    path,
    skill_id: skillId,
    ...(publicUrlPrefix === "" ? {} : { public_url: publicUrl, agent_card_url: `${publicUrl}/.well-known/agent.json` }),
  };
}
