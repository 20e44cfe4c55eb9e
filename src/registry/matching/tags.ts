/**
 * Tag constraints (contract A6.2): who is excluded, and how well the others fit.
 *
 * Pure. Tags are compared as they are written: case-sensitive, no patterns. Constraints are compiled once for all candidates,
 * so that judging one of them costs a look at each of its tags, however many constraints there are.
 */

import type { TagConstraint } from "../../types/agent.ts";
import { sharedText } from "./shared-texts.ts";

/** What a required tag that is present adds to the score. */
const REQUIRED_TAG_SCORE = 5;
/** What a preferred tag (`+t`) that is present adds to the score. */
const PREFERRED_TAG_SCORE = 10;

/** Scores the tags of one candidate: 0 or more, or null when a constraint is not met. */
export type TagScorer = (tags: readonly string[]) => number | null;

/** What a tag does to a candidate that has it. */
interface Role {
  excludes: boolean;
  /** To which constraints it counts, and how much. */
  readonly grants: { readonly slot: number; readonly points: number }[];
}

/**
 * Compiles constraints.
 *
 * `t` must be present, `+t` is welcome, `-t` must be absent. A nested list is an OR group: one of its members has to be
 * present, the best one counts once, and a `-t` inside excludes without ever satisfying the group. An empty group and a
 * constraint without a name (`""`, `"+"`, `"-"`) say nothing.
 */
export function compileTags(constraints: readonly TagConstraint[]): TagScorer {
  if (constraints.length === 0) return () => 0;
  const roles = new Map<string, Role>();
  const isRequired = constraints.map((constraint, slot) => assignRoles(roles, constraint, slot));
  const requiredCount = isRequired.filter(Boolean).length;
  // One for all candidates: to allocate it for each costs more than to judge most of them.
  const points = new Uint8Array(constraints.length);
  return (tags) => {
    points.fill(0);
    let unmet = requiredCount;
    let score = 0;
    for (const tag of tags) {
      const role = roles.get(tag);
      if (role === undefined) continue;
      if (role.excludes) return null;
      for (const { slot, points: granted } of role.grants) {
        const held = points[slot]!;
        if (granted <= held) continue;
        if (held === 0 && isRequired[slot]) unmet--;
        points[slot] = granted;
        score += granted - held;
      }
    }
    return unmet > 0 ? null : score;
  };
}

/** The score of `tags` by `constraints`, where it is asked for once. */
export function scoreTags(constraints: readonly TagConstraint[], tags: readonly string[]): number | null {
  return compileTags(constraints)(tags);
}

/** @returns whether a candidate must have one of the tags that count to this constraint */
function assignRoles(roles: Map<string, Role>, constraint: TagConstraint, slot: number): boolean {
  const members = typeof constraint === "string" ? [constraint] : constraint;
  for (const member of members) {
    const sign = member[0];
    const tag = sign === "+" || sign === "-" ? member.slice(1) : member;
    if (tag === "") continue;
    const role = roleOf(roles, tag);
    if (sign === "-") role.excludes = true;
    else role.grants.push({ slot, points: sign === "+" ? PREFERRED_TAG_SCORE : REQUIRED_TAG_SCORE });
  }
  if (typeof constraint !== "string") return constraint.length > 0;
  return constraint !== "" && constraint[0] !== "+" && constraint[0] !== "-";
}

function roleOf(roles: Map<string, Role>, tag: string): Role {
  let role = roles.get(tag);
  if (role === undefined) {
    role = { excludes: false, grants: [] };
    roles.set(sharedText(tag), role);
  }
  return role;
}
