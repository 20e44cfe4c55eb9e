/** Errors as MCP Mesh clients know them (contract, section 1). */

import { Type } from "typebox";
import { type Clock, rfc3339 } from "../../util/clock.ts";
import { createErrorHandler, type ErrorHandler, type ErrorHandlerOptions } from "../error-handler.ts";
import { Timestamp } from "../schemas.ts";

const MeshErrorBody = Type.Object({ error: Type.String(), timestamp: Timestamp });

export const MESH_ERROR_RESPONSES = { "4xx": MeshErrorBody, "5xx": MeshErrorBody };

export function createMeshErrorHandler(options: ErrorHandlerOptions & { readonly clock: Clock }): ErrorHandler {
  return createErrorHandler(options, ({ message }, _request, reply) => {
    reply.send({ error: message, timestamp: rfc3339(options.clock.wallTime()) });
  });
}
