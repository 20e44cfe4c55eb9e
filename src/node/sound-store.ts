/**
 * What a node does when its store turns out to be damaged (F5, R10).
 *
 * Where the region has other members, they have everything that this node acknowledged: the store is moved aside, and the node
 * joins again as somebody new, who votes on nothing until it has caught up. It must not found a region, not even together
 * with all others: were they damaged too, what is left of the region lies in those folders, and only people can decide.
 *
 * Where it has no other members, the store is all there is, and it is left alone.
 */

import { hasDamagedStoreAside, setAsideDamagedStore } from "../storage/damaged-store.ts";
import { StorageError } from "../storage/interface.ts";
import type { Logger } from "../util/logger.ts";

export interface SoundStoreParts {
  /** The folder of the store. */
  readonly path: string;
  /** The region is configured to have other members. */
  readonly hasOthers: boolean;
  readonly logger: Logger;
}

/**
 * Starts a node on its store, or else on an empty one.
 *
 * @param start - told whether the node may found a region; everything is stopped and closed again when it throws
 * @throws what `start` throws; StorageError STORE_UNAVAILABLE when the damaged store can not be moved
 */
export async function startOnSoundStore<Node>(
  { path, hasOthers, logger }: SoundStoreParts,
  start: (mayFound: boolean) => Promise<Node>,
): Promise<Node> {
  try {
    return await start(!hasOthers || !(await hasDamagedStoreAside(path)));
  } catch (error) {
    const damage = damageOf(error);
    if (damage === undefined || !hasOthers) throw error;
    const message =
      "the store is damaged, and is moved aside: this node joins its region again as a new member, " +
      "and takes everything from the others";
    logger.error({ code: "STORE_DAMAGED", what: damage, path }, message);
    await setAsideDamagedStore(path, logger);
    return start(false);
  }
}

function damageOf(error: unknown): string | undefined {
  const isDamage = error instanceof StorageError && error.detail.code === "CORRUPT";
  return isDamage ? error.detail.what : undefined;
}
