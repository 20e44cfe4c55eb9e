/**
 * Answers with errors in the native shape, and says bugs to the log.
 *
 * Set before any route plugin, so that every plugin inherits it; the MCP Mesh face then sets its own.
 */

import type { FastifyReply, FastifyRequest } from "fastify";
import type { Metrics } from "../metrics/metrics.ts";
import { InvariantViolation, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { evenlySpread, type Random } from "../util/random.ts";
import type { ClusterView } from "./ports.ts";
import { type Problem, problemOf } from "./problem.ts";

export interface ErrorHandlerOptions {
  readonly view: ClusterView;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "http">;
}

export type ErrorHandler = (thrown: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/** Those who are refused in the same moment are told to come again at different ones, up to so much of the pause earlier (F19). */
const RETRY_SPREAD = 0.5;

/** @param send - puts a problem into the body of the face; status and headers are set already */
export function createErrorHandler(
  { logger, metrics }: ErrorHandlerOptions,
  send: (problem: Problem, request: FastifyRequest, reply: FastifyReply) => void,
): ErrorHandler {
  const spread = evenlySpread();
  return (thrown, request, reply) => {
    // Nothing can be answered for in a state that nobody thought of: out of every handler's reach, so that the process ends.
    if (thrown instanceof InvariantViolation)
      queueMicrotask(() => {
        throw thrown;
      });
    const problem = spreadRetries(problemOf(thrown, { bodyBytesMax: request.routeOptions.bodyLimit }), spread);
    metrics.http.refused(problem.code);
    if (problem.status === 500) logBug(logger, thrown, request);
    reply.code(problem.status);
    // In every face, also in those whose bodies have no room for it.
    reply.header("x-atoll-error", problem.code);
    if (problem.status === 401) reply.header("www-authenticate", 'Bearer realm="atoll"');
    if (problem.retryAfterMs !== undefined) reply.header("retry-after", Math.ceil(problem.retryAfterMs / 1000));
    send(problem, request, reply);
  };
}

function spreadRetries(problem: Problem, spread: Random): Problem {
  const { retryAfterMs } = problem;
  if (retryAfterMs === undefined) return problem;
  return { ...problem, retryAfterMs: Math.round(retryAfterMs * (1 - RETRY_SPREAD * spread.next())) };
}

/** The native face's errors: one shape, a stable code, the field, and where else to go. */
export function createNativeErrorHandler(options: ErrorHandlerOptions): ErrorHandler {
  return createErrorHandler(options, (problem, _request, reply) => {
    reply.send(nativeErrorBody(problem, options.view));
  });
}

function nativeErrorBody(problem: Problem, view: ClusterView) {
  const { code, message, field, retryAfterMs, canGoElsewhere, facts } = problem;
  return {
    error: {
      ...facts,
      code,
      message,
      ...(field === undefined ? {} : { field }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(canGoElsewhere ? { otherRegions: [...view.federationHint()] } : {}),
    },
  };
}

function logBug(logger: Logger, thrown: unknown, request: FastifyRequest): void {
  const facts = {
    code: "HTTP_INTERNAL_ERROR",
    method: request.method,
    route: request.routeOptions.url,
    error: messageOf(thrown),
    stack: thrown instanceof Error ? thrown.stack : undefined,
  };
  logger.error(facts, "a request failed inside this node");
}
