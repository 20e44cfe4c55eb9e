/** Tells the audit trail what was changed, by whom, and who was refused. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { AuditNote, AuditTrail } from "../security/audit.ts";
import { REVISION_HEADER } from "./headers.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** What a request changed, once it did; null for what is of no interest. */
    change: string | null;
  }
}

const REFUSALS = [401, 403, 429];
const PATH_LENGTH_MAX = 256;

/** Says what a request changed, or took a copy of. Only those count of whom it is known who they are. */
export function noteChange(request: FastifyRequest, what: string): void {
  if (request.caller !== null && request.caller.kind !== "anonymous") request.change = what;
}

export function auditRequests(app: FastifyInstance, trail: AuditTrail): void {
  app.addHook("onResponse", (request, reply, done) => {
    const { statusCode } = reply;
    if (REFUSALS.includes(statusCode)) trail.note({ kind: "refusal", ...noteOf(request, reply) });
    else if (request.change !== null) trail.note({ kind: "change", ...noteOf(request, reply) });
    done();
  });
}

function noteOf(request: FastifyRequest, reply: FastifyReply): Omit<AuditNote, "kind"> {
  const { caller, ip, method, url, change } = request;
  const code = reply.getHeader("x-atoll-error");
  const [path = ""] = url.split("?", 1);
  return {
    caller: caller?.name ?? "anonymous",
    address: ip,
    method,
    path: path.slice(0, PATH_LENGTH_MAX),
    status: reply.statusCode,
    ...(typeof code === "string" && { code }),
    ...(change !== null && change !== "" && { what: change }),
    revision: Number(reply.getHeader(REVISION_HEADER) ?? 0),
  };
}
