/**
 * Page cursors: opaque to clients, checked when they come back.
 *
 * A cursor holds the place where a page ended, so pages neither repeat nor skip what was there all the time, whatever
 * came and went in between, on whichever node of the region the next page is asked for. Among equals a lookup puts the
 * nearest agents first: its cursor holds that order too, and means something in the region that gave it alone. Elsewhere
 * it is refused.
 */

import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import { NEARNESS_REGIONS_MAX } from "../registry/lookup-merge.ts";
import type { RegionId } from "../types/ids.ts";
import type { PagePlace } from "../types/lookup.ts";
import { invalidField } from "./api-error.ts";

const Place = Type.String({ maxLength: 1_024 });
const SortKeyPlaces = Type.Tuple([Type.Number(), Place, Place, Place, Place]);
const LookupPlace = Type.Tuple([
  Place,
  SortKeyPlaces,
  Type.Boolean(),
  Type.Union([Place, Type.Null()]),
  Type.Array(Place, { maxItems: NEARNESS_REGIONS_MAX }),
]);
const NamePlace = Type.Tuple([Place]);

export function encodeNameCursor(name: string): string {
  return encode([name]);
}

/** @throws ApiError INVALID_FIELD */
export function decodeNameCursor(cursor: string): string {
  return decode(NamePlace, cursor)[0];
}

export function encodeLookupCursor(home: RegionId, { at, isInZone, nearness }: PagePlace): string {
  const { score, version, id, functionName, region } = at;
  return encode([home, [score, version, id, functionName, region], isInZone, nearness.zone, nearness.regions]);
}

/** @throws ApiError INVALID_FIELD */
export function decodeLookupCursor(home: RegionId, cursor: string): PagePlace {
  const [givenBy, at, isInZone, zone, regions] = decode(LookupPlace, cursor);
  if (givenBy !== home) throw invalidField("cursor", "was given by another region; go on there, or begin anew");
  const [score, version, id, functionName, region] = at;
  return { at: { score, version, id, functionName, region }, isInZone, nearness: { zone, regions } };
}

function encode(places: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(places)).toString("base64url");
}

function decode<Schema extends TSchema>(schema: Schema, cursor: string): Static<Schema> {
  const value = parse(cursor);
  if (!Value.Check(schema, value)) throw invalidField("cursor", "is not a nextCursor of this list");
  return value;
}

function parse(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}
