/** Every implementation of `KeyValueStore`, for suites that must hold on all of them. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyValueStore } from "../../src/storage/interface.ts";
import { LevelStore } from "../../src/storage/level-store.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { MemoryStore } from "./memory-store.ts";

/** One disk. `restart` ends the process that uses it and opens it anew; what was acknowledged before must be there. */
export interface Disk {
  readonly store: KeyValueStore;
  restart(): Promise<KeyValueStore>;
}

export interface StoreKind {
  readonly name: string;
  /** Runs `test` on an empty disk that is gone afterwards. */
  withDisk(test: (disk: Disk) => Promise<void>): Promise<void>;
}

export async function withTemporaryFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "atoll-store-"));
  try {
    await test(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const level: StoreKind = {
  name: "LevelStore",
  withDisk: (test) =>
    withTemporaryFolder(async (folder) => {
      let store = await LevelStore.open(folder, silentLogger);
      const restart = async () => {
        await store.close();
        store = await LevelStore.open(folder, silentLogger);
        return store;
      };
      try {
        await test({ store, restart });
      } finally {
        await store.close();
      }
    }),
};

const memory: StoreKind = {
  name: "MemoryStore",
  withDisk: async (test) => {
    let store = new MemoryStore();
    const restart = async () => {
      store = store.crash();
      return store;
    };
    await test({ store, restart });
  },
};

export const STORE_KINDS: readonly StoreKind[] = [level, memory];

/** Everything in a store, in order of key. */
export async function contentOf(store: KeyValueStore): Promise<(readonly [key: Uint8Array, value: Uint8Array])[]> {
  const records = [];
  for await (const page of store.scan({ from: Buffer.of(0), to: Buffer.of(0xff) })) records.push(...page);
  return records;
}
