/** What `GET /v1/lookup?explain=true` tells beside the answer: how it came about. */

import { Type } from "typebox";
import type { LookupExplanation, PlaceTrace, RegionTrace, StageTrace } from "../../types/lookup.ts";
import { AnyObject, Count, Milliseconds, Shown } from "../schemas.ts";
import { wholeMs } from "../whole-ms.ts";

export const ShownRegionTrace = Type.Object({
  did: Type.Unsafe<RegionTrace["did"]>({
    type: "string",
    enum: ["read", "asked", "kept", "ruled-out", "kept-unconfirmed", "breaker-open", "failed"],
  }),
  asked: Type.Optional(Type.Object({ node: Type.String(), requests: Count, tookMs: Milliseconds })),
  summary: Type.Optional(Type.Object({ revision: Count, ageMs: Milliseconds, changedRevision: Type.Optional(Count) })),
  breaker: Type.Optional(
    Type.Unsafe<NonNullable<RegionTrace["breaker"]>>({ type: "string", enum: ["closed", "half-open", "open"] }),
  ),
  distanceMs: Type.Optional(Type.Number({ minimum: 0, description: "Round trip to the region's nearest node." })),
});

const ShownPlace = Type.Object({
  id: Type.String(),
  functionName: Type.String(),
  region: Type.String(),
  score: Type.Number(),
  version: Type.String(),
  isInZone: Type.Boolean(),
  distanceMs: Type.Optional(Type.Number({ minimum: 0 })),
  behindBy: Type.Optional(
    Type.Unsafe<NonNullable<PlaceTrace["behindBy"]>>({
      type: "string",
      enum: ["score", "version", "zone", "region", "distance", "name"],
      description: "What put it behind the one before it.",
    }),
  ),
});

const ShownStage = Type.Object({
  stage: Type.Unsafe<StageTrace["stage"]>({
    type: "string",
    enum: ["namespace", "health", "tags", "version", "schema"],
  }),
  kept: Count,
  dropped: Count,
  listed: Type.Array(Type.Object({ id: Type.String(), reason: Type.String(), details: AnyObject })),
});

const AgentAndRegion = Type.Object({ id: Type.String(), region: Type.String() });

export const ShownExplanation = Type.Object(
  {
    zone: Type.Unsafe<string | null>({ type: ["string", "null"] }),
    places: Shown<LookupExplanation["places"]>(Type.Array(ShownPlace)),
    matching: Type.Optional(
      Shown<NonNullable<LookupExplanation["matching"]>>(
        Type.Object({ offers: Count, lookedAt: Count, stages: Type.Array(ShownStage) }),
      ),
    ),
    moved: Shown<LookupExplanation["moved"]>(Type.Object({ count: Count, listed: Type.Array(AgentAndRegion) })),
  },
  { description: "How the answer came about; with explain=true only." },
);

export function showTrace({ did, asked, summary, breaker }: RegionTrace, distanceMs: number | undefined) {
  return {
    did,
    ...(asked === undefined ? {} : { asked: { ...asked, tookMs: wholeMs(asked.tookMs) } }),
    ...(summary === undefined ? {} : { summary: { ...summary, ageMs: wholeMs(summary.ageMs) } }),
    ...(breaker === undefined ? {} : { breaker }),
    ...(distanceMs === undefined ? {} : { distanceMs }),
  };
}
