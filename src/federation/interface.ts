/** The federation as the node sees it, and what it needs of its own region. */

import type { RegionId } from "../types/ids.ts";
import type { RegionAnswer, RegionQuery } from "../types/lookup.ts";
import type { SummaryEntry, SummaryNode } from "../types/summary.ts";

/** This node's own region, as the federation reads it. */
export interface LocalRegion {
  readonly region: RegionId;
  /** True on the node that publishes. */
  isLeader(): boolean;
  term(): number;
  /** Applied log index that `entries` shows. */
  revision(): number;
  agents(): number;
  nodes(): readonly SummaryNode[];
  entries(): Iterable<SummaryEntry>;
  entry(name: string): SummaryEntry | undefined;
  /** After commands were applied: the capability names they touched, and the new revision. */
  onChange(listener: (names: ReadonlySet<string>, revision: number) => void): () => void;
  /** With `linearizable`, after a read barrier. */
  lookup(query: RegionQuery, consistency: "stale" | "linearizable"): Promise<RegionAnswer>;
  /** The key pair that signs for this region, from replicated state; undefined until the region has made one. */
  signingKey(): RegionKeyPair | undefined;
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
  readonly revision: number;
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
