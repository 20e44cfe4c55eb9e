/** What a region says of its own key. Everything in it is proven by signatures, so whoever brings it need not be believed. */

/** From `previous` on, `next` speaks for the region: signed by `previous`. Raw Ed25519, in hex. */
export interface KeySuccession {
  readonly previous: string;
  readonly next: string;
  readonly signature: string;
}

/** A region keeps its newest successions: who missed more of them no longer finds the way from the key it knows. */
export const SUCCESSIONS_MAX = 16;
