/** What a region tells other regions about its capabilities. */

import type { ClusterId, FederationId, RegionId } from "./ids.ts";

/** One capability of one region. `total` 0 means that nobody offers it any more. */
export interface SummaryEntry {
  readonly name: string;
  readonly healthy: number;
  readonly total: number;
  /** Distinct versions on offer, sorted. */
  readonly versions: readonly string[];
  /** Distinct tags on offer, sorted. */
  readonly tags: readonly string[];
  /** The revision of the region that last changed any agent offering it. */
  readonly revision: number;
}

/** The state of a region in one small message; everything else about it is checked against this. */
export interface SummaryHeader {
  readonly federation: FederationId;
  readonly region: RegionId;
  readonly cluster: ClusterId;
  readonly term: number;
  /** Applied log index that the digests below describe. */
  readonly revision: number;
  /** Digest over all buckets, hex. */
  readonly rootDigest: string;
  readonly capabilities: number;
  readonly agents: number;
  /** Of the region's nodes, which only an answer to a pull names; hex. */
  readonly nodesDigest: string;
  /** The region has said farewell; whoever asks it is given the proof. */
  readonly retired?: true;
}

export interface SummaryNode {
  readonly name: string;
  readonly nodeId: string;
  /** Where other nodes can dial it, `host:port`; empty when it does not want to be dialled at learned addresses. */
  readonly addresses: readonly string[];
  readonly http: string;
}
