/** `GET /v1/capabilities`: what this region offers. */

import { Type } from "typebox";
import type { CapabilityCount } from "../../registry/interface.ts";
import { decodeNameCursor, encodeNameCursor } from "../cursor.ts";
import type { Face } from "../modules.ts";
import {
  ConsistencyName,
  Count,
  CursorText,
  ERROR_RESPONSES,
  LIMIT_DEFAULT,
  Limit,
  Name,
  Strings,
} from "../schemas.ts";

const ShownCapabilityCount = Type.Object({
  name: Type.String(),
  healthy: Count,
  total: Count,
  versions: Strings,
  tags: Strings,
  revision: Count,
});

export const capabilityRoutes: Face = async (app, { registry }) => {
  const schema = {
    tags: ["lookup"],
    summary: "List the capabilities of this region, by name",
    querystring: Type.Object(
      {
        search: Type.Optional(Name(253, "A part of the name, whatever the case of letters.")),
        consistency: Type.Optional(ConsistencyName),
        limit: Type.Optional(Limit),
        cursor: Type.Optional(CursorText),
      },
      { additionalProperties: false },
    ),
    response: {
      200: Type.Object({ capabilities: Type.Array(ShownCapabilityCount), nextCursor: Type.Optional(Type.String()) }),
      ...ERROR_RESPONSES,
    },
  };
  app.get("/v1/capabilities", { schema, exposeHeadRoute: true }, async ({ query }) => {
    const { consistency = "stale", limit = LIMIT_DEFAULT, cursor, search = "" } = query;
    const after = cursor === undefined ? "" : decodeNameCursor(cursor);
    await registry.read(consistency);
    const page = pageAfter(registry.capabilities(), after, search.toLowerCase(), limit + 1);
    const capabilities = page.slice(0, limit);
    const last = capabilities.at(-1);
    return {
      capabilities,
      ...(page.length > limit && last !== undefined ? { nextCursor: encodeNameCursor(last.name) } : {}),
    };
  });
};

/** @param counts - in order of name: what comes after the page is not looked at */
function pageAfter(counts: Iterable<CapabilityCount>, after: string, part: string, amount: number): CapabilityCount[] {
  const page: CapabilityCount[] = [];
  for (const count of counts) {
    if (count.name <= after || !count.name.toLowerCase().includes(part)) continue;
    page.push(count);
    if (page.length === amount) break;
  }
  return page;
}
