/**
 * Page cursors: opaque to clients, checked when they come back.
 *
 * A cursor holds the place where a page ended, so pages neither repeat nor skip what was there all the time, whatever
 * came and went in between, on whichever node of the region the next page is asked for. Among equals a lookup puts its own
 * region's agents first, so a place in it means something in that region alone: elsewhere the cursor is refused.
 */

import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import type { RegionId } from "../types/ids.ts";
import type { SortKey } from "../types/lookup.ts";
import { invalidField } from "./api-error.ts";

const Place = Type.String({ maxLength: 1_024 });
const SortKeyPlaces = Type.Tuple([Place, Type.Number(), Place, Place, Place, Place]);
const NamePlace = Type.Tuple([Place]);

export function encodeNameCursor(name: string): string {
  return encode([name]);
}

/** @throws ApiError INVALID_FIELD */
export function decodeNameCursor(cursor: string): string {
  return decode(NamePlace, cursor)[0];
}

export function encodeSortKey(home: RegionId, { score, version, id, functionName, region }: SortKey): string {
  return encode([home, score, version, id, functionName, region]);
}

/** @throws ApiError INVALID_FIELD */
export function decodeSortKey(home: RegionId, cursor: string): SortKey {
  const [givenBy, score, version, id, functionName, region] = decode(SortKeyPlaces, cursor);
  if (givenBy !== home) throw invalidField("cursor", "was given by another region; go on there, or begin anew");
  return { score, version, id, functionName, region };
}

function encode(places: readonly (string | number)[]): string {
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
