/** Small facts about this node that are not replicated. Checksummed like everything else: a damaged key is no identity. */

import { factKey } from "./buckets.ts";
import type { KeyValueStore, NodeFacts } from "./interface.ts";
import { factSeed, seal, unseal } from "./records.ts";

export class NodeFactsStore implements NodeFacts {
  readonly #store: KeyValueStore;

  constructor(store: KeyValueStore) {
    this.#store = store;
  }

  /** @throws StorageError CORRUPT */
  get(name: string): Uint8Array | undefined {
    const sealed = this.#store.get(factKey(name));
    return sealed === undefined ? undefined : (unseal(sealed, factSeed(name), `the fact "${name}"`) as Uint8Array);
  }

  /**
   * Resolves when it is on disk.
   *
   * @throws StorageError WRITE_FAILED
   */
  async put(name: string, value: Uint8Array): Promise<void> {
    await this.#store.write([{ type: "put", key: factKey(name), value: seal(value, factSeed(name)) }]);
  }
}
