/** What `--peer` names: each word brings one peer, or the same one in several settings. */

import { ETCD_DEFAULTS, ETCD_TUNED, etcd } from "./etcd.ts";
import type { Peer } from "./peer.ts";

/** Those that can be broken and go on: a cluster with a leader. */
export const CLUSTERED_PEERS: Readonly<Record<string, () => readonly Peer[]>> = {
  etcd: () => [etcd(ETCD_DEFAULTS), etcd(ETCD_TUNED)],
};

export const CLUSTERED_PEER_NAMES: readonly string[] = Object.keys(CLUSTERED_PEERS);
