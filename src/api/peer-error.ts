/** Why the peers that a region dials were not changed. */

import { AtollError } from "../util/errors.ts";

export type PeerErrorDetail =
  | { readonly code: "PEER_UNREADABLE" | "PEER_UNKNOWN"; readonly name: string }
  /** It stands in this node's configuration, and nowhere else. */
  | { readonly code: "PEER_CONFIGURED"; readonly name: string }
  | { readonly code: "TOO_MANY_PEERS"; readonly peersMax: number }
  /** Nobody can be linked without one (P11). */
  | { readonly code: "NO_SHARED_KEY" };

export class PeerError extends AtollError<PeerErrorDetail> {}
