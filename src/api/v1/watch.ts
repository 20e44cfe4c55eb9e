/** `GET /v1/watch`: what happens to this region's agents, and to what other regions offer, as server-sent events. */

import type { Readable } from "node:stream";
import { Type } from "typebox";
import { asAgentId } from "../../types/ids.ts";
import { invalidField } from "../api-error.ts";
import type { Face } from "../modules.ts";
import { OneOrMany, oneOrMany } from "../query.ts";
import { AgentIdText, AgentTypeName, ERROR_RESPONSES, Name } from "../schemas.ts";
import { sendEvents } from "./event-stream.ts";
import { EVENT_ID_LENGTH_MAX, parseEventId } from "./watch-frames.ts";
import { type WatchedKind, Watchers, type WatchRequest } from "./watchers.ts";

const CAPABILITIES_MAX = 64;
const KINDS = ["registered", "updated", "unhealthy", "recovered", "removed", "capability"] as const;

const EventId = Type.String({ maxLength: EVENT_ID_LENGTH_MAX });

const WatchParameters = Type.Object(
  {
    capability: Type.Optional(OneOrMany(Name(253), CAPABILITIES_MAX)),
    namespace: Type.Optional(Name(63)),
    agent: Type.Optional(AgentIdText),
    type: Type.Optional(AgentTypeName),
    event: Type.Optional(
      OneOrMany(Type.Unsafe<WatchedKind>({ type: "string", enum: KINDS, description: "Any of these." }), KINDS.length),
    ),
    scope: Type.Optional(
      Type.Unsafe<"region" | "federation">({
        type: "string",
        enum: ["region", "federation"],
        default: "region",
        description: "federation adds `capability` events: what other regions offer.",
      }),
    ),
    initial: Type.Optional(Type.Boolean({ default: false, description: "Begin with what there is now." })),
    since: Type.Optional(EventId),
  },
  { additionalProperties: false },
);

const WatchHeaders = Type.Object({ "last-event-id": Type.Optional(EventId) });

const EventStream = Type.Unsafe<Readable>({
  description:
    "Server-sent events: registered, updated, unhealthy, recovered, removed; capability; ready, resync, goodbye.",
  content: { "text/event-stream": { schema: Type.String() } },
});

export const watchRoutes: Face = async (app, { registry, metrics, clock, watch }) => {
  const watchers = new Watchers({ ...watch, registry, metrics: metrics.watch, clock });
  // Before the server waits for its connections to end: these would not.
  app.addHook("preClose", (done) => {
    watchers.close();
    done();
  });

  const schema = {
    tags: ["agents"],
    summary: "Watch the agents of this region, and what other regions offer",
    querystring: WatchParameters,
    headers: WatchHeaders,
    response: { 200: EventStream, ...ERROR_RESPONSES },
  };
  app.get("/v1/watch", { schema }, async ({ query, headers }, reply) => {
    const { capability, namespace, agent, type, event, scope = "region", initial = false, since } = query;
    if (since !== undefined && initial) throw invalidField("since", "goes without initial; send Last-Event-ID instead");
    const lastEventId = lastSeen(headers["last-event-id"], since);
    const request: WatchRequest = {
      filter: {
        isFederated: scope === "federation",
        ...(capability !== undefined && { capabilities: oneOrMany(capability) }),
        ...(namespace !== undefined && { namespace }),
        ...(agent !== undefined && { agent: asAgentId(agent) }),
        ...(type !== undefined && { type }),
        ...(event !== undefined && { kinds: new Set(typeof event === "string" ? [event] : event) }),
      },
      isInitial: initial,
      ...(lastEventId !== undefined && { lastEventId }),
    };
    const stream = await watchers.open(request);
    return sendEvents(reply, stream);
  });
};

/** A browser that reconnects repeats the query and adds the header, which is the newer one. */
function lastSeen(header: string | undefined, since: string | undefined): string | undefined {
  if (header !== undefined && header !== "") return checked("last-event-id", header);
  return since === undefined ? undefined : checked("since", since);
}

function checked(field: string, id: string): string {
  if (parseEventId(id) === null) throw invalidField(field, "is no id of an event, such as <cluster>:<revision>");
  return id;
}
