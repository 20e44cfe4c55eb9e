/** `/v1/tokens`: who may ask this region for what. A token is shown once, to whoever made it; only its hash is kept. */

import { Type } from "typebox";
import { accessError } from "../../security/errors.ts";
import { generateToken } from "../../security/token.ts";
import {
  type KeptToken,
  ROLES,
  type Role,
  TOKEN_DESCRIPTION_LENGTH_MAX,
  TOKEN_NAMESPACES_MAX,
} from "../../types/token.ts";
import { invalidField } from "../api-error.ts";
import type { Face } from "../modules.ts";
import { ERROR_RESPONSES, Name, NoQuery, Prose, Strings } from "../schemas.ts";

const tags = ["cluster"];
const RoleName = Type.Unsafe<Role>({ type: "string", enum: [...ROLES] });
/** A token that lives longer may as well live for ever. */
const EXPIRES_IN_MS_MAX = 10 * 366 * 24 * 60 * 60_000;

const TimeOrNull = Type.Unsafe<number | null>({ type: ["integer", "null"], minimum: 0 });

const ShownToken = Type.Object({
  id: Type.String(),
  role: RoleName,
  namespaces: Type.Unsafe<readonly string[] | null>({
    ...Strings,
    type: ["array", "null"],
    description: "Whose agents it may change; null means all.",
  }),
  description: Type.String(),
  createdBy: Type.String({ description: "The token that made it, or configuration." }),
  createdAtMs: TimeOrNull,
  expiresAtMs: TimeOrNull,
  revokedAtMs: TimeOrNull,
});

const NewToken = Type.Object({
  ...ShownToken.properties,
  token: Type.String({ description: "Keep it: it is not shown again." }),
});

export const tokenRoutes: Face = async (app, { registry, security, clock }) => {
  const list = {
    tags,
    querystring: NoQuery,
    summary: "The tokens of this region and of this node's configuration, without what proves them",
    response: { 200: Type.Object({ tokens: Type.Array(ShownToken) }), ...ERROR_RESPONSES },
  };
  app.get("/v1/tokens", { schema: list, exposeHeadRoute: true }, async () => {
    await registry.read("stale");
    const configured = security?.authenticator.configured() ?? [];
    return { tokens: [...configured, ...registry.tokens().values()].map(show) };
  });

  const create = {
    tags,
    querystring: NoQuery,
    summary: "Make a token. From the first one on, everybody is asked for one",
    body: Type.Object(
      {
        role: RoleName,
        namespaces: Type.Optional(
          Type.Array(Name(63), {
            minItems: 1,
            maxItems: TOKEN_NAMESPACES_MAX,
            description: "Whose agents it may change, for the role agent; all when absent.",
          }),
        ),
        description: Type.Optional(Prose(TOKEN_DESCRIPTION_LENGTH_MAX)),
        expiresInMs: Type.Optional(Type.Integer({ minimum: 1_000, maximum: EXPIRES_IN_MS_MAX })),
      },
      { additionalProperties: false },
    ),
    response: { 201: NewToken, ...ERROR_RESPONSES },
  };
  app.post("/v1/tokens", { schema: create }, async (request, reply) => {
    const { body, caller } = request;
    const { role, namespaces = null, description = "", expiresInMs } = body;
    if (namespaces !== null && role !== "agent")
      throw invalidField("namespaces", "limits tokens of the role agent only");
    // Judged on what the log holds, not on what this node has yet to apply.
    await registry.read("linearizable");
    if (role !== "operator" && security?.authenticator.isEnforced !== true) {
      throw accessError({ code: "FIRST_TOKEN_NOT_OPERATORS" });
    }
    const { id, sha256, token } = generateToken();
    const expiresAtMs = expiresInMs === undefined ? null : clock.wallTime() + expiresInMs;
    const createdBy = caller?.name ?? "anonymous";
    const kept = await registry.createToken({ id, sha256, role, namespaces, description, expiresAtMs, createdBy });
    request.change = `token ${id} ${role}`;
    return reply.code(201).send({ ...show(kept), token });
  });

  const revoke = {
    tags,
    querystring: NoQuery,
    params: Type.Object({ id: Name(63) }),
    summary: "Serve a token no more, on any node",
    response: { 200: ShownToken, ...ERROR_RESPONSES },
  };
  app.delete("/v1/tokens/:id", { schema: revoke }, async ({ params: { id } }) => {
    await registry.read("linearizable");
    if (security?.authenticator.isLastOperator(id)) throw accessError({ code: "LAST_OPERATOR_TOKEN", token: id });
    return show(await registry.revokeToken(id));
  });
};

function show({ sha256: _, createdAtMs, ...token }: KeptToken) {
  return { ...token, createdAtMs: createdAtMs === 0 ? null : createdAtMs };
}
