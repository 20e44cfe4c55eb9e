/** `GET /v1/activity`: what happens to the cluster, as this node sees it, as server-sent events. */

import type { Readable } from "node:stream";
import { Type } from "typebox";
import type { Face } from "../modules.ts";
import { ERROR_RESPONSES, NoQuery } from "../schemas.ts";
import { ActivityReaders } from "./activity-readers.ts";
import { sendEvents } from "./event-stream.ts";
import { EVENT_ID_LENGTH_MAX } from "./watch-frames.ts";

const EventStream = Type.Unsafe<Readable>({
  description: "Server-sent events: started, leader, member, node, region, readiness, agents; ready, resync, goodbye.",
  content: { "text/event-stream": { schema: Type.String() } },
});

export const activityRoute: Face = async (app, { registry, activity, clock, watch }) => {
  const readers = new ActivityReaders({ region: registry.region, activity, clock, random: watch.random });
  // Before the server waits for its connections to end: these would not.
  app.addHook("preClose", (done) => {
    readers.close();
    done();
  });

  const schema = {
    tags: ["cluster"],
    summary: "Watch what happens to regions, nodes and leaders, and how many agents come and go",
    querystring: NoQuery,
    headers: Type.Object({ "last-event-id": Type.Optional(Type.String({ maxLength: EVENT_ID_LENGTH_MAX })) }),
    response: { 200: EventStream, ...ERROR_RESPONSES },
  };
  app.get("/v1/activity", { schema }, async ({ headers }, reply) => {
    return sendEvents(reply, readers.open(headers["last-event-id"] ?? ""));
  });
};
