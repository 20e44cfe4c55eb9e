/**
 * What a node is asked at every scrape. `node/registry-node.ts` answers from the parts it composed.
 *
 * Everything here is read, never pushed: a part counts for itself in plain numbers and knows nothing of Prometheus.
 * Counters ("since this process started") only grow. Units are milliseconds and bytes, as everywhere in the code; the
 * metrics translate to seconds.
 */

export interface MetricsSource {
  node(): NodeNumbers;
  load(): LoadNumbers;
  raft(): RaftNumbers;
  registry(): RegistryNumbers;
  network(): NetworkNumbers;
  federation(): FederationNumbers;
  /** Null where the file system does not say. */
  disk(): DiskNumbers | null;
  /** Empty where HTTP is served in the clear. */
  certificates(): readonly CertificateNumbers[];
  /** By port that listens for HTTP. */
  connections(): readonly ConnectionNumbers[];
}

export interface NodeNumbers {
  /** What `/ready` answers. */
  readonly isReady: boolean;
  /** Codes of what it does without, as `/ready` answers. */
  readonly degraded: readonly ConditionCode[];
}

/** What a node may do without, for want of something (`node/conditions.ts`). */
export const CONDITIONS = ["OVERLOADED", "MEMORY_LOW", "DISK_LOW", "DISK_FULL", "DISK_SLOW"] as const;
export type ConditionCode = (typeof CONDITIONS)[number];

/** What this node has to do, and what it refuses because it is too much. */
export interface LoadNumbers {
  /** 0: nothing is refused; 3: all but renewals. */
  readonly pressure: number;
  readonly shedTotal: ReadonlyMap<string, number>;
  readonly underWay: ReadonlyMap<string, number>;
  /** The least that was used of the heap in the last seconds, as a share of its limit. */
  readonly heapShare: number;
  /** What the last full collection left in the old generation; 0 before the first. */
  readonly heapLiveBytes: number;
}

/** The file system that the data folder lies in. */
export interface DiskNumbers {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

export interface CertificateNumbers {
  /** The node's own and its chain, the authorities of clients, or those of one entity. */
  readonly use: "node" | "clients" | "entity";
  /** Empty but for an entity's. */
  readonly entity: string;
  /** Wall time from which it is refused; of several in a file, the first. */
  readonly notAfterMs: number;
}

export interface ConnectionNumbers {
  readonly port: "main" | "metrics" | "admin";
  readonly open: number;
  readonly connectionsMax: number;
  /** Closed unanswered, since there were as many as may be. */
  readonly droppedTotal: number;
  /** Closed unanswered, since more clients waited than could be accepted. */
  readonly shedTotal: number;
}

/** A member of the region, as its leader knows it. */
export interface FollowerNumbers {
  readonly name: string;
  /** Log entries that it is not proven to hold. */
  readonly lagEntries: number;
  /** Since it last answered. */
  readonly silentMs: number;
}

export interface RaftNumbers {
  readonly role: "follower" | "pre-candidate" | "candidate" | "leader";
  readonly term: number;
  readonly hasLeader: boolean;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Entries in the log, not counting those that a snapshot replaced. */
  readonly logEntries: number;
  readonly voters: number;
  /** Voters that this node is linked with, itself included. */
  readonly votersConnected: number;
  /** Empty on a node that does not lead. */
  readonly followers: readonly FollowerNumbers[];
  /** Time in which this node knew no leader. */
  readonly leaderlessMs: number;
  /** Bytes of writes that wait here for a majority. */
  readonly waitingBytes: number;
  readonly stalenessMs: number;
  readonly sinceLeaderMs: number;
  /** Times this node stood for election. */
  readonly electionsTotal: number;
  /** Times this node saw the leader change. */
  readonly leaderChangesTotal: number;
  readonly refusedMessagesTotal: number;
}

export interface RegistryNumbers {
  readonly healthyAgents: number;
  readonly unhealthyAgents: number;
  /** Distinct capability names. */
  readonly capabilities: number;
  /** Leases that this node watches. */
  readonly leases: number;
  readonly leasesExpiredTotal: number;
  /** Agents that were back within one lease after theirs was ended: they may have lived on. */
  readonly quickReturnsTotal: number;
  /** An unlikely share of the agents fell silent, and this leader ends their leases slowly. */
  readonly isBrakeEngaged: boolean;
}

export interface NetworkNumbers {
  /** Authenticated links, by what is at the other end. */
  readonly peersInRegion: number;
  readonly peersAbroad: number;
  /** By error code of the handshake. */
  readonly handshakesRefusedTotal: ReadonlyMap<string, number>;
  /** Messages that were not sent, not taken or not passed on, by why. */
  readonly droppedTotal: ReadonlyMap<string, number>;
  /** Streams reset because what came broke their protocol, by protocol. */
  readonly badFramesTotal: ReadonlyMap<string, number>;
  readonly bytesSentTotal: number;
  readonly bytesReceivedTotal: number;
}

export interface FederationNumbers {
  readonly regions: readonly RemoteRegionNumbers[];
  readonly summariesPublishedTotal: number;
  readonly bytesPublishedTotal: number;
  readonly gossipAcceptedTotal: number;
  /** What was said in a region's name and not believed, gossip and answers, by reason: bad signature, old, too large. */
  readonly refusedTotal: ReadonlyMap<string, number>;
  /** Times a signed header showed that something of a summary was missing here. */
  readonly gapsTotal: number;
  /** By how they ended: in-sync, repaired, behind, failed. */
  readonly pullsTotal: ReadonlyMap<string, number>;
  readonly pullRoundsTotal: number;
  readonly pullBucketsTotal: number;
}

export interface RemoteRegionNumbers {
  readonly region: string;
  readonly isConnected: boolean;
  readonly isInSync: boolean;
  readonly summaryAgeMs: number;
  readonly revision: number;
  readonly agents: number;
  readonly roundTripMs?: number;
  /** Whether lookups leave it out, because it keeps failing. */
  readonly isBreakerOpen: boolean;
  /** Something that claims to be the region was not believed, and the operator must decide. */
  readonly isDistrusted: boolean;
}
