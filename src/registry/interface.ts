/** The registry as the HTTP faces see it, and what it needs of other regions. `registry-service.ts` implements it. */

import type { AgentRecord, Dependency, FoundAgent, Health, StoredAgent } from "../types/agent.ts";
import type { AgentId, RegionId } from "../types/ids.ts";
import type { LookupAnswer, LookupQuery, RegionAnswer, RegionQuery } from "../types/lookup.ts";
import type { SummaryEntry } from "../types/summary.ts";

/** What this node's applied state shows, and how old it may be. */
export interface View {
  readonly revision: number;
  readonly stalenessMs: number;
}

export interface RegisterOutcome {
  readonly agent: StoredAgent;
  /** `created`: unknown or purged before. `recovered`: was unhealthy. `updated`: another record. `unchanged`: only the lease was renewed, nothing was written to the log. */
  readonly change: "created" | "recovered" | "updated" | "unchanged";
  /** When the agent is asked to renew for the first time; whole milliseconds. */
  readonly renewInMs: number;
}

export interface AgentFilter {
  readonly name?: string;
  readonly namespace?: string;
  readonly type?: string;
  readonly health?: Health;
  /** Any of these; exact, or case-insensitive substring when `fuzzy`. */
  readonly capabilities?: readonly string[];
  readonly fuzzy?: boolean;
}

/** A stored agent with what only this node's lease table knows. */
export interface ListedAgent extends StoredAgent {
  /** Wall time of the last sign of life that this node heard of. */
  readonly lastSeenMs: number;
}

/** What the region offers under one name; what other regions are told of it is the same. */
export type CapabilityCount = SummaryEntry;

/** The provider chosen for one dependency, or null when none fits (contract A6). */
export type Resolution = FoundAgent | null;

export interface Registry {
  readonly region: RegionId;

  /**
   * Registers an agent in this region, or replaces its record, and renews its lease.
   *
   * Resolves once a majority of the region's voters have it on disk and this node has applied it (P1, P3). A record equal
   * to the one held, of a healthy agent, only renews the lease.
   *
   * @throws RegistryError RECORD_TOO_LARGE, INVALID_RECORD, TOO_MANY_AGENTS, NO_LEADER, OVERLOADED, STOPPING: nothing was written;
   *   OUTCOME_UNKNOWN: registering again is safe
   */
  register(id: AgentId, record: AgentRecord): Promise<RegisterOutcome>;

  /**
   * Ends an agent's registration. `keep` leaves it listed as unhealthy until the retention ends (contract A4); `purge`
   * removes it at once.
   *
   * @returns whether it was there
   * @throws RegistryError NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING
   */
  deregister(id: AgentId, mode: "keep" | "purge"): Promise<boolean>;

  /**
   * Renews a lease; nothing is written to the log. Acknowledged only while this node has a live path to a leader.
   *
   * @param incarnation - the lease meant; null means whichever is current
   * @throws RegistryError UNKNOWN_AGENT, LEASE_LOST (both only when known for certain), NO_LEADER
   */
  renew(id: AgentId, incarnation: number | null): Promise<{ agent: StoredAgent; leaseMs: number; renewInMs: number }>;

  /**
   * Renews a lease and says whether agents came or went since this one was last told of them by `markInformed`
   * (contract A3). After a restart of this node it says so once too often rather than once too seldom.
   *
   * @throws RegistryError UNKNOWN_AGENT, LEASE_LOST, NO_LEADER
   */
  renewAndCompare(id: AgentId): Promise<{ topologyChanged: boolean }>;
  /** Notes that `agent` was given everything up to `revision`; shared with the region's other nodes by the next batch. */
  markInformed(agent: StoredAgent, revision: number): void;

  /** Reads this region's applied state. With `linearizable` it first makes sure to see every write acknowledged before (P2). */
  read(consistency: "stale" | "linearizable"): Promise<View>;
  get(id: AgentId): ListedAgent | undefined;
  /** In order of agent id, at most `limit`, beginning after `after`. */
  list(filter: AgentFilter, page: { limit: number; after?: string }): { agents: ListedAgent[]; hasMore: boolean };
  capabilities(): Iterable<CapabilityCount>;
  countAgents(): { healthy: number; unhealthy: number; capabilities: number };

  /** The best provider in this region for a dependency (contract A6), of this node's applied state. */
  resolve(dependency: Dependency): Resolution;

  /**
   * Finds agents in this region and, by `scope`, in others. Never fails because another region does; that region's part
   * then says why it is missing.
   *
   * @throws RegistryError UNKNOWN_REGION, TOO_STALE, NO_LEADER (linearizable only)
   */
  lookup(query: LookupQuery): Promise<LookupAnswer>;
  /** This region's part of an answer, for another region that asks. */
  lookupHere(query: RegionQuery): RegionAnswer;

  /** Calls back after commands were applied, with the capability names they touched and the new revision. */
  onChange(listener: (capabilities: ReadonlySet<string>, revision: number) => void): () => void;
}

/** What the registry needs of the federation. */
export interface RemoteRegions {
  /**
   * One answer for every other region of the federation (or for `only`), whatever happened there.
   * A region whose fresh summary shows no match is answered without being asked.
   */
  lookup(
    query: RegionQuery,
    options: { only?: RegionId; consistency: "stale" | "linearizable"; maxStalenessMs?: number },
  ): Promise<readonly RegionAnswer[]>;
  knows(region: RegionId): boolean;
}
