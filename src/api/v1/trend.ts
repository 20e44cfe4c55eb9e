/** `GET /v1/trend`: the last hour of this node, a sample every ten seconds. */

import { Type } from "typebox";
import type { TrendSample } from "../../metrics/trend.ts";
import type { Face } from "../modules.ts";
import { Count, ERROR_RESPONSES, Milliseconds, Shown, WallTime } from "../schemas.ts";

const Rate = Type.Number({ minimum: 0, description: "A second, on this node." });

const ShownSample = Type.Object({
  atMs: WallTime,
  agents: Count,
  healthyAgents: Count,
  lookupsPerSecond: Rate,
  renewalsPerSecond: Rate,
  writesPerSecond: Rate,
  p99Ms: Type.Unsafe<number | null>({
    type: ["number", "null"],
    description: "99 of 100 requests were answered within this; null when there were none.",
  }),
  term: Count,
  hasLeader: Type.Boolean(),
  lagRevisions: Count,
});

const TrendAnswer = Type.Object({
  intervalMs: Milliseconds,
  samplesMax: Count,
  samples: Shown<readonly TrendSample[]>(Type.Array(ShownSample)),
});

export const trendRoute: Face = async (app, { trend }) => {
  const schema = {
    tags: ["cluster"],
    summary: "The last hour of this node, the oldest sample first",
    querystring: Type.Object(
      {
        since: Type.Optional(
          Type.Integer({ minimum: 0, description: "atMs of the newest sample that is known: only later ones." }),
        ),
      },
      { additionalProperties: false },
    ),
    response: { 200: TrendAnswer, ...ERROR_RESPONSES },
  };
  app.get("/v1/trend", { schema, exposeHeadRoute: true }, async ({ query }) => ({
    ...trend.bounds,
    samples: trend.samples(query.since),
  }));
};
