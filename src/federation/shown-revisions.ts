/**
 * How far each capability of each region had come in what this node answered, so that no later answer goes back behind it.
 *
 * Members of a region lag behind each other, and a summary behind both: each may honestly show, with its age, what this node
 * has already shown to be gone (P10).
 */

import { LRUCache } from "lru-cache";

/** What was not asked for in so many other questions may be shown as it was. */
const CAPABILITIES_MAX = 50_000;

export class ShownRevisions {
  readonly #revisions = new LRUCache<string, number>({ max: CAPABILITIES_MAX });

  /** @param source - the region, and the epoch of it that counts its revisions */
  of(source: string, capability: string): number {
    return this.#revisions.get(keyOf(source, capability)) ?? 0;
  }

  /**
   * Notes that the capability is shown now as of `revision`.
   *
   * @returns false, and notes nothing, when something later was shown before: then it must not be (P10)
   */
  note(source: string, capability: string, revision: number): boolean {
    const key = keyOf(source, capability);
    const shown = this.#revisions.get(key) ?? 0;
    if (revision > shown) this.#revisions.set(key, revision);
    return revision >= shown;
  }
}

function keyOf(source: string, capability: string): string {
  return JSON.stringify([source, capability]);
}
