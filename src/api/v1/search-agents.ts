/** Finding agents by a part of what they are called: every one is looked at, so it is done in turns of the event loop. */

import type { AgentFilter, ListedAgent, Registry } from "../../registry/interface.ts";
import type { Clock } from "../../util/clock.ts";
import { pagesInTurns } from "../in-turns.ts";

/**
 * The agents that fit `filter` and have `part` in their id, name or endpoint, whatever the case of letters: in order of id,
 * at most `limit`, beginning after `after`.
 */
export async function searchAgents(
  registry: Registry,
  clock: Clock,
  filter: AgentFilter,
  { part, limit, after }: { readonly part: string; readonly limit: number; readonly after?: string },
): Promise<{ agents: ListedAgent[]; hasMore: boolean }> {
  const wanted = part.toLowerCase();
  const found: ListedAgent[] = [];
  for await (const agents of pagesInTurns(registry, clock, filter, after)) {
    found.push(...agents.filter((agent) => hasPart(agent, wanted)));
    if (found.length > limit) return { agents: found.slice(0, limit), hasMore: true };
  }
  return { agents: found, hasMore: false };
}

function hasPart({ id, record }: ListedAgent, wanted: string): boolean {
  return [id, record.name, record.endpoint].some((text) => text.toLowerCase().includes(wanted));
}
