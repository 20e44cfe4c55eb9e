/** A budget for each of many, such as peers or addresses, that refills with time. */

import { LRUCache } from "lru-cache";
import type { Clock } from "./clock.ts";

export interface TokenBucketOptions {
  readonly clock: Clock;
  /** Tokens that come back in a second. */
  readonly perSecond: number;
  /** Tokens of somebody who was silent. */
  readonly burst: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Who was not heard of for longest is forgotten first, and begins anew with a full budget. */
const BUCKETS_MAX = 4_096;

export class TokenBuckets {
  readonly #options: TokenBucketOptions;
  readonly #buckets = new LRUCache<string, Bucket>({ max: BUCKETS_MAX });

  constructor(options: TokenBucketOptions) {
    this.#options = options;
  }

  /** Takes `tokens`, all there are if there are fewer. @returns whether there was at least one */
  take(from: string, tokens: number): boolean {
    const { clock, perSecond, burst } = this.#options;
    const now = clock.now();
    const bucket = this.#buckets.get(from) ?? this.#begin(from, now);
    const available = Math.min(burst, bucket.tokens + ((now - bucket.atMs) / 1_000) * perSecond);
    bucket.tokens = Math.max(0, available - tokens);
    bucket.atMs = now;
    return available >= 1;
  }

  #begin(from: string, now: number): Bucket {
    const bucket = { tokens: this.#options.burst, atMs: now };
    this.#buckets.set(from, bucket);
    return bucket;
  }
}
