/**
 * Page cursors: opaque to clients, checked when they come back.
 *
 * A cursor holds the place where a page ended, so pages neither repeat nor skip what was there all the time, whatever
 * came and went in between, on whichever node the next page is asked for.
 */

import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import type { SortKey } from "../types/lookup.ts";
import { invalidField } from "./api-error.ts";

const Place = Type.String({ maxLength: 1_024 });
const SortKeyPlaces = Type.Tuple([Type.Number(), Place, Place, Place, Place]);
const NamePlace = Type.Tuple([Place]);

export function encodeNameCursor(name: string): string {
  return encode([name]);
}

/** @throws ApiError INVALID_FIELD */
export function decodeNameCursor(cursor: string): string {
  return decode(NamePlace, cursor)[0];
}

export function encodeSortKey({ score, version, id, functionName, region }: SortKey): string {
  return encode([score, version, id, functionName, region]);
}

/** @throws ApiError INVALID_FIELD */
export function decodeSortKey(cursor: string): SortKey {
  const [score, version, id, functionName, region] = decode(SortKeyPlaces, cursor);
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
