/** Query parameters that may be repeated, and the small language of tags. */

import { type TSchema, Type } from "typebox";
import type { TagConstraint } from "../types/agent.ts";
import { invalidField } from "./api-error.ts";

/** A parameter that may be given once or several times. */
export function OneOrMany<Item extends TSchema>(item: Item, maxItems: number) {
  return Type.Union([item, Type.Array(item, { maxItems })]);
}

export function oneOrMany(value: string | readonly string[]): readonly string[] {
  return typeof value === "string" ? [value] : value;
}

const TAG_CONSTRAINTS_MAX = 64;
const GROUP_MEMBERS_MAX = 32;
/** In all groups together. */
const TAGS_MAX = 128;

/**
 * Reads tag constraints: repeated or separated by commas, alternatives separated by `|`.
 *
 * `tags=gpu,+fast,-beta&tags=eu|us` requires `gpu`, prefers `fast`, forbids `beta` and requires `eu` or `us`. A `+` that
 * was not percent-encoded arrives as a blank, so a leading blank means `+`.
 *
 * @throws ApiError INVALID_FIELD
 */
export function parseTags(tags: string | readonly string[] | undefined): readonly TagConstraint[] {
  if (tags === undefined) return [];
  const constraints = oneOrMany(tags)
    .flatMap((list) => list.split(","))
    .filter((constraint) => constraint.trim() !== "")
    .map(parseConstraint);
  if (constraints.length > TAG_CONSTRAINTS_MAX)
    throw invalidField("tags", `has more than ${TAG_CONSTRAINTS_MAX} items`);
  if (constraints.flat().length > TAGS_MAX) throw invalidField("tags", `has more than ${TAGS_MAX} in all its groups`);
  return constraints;
}

function parseConstraint(text: string): TagConstraint {
  const members = text.split("|").map(restorePlus);
  const [only, ...others] = members;
  if (only !== undefined && others.length === 0) return only;
  if (members.length > GROUP_MEMBERS_MAX) throw invalidField("tags", `has a group of more than ${GROUP_MEMBERS_MAX}`);
  return members.filter((member) => member !== "");
}

function restorePlus(tag: string): string {
  return tag.startsWith(" ") ? `+${tag.trim()}` : tag.trim();
}
