/**
 * Cluster ids through forced recoveries.
 *
 * A region is founded with an id, its origin, to which everything on its disks is bound. A forced recovery begins a new epoch
 * of the region with `<origin>.<epoch>.<salt>`, which is what peers compare from then on: who was left behind in an
 * earlier epoch is as foreign as another region's node (F17). The salt keeps two recoveries of one region apart.
 */

import { asClusterId, type ClusterId } from "./ids.ts";

/** What the region was founded with. */
export function originOf(cluster: ClusterId): ClusterId {
  return asClusterId(partsOf(cluster).origin);
}

/** How often the region was recovered by force. */
export function epochOf(cluster: ClusterId): number {
  return partsOf(cluster).epoch;
}

/** @param salt - never used before; of letters and digits */
export function nextEpoch(cluster: ClusterId, salt: string): ClusterId {
  const { origin, epoch } = partsOf(cluster);
  return asClusterId(`${origin}.${epoch + 1}.${salt}`);
}

/** Whether `later` is what became of the region `earlier` by forced recovery. */
export function succeeds(later: ClusterId, earlier: ClusterId): boolean {
  return originOf(later) === originOf(earlier) && epochOf(later) > epochOf(earlier);
}

function partsOf(cluster: ClusterId): { readonly origin: string; readonly epoch: number } {
  const match = /^(.+)\.([1-9]\d{0,8})\.[A-Za-z0-9]+$/.exec(cluster);
  return match === null ? { origin: cluster, epoch: 0 } : { origin: match[1]!, epoch: Number(match[2]) };
}
