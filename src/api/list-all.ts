/** Whole lists, for the forms of the API that know no pages. */

import type { AgentFilter, ListedAgent, Registry } from "../registry/interface.ts";

const PAGE_SIZE = 1_000;

/** Every agent of this region that fits. Read within one tick, so that all pages are of one state. */
export function listAll(registry: Registry, filter: AgentFilter): ListedAgent[] {
  const all: ListedAgent[] = [];
  for (;;) {
    const last = all.at(-1);
    const { agents, hasMore } = registry.list(filter, {
      limit: PAGE_SIZE,
      ...(last === undefined ? {} : { after: last.id }),
    });
    all.push(...agents);
    if (!hasMore) return all;
  }
}
