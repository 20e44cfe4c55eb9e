/** A budget per peer that refills with time. */

import { LRUCache } from "lru-cache";
import type { NodeId } from "../types/ids.ts";
import type { Clock } from "../util/clock.ts";

export interface TokenBucketOptions {
  readonly clock: Clock;
  /** Tokens that come back in a second. */
  readonly perSecond: number;
  /** Tokens of a peer that was silent. */
  readonly burst: number;
}

const PEERS_MAX = 4_096;

export class TokenBuckets {
  readonly #options: TokenBucketOptions;
  readonly #buckets = new LRUCache<NodeId, { tokens: number; atMs: number }>({ max: PEERS_MAX });

  constructor(options: TokenBucketOptions) {
    this.#options = options;
  }

  /** Takes `tokens`, all there are if there are fewer. @returns whether there was at least one */
  take(peer: NodeId, tokens: number): boolean {
    const { clock, perSecond, burst } = this.#options;
    const now = clock.now();
    const bucket = this.#buckets.get(peer) ?? { tokens: burst, atMs: now };
    const available = Math.min(burst, bucket.tokens + ((now - bucket.atMs) / 1_000) * perSecond);
    this.#buckets.set(peer, { tokens: Math.max(0, available - tokens), atMs: now });
    return available >= 1;
  }
}
