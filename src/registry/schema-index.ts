/**
 * The schemas that the agents of the region registered with, each once, by its hash.
 *
 * Pure, and of what is registered alone: it is the same on every replica and after every restart, whoever came first. A hash
 * is what agents say it is; where they disagree about the schema, the agent that registered first is believed.
 */

import type { JsonObject, StoredAgent } from "../types/agent.ts";
import type { AgentId } from "../types/ids.ts";
import { compareText } from "../util/compare.ts";
import type { KnownSchema } from "./interface.ts";

export class SchemaIndex {
  /** By hash, then by who has it. */
  readonly #held = new Map<string, Map<AgentId, KnownSchema>>();

  add({ id, record, registeredAtMs }: StoredAgent): void {
    for (const [hash, canonical] of schemasOf(record)) {
      const holders = this.#held.get(hash) ?? new Map<AgentId, KnownSchema>();
      this.#held.set(hash, holders);
      holders.set(id, { hash, canonical, runtimeOrigin: record.runtime, createdAtMs: registeredAtMs });
    }
  }

  /** Takes back what `add` did for the same record. */
  remove({ id, record }: StoredAgent): void {
    for (const [hash] of schemasOf(record)) {
      const holders = this.#held.get(hash);
      holders?.delete(id);
      if (holders?.size === 0) this.#held.delete(hash);
    }
  }

  get(hash: string): KnownSchema | undefined {
    const holders = this.#held.get(hash);
    return holders === undefined ? undefined : firstOf(holders);
  }

  /** Newest first, at most `limit`. */
  list(limit: number): readonly KnownSchema[] {
    const all = [...this.#held.values()].map(firstOf);
    return all.sort((a, b) => b.createdAtMs - a.createdAtMs || compareText(a.hash, b.hash)).slice(0, limit);
  }
}

/** What the agent says that registered first; of several at once, the one whose id comes first. */
function firstOf(holders: ReadonlyMap<AgentId, KnownSchema>): KnownSchema {
  const [, first] = [...holders].reduce((best, next) => (isBefore(next, best) ? next : best));
  return first;
}

function isBefore([id, a]: readonly [AgentId, KnownSchema], [otherId, b]: readonly [AgentId, KnownSchema]): boolean {
  return a.createdAtMs === b.createdAtMs ? compareText(id, otherId) < 0 : a.createdAtMs < b.createdAtMs;
}

function* schemasOf(record: StoredAgent["record"]): Iterable<readonly [hash: string, canonical: JsonObject]> {
  for (const capability of record.capabilities) {
    const { inputSchemaHash, inputSchemaCanonical, outputSchemaHash, outputSchemaCanonical } = capability;
    if (inputSchemaHash !== undefined && inputSchemaCanonical !== undefined) {
      yield [inputSchemaHash, inputSchemaCanonical];
    }
    if (outputSchemaHash !== undefined && outputSchemaCanonical !== undefined) {
      yield [outputSchemaHash, outputSchemaCanonical];
    }
  }
}
