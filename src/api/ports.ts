/**
 * What the HTTP faces show beside the registry. `node/registry-node.ts` answers from the consensus group, the network
 * and the federation; nothing here waits, and nothing here fails.
 */

import type { Readable } from "node:stream";
import type { View } from "../registry/interface.ts";

/** The cluster as one node sees it. Every number is this node's own observation. */
export interface ClusterView {
  /** What this node's applied state shows now; asked for each answer's headers, so it must be cheap. */
  applied(): View;
  node(): NodeStatus;
  /** All nodes known, this one first, then by region and name. */
  nodes(): NodeStatus[];
  /** All regions known, this node's own first. */
  regions(): RegionStatus[];
  cluster(): ClusterStatus;
  /** Whether this node can serve what it is asked; `reasons` say what is missing, and are empty when it can. */
  readiness(): {
    readonly ready: boolean;
    readonly reasons: readonly string[];
    /** What the node does without while it serves the rest, such as room on its disk (docs/overload.md). */
    readonly degraded: readonly { readonly code: string; readonly message: string }[];
  };
  /** HTTP addresses of nodes in other regions, nearest first: where an agent can go while this region has no leader. */
  federationHint(): readonly string[];
}

export type NodeRole = "leader" | "follower" | "pre-candidate" | "candidate" | "learner" | "unknown";

export interface NodeStatus {
  readonly name: string;
  readonly nodeId: string;
  readonly region: string;
  /** `unknown` for nodes of other regions, and for members that this node has not heard of lately. */
  readonly role: NodeRole;
  /** `self`: this node. `connected`: linked now. `away`: known, not linked. */
  readonly link: "self" | "connected" | "away";
  /** Where agents reach it; empty when not known. */
  readonly http: string;
  /** Where nodes reach it, `host:port`. */
  readonly addresses: readonly string[];
  /** Version of the software; known of this node only. */
  readonly version?: string;
  readonly roundTripMs?: number;
}

export interface RegionStatus {
  readonly region: string;
  readonly link: "self" | "connected" | "away";
  /** Digest of the founding configuration; empty until it is known. */
  readonly cluster: string;
  /** Name of the leader; null while none is known. Other regions' leaders are not known here. */
  readonly leader: string | null;
  /** The newest that this node heard of; absent until then. It grows when somebody else comes to lead. */
  readonly term?: number;
  readonly revision: number;
  /** Revisions up to that one which this node does not show yet. */
  readonly lagRevisions: number;
  /** Since another region was last heard of; absent for this node's own, and for one that never was. */
  readonly silentMs?: number;
  /** Upper bound of how old what this node knows of the region may be; Infinity when nothing was ever proved. */
  readonly stalenessMs: number;
  /** The capability summary held equals the newest one that the region signed; true for this node's own region. */
  readonly inSync: boolean;
  readonly agents: number;
  readonly capabilities: number;
  readonly nodes: readonly { readonly name: string; readonly nodeId: string; readonly http: string }[];
  /** To the nearest node of another region. */
  readonly roundTripMs?: number;
  /** Whether lookups there fail so often that it is not asked for a while. */
  readonly breaker?: "closed" | "half-open" | "open";
  /** Why messages in the region's name are refused, when they are. */
  readonly distrust?: string;
}

/** What happened to the cluster lately, as this node saw it. Held in memory, and bounded. */
export interface Activity {
  /** Tells the entries of this process from those of the one before. */
  readonly run: string;
  /** Sequence number of the newest entry; 0 before there is one. */
  readonly last: number;
  /** Of the newest one that is no longer held; older ones may be. */
  readonly lostUpTo: number;
  /** The first one after `sequence` that is held. */
  after(sequence: number): ActivityEntry | undefined;
  /** Calls back whenever there are more. */
  listen(listener: () => void): () => void;
}

export interface ActivityEntry {
  readonly sequence: number;
  /** Wall time at which this node noticed. */
  readonly atMs: number;
  readonly event: ActivityEvent;
}

export type AgentsChange = "registered" | "recovered" | "unhealthy" | "removed";

export type ActivityEvent =
  | { readonly kind: "started"; readonly region: string; readonly node: string }
  /** `leader` null: there is none; absent: it is another region's, which does not say who it is. */
  | { readonly kind: "leader"; readonly region: string; readonly term: number; readonly leader?: string | null }
  | {
      readonly kind: "member";
      readonly region: string;
      readonly node: string;
      readonly change: "joined" | "promoted" | "demoted" | "left";
    }
  | { readonly kind: "node"; readonly region: string; readonly node: string; readonly link: "connected" | "away" }
  | {
      readonly kind: "region";
      readonly region: string;
      readonly change: "met" | "connected" | "away" | "distrusted" | "forgotten";
      readonly reason?: string;
    }
  /** `reasons` say what keeps it from serving, or what it does without while it is ready. */
  | { readonly kind: "readiness"; readonly ready: boolean; readonly reasons: readonly string[] }
  /** `ids` are the first few of `count`. */
  | { readonly kind: "agents"; readonly change: AgentsChange; readonly count: number; readonly ids: readonly string[] };

/** This node's consensus group. */
export interface ClusterStatus {
  readonly federation: string;
  readonly region: string;
  /** Digest of the founding configuration; empty until the region is founded. */
  readonly cluster: string;
  readonly node: string;
  readonly role: NodeRole;
  readonly leader: string | null;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly logStartIndex: number;
  readonly stalenessMs: number;
  readonly sinceLeaderMs: number;
  readonly members: readonly { readonly name: string; readonly nodeId: string; readonly votes: boolean }[];
  readonly agents: { readonly healthy: number; readonly unhealthy: number };
  /** `federation.export` as the region goes by it, and as this node is configured: the same, when all is well. */
  readonly export: { readonly policy: readonly string[]; readonly configured: readonly string[] };
}

/** Backups of the region's state, read from this node's own disk. */
export interface BackupSource {
  /**
   * Opens a view of the state that shows at least what this node has applied now, and streams it. Whoever reads sets the
   * pace; one who reads nothing for a while, or a node that stops, ends the stream with an error.
   *
   * @throws ClusterError TOO_MANY_BACKUPS, BACKUP_LAGS
   */
  open(): Promise<Backup>;
  /** Ends all that are under way. */
  close(): void;
}

export interface Backup {
  /** Log index up to which every command is in it, and none after. */
  readonly revision: number;
  readonly content: Readable;
}

/** Who belongs to this node's region, and changes of it: asked of the leader, whichever node is asked. */
export interface ClusterAdmin {
  /** As the leader sees it; as this node sees it while there is no leader. */
  members(): Promise<MembersStatus>;
  /**
   * Takes in a node that asks to join and waits for this word. It becomes a learner at once; when `becomes` is `voter`, it is
   * promoted by itself as soon as it has caught up.
   *
   * @throws ClusterError
   */
  addMember(name: string, becomes: "voter" | "learner"): Promise<MembersStatus>;
  /**
   * Removes a member for good, by name or node id. A leader hands over first.
   *
   * @throws ClusterError
   */
  removeMember(member: string): Promise<MembersStatus>;
  /**
   * Makes a learner that has caught up a voter.
   *
   * @throws ClusterError
   */
  promoteMember(member: string): Promise<MembersStatus>;
  /**
   * Hands leadership to a voter, by name or node id, or to the one that is furthest along.
   *
   * @throws ClusterError
   */
  transferLeadership(to: string | null): Promise<MembersStatus>;
}

/** How this region stands to the others, and changes of it. Any node may be asked: the region's log has it for all. */
export interface FederationAdmin {
  /**
   * Replaces the key that the region signs with. The old key vouches for the new one, so that other regions follow.
   *
   * @throws ClusterError REGION_KEY_MISSING, REGION_KEY_CHANGED: nothing was done; RegistryError: repeating it is harmless
   */
  rotateKey(): Promise<{ readonly region: string; readonly publicKey: string }>;
  /**
   * Has this region forget another one, as of its present cluster. Other regions go on with it.
   *
   * @throws ClusterError REGION_IS_OWN; RegistryError UNKNOWN_REGION, or repeating it is harmless
   */
  retire(region: string): Promise<RegionName>;
  /**
   * Takes that back: the region is met like one that was never heard of.
   *
   * @throws ClusterError REGION_NOT_RETIRED; RegistryError: repeating it is harmless
   */
  admit(region: string): Promise<{ readonly region: string }>;
  /**
   * Has all other regions forget this one, for good. Saying it twice changes nothing.
   *
   * @throws ClusterError REGION_KEY_MISSING; RegistryError: repeating it is harmless
   */
  retireSelf(): Promise<RegionName>;
}

export interface RegionName {
  readonly region: string;
  /** Id of its founding; empty where it was never heard of. */
  readonly cluster: string;
}

/** Peers that this node's region dials to find other regions, and changes of them. Needs no leader: each node keeps all. */
export interface PeerAdmin {
  /** Those of this node's configuration, and those that were named while the region ran, in order of name. */
  peers(): readonly PeerStatus[];
  /**
   * Has every node of the region dial a peer, for ever. Resolves when this node keeps it on disk; the others hear of it as
   * soon as they are linked. Naming one twice changes nothing.
   *
   * @throws PeerError PEER_UNREADABLE, TOO_MANY_PEERS, NO_SHARED_KEY
   */
  addPeer(name: string): Promise<void>;
  /**
   * Has no node of the region dial it by this name any more. Links that exist stay, and so do addresses that a region told.
   *
   * @throws PeerError PEER_UNKNOWN, PEER_CONFIGURED
   */
  removePeer(name: string): Promise<void>;
}

export interface PeerStatus {
  /** As it was named: `host[:port]`, or `srv:_service._proto.name`. */
  readonly name: string;
  /** Both are possible: what was named at run time may also be in the configuration of this node. */
  readonly isConfigured: boolean;
  readonly isNamed: boolean;
  /** Linked nodes that were found there. */
  readonly nodes: readonly {
    readonly name: string;
    readonly nodeId: string;
    readonly region: string;
    readonly http: string;
  }[];
  /** Why not all of it is reached; null while it is, and before the first attempt ended. */
  readonly problem: string | null;
}

export interface MembersStatus {
  readonly region: string;
  readonly leader: string | null;
  readonly term: number;
  /** A change is under way; until it ends no other one can begin. */
  readonly isChanging: boolean;
  readonly members: readonly MemberStatus[];
  /** Nodes that ask to join under a name which is not a member's, and wait for `addMember`. */
  readonly waiting: readonly { readonly name: string; readonly nodeId: string; readonly http: string }[];
}

export interface MemberStatus {
  readonly name: string;
  readonly nodeId: string;
  /** `leaving`: votes until the change under way is done. */
  readonly role: "leader" | "voter" | "learner" | "leaving";
  /** What it will be by itself: differs from `role` only for a learner that is catching up. */
  readonly becomes: "voter" | "learner";
  /** Name or node id of the former member whose place it takes; null when it takes nobody's. */
  readonly replaces: string | null;
  readonly link: "self" | "connected" | "away";
  readonly http: string;
  /** Log entries that it is behind the leader, and milliseconds since it last answered; null where no leader says. */
  readonly lagEntries: number | null;
  readonly silentMs: number | null;
}
