/** The schemas that the agents of the region registered with, each once, by its hash. Pure. */

import type { JsonObject, StoredAgent } from "../types/agent.ts";
import { compareText } from "../util/compare.ts";
import type { KnownSchema } from "./interface.ts";

export class SchemaIndex {
  readonly #schemas = new Map<string, { readonly schema: KnownSchema; uses: number }>();

  add(agent: StoredAgent): void {
    const { record, registeredAtMs } = agent;
    for (const [hash, canonical] of schemasOf(agent)) {
      const held = this.#schemas.get(hash);
      if (held !== undefined) held.uses++;
      else {
        const schema = { hash, canonical, runtimeOrigin: record.runtime, createdAtMs: registeredAtMs };
        this.#schemas.set(hash, { schema, uses: 1 });
      }
    }
  }

  /** Takes back what `add` did for the same record. */
  remove(agent: StoredAgent): void {
    for (const [hash] of schemasOf(agent)) {
      const held = this.#schemas.get(hash);
      if (held !== undefined && --held.uses === 0) this.#schemas.delete(hash);
    }
  }

  get(hash: string): KnownSchema | undefined {
    return this.#schemas.get(hash)?.schema;
  }

  /** Newest first, at most `limit`. */
  list(limit: number): readonly KnownSchema[] {
    const all = [...this.#schemas.values()].map(({ schema }) => schema);
    return all.sort((a, b) => b.createdAtMs - a.createdAtMs || compareText(a.hash, b.hash)).slice(0, limit);
  }
}

function* schemasOf({ record }: StoredAgent): Iterable<readonly [hash: string, canonical: JsonObject]> {
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
