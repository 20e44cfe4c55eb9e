/** The registry as the HTTP faces see it, and what it needs of other regions. `registry-service.ts` implements it. */

import type {
  AgentRecord,
  Capability,
  Dependency,
  FoundAgent,
  Health,
  JsonObject,
  StoredAgent,
} from "../types/agent.ts";
import type { RegistryEvent } from "../types/event.ts";
import type { AgentId, RegionId } from "../types/ids.ts";
import type { KnownAnswer, LookupAnswer, LookupQuery, RegionAnswer, RegionQuery, SortKey } from "../types/lookup.ts";
import type { SummaryEntry } from "../types/summary.ts";
import type { ChangeGuard, KeptToken } from "../types/token.ts";
import type { LlmTool } from "./matching/llm.ts";

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

/** What one declared dependency comes to. */
export interface ResolvedDependency {
  readonly functionName: string;
  readonly dependency: Dependency;
  /** Of this region or, when it has none, of the nearest one that has; null when none fits anywhere that is known (contract A6). */
  readonly provider: FoundAgent | null;
}

/** The tools that a function's LLM filter admits, of this region (contract A7). */
export interface ResolvedTools {
  readonly functionName: string;
  readonly llmFilter: JsonObject;
  readonly tools: readonly LlmTool[];
}

/** The LLM provider chosen for a function (contract A7). */
export interface ResolvedLlmProvider {
  readonly functionName: string;
  readonly llmProvider: JsonObject;
  readonly provider: FoundAgent | null;
}

/** All that an agent is told of others, in the order in which it declared what it needs. */
export interface Resolutions {
  readonly dependencies: readonly ResolvedDependency[];
  readonly tools: readonly ResolvedTools[];
  readonly llmProviders: readonly ResolvedLlmProvider[];
}

export interface EventFilter {
  readonly type?: string;
  readonly agentId?: string;
  readonly functionName?: string;
}

/** A schema that agents registered with, by its hash (contract C). */
export interface KnownSchema {
  readonly hash: string;
  readonly canonical: JsonObject;
  readonly runtimeOrigin: string;
  /** Wall time of the first registration of the agent that brought it. */
  readonly createdAtMs: number;
}

export interface Registry {
  readonly region: RegionId;

  /**
   * Registers an agent in this region, or replaces its record, and renews its lease.
   *
   * Resolves once a majority of the region's voters have it on disk and this node has applied it (P1, P3). A record equal
   * to the one held, of a healthy agent, only renews the lease.
   *
   * @param guard - whose agents the caller may change; here and below NAMESPACE_NOT_ALLOWED and ENTITY_MISMATCH say that
   *   this one is not among them, and that nothing was done
   * @throws RegistryError RECORD_TOO_LARGE, INVALID_RECORD, TOO_MANY_AGENTS, NO_LEADER, OVERLOADED, STOPPING: nothing was written;
   *   OUTCOME_UNKNOWN: registering again is safe
   */
  register(id: AgentId, record: AgentRecord, guard?: ChangeGuard): Promise<RegisterOutcome>;

  /**
   * Ends an agent's registration. `keep` leaves it listed as unhealthy until the retention ends (contract A4); `purge`
   * removes it at once.
   *
   * @returns whether it was there
   * @throws RegistryError NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING
   */
  deregister(id: AgentId, mode: "keep" | "purge", guard?: ChangeGuard): Promise<boolean>;

  /**
   * Renews a lease; nothing is written to the log. Acknowledged only while this node has a live path to a leader.
   *
   * @param incarnation - the lease meant; null means whichever is current
   * @throws RegistryError UNKNOWN_AGENT, LEASE_LOST (both only when known for certain), NO_LEADER
   */
  renew(
    id: AgentId,
    incarnation: number | null,
    guard?: ChangeGuard,
  ): Promise<{ agent: StoredAgent; leaseMs: number; renewInMs: number }>;

  /**
   * Renews a lease and says whether what `inform` last told the agent may have changed since (contract A3). After a
   * restart of this node it says so once too often rather than once too seldom.
   *
   * @throws RegistryError UNKNOWN_AGENT, LEASE_LOST, NO_LEADER
   */
  renewAndCompare(id: AgentId, guard?: ChangeGuard): Promise<{ topologyChanged: boolean }>;

  /** Reads this region's applied state. With `linearizable` it first makes sure to see every write acknowledged before (P2). */
  read(consistency: "stale" | "linearizable"): Promise<View>;
  get(id: AgentId): ListedAgent | undefined;
  /** In order of agent id, at most `limit`, beginning after `after`. */
  list(filter: AgentFilter, page: { limit: number; after?: string }): { agents: ListedAgent[]; hasMore: boolean };
  /** In order of name, by code unit; each is counted when its turn comes. */
  capabilities(): Iterable<CapabilityCount>;
  countAgents(): { healthy: number; unhealthy: number; capabilities: number };

  /**
   * What the agent needs of others, found now: in this region and, where that has nothing, abroad. Its audit is written to
   * the log where it says something new, and `renewAndCompare` tells from now on whether any of it changed.
   *
   * Never fails because another region does, or because the audit could not be written.
   */
  inform(agent: StoredAgent): Promise<Resolutions>;
  /** The same as far as this node knows without asking anybody. */
  resolutionsOf(agent: StoredAgent): Resolutions;
  /** Why nobody is given this capability now although it is registered; undefined when it is available (contract A8). */
  unavailableReason(agent: StoredAgent, capability: Capability): string | undefined;

  /** Newest first, at most `limit`. */
  events(filter: EventFilter, limit: number): readonly RegistryEvent[];
  /**
   * Tells every agent to ask for its dependencies anew.
   *
   * @returns how many healthy agents there are
   * @throws RegistryError NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING
   */
  rotate(entityId: string | null): Promise<{ readonly affectedAgents: number }>;
  /** Whether the region gives out no new work; a property of the region, whichever node is asked. */
  isDraining(): boolean;
  /** The region's tokens by id, as of what this node has applied; also those that were revoked. */
  tokens(): ReadonlyMap<string, KeptToken>;
  /**
   * Keeps a token for the whole region. It is known here when this resolves, and elsewhere as soon as it is applied there.
   *
   * @throws RegistryError TOO_MANY_TOKENS, NO_LEADER, OVERLOADED, STOPPING: it is not kept; OUTCOME_UNKNOWN
   */
  createToken(fields: Omit<KeptToken, "createdAtMs" | "revokedAtMs">): Promise<KeptToken>;
  /**
   * Has no node of the region serve a token any more, each from when it applies this. Doing it twice changes nothing.
   *
   * @throws RegistryError TOKEN_NOT_FOUND, NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING
   */
  revokeToken(id: string): Promise<KeptToken>;
  /** @throws RegistryError NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING */
  setDraining(isDraining: boolean): Promise<void>;
  /** Newest first (contract C), at most `limit`. */
  schemas(limit: number): readonly KnownSchema[];
  schema(hash: string): KnownSchema | undefined;
  /**
   * The endpoint that `host:port` means: of an agent registered here, or of another region that this node told somebody of;
   * in place of the host may stand the id or the name of an agent registered here. Undefined when it is nobody's.
   */
  endpointAt(hostAndPort: string): string | undefined;

  /**
   * Finds agents in this region and, by `scope`, in others. Never fails because another region does; that region's part
   * then says why it is missing.
   *
   * @throws RegistryError UNKNOWN_REGION, TOO_STALE, NO_LEADER (linearizable only)
   */
  lookup(query: LookupQuery): Promise<LookupAnswer>;
  /** This region's part of an answer. */
  lookupHere(query: RegionQuery): RegionAnswer;

  /** Calls back after commands were applied, with the capability names they touched and the new revision. */
  onChange(listener: (capabilities: ReadonlySet<string>, revision: number) => void): () => void;
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

/** What the registry needs of the federation. */
export interface RemoteRegions {
  /**
   * One answer for every other region of the federation (or for `only`), whatever happened there.
   * A region whose fresh summary shows no match is answered without being asked.
   */
  lookup(query: RegionQuery, options: RemoteLookupOptions): Promise<readonly RegionAnswer[]>;
  knows(region: RegionId): boolean;
  /** What is known of every other region without asking, nearest first. Of one that is away, what it last answered. */
  known(query: RegionQuery): readonly KnownAnswer[];
  /** Grows whenever `known` may answer otherwise than before. */
  changes(): number;
}
