/**
 * From anything thrown to what is answered: status, stable code, a message that says what to do, and the facts.
 *
 * The faces differ in shape only, so each of them builds its body from the same `Problem`.
 */

import type { FastifyError } from "fastify";
import { RegistryError, type RegistryErrorDetail } from "../registry/errors.ts";
import { ApiError, type ApiErrorDetail } from "./api-error.ts";
import { describeInvalid } from "./validation.ts";
import { wholeMs } from "./whole-ms.ts";

export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** The field of the request that is at fault, as a path: `capabilities[0].name`. */
  readonly field?: string;
  /** Present when the same request may succeed later: no sooner than after this time. */
  readonly retryAfterMs?: number;
  readonly facts?: Readonly<Record<string, unknown>>;
}

export interface ProblemContext {
  /** The body limit of the route, for the message. */
  readonly bodyBytesMax: number;
}

/** Long enough for an election, short enough for a client that waits. */
const RETRY_AFTER_MS = 1_000;

export function problemOf(thrown: unknown, context: ProblemContext): Problem {
  if (thrown instanceof ApiError) return problemOfRequest(thrown.detail);
  if (thrown instanceof RegistryError) return problemOfRegistry(thrown.detail);
  return problemOfFramework(thrown as FastifyError, context);
}

function problemOfRequest(detail: ApiErrorDetail): Problem {
  const { code } = detail;
  switch (code) {
    case "INVALID_JSON":
      return { status: 400, code, field: detail.field, message: `The body is not valid JSON: ${detail.reason}` };
    case "INVALID_FIELD":
      return { status: 400, code, field: detail.field, message: `${detail.field} ${detail.reason}` };
    case "BODY_TOO_LARGE": {
      const message = `The body is over the limit of ${detail.bytesMax} bytes`;
      return { status: 413, code, field: detail.field, message, facts: { bytesMax: detail.bytesMax } };
    }
    case "UNSUPPORTED_MEDIA_TYPE":
      return { status: 415, code, field: detail.field, message: detail.reason };
    case "NOT_FOUND":
      return { status: 404, code, message: `There is nothing at ${detail.path}; see /docs for what there is` };
    case "METHOD_NOT_ALLOWED": {
      const message = `${detail.method} is not possible here; use ${detail.allow}`;
      return { status: 405, code, message };
    }
  }
}

function problemOfRegistry(detail: RegistryErrorDetail): Problem {
  switch (detail.code) {
    case "NO_LEADER":
      return later(detail, "This region has no leader; nothing was written. Retry, or use a node of another region");
    case "OUTCOME_UNKNOWN":
      return later(detail, "The write was sent, its outcome is not known. Sending it again is safe");
    case "OVERLOADED":
      return later(detail, "This region has more to do than it can; nothing was written. Retry later");
    case "STOPPING":
      return later(detail, "This node is stopping; nothing was written. Use another node");
    case "TOO_STALE":
      return later(detail, "This node can not prove that its data is as fresh as asked. Retry, or ask for less");
    case "UNKNOWN_AGENT":
      return refuse(404, detail, `No agent ${detail.agentId} is registered in this region. Register it`);
    case "LEASE_LOST":
      return refuse(410, detail, `The lease of ${detail.agentId} ended or was replaced. Register again`);
    case "RECORD_TOO_LARGE":
      return refuse(413, detail, `${detail.field} has ${detail.bytes} bytes; the limit is ${detail.bytesMax}`);
    case "INVALID_RECORD":
      return refuse(400, detail, `${detail.field} ${detail.reason}`);
    case "TOO_MANY_AGENTS":
      return refuse(507, detail, `This region is full: ${detail.agents} of ${detail.agentsMax} agents`);
    case "UNKNOWN_REGION":
      return refuse(404, { ...detail, field: "region" }, `No region ${detail.region} is known here; see /v1/regions`);
  }
}

function refuse(status: number, detail: { readonly code: string; readonly field?: string }, message: string): Problem {
  const { code, field, ...rest } = detail;
  const facts = Object.fromEntries(
    Object.entries(rest).map(([name, value]) => [name, typeof value === "number" ? wholeMs(value) : value]),
  );
  return { status, code, message, facts, ...(field === undefined ? {} : { field }) };
}

function later(detail: RegistryErrorDetail, message: string): Problem {
  return { ...refuse(503, detail, message), retryAfterMs: RETRY_AFTER_MS };
}

/** What fastify found wrong: validation, bodies, and bugs of ours. */
function problemOfFramework(error: FastifyError, { bodyBytesMax }: ProblemContext): Problem {
  if (error.validation !== undefined) {
    const { field, reason } = describeInvalid(error.validation, error.validationContext);
    return problemOfRequest({ code: "INVALID_FIELD", field, reason });
  }
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return problemOfRequest({ code: "BODY_TOO_LARGE", field: "body", bytesMax: bodyBytesMax });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE": {
      const reason = "Send the body as content-type: application/json";
      return problemOfRequest({ code: "UNSUPPORTED_MEDIA_TYPE", field: "content-type", reason });
    }
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return problemOfRequest({ code: "INVALID_FIELD", field: "content-length", reason: "is not the body's length" });
    default:
      return { status: 500, code: "INTERNAL_ERROR", message: "Something failed inside this node; its log says what" };
  }
}
