/** `GET /v1/lookup`: who can do this, in this region and in all others. */

import { Type } from "typebox";
import type { FoundAgent } from "../../types/agent.ts";
import { asRegionId, type RegionId } from "../../types/ids.ts";
import type { LookupAnswer, LookupQuery, RegionAnswer } from "../../types/lookup.ts";
import { decodeLookupCursor, encodeLookupCursor } from "../cursor.ts";
import { showView } from "../headers.ts";
import type { Face } from "../modules.ts";
import { OneOrMany, parseTags } from "../query.ts";
import {
  AgentTypeName,
  AnyObject,
  ConsistencyName,
  Count,
  CursorText,
  ERROR_RESPONSES,
  HealthName,
  LIMIT_DEFAULT,
  Limit,
  Milliseconds,
  Name,
  RuntimeName,
  Shown,
  StringMap,
  Strings,
  Text,
  WallTime,
} from "../schemas.ts";
import { wholeMs } from "../whole-ms.ts";
import { ShownExplanation, ShownRegionTrace, showTrace } from "./lookup-explanation.ts";

const LookupParameters = Type.Object(
  {
    capability: Name(253),
    version: Type.Optional(Text(128, "A version constraint such as ^1.2 or >=1 <3; empty means any.")),
    tags: Type.Optional(
      OneOrMany(Text(1_024, "Commas separate: t required, +t preferred, -t forbidden, a|b one of them."), 64),
    ),
    namespace: Type.Optional(Name(63)),
    region: Type.Optional(Name(63, "Only this region.")),
    zone: Type.Optional(
      Name(63, "Where the asker is: of equally good agents of this region, those of that zone come first."),
    ),
    scope: Type.Optional(
      Type.Unsafe<LookupQuery["scope"]>({ type: "string", enum: ["region", "federation"], default: "federation" }),
    ),
    health: Type.Optional(
      Type.Unsafe<LookupQuery["health"]>({ type: "string", enum: ["healthy", "any"], default: "healthy" }),
    ),
    consistency: Type.Optional(ConsistencyName),
    max_staleness_ms: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 86_400_000, description: "Older data is fetched anew, or refused." }),
    ),
    explain: Type.Optional(Type.Boolean({ default: false, description: "Also tell how the answer came about." })),
    limit: Type.Optional(Limit),
    cursor: Type.Optional(CursorText),
  },
  { additionalProperties: false },
);

const ShownFoundAgent = Type.Object({
  id: Type.String(),
  name: Type.String(),
  endpoint: Type.String(),
  region: Type.String(),
  capability: Type.String(),
  functionName: Type.String(),
  version: Type.String(),
  tags: Strings,
  health: HealthName,
  revision: Count,
  namespace: Type.String(),
  type: AgentTypeName,
  runtime: RuntimeName,
  zone: Type.Optional(Type.String()),
  labels: StringMap,
  metadata: AnyObject,
  description: Type.Optional(Type.String()),
  kwargs: Type.Optional(AnyObject),
  registeredAtMs: WallTime,
  score: Type.Number({ description: "How well the tags fit; the best come first." }),
});

const ShownRegionAnswer = Type.Object({
  region: Type.String(),
  source: Type.Unsafe<RegionAnswer["source"]>({ type: "string", enum: ["local", "live", "cached", "none"] }),
  revision: Count,
  stalenessMs: Milliseconds,
  agents: Type.Integer({ minimum: 0, description: "How many this region's part of the answer has." }),
  error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
  trace: Type.Optional(ShownRegionTrace),
});

const LookupResponse = Type.Object({
  agents: Shown<readonly FoundAgent[]>(Type.Array(ShownFoundAgent)),
  complete: Type.Boolean({ description: "False when a region that may have matching agents did not answer." }),
  regions: Type.Array(ShownRegionAnswer),
  nextCursor: Type.Optional(Type.String()),
  explanation: Type.Optional(ShownExplanation),
});

export const lookupRoutes: Face = async (app, { registry, metrics }) => {
  const schema = {
    tags: ["lookup"],
    summary: "Find agents by capability, tags and version, in every region",
    querystring: LookupParameters,
    response: { 200: LookupResponse, ...ERROR_RESPONSES },
  };
  app.get("/v1/lookup", { schema, exposeHeadRoute: true }, async ({ query }, reply) => {
    const answer = await registry.lookup({
      capability: query.capability,
      tags: parseTags(query.tags),
      version: query.version ?? "",
      health: query.health ?? "healthy",
      scope: query.scope ?? "federation",
      consistency: query.consistency ?? "stale",
      limit: query.limit ?? LIMIT_DEFAULT,
      ...(query.namespace === undefined ? {} : { namespace: query.namespace }),
      ...(query.explain === true ? { explain: true } : {}),
      ...(query.zone === undefined ? {} : { zone: query.zone }),
      ...(query.region === undefined ? {} : { region: asRegionId(query.region) }),
      ...(query.max_staleness_ms === undefined ? {} : { maxStalenessMs: query.max_staleness_ms }),
      ...(query.cursor === undefined ? {} : { place: decodeLookupCursor(registry.region, query.cursor) }),
    });
    metrics.registry.lookup("v1", answer);
    const local = answer.regions.find(({ source }) => source === "local");
    if (local !== undefined) showView(reply, local);
    return showAnswer(registry.region, answer);
  });
};

/** The agents go to the serializer as they are: copying them is what a lookup would spend most of its time with. */
function showAnswer(home: RegionId, { agents, complete, regions, next, explanation }: LookupAnswer) {
  return {
    agents,
    complete,
    regions: regions.map(showRegion),
    ...(next === undefined ? {} : { nextCursor: encodeLookupCursor(home, next) }),
    ...(explanation === undefined ? {} : { explanation }),
  };
}

function showRegion({ region, source, revision, stalenessMs, agents, error, trace, distanceMs }: RegionAnswer) {
  return {
    region,
    source,
    revision,
    stalenessMs: wholeMs(stalenessMs),
    agents: agents.length,
    ...(error === undefined ? {} : { error }),
    ...(trace === undefined ? {} : { trace: showTrace(trace, distanceMs) }),
  };
}
