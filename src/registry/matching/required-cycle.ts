/**
 * Cycles of required dependencies, which nobody in them could ever get out of (contract A8).
 *
 * Looked for by capability name, as MCP Mesh does: a loop that tags or versions would keep apart is refused too, because a
 * refusal that names it is better than a capability that never becomes available.
 *
 * Pure, and the same on every replica whatever order the edges come in, since it decides what a command does.
 */

import { compareText } from "../../util/compare.ts";

/** A capability, and one that it can not work without. */
export type RequiredEdge = readonly [name: string, required: string];

/**
 * Edges that a record may reach. A larger graph is nobody's honest work and is not searched: what is admitted then harms
 * only itself, because availability takes a cycle for what it is.
 */
export const REACHED_EDGES_MAX = 20_000;
/** Steps spent on finding the shortest of several cycles. */
const STEPS_MAX = 200_000;

/**
 * The shortest cycle that `edges` close, as names `[a, b, a]`, beginning with the smallest; null when they close none.
 *
 * @param edges - required dependencies of the record in question
 * @param requiredBy - those of all other records
 */
export function findRequiredCycle(
  edges: Iterable<RequiredEdge>,
  requiredBy: (name: string) => Iterable<string>,
): readonly string[] | null {
  const own = Map.groupBy(edges, ([name]) => name);
  const graph = reachedFrom(own, requiredBy);
  if (graph === null) return null;
  const starts = [...own.keys()].filter((name) => graph.isRequired.has(name)).sort(compareText);
  const budget = { stepsLeft: STEPS_MAX };
  let shortest: readonly string[] | null = null;
  for (const start of starts) {
    const cycle = cycleThrough(start, graph.required, budget);
    if (cycle !== null && (shortest === null || cycle.length < shortest.length)) shortest = cycle;
  }
  return shortest === null ? null : fromSmallest(shortest);
}

interface Graph {
  /** What each name requires, sorted. */
  readonly required: ReadonlyMap<string, readonly string[]>;
  /** The names that something requires. */
  readonly isRequired: ReadonlySet<string>;
}

/** Everything that can be reached from the record's own capabilities; null when that is too much. */
function reachedFrom(
  own: ReadonlyMap<string, readonly RequiredEdge[]>,
  requiredBy: (name: string) => Iterable<string>,
): Graph | null {
  const required = new Map<string, readonly string[]>();
  const isRequired = new Set<string>();
  // A set is walked in the order of insertion, what is added on the way included.
  const names = new Set(own.keys());
  let edges = 0;
  for (const name of names) {
    const next = new Set(own.get(name)?.map(([, target]) => target));
    for (const target of requiredBy(name)) {
      if (next.size > REACHED_EDGES_MAX) return null;
      next.add(target);
    }
    edges += next.size;
    if (edges > REACHED_EDGES_MAX) return null;
    for (const target of next) {
      names.add(target);
      isRequired.add(target);
    }
    required.set(name, [...next].sort(compareText));
  }
  return { required, isRequired };
}

/** The shortest way from `start` back to it, breadth first. */
function cycleThrough(
  start: string,
  required: ReadonlyMap<string, readonly string[]>,
  budget: { stepsLeft: number },
): readonly string[] | null {
  const reachedBy = new Map<string, string | null>([[start, null]]);
  for (const name of reachedBy.keys()) {
    for (const target of required.get(name) ?? []) {
      if (budget.stepsLeft-- <= 0) return null;
      if (target === start) return [...wayTo(name, reachedBy), start];
      if (!reachedBy.has(target)) reachedBy.set(target, name);
    }
  }
  return null;
}

function wayTo(name: string, reachedBy: ReadonlyMap<string, string | null>): string[] {
  const way: string[] = [];
  for (let at: string | null = name; at !== null; at = reachedBy.get(at) ?? null) way.push(at);
  return way.reverse();
}

/** One cycle has one name, wherever the search came upon it. */
function fromSmallest(cycle: readonly string[]): readonly string[] {
  const names = cycle.slice(0, -1);
  const smallest = names.reduce((least, name, at) => (compareText(name, names[least]!) < 0 ? at : least), 0);
  return [...names.slice(smallest), ...names.slice(0, smallest), names[smallest]!];
}
