/**
 * Other regions' answers, kept as long as they may be of use; the summary says whether one is still current.
 *
 * An answer that shows the region's revision R is current while the summary shows no change of that capability after R.
 * So nothing here expires by time: validity is asked anew at each use (`federated-lookup.ts`).
 */

import { LRUCache } from "lru-cache";
import type { RegionQuery } from "../types/lookup.ts";
import type { LookupReply } from "./wire.ts";

/** Over all answers; an agent is about 1 KiB. */
const AGENTS_MAX = 50_000;

export interface CachedAnswer extends Omit<LookupReply, "stalenessMs"> {
  /** When the region is known to have been in the state shown, on this node's clock. */
  readonly asOfMs: number;
}

export class LookupCache {
  readonly #answers: LRUCache<string, CachedAnswer>;

  constructor(entriesMax: number) {
    const sizeCalculation = (answer: CachedAnswer) => 1 + answer.agents.length;
    this.#answers = new LRUCache({ max: entriesMax, maxSize: AGENTS_MAX, sizeCalculation });
  }

  /** @param source - the region, and the epoch of it that counts the revisions of its answers */
  get(source: string, query: RegionQuery): CachedAnswer | undefined {
    return this.#answers.get(keyOf(source, query));
  }

  /** Keeps an answer, unless a newer one is held: answers of two nodes can overtake each other. */
  put(source: string, query: RegionQuery, answer: CachedAnswer): void {
    const key = keyOf(source, query);
    const held = this.#answers.peek(key);
    if (held !== undefined && held.revision > answer.revision) return;
    this.#answers.set(key, answer);
  }
}

/** Equal for equal questions: fields in a fixed order, optional ones spelled out. */
function keyOf(source: string, query: RegionQuery): string {
  const { capability, tags, version, namespace = null, schema, health, limit, after } = query;
  const expected = schema && [schema.matchMode, schema.expectedSchemaHash, schema.expectedSchemaCanonical];
  const place = after && [after.score, after.version, after.id, after.functionName, after.region];
  return JSON.stringify([source, capability, tags, version, namespace, health, limit, place ?? null, expected ?? null]);
}
