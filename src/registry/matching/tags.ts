/**
 * Tag constraints (contract A6.2): who is excluded, and how well the others fit.
 *
 * Pure. Tags are compared as they are written: case-sensitive, no patterns.
 */

import type { TagConstraint } from "../../types/agent.ts";

/** What a required tag that is present adds to the score. */
const REQUIRED_TAG_SCORE = 5;
/** What a preferred tag (`+t`) that is present adds to the score. */
const PREFERRED_TAG_SCORE = 10;

/**
 * Scores `tags` against `constraints`.
 *
 * `t` must be present, `+t` is welcome, `-t` must be absent. A nested list is an OR group: one of its members has to be
 * present, the best one counts once, and a `-t` inside excludes without ever satisfying the group. An empty group and a
 * constraint without a name (`""`, `"+"`, `"-"`) say nothing.
 *
 * @returns 0 or more, or null when a constraint is not met
 */
export function scoreTags(constraints: readonly TagConstraint[], tags: readonly string[]): number | null {
  let score = 0;
  for (const constraint of constraints) {
    const part = typeof constraint === "string" ? scoreOne(constraint, tags) : scoreGroup(constraint, tags);
    if (part === null) return null;
    score += part;
  }
  return score;
}

function scoreOne(constraint: string, tags: readonly string[]): number | null {
  switch (constraint[0]) {
    case undefined:
      return 0;
    case "-":
      return tags.includes(constraint.slice(1)) && constraint.length > 1 ? null : 0;
    case "+":
      return tags.includes(constraint.slice(1)) && constraint.length > 1 ? PREFERRED_TAG_SCORE : 0;
    default:
      return tags.includes(constraint) ? REQUIRED_TAG_SCORE : null;
  }
}

function scoreGroup(group: readonly string[], tags: readonly string[]): number | null {
  if (group.length === 0) return 0;
  let best: number | null = null;
  for (const member of group) {
    const score = scoreOne(member, tags);
    if (member[0] === "-") {
      if (score === null) return null;
    } else if (score !== null && score > 0 && (best === null || score > best)) {
      best = score;
    }
  }
  return best;
}
