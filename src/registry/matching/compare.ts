/**
 * The one order in which found agents are answered, everywhere: best tags, then newest version, then by name.
 *
 * Pure. The order is total over (score, version, agent id, function name, region), so a `SortKey` names a place in it
 * even when the agent that stood there has gone, and pages put together are the whole.
 */

import type { SortKey } from "../../types/lookup.ts";
import { compareText } from "../../util/compare.ts";
import { compareVersions, parseVersion } from "./version-constraint.ts";

/** Negative when `a` is answered before `b`. */
export function compareFound(a: SortKey, b: SortKey): number {
  return compareQuality(a, b) || compareNames(a, b);
}

/** The part of the order that says which agent suits better: score, then version, both descending. */
export function compareQuality(a: SortKey, b: SortKey): number {
  if (a.score !== b.score) return b.score - a.score;
  return a.version === b.version ? 0 : compareVersions(parseVersion(b.version), parseVersion(a.version));
}

/** The part of the order that only makes it total. */
export function compareNames(a: SortKey, b: SortKey): number {
  return (
    compareText(a.id, b.id) ||
    compareText(a.functionName, b.functionName) ||
    compareText(a.region, b.region) ||
    // Versions that are equal may be written differently: 10 and 10.0.
    compareText(a.version, b.version)
  );
}

/** The place of a found agent. */
export function sortKeyOf({ score, version, id, functionName, region }: SortKey): SortKey {
  return { score, version, id, functionName, region };
}
