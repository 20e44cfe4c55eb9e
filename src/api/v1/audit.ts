/** `/v1/audit`: who changed what through this node, and who was refused. Each node keeps its own. */

import { Type } from "typebox";
import { AUDIT_KINDS, type AuditEntry, type AuditKind } from "../../security/audit.ts";
import type { Face } from "../modules.ts";
import { Count, ERROR_RESPONSES, LIMIT_DEFAULT, Limit, Shown, Timestamp } from "../schemas.ts";

const KindName = Type.Unsafe<AuditKind>({ type: "string", enum: [...AUDIT_KINDS] });

const Entry = Shown<AuditEntry>(
  Type.Object({
    sequence: Count,
    at: Timestamp,
    kind: KindName,
    caller: Type.String({ description: "The id of a token, entity:NAME, or anonymous." }),
    address: Type.String(),
    method: Type.String(),
    path: Type.String(),
    status: Count,
    code: Type.Optional(Type.String()),
    what: Type.Optional(Type.String()),
    revision: Count,
    suppressed: Type.Optional(Count),
  }),
);

export const auditRoutes: Face = async (app, { security, view }) => {
  const schema = {
    tags: ["cluster"],
    summary: "Who changed what through this node, or was refused; newest first",
    querystring: Type.Object(
      {
        kind: Type.Optional(KindName),
        limit: Type.Optional(Limit),
        before: Type.Optional(Type.Integer({ minimum: 1, description: "Only entries of a lower sequence." })),
      },
      { additionalProperties: false },
    ),
    response: {
      200: Type.Object({ node: Type.String(), entries: Shown<readonly AuditEntry[]>(Type.Array(Entry)) }),
      ...ERROR_RESPONSES,
    },
  };
  app.get("/v1/audit", { schema, exposeHeadRoute: true }, async ({ query }) => {
    const { kind = "change", limit = LIMIT_DEFAULT, before } = query;
    const page = { limit, ...(before !== undefined && { before }) };
    return { node: view.node().name, entries: (await security?.audit?.list(kind, page)) ?? [] };
  });
};
