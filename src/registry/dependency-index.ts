/**
 * Who needs what: for each capability name, the capabilities that can not work without it.
 *
 * Pure, and kept up to date as agents come and go. Only required edges count (contract A8): an optional dependency that is
 * missing takes nothing away.
 */

import type { AgentRecord } from "../types/agent.ts";

export class DependencyIndex {
  /** Name of what is required, to the names that require it, each with the number of declarations. */
  readonly #requirers = new Map<string, Map<string, number>>();
  /** The same the other way round. */
  readonly #required = new Map<string, Map<string, number>>();

  add(record: AgentRecord): void {
    for (const [name, required] of requiredEdges(record)) {
      count(this.#requirers, required, name, 1);
      count(this.#required, name, required, 1);
    }
  }

  remove(record: AgentRecord): void {
    for (const [name, required] of requiredEdges(record)) {
      count(this.#requirers, required, name, -1);
      count(this.#required, name, required, -1);
    }
  }

  /** `names`, and all that can not work without one of them, directly or not. */
  closureOf(names: ReadonlySet<string>): ReadonlySet<string> {
    if (this.#requirers.size === 0) return names;
    // A set is iterated in the order of insertion, what is added on the way included.
    const reached = new Set(names);
    for (const name of reached) for (const requirer of this.requirersOf(name)) reached.add(requirer);
    return reached;
  }

  /** How many capabilities require something. */
  get size(): number {
    return this.#required.size;
  }

  /** The capabilities that some agent declares to be useless without `name`. */
  requirersOf(name: string): Iterable<string> {
    return this.#requirers.get(name)?.keys() ?? [];
  }

  /** What `name` can not work without, as any agent declares it. */
  requiredBy(name: string): Iterable<string> {
    return this.#required.get(name)?.keys() ?? [];
  }
}

/** Each required dependency: the capability that has it, and the one it asks for. */
export function* requiredEdges({ capabilities }: AgentRecord): Iterable<readonly [name: string, required: string]> {
  for (const { name, dependencies } of capabilities) {
    for (const { required, capability } of dependencies) if (required) yield [name, capability];
  }
}

function count(edges: Map<string, Map<string, number>>, from: string, to: string, by: 1 | -1): void {
  const counts = edges.get(from) ?? new Map<string, number>();
  const sum = (counts.get(to) ?? 0) + by;
  if (sum > 0) counts.set(to, sum);
  else counts.delete(to);
  if (counts.size > 0) edges.set(from, counts);
  else edges.delete(from);
}
