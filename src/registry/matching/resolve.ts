/**
 * From the offers of one capability to the agents that answer a question (contract A6).
 *
 * The stages are health, tags, version, schema, and the order of `compareFound` as the tie-break; choosing the offers of a
 * capability by its name is the index's. Pure, and lazy where it can be: a question without tags costs what it answers,
 * not what is registered.
 */

import type { Capability, Dependency, FoundAgent, StoredAgent, TagConstraint } from "../../types/agent.ts";
import type { RegionQuery, SortKey } from "../../types/lookup.ts";
import { compareText } from "../../util/compare.ts";
import { compareNames } from "./compare.ts";
import { compileTags } from "./tags.ts";
import { compareVersions, compileConstraint, type ParsedVersion, parseVersion } from "./version-constraint.ts";

/** One capability of one agent. */
export interface Offer {
  readonly agent: StoredAgent;
  readonly capability: Capability;
  readonly version: ParsedVersion;
  /** What a lookup answers for it, with score 0; of the index, it is made anew each time. */
  readonly found: FoundAgent;
}

/** Ascending in the order of `compareFound` among agents of one region and equal score. */
export function compareOffers(a: Offer, b: Offer): number {
  return (
    compareVersions(b.version, a.version) ||
    compareText(a.agent.id, b.agent.id) ||
    compareText(a.capability.functionName, b.capability.functionName) ||
    compareText(a.capability.version, b.capability.version)
  );
}

/** The stages that take more than the offer itself to judge; without one, it lets every offer pass. */
export interface MatchOptions {
  /** Whether what the offer requires of others is there: part of the health stage, so not asked where any health will do. */
  readonly isAvailable?: ((offer: Offer) => boolean) | undefined;
  /** Before all stages: whether whoever asks may see the offer at all. */
  readonly isVisible?: ((offer: Offer) => boolean) | undefined;
  /** The schema stage. */
  readonly fits?: ((capability: Capability) => boolean) | undefined;
}

/** Puts the agents of one zone first among equally good ones. */
export interface ZoneFirst {
  readonly zone: string;
  /** Whether `query.after` is the place of one of them. */
  readonly isAfterInZone: boolean;
}

export interface Matches {
  readonly agents: FoundAgent[];
  /** More offers match behind the last one answered. */
  readonly hasMore: boolean;
}

/**
 * The agents that answer `query`, in the order of `compareFound`, at most `query.limit`, beginning after `query.after`.
 *
 * @param offers - all offers of the capability, in the order of `compareOffers`
 * @param zoneFirst - the order is then by score, version, zone, names
 */
export function findMatches(
  offers: readonly Offer[],
  query: RegionQuery,
  { zoneFirst, ...options }: MatchOptions & { readonly zoneFirst?: ZoneFirst | undefined } = {},
): Matches {
  const score = scorerOf(query);
  const passes = costlyStagesOf(query, options);
  const isBefore = query.after === undefined ? null : placeTest(query.after, zoneFirst);
  const matches: Match[] = [];
  // Without tags every score is 0, and the offers already stand in the order of the answer.
  const enough = query.tags.length === 0 ? query.limit + 1 : Number.POSITIVE_INFINITY;
  for (const offer of zoneFirst === undefined ? offers : inZoneFirst(offers, zoneFirst.zone)) {
    const points = score(offer);
    if (points === null || isBefore?.(offer, points) === true || !passes(offer)) continue;
    matches.push({ offer, score: points });
    if (matches.length === enough) break;
  }
  // Stable, so the order of the offers remains among equal scores.
  if (query.tags.length > 0) matches.sort((a, b) => b.score - a.score);
  const hasMore = matches.length > query.limit;
  return { agents: matches.slice(0, query.limit).map(toFound), hasMore };
}

/**
 * The one provider chosen for a dependency, or null. Any agent may be chosen, the one that asks included, of any namespace
 * (contract A6).
 *
 * @param offers - all offers of the capability, in the order of `compareOffers`
 */
export function chooseProvider(
  offers: readonly Offer[],
  { tags, version }: Dependency,
  { namespace, ...options }: MatchOptions & { readonly namespace?: string } = {},
): FoundAgent | null {
  const need: Need = { health: "healthy", tags, version, namespace };
  const score = scorerOf(need);
  const passes = costlyStagesOf(need, options);
  let best: Match | null = null;
  for (const offer of offers) {
    const points = score(offer);
    if (points === null || (best !== null && points <= best.score) || !passes(offer)) continue;
    best = { offer, score: points };
    if (tags.length === 0) break;
  }
  return best === null ? null : toFound(best);
}

/** What an offer has to be. */
interface Need {
  readonly health: "healthy" | "any";
  readonly tags: readonly TagConstraint[];
  readonly version: string;
  readonly namespace?: string | undefined;
}

interface Match {
  readonly offer: Offer;
  readonly score: number;
}

/** Runs the stages that the offer itself decides: its score, or null when one of them drops it. */
function scorerOf(need: Need): (offer: Offer) => number | null {
  const admits = compileConstraint(need.version);
  const scoreOf = compileTags(need.tags);
  const mustBeHealthy = need.health === "healthy";
  return (offer) => {
    if (mustBeHealthy && offer.agent.health !== "healthy") return null;
    if (need.namespace !== undefined && offer.agent.record.namespace !== need.namespace) return null;
    const score = scoreOf(offer.capability.tags);
    return score === null || !admits(offer.version) ? null : score;
  };
}

/** The other stages: which of them drops an offer makes no difference, so the dear ones are asked of what is left. */
function costlyStagesOf({ health }: Need, { isVisible, isAvailable, fits }: MatchOptions): (offer: Offer) => boolean {
  return (offer) =>
    (isVisible === undefined || isVisible(offer)) &&
    (health === "any" || isAvailable === undefined || isAvailable(offer)) &&
    (fits === undefined || fits(offer.capability));
}

/** Tells whether an offer with that score stands at `after` or before it. */
function placeTest(after: SortKey, zoneFirst: ZoneFirst | undefined): (offer: Offer, score: number) => boolean {
  const version = parseVersion(after.version);
  const compareZones = ({ agent }: Offer) =>
    zoneFirst === undefined ? 0 : Number(zoneFirst.isAfterInZone) - Number(agent.record.zone === zoneFirst.zone);
  return (offer, score) => {
    if (score !== after.score) return score > after.score;
    const order =
      compareVersions(version, offer.version) || compareZones(offer) || compareText(offer.agent.id, after.id);
    // Names begin with the id; what an answer would show of an offer is made for those only that have the same.
    return (order || compareNames(offer.found, after)) <= 0;
  };
}

/** The offers of one version after the other, of each those of the zone first; lazy, and without sorting. */
function* inZoneFirst(offers: readonly Offer[], zone: string): Iterable<Offer> {
  for (let start = 0; start < offers.length; ) {
    const end = endOfVersion(offers, start);
    for (let i = start; i < end; i++) if (offers[i]!.agent.record.zone === zone) yield offers[i]!;
    for (let i = start; i < end; i++) if (offers[i]!.agent.record.zone !== zone) yield offers[i]!;
    start = end;
  }
}

/** Where the next version begins: searched for by halves, since a capability may have thousands of offers of one version. */
function endOfVersion(offers: readonly Offer[], start: number): number {
  const { version } = offers[start]!;
  let low = start + 1;
  let high = offers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareVersions(version, offers[middle]!.version) === 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function toFound({ offer, score }: Match): FoundAgent {
  return score === 0 ? offer.found : { ...offer.found, score };
}
