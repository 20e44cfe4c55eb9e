/**
 * One answer out of the answers of several regions. Pure.
 *
 * The order is score, version, nearness, name: of equally good agents those of the asker's zone come first, then the rest
 * of the home region, then the other regions as they are near by round trip, each in the order of `compareFound`. Round
 * trips change from one moment to the next, so the order of the regions is chosen once, for the first page, and goes with
 * the place where a page ended. Pages put together are the whole for as long as the regions do not change, whatever
 * becomes nearer meanwhile.
 */

import type { FoundAgent } from "../types/agent.ts";
import type { AgentId, RegionId } from "../types/ids.ts";
import type { Nearness, PagePlace, RegionAnswer, SortKey } from "../types/lookup.ts";
import { compareText } from "../util/compare.ts";
import { compareNames, compareQuality, sortKeyOf } from "./matching/compare.ts";

/** Regions whose order is by distance; those beyond come last, by name. A cursor has to hold them. */
export const NEARNESS_REGIONS_MAX = 32;
/** Sorts behind every agent id: longer than any, and of the greatest code unit alone. */
const LAST_ID = "\uFFFF".repeat(256);

type Compare = (a: FoundAgent, b: FoundAgent) => number;

/** The order of the regions that have something to answer, as they are near now. */
export function nearnessOf(home: RegionId, answers: readonly RegionAnswer[], zone: string | null): Nearness {
  const distanceOf = ({ distanceMs = Number.MAX_VALUE }: RegionAnswer) => distanceMs;
  const regions = answers
    .filter(({ region, agents }) => region !== home && agents.length > 0)
    .sort((a, b) => distanceOf(a) - distanceOf(b) || compareText(a.region, b.region))
    .slice(0, NEARNESS_REGIONS_MAX)
    .map(({ region }) => region);
  return { zone, regions };
}

/** Where the home region goes on when the page before ended at `place`, and whether that is among the agents of the zone. */
export function homeAfter(
  home: RegionId,
  place: PagePlace | undefined,
): { readonly after?: SortKey; readonly isAfterInZone: boolean } {
  if (place === undefined) return { isAfterInZone: false };
  const { at, isInZone } = place;
  // Another region's turn means that home has no more of this quality to give.
  return at.region === home ? { after: at, isAfterInZone: isInZone } : { after: behindAll(at), isAfterInZone: false };
}

/** Where another region goes on when the page before ended at `place`. */
export function awayAfter(home: RegionId, region: RegionId, { at, nearness }: PagePlace): SortKey {
  const order = compareRegions(home, nearness)(region, at.region);
  if (order === 0) return at;
  return order < 0 ? behindAll(at) : beforeAll(at);
}

/** The end, and the beginning, of the agents that are as good as the one at a place. */
function behindAll(at: SortKey): SortKey {
  return { ...at, id: LAST_ID, functionName: "", region: "" };
}

function beforeAll(at: SortKey): SortKey {
  return { ...at, id: "", functionName: "", region: "" };
}

export interface MergeOptions {
  readonly home: RegionId;
  /** Of the first page. */
  readonly nearness: Nearness;
  readonly limit: number;
  /** Agents that are known, from elsewhere, to live in another region by now. */
  readonly isHidden: (agent: FoundAgent) => boolean;
  /** Told of each agent that is left out because it lives elsewhere. */
  readonly onMoved?: (agent: FoundAgent) => void;
}

/**
 * Merges what regions answered to one query.
 *
 * An agent that several regions hold is answered once: from where it is healthy, then from where it registered last (F11).
 * When that was, each region says by its own wall clock. Where two clocks are further apart than the two registrations, the
 * older one is answered until its lease ends, for an agent renews only where it lives now; never longer.
 */
export function mergeAnswers(
  answers: readonly RegionAnswer[],
  { home, nearness, limit, isHidden, onMoved }: MergeOptions,
): { readonly agents: readonly FoundAgent[]; readonly next?: PagePlace } {
  const page = (agents: readonly FoundAgent[], last: FoundAgent | undefined) =>
    last === undefined ? { agents } : { agents, next: placeOf(last, home, nearness) };
  const only = answers.length === 1 ? answers[0]! : null;
  if (only !== null && only.region === home) return page(only.agents, only.hasMore ? only.agents.at(-1) : undefined);

  const compare = orderOf(home, nearness);
  const all = answers.flatMap(({ agents }) => agents).sort(compare);
  const owners = ownersOf(all, home);
  const horizon = horizonOf(answers, compare);
  const agents: FoundAgent[] = [];
  let last: FoundAgent | undefined;
  for (const agent of all) {
    if (agents.length === limit || (horizon !== null && compare(agent, horizon) > 0)) return page(agents, last);
    last = agent;
    if (owners.get(agent.id) === agent.region && !isHidden(agent)) agents.push(agent);
    else onMoved?.(agent);
  }
  return page(agents, horizon === null ? undefined : last);
}

/** The order of the agents of all regions. Within each region it is the one in which that region answers. */
export function orderOf(home: RegionId, nearness: Nearness): Compare {
  const compareByRegion = compareRegions(home, nearness);
  const isElsewhere = (agent: FoundAgent) => Number(!isInZone(agent, home, nearness));
  return (a, b) =>
    compareQuality(a, b) ||
    isElsewhere(a) - isElsewhere(b) ||
    compareByRegion(a.region, b.region) ||
    compareNames(a, b);
}

function compareRegions(home: RegionId, { regions }: Nearness): (a: string, b: string) => number {
  const ranks = new Map([home, ...regions].map((region, rank) => [region, rank]));
  const rankOf = (region: string) => ranks.get(region) ?? ranks.size;
  return (a, b) => rankOf(a) - rankOf(b) || compareText(a, b);
}

/** A zone is a part of a region: another region's zone of that name is another one. */
export function isInZone({ region, zone }: FoundAgent, home: RegionId, nearness: Nearness): boolean {
  return region === home && nearness.zone !== null && zone === nearness.zone;
}

function placeOf(last: FoundAgent, home: RegionId, nearness: Nearness): PagePlace {
  return { at: sortKeyOf(last), isInZone: isInZone(last, home, nearness), nearness };
}

/** The last agent up to which the answers are known to be whole: a region that has more may have it right behind. */
function horizonOf(answers: readonly RegionAnswer[], compare: Compare): FoundAgent | null {
  let horizon: FoundAgent | null = null;
  for (const { agents, hasMore } of answers) {
    const last = agents.at(-1);
    if (!hasMore || last === undefined) continue;
    if (horizon === null || compare(last, horizon) < 0) horizon = last;
  }
  return horizon;
}

/** Which region answers for an agent. */
function ownersOf(agents: readonly FoundAgent[], home: RegionId): ReadonlyMap<AgentId, RegionId> {
  const best = new Map<AgentId, FoundAgent>();
  for (const agent of agents) {
    const held = best.get(agent.id);
    if (held === undefined || compareClaims(agent, held, home) < 0) best.set(agent.id, agent);
  }
  return new Map([...best].map(([id, { region }]) => [id, region]));
}

/** Negative when `a` has the better claim to be where the agent lives. */
function compareClaims(a: FoundAgent, b: FoundAgent, home: RegionId): number {
  return (
    Number(a.health !== "healthy") - Number(b.health !== "healthy") ||
    b.registeredAtMs - a.registeredAtMs ||
    Number(a.region !== home) - Number(b.region !== home) ||
    compareText(a.region, b.region)
  );
}
