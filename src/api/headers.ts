/**
 * The headers of every answer: which node of which region answered, at which revision, and how old its data may be.
 *
 * A handler that knows exactly what its answer shows says so with `showView`; the others are answered with what the node
 * has applied when the answer leaves.
 */

import type { FastifyReply } from "fastify";
import type { View } from "../registry/interface.ts";
import type { ClusterView } from "./ports.ts";
import { wholeMs } from "./whole-ms.ts";

export const REVISION_HEADER = "x-atoll-revision";

export function showView(reply: FastifyReply, { revision, stalenessMs }: View): void {
  reply.header(REVISION_HEADER, revision).header("x-atoll-staleness-ms", wholeMs(stalenessMs));
}

/** Whether what is answered are events, for as long as their reader likes. @param contentType - of the answer, if it has one */
export function isEventStream(contentType: unknown): boolean {
  return String(contentType).startsWith("text/event-stream");
}

/** Makes the function that sets them just before an answer leaves. */
export function commonHeaders(view: ClusterView, isShuttingDown: () => boolean): (reply: FastifyReply) => void {
  const { name, region } = view.node();
  return (reply) => {
    reply.header("x-atoll-region", region).header("x-atoll-node", name);
    if (!reply.hasHeader(REVISION_HEADER)) showView(reply, view.applied());
    // So that clients with a kept connection go elsewhere before it is cut.
    if (isShuttingDown()) reply.header("connection", "close");
  };
}
