/** Opens the data folder of a node that is stopped, for a forced recovery (`raft/recovery.ts`). */

import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Recovery, RecoveryError, type Survivor } from "../raft/recovery.ts";
import { LevelStore } from "../storage/level-store.ts";
import { NodeFactsStore } from "../storage/node-facts.ts";
import { RaftStore } from "../storage/raft-store.ts";
import type { ClusterId } from "../types/ids.ts";
import type { Logger } from "../util/logger.ts";

export type { Survivor };

const SALT_BYTES = 8;

/**
 * Shows what a stopped node has, and makes it the only voter of its region when `confirm` says so.
 *
 * @returns the cluster id of the new epoch; null when it was not confirmed and nothing was changed
 * @throws StorageError STORE_LOCKED: the node runs; STORE_UNAVAILABLE, CORRUPT, WRITE_FAILED; RecoveryError; BootstrapError
 */
export async function recoverRegion(
  dataDir: string,
  logger: Logger,
  confirm: (survivor: Survivor) => boolean,
): Promise<ClusterId | null> {
  const path = join(dataDir, "store");
  // Opening would make one.
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (!isThere) throw new RecoveryError(`there is no node's data in ${dataDir}`, { code: "NOT_A_MEMBER" });
  const store = await LevelStore.open(path, logger);
  try {
    const recovery = await Recovery.examine(new NodeFactsStore(store), new RaftStore(store, logger));
    if (!confirm(recovery.survivor)) return null;
    return await recovery.perform(randomBytes(SALT_BYTES).toString("hex"));
  } finally {
    await store.close();
  }
}
