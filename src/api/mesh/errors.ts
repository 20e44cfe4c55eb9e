/** Errors as MCP Mesh clients know them (contract, section 1). */

import { Type } from "typebox";
import { type Clock, rfc3339 } from "../../util/clock.ts";
import { createErrorHandler, type ErrorHandler, type ErrorHandlerOptions } from "../error-handler.ts";
import { Timestamp } from "../schemas.ts";

const MeshErrorBody = Type.Object({ error: Type.String(), timestamp: Timestamp });

export const MESH_ERROR_RESPONSES = { "4xx": MeshErrorBody, "5xx": MeshErrorBody };

/** Of routes with parameters that may be malformed: the one error which the contract wants in another shape. */
export const MESH_QUERY_ERROR_RESPONSES = { 400: Type.Object({ msg: Type.String() }), ...MESH_ERROR_RESPONSES };

/** A query parameter that can not be read. */
export class MalformedParameter extends Error {
  override readonly name = "MalformedParameter";

  constructor(parameter: string, reason: string) {
    super(`Invalid format for parameter ${parameter}: ${reason}`);
  }
}

export function createMeshErrorHandler(options: ErrorHandlerOptions & { readonly clock: Clock }): ErrorHandler {
  const answerProblem = createErrorHandler(options, ({ message }, _request, reply) => {
    reply.send({ error: message, timestamp: rfc3339(options.clock.wallTime()) });
  });
  return (thrown, request, reply) => {
    if (thrown instanceof MalformedParameter) reply.code(400).send({ msg: thrown.message });
    else answerProblem(thrown, request, reply);
  };
}
