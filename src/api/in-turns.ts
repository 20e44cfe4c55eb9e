/** Long work of one request, cut into turns of the event loop: a list must not keep a leader's heartbeats waiting. */

import type { AgentFilter, ListedAgent, Registry } from "../registry/interface.ts";
import type { Clock } from "../util/clock.ts";

/** A fraction of the time in which a leader has to be heard of. */
const TURN_MS_MAX = 10;
/** A millisecond or two of looking at them. */
const LISTED_PER_TURN = 500;

/** `items.map(map)`, with a pause for everything else whenever a turn has taken 10 ms. */
export async function mapInTurns<Item, Result>(
  items: readonly Item[],
  clock: Clock,
  map: (item: Item) => Result,
): Promise<Result[]> {
  const results: Result[] = [];
  let turnBeganAt = clock.now();
  for (const item of items) {
    if (clock.now() - turnBeganAt >= TURN_MS_MAX) {
      await nextTurn(clock);
      turnBeganAt = clock.now();
    }
    results.push(map(item));
  }
  return results;
}

/**
 * All agents that fit `filter`, in order of id, beginning after `after`: page by page, with a pause for everything else between
 * two. What comes and goes meanwhile is seen as it is in its turn.
 */
export async function* pagesInTurns(
  registry: Registry,
  clock: Clock,
  filter: AgentFilter,
  after?: string,
): AsyncGenerator<readonly ListedAgent[]> {
  for (let last = after; ; ) {
    const page = { limit: LISTED_PER_TURN, ...(last !== undefined && { after: last }) };
    const { agents, hasMore } = registry.list(filter, page);
    yield agents;
    last = agents.at(-1)?.id;
    if (!hasMore || last === undefined) return;
    await nextTurn(clock);
  }
}

function nextTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.afterIo(resolve));
}
