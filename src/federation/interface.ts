/** The federation as the node sees it, and what it needs of its own region. */

import type { RegionId } from "../types/ids.ts";
import type { KnownAnswer, RegionAnswer, RegionQuery, SortKey } from "../types/lookup.ts";
import type { Farewell, KeySuccession, Retirement } from "../types/region-standing.ts";
import type { SummaryEntry, SummaryNode } from "../types/summary.ts";

/**
 * This node's own region, as the federation reads it.
 *
 * An entry's revision advances with every command that could change an answer about that capability: kept answers abroad
 * are judged by it.
 */
export interface LocalRegion {
  readonly region: RegionId;
  /** True on the node that publishes. */
  isLeader(): boolean;
  term(): number;
  /** Applied log index that `entries` shows. */
  revision(): number;
  /** Upper bound, in milliseconds, of how far the applied state lags behind the region; a summary is as old as this. */
  stalenessMs(): number;
  agents(): number;
  /** All members of the region, this node included: only these are believed when they answer for it. */
  nodes(): readonly SummaryNode[];
  entries(): Iterable<SummaryEntry>;
  entry(name: string): SummaryEntry | undefined;
  /**
   * After commands were applied, before anything else can read the new state: the capability names they touched, and the
   * new revision. After a snapshot replaced the state: every name that was there or is there now.
   */
  onChange(listener: (names: ReadonlySet<string>, revision: number) => void): () => void;
  /** With `linearizable`, after a read barrier. */
  lookup(query: RegionQuery, consistency: "stale" | "linearizable"): Promise<RegionAnswer>;
  /** The key pair that signs for this region, from replicated state; undefined until the region has made one. */
  signingKey(): RegionKeyPair | undefined;
  /** How that key came to be the region's, oldest first; empty when it is the first one. */
  keySuccessions(): readonly KeySuccession[];
  /** Clusters that this region's operators had it forget. */
  retirements(): readonly Retirement[];
  /** Once this region is to be forgotten by the others. */
  farewell(): Farewell | undefined;
}

/** Ed25519, raw: 32-byte public key, 32-byte seed. */
export interface RegionKeyPair {
  readonly publicKey: Uint8Array;
  readonly seed: Uint8Array;
}

/** Another region as this node knows it, for operators. */
export interface RemoteRegionStatus {
  readonly region: RegionId;
  readonly cluster: string;
  /** `connected`: a node of it is linked. `away`: none is, the summary ages. */
  readonly link: "connected" | "away";
  /** Of the newest signed header. */
  readonly revision: number;
  /** Likewise; absent before there was one. */
  readonly term?: number;
  /** Revisions up to that one of which not all is known here: of summaries in sync 0. */
  readonly lagRevisions: number;
  /** Since the region was last heard of, by gossip, pull or lookup; absent when it never was. */
  readonly silentMs?: number;
  /** Since the newest proof, by signed header or pull, of the summary's state. */
  readonly summaryAgeMs: number;
  /** The digests of the summary held equal those of its newest signed header. */
  readonly inSync: boolean;
  readonly capabilities: number;
  readonly agents: number;
  readonly nodes: readonly SummaryNode[];
  readonly roundTripMs?: number;
  readonly breaker: "closed" | "half-open" | "open";
  /** Why messages in its name are refused, when they are. */
  readonly distrust?: string;
}

export interface RemoteLookupOptions {
  readonly only?: RegionId;
  readonly consistency: "stale" | "linearizable";
  readonly maxStalenessMs?: number;
  /** Where each region goes on, in place of `query.after`. */
  readonly afterIn?: (region: RegionId) => SortKey;
  /** Tell how each answer came about. */
  readonly explain?: boolean;
}

/** What the registry asks of other regions: its own port in this folder's words, joined in the node. */
export interface RemoteLookup {
  /** One answer for every other region of the federation (or for `only`), whatever happened there; never rejects for one. */
  lookup(query: RegionQuery, options: RemoteLookupOptions): Promise<readonly RegionAnswer[]>;
  /** True for every region that may hold agents: pinned, configured, or linked now. */
  knows(region: RegionId): boolean;
  /** What is known of every other region without asking, nearest first. Of one that is away, what it last answered. */
  known(query: RegionQuery): readonly KnownAnswer[];
  /** Grows whenever `known` may answer otherwise than before. */
  changes(): number;
}

/** The options this folder reads; all times in milliseconds. */
export interface FederationConfig {
  /** Changes of one capability within this time are published once. */
  readonly coalesceMs: number;
  /** Between two signed headers of the leader. */
  readonly headerIntervalMs: number;
  /** Between two digest comparisons with each region, jittered by half. */
  readonly pullIntervalMs: number;
  /** A region that has not answered a lookup by then is left out of the answer, and named. */
  readonly lookupDeadlineMs: number;
  /** A summary proved longer ago than this vouches for nothing. */
  readonly summaryFreshMs: number;
  /** Answers of other regions that are kept. */
  readonly cacheEntriesMax: number;
  /** Region to Ed25519 public key, 64 hex digits. Wins over what first contact learned. */
  readonly pins: Readonly<Record<string, string>>;
}

export const FEDERATION_DEFAULTS: FederationConfig = {
  coalesceMs: 5,
  headerIntervalMs: 1_000,
  pullIntervalMs: 10_000,
  lookupDeadlineMs: 1_000,
  summaryFreshMs: 3_000,
  cacheEntriesMax: 10_000,
  pins: {},
};

/** Why something said in a region's name was dropped. */
export type Refusal =
  | "oversized"
  | "malformed"
  | "unpinned"
  | "foreign"
  | "bad-signature"
  | "key-mismatch"
  | "replaced-key"
  | "retired"
  | "cluster-mismatch"
  | "stale"
  | "contradiction"
  | "too-many"
  | "wrong-region";

export type PullOutcome = "in-sync" | "repaired" | "behind" | "failed";

/** What is counted. Labels are bounded: reasons are listed here, regions are the pinned ones. */
export interface FederationMetrics {
  published(bytes: number): void;
  /** A gossip message that brought something new. */
  accepted(): void;
  refused(reason: Refusal): void;
  /** Held digests differ from the newest signed header. */
  gap(region: RegionId): void;
  pulled(region: RegionId, outcome: PullOutcome): void;
  /** Buckets that one answer to a pull brought. */
  fetched(buckets: number): void;
}
