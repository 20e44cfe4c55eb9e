/** Finding agents by a part of what they are called: every one is looked at, so it is done in turns of the event loop. */

import type { AgentFilter, ListedAgent, Registry } from "../../registry/interface.ts";
import type { Clock } from "../../util/clock.ts";

/** A millisecond or two of work. */
const LOOKED_AT_PER_TURN = 500;

/**
 * The agents that fit `filter` and have `part` in their id, name or endpoint, whatever the case of letters: in order of id,
 * at most `limit`, beginning after `after`. What comes and goes meanwhile is seen as it is in its turn.
 */
export async function searchAgents(
  registry: Registry,
  clock: Clock,
  filter: AgentFilter,
  { part, limit, after }: { readonly part: string; readonly limit: number; readonly after?: string },
): Promise<{ agents: ListedAgent[]; hasMore: boolean }> {
  const wanted = part.toLowerCase();
  const found: ListedAgent[] = [];
  for (let last = after; ; ) {
    const page = { limit: LOOKED_AT_PER_TURN, ...(last !== undefined && { after: last }) };
    const { agents, hasMore } = registry.list(filter, page);
    found.push(...agents.filter((agent) => hasPart(agent, wanted)));
    if (found.length > limit) return { agents: found.slice(0, limit), hasMore: true };
    last = agents.at(-1)?.id;
    if (!hasMore || last === undefined) return { agents: found, hasMore: false };
    await new Promise<void>((resolve) => clock.afterIo(resolve));
  }
}

function hasPart({ id, record }: ListedAgent, wanted: string): boolean {
  return [id, record.name, record.endpoint].some((text) => text.toLowerCase().includes(wanted));
}
