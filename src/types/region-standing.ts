/** What a region says of its own key. Everything in it is proven by signatures, so whoever brings it need not be believed. */

import type { ClusterId, RegionId } from "./ids.ts";

/** From `previous` on, `next` speaks for the region: signed by `previous`. Raw Ed25519, in hex. */
export interface KeySuccession {
  readonly previous: string;
  readonly next: string;
  readonly signature: string;
}

/** A region keeps its newest successions: who missed more of them no longer finds the way from the key it knows. */
export const SUCCESSIONS_MAX = 16;

/** A region's word that it is gone for good. */
export interface Farewell {
  readonly region: RegionId;
  /** The origin of its cluster: one that is founded anew under the name is another one. */
  readonly cluster: ClusterId;
  /** The key that signed, raw Ed25519 in hex, and how it came to be the region's. */
  readonly publicKey: string;
  readonly successions: readonly KeySuccession[];
  readonly signature: string;
}

/** A cluster that the operators of a region had it forget. Unlike a farewell it proves nothing, and stays in that region. */
export interface Retirement {
  readonly region: RegionId;
  /** Its origin; empty when it was only configured. */
  readonly cluster: string;
  /** Its key, in hex; empty when it was not pinned. */
  readonly publicKey: string;
  /** Wall time, for display. */
  readonly atMs: number;
}

/** A node keeps, and passes on, the newest farewells; a region remembers its newest retirements. */
export const FAREWELLS_MAX = 32;
export const RETIREMENTS_MAX = 64;
