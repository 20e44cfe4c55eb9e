/**
 * One answer out of the answers of several regions. Pure.
 *
 * The order is that of `compareFound`, except that among equally good agents those of the home region come first. Pages put
 * together are the whole for as long as the regions do not change.
 */

import type { FoundAgent } from "../types/agent.ts";
import type { AgentId, RegionId } from "../types/ids.ts";
import type { RegionAnswer, SortKey } from "../types/lookup.ts";
import { compareText } from "../util/compare.ts";
import { compareNames, compareQuality, sortKeyOf } from "./matching/compare.ts";

/** Sorts behind every id, function and region: longer than any of them, and of the greatest code unit alone. */
const LAST_TEXT = "\uFFFF".repeat(1_024);

/** Where the home region goes on when the page before ended at `after`. */
export function homeAfter(home: RegionId, after: SortKey): SortKey {
  if (after.region === home) return after;
  // Another region's turn means that home has no more of this quality to give.
  return { ...after, id: LAST_TEXT, functionName: LAST_TEXT, region: LAST_TEXT };
}

/** Where any other region goes on when the page before ended at `after`. */
export function awayAfter(home: RegionId, after: SortKey): SortKey {
  return after.region === home ? { ...after, id: "", functionName: "", region: "" } : after;
}

/**
 * Merges what regions answered to one query.
 *
 * An agent that several regions hold is answered once: from where it is healthy, then from where it registered last (F11).
 * When that was, each region says by its own wall clock. Where two clocks are further apart than the two registrations, the
 * older one is answered until its lease ends, for an agent renews only where it lives now; never longer.
 *
 * @param isHidden - agents that are known, from elsewhere, to live in another region by now
 */
export function mergeAnswers(
  home: RegionId,
  answers: readonly RegionAnswer[],
  limit: number,
  isHidden: (agent: FoundAgent) => boolean,
): { readonly agents: readonly FoundAgent[]; readonly next?: SortKey } {
  const only = answers.length === 1 ? answers[0]! : null;
  if (only !== null && only.region === home) return page(only.agents, only.hasMore ? only.agents.at(-1) : undefined);

  const compare = (a: FoundAgent, b: FoundAgent) =>
    compareQuality(a, b) || Number(a.region !== home) - Number(b.region !== home) || compareNames(a, b);
  const all = answers.flatMap(({ agents }) => agents).sort(compare);
  const owners = ownersOf(all, home);
  const horizon = horizonOf(answers, compare);
  const agents: FoundAgent[] = [];
  let last: FoundAgent | undefined;
  for (const agent of all) {
    if (agents.length === limit || (horizon !== null && compare(agent, horizon) > 0)) return page(agents, last);
    last = agent;
    if (owners.get(agent.id) === agent.region && !isHidden(agent)) agents.push(agent);
  }
  return page(agents, horizon === null ? undefined : last);
}

/** The last agent up to which the answers are known to be whole: a region that has more may have it right behind. */
function horizonOf(
  answers: readonly RegionAnswer[],
  compare: (a: FoundAgent, b: FoundAgent) => number,
): FoundAgent | null {
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

function page(
  agents: readonly FoundAgent[],
  last: FoundAgent | undefined,
): { agents: readonly FoundAgent[]; next?: SortKey } {
  return last === undefined ? { agents } : { agents, next: sortKeyOf(last) };
}
