/**
 * The registry's use cases: what the HTTP faces call, on any node of a region.
 *
 * Writes go through the region's log. Renewals and lookups are answered from this node's memory, within one turn of the
 * event loop, and say how old that memory may be. That an agent is unknown, or its lease lost, is said only after a read
 * barrier: a node that lags behind asks before it sends a whole fleet to register again (F18).
 *
 * Elsewhere: what commands do (`registry-state-machine.ts`), leases (`lease-keeper.ts`), other regions (`RemoteRegions`).
 */

import { type ConsensusGroup, RaftError } from "../raft/index.ts";
import type { AgentRecord, Capability, Dependency, FoundAgent, StoredAgent } from "../types/agent.ts";
import type { RegistryEvent } from "../types/event.ts";
import type { AgentId, RegionId } from "../types/ids.ts";
import type {
  LookupAnswer,
  LookupExplanation,
  LookupQuery,
  Nearness,
  RegionAnswer,
  RegionQuery,
} from "../types/lookup.ts";
import {
  type Farewell,
  type KeySuccession,
  RETIREMENTS_MAX,
  type Retirement,
  SUCCESSIONS_MAX,
} from "../types/region-standing.ts";
import { type ChangeGuard, type KeptToken, TOKENS_MAX } from "../types/token.ts";
import type { Clock } from "../util/clock.ts";
import { invariant } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import type { Random } from "../util/random.ts";
import type { KeptAgent } from "./agent-index.ts";
import { type Forbidden, findForbidden, type ReplicatedGuard } from "./change-guard.ts";
import {
  type AuditResult,
  type Command,
  type CommandResult,
  type CreateTokenResult,
  type DeregisterResult,
  type DrainResult,
  type ExportResult,
  encodeCommand,
  type RegionKeyResult,
  type RegisterResult,
  type RetireResult,
  type RevokeTokenResult,
  type RotateResult,
} from "./commands.ts";
import { auditOf } from "./dependency-audit.ts";
import { equalData } from "./equal-data.ts";
import { RegistryError } from "./errors.ts";
import { compileExport, EXPORT_ALL, type ExportPolicy, type ExportTest } from "./export-policy.ts";
import type {
  AgentFilter,
  CapabilityCount,
  EventFilter,
  KnownSchema,
  ListedAgent,
  RegisterOutcome,
  Registry,
  RemoteRegions,
  Resolutions,
  View,
} from "./interface.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import { checkAgent, LIMIT_DEFAULTS, type RecordLimits } from "./limits.ts";
import { awayAfter, homeAfter, isInZone, mergeAnswers, nearnessOf } from "./lookup-merge.ts";
import { TRACE_LISTED_MAX } from "./matching/explain.ts";
import { traceMatching, tracePlaces } from "./matching/explain-lookup.ts";
import { findMatches, type ZoneFirst } from "./matching/resolve.ts";
import { schemaTest } from "./matching/schema-compatibility.ts";
import type { RegistryStateMachine } from "./registry-state-machine.ts";
import { adviseRenewal } from "./renewal-advice.ts";
import { Resolver } from "./resolver.ts";

export interface ServiceTimeouts {
  /** How long a write waits for a leader and its commit. */
  readonly writeMs: number;
  /** How long a read waits for a leader to confirm how far the log is. */
  readonly barrierMs: number;
  /** A renewal is acknowledged when a leader was heard of within this long. */
  readonly livePathMs: number;
}

export const TIMEOUT_DEFAULTS: ServiceTimeouts = { writeMs: 5_000, barrierMs: 2_000, livePathMs: 600 };

const ANSWER_AGENTS_MAX = 1_000;

export interface ServiceOptions {
  /** Newest events that the region keeps; 0 keeps none. */
  readonly eventsMax: number;
  /** Agents resolve their dependencies within their own namespace only. */
  readonly isolatesNamespaces: boolean;
  /** A provider that returned takes over from one abroad after this long. */
  readonly handBackMs: number;
  /** Which namespaces other regions see, until the region has a policy. */
  readonly export: ExportPolicy;
  /** Namespaces that this node is there for; all when absent. */
  readonly served?: readonly string[];
  /** The part of the region that this node is in: where an asker is taken to be that names none. */
  readonly zone?: string;
}

export const SERVICE_DEFAULTS: ServiceOptions = {
  eventsMax: 10_000,
  isolatesNamespaces: false,
  handBackMs: 10_000,
  export: EXPORT_ALL,
};

export interface RegistryServiceParts {
  readonly region: RegionId;
  readonly group: ConsensusGroup;
  readonly stateMachine: RegistryStateMachine;
  readonly keeper: LeaseKeeper;
  readonly remote: RemoteRegions;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<RecordLimits>;
  readonly timeouts?: Partial<ServiceTimeouts>;
  readonly options?: Partial<ServiceOptions>;
  /** What keeps this node from taking a registration; null when nothing does. @param isNew - of an agent it does not hold */
  readonly refusesRegistration?: (isNew: boolean) => "MEMORY_LOW" | "DISK_LOW" | null;
  readonly logger: Logger;
}

export class RegistryService implements Registry {
  readonly region: RegionId;
  readonly #group: ConsensusGroup;
  readonly #stateMachine: RegistryStateMachine;
  readonly #keeper: LeaseKeeper;
  readonly #remote: RemoteRegions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: RecordLimits;
  readonly #timeouts: ServiceTimeouts;
  readonly #options: ServiceOptions;
  readonly #refusesRegistration: (isNew: boolean) => "MEMORY_LOW" | "DISK_LOW" | null;
  readonly #logger: Logger;
  readonly #resolver: Resolver;
  #exported: { readonly isExported: ExportTest } | undefined;
  #isStopping = false;

  constructor(parts: RegistryServiceParts) {
    this.region = parts.region;
    this.#group = parts.group;
    this.#stateMachine = parts.stateMachine;
    this.#keeper = parts.keeper;
    this.#remote = parts.remote;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#limits = { ...LIMIT_DEFAULTS, ...parts.limits };
    this.#timeouts = { ...TIMEOUT_DEFAULTS, ...parts.timeouts };
    this.#options = { ...SERVICE_DEFAULTS, ...parts.options };
    this.#refusesRegistration = parts.refusesRegistration ?? (() => null);
    this.#logger = parts.logger;
    this.#resolver = new Resolver({ ...parts, ...this.#options });
    const forget = () => {
      this.#exported = undefined;
    };
    this.#stateMachine.observe({ exportChanged: forget, restored: forget });
  }

  /** Refuses writes and renewals from now on with STOPPING; reads go on. */
  stop(): void {
    this.#isStopping = true;
  }

  async register(id: AgentId, record: AgentRecord, guard?: ChangeGuard): Promise<RegisterOutcome> {
    this.#refuseWhenStopping();
    this.#refuseWhenNotServed(record.namespace);
    this.#refuseWhenForbidden(guard, record.namespace, id);
    if (this.#heldEqual(id, record) !== undefined) {
      // A node that lags still holds what was deregistered or replaced elsewhere: acknowledging that would lose this write.
      await this.#barrier(this.#timeouts.writeMs);
      const agent = this.#heldEqual(id, record);
      if (agent !== undefined) {
        this.#keeper.renew(agent.incarnation);
        return { agent, change: "unchanged", renewInMs: this.#adviseRenewal(record.leaseMs) };
      }
    }
    checkAgent(id, record, this.#limits);
    this.#refuseWithoutRoom(id);
    const atMs = this.#clock.wallTime();
    const { agentsMax } = this.#limits;
    const { eventsMax } = this.#options;
    const { index, result } = await this.#propose<RegisterResult>({
      kind: "register",
      id,
      record,
      atMs,
      agentsMax,
      eventsMax,
      ...replicated(guard),
    });
    if ("refused" in result) throw refusedRegistration(result, id, guard);
    const { change, incarnation, registeredAtMs } = result;
    const entity = this.#stateMachine.index.get(id)?.entity;
    const agent: StoredAgent = {
      id,
      record,
      incarnation,
      health: "healthy",
      revision: index,
      registeredAtMs,
      changedAtMs: atMs,
      ...(entity !== undefined && { entity }),
    };
    return { agent, change, renewInMs: this.#adviseRenewal(record.leaseMs) };
  }

  async deregister(id: AgentId, mode: "keep" | "purge", guard?: ChangeGuard): Promise<boolean> {
    this.#refuseWhenStopping();
    if (this.#stateMachine.index.get(id) === undefined) {
      await this.#barrier();
      if (this.#stateMachine.index.get(id) === undefined) return false;
    }
    this.#refuseWhenNotServed(this.#stateMachine.index.get(id)?.record.namespace);
    this.#refuseWhenForbidden(guard, undefined, id);
    const atMs = this.#clock.wallTime();
    const { eventsMax } = this.#options;
    const command = { kind: "deregister", id, mode, incarnation: null, atMs, eventsMax, ...replicated(guard) } as const;
    const { result } = await this.#propose<DeregisterResult>(command);
    if ("refused" in result) throw forbiddenChange(result, id, guard);
    return result.existed;
  }

  async renew(
    id: AgentId,
    incarnation: number | null,
    guard?: ChangeGuard,
  ): Promise<{ agent: StoredAgent; leaseMs: number; renewInMs: number }> {
    const agent = this.#renewHere(id, incarnation, guard) ?? (await this.#renewForCertain(id, incarnation, guard));
    const { leaseMs } = agent.record;
    return { agent, leaseMs, renewInMs: this.#adviseRenewal(leaseMs) };
  }

  async renewAndCompare(id: AgentId, guard?: ChangeGuard): Promise<{ topologyChanged: boolean }> {
    const agent = this.#renewHere(id, null, guard) ?? (await this.#renewForCertain(id, null, guard));
    const informed = this.#keeper.informedRevision(agent.incarnation);
    return { topologyChanged: informed === null || this.#resolver.hasNews(agent, informed) };
  }

  async inform(agent: StoredAgent): Promise<Resolutions> {
    // Read first: the agent may be told of a change twice, never too seldom.
    const { revision } = this.#view();
    const informed = this.#keeper.informedRevision(agent.incarnation);
    const mayBeTold =
      informed === null ||
      informed < agent.revision ||
      // Also when the same one is chosen: among whom is part of what an audit tells.
      this.#resolver.hasOtherOffers(agent, informed) ||
      this.#resolver.hasNews(agent, informed);
    const resolutions = await this.#resolver.resolve(agent, revision);
    this.#keeper.markInformed(agent.incarnation, revision);
    if (mayBeTold) await this.#audit(agent, resolutions);
    return resolutions;
  }

  resolutionsOf(agent: StoredAgent): Resolutions {
    return this.#resolver.view(agent);
  }

  unavailableReason(agent: StoredAgent, capability: Capability): string | undefined {
    return this.#resolver.unavailableReason(agent, capability);
  }

  events(filter: EventFilter, limit: number): readonly RegistryEvent[] {
    return this.#stateMachine.events.find(filter, limit);
  }

  async rotate(entityId: string | null): Promise<{ readonly affectedAgents: number }> {
    this.#refuseWhenStopping();
    const { eventsMax } = this.#options;
    const command = { kind: "rotate", entityId, atMs: this.#clock.wallTime(), eventsMax } as const;
    return (await this.#propose<RotateResult>(command)).result;
  }

  isDraining(): boolean {
    return this.#stateMachine.isDraining;
  }

  async setDraining(isDraining: boolean): Promise<void> {
    this.#refuseWhenStopping();
    await this.#propose<DrainResult>({ kind: "setDraining", isDraining });
  }

  schemas(limit: number): readonly KnownSchema[] {
    return this.#stateMachine.index.schemas.list(limit);
  }

  schema(hash: string): KnownSchema | undefined {
    return this.#stateMachine.index.schemas.get(hash);
  }

  endpointAt(hostAndPort: string): string | undefined {
    return this.#stateMachine.index.endpointAt(hostAndPort) ?? this.#resolver.endpointTold(hostAndPort);
  }

  async read(consistency: "stale" | "linearizable"): Promise<View> {
    this.#refuseWhenUnfounded();
    if (consistency === "linearizable") await this.#barrier();
    return this.#view();
  }

  get(id: AgentId): ListedAgent | undefined {
    const agent = this.#stateMachine.index.get(id);
    return agent === undefined ? undefined : this.#toListed(agent);
  }

  list(filter: AgentFilter, page: { limit: number; after?: string }): { agents: ListedAgent[]; hasMore: boolean } {
    this.#refuseWhenNotServed(filter.namespace);
    const { agents, hasMore } = this.#stateMachine.index.list(filter, page);
    return { agents: agents.map((agent) => this.#toListed(agent)), hasMore };
  }

  capabilities(): Iterable<CapabilityCount> {
    return this.#stateMachine.index.capabilities();
  }

  countAgents(): { healthy: number; unhealthy: number; capabilities: number } {
    const { size, healthy, capabilityCount } = this.#stateMachine.index;
    return { healthy, unhealthy: size - healthy, capabilities: capabilityCount };
  }

  async lookup(query: LookupQuery): Promise<LookupAnswer> {
    this.#refuseWhenUnfounded();
    this.#refuseWhenNotServed(query.namespace);
    const only = query.region;
    const asksHome = only === undefined || only === this.region;
    if (!asksHome && !this.#remote.knows(only)) {
      throw new RegistryError(`no region ${only} in this federation`, { code: "UNKNOWN_REGION", region: only });
    }
    const asksAbroad = asksHome ? only === undefined && query.scope === "federation" : true;
    if (!asksAbroad) {
      if (this.#needsBarrier(query)) await this.#catchUp(query);
      return this.#merge([this.#answerHome(query)], query);
    }
    const abroad = this.#askAbroad(query);
    if (!asksHome) return this.#merge(await abroad, query);
    const [, answers] = await Promise.all([this.#needsBarrier(query) ? this.#catchUp(query) : null, abroad]);
    return this.#merge([this.#answerHome(query), ...answers], query);
  }

  lookupHere(query: RegionQuery): RegionAnswer {
    return this.#find(query, null);
  }

  /** The same for another region that asks, as far as it may see. */
  lookupForAbroad(query: RegionQuery): RegionAnswer {
    return this.#find(query, this.#exportTest());
  }

  #find(query: RegionQuery, isExported: ExportTest, zoneFirst?: ZoneFirst): RegionAnswer {
    const { revision, stalenessMs } = this.#view();
    const limit = boundedLimit(query.limit);
    const offers = this.#stateMachine.index.offers(query.capability);
    const { agents, hasMore } = findMatches(offers, limit === query.limit ? query : { ...query, limit }, {
      isVisible: isExported === null ? undefined : ({ agent }) => isExported(agent.record.namespace),
      isAvailable: this.#resolver.isAvailable,
      fits: query.schema && schemaTest(query.schema),
      zoneFirst,
    });
    return { region: this.region, source: "local", revision, stalenessMs, agents, hasMore };
  }

  onChange(listener: (capabilities: ReadonlySet<string>, revision: number) => void): () => void {
    let isAll = false;
    return this.#stateMachine.observe({
      exportChanged: () => {
        isAll = true;
      },
      applied: (capabilities, revision) => {
        listener(isAll ? new Set(this.#stateMachine.index.names()) : capabilities, revision);
        isAll = false;
      },
      restored: (capabilities) => listener(capabilities, this.#group.status().appliedIndex),
    });
  }

  /** What other regions may see of a capability; undefined when that is nothing. */
  exportedCapability(name: string): CapabilityCount | undefined {
    const isExported = this.#exportTest();
    const { index } = this.#stateMachine;
    return isExported === null ? index.capability(name) : index.capabilityIn(isExported, name);
  }

  /** The same of all of them. */
  *exportedCapabilities(): Iterable<CapabilityCount> {
    for (const name of this.#stateMachine.index.names()) {
      const count = this.exportedCapability(name);
      if (count !== undefined) yield count;
    }
  }

  /** How many agents other regions may know of. */
  exportedAgents(): number {
    const isExported = this.#exportTest();
    const { index } = this.#stateMachine;
    return isExported === null ? index.size : index.sizeIn(isExported);
  }

  /** Which namespaces other regions see, as the region's log has it; undefined until a leader has set it. */
  exportPolicy(): ExportPolicy | undefined {
    return this.#stateMachine.exportPolicy;
  }

  /** @throws RegistryError NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING; repeating it is safe */
  async setExportPolicy(policy: ExportPolicy): Promise<void> {
    await this.#propose<ExportResult>({ kind: "setExport", policy });
  }

  /** Before the region has a policy, each node goes by its own: what is not to be seen is not seen from the start. */
  #exportTest(): ExportTest {
    this.#exported ??= { isExported: compileExport(this.exportPolicy() ?? this.#options.export) };
    return this.#exported.isExported;
  }

  /**
   * Has this region forget another one, as of its present cluster.
   *
   * @returns false when it is forgotten already
   * @throws RegistryError NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING; repeating it is safe, here and below
   */
  async retireRegion(of: Omit<Retirement, "atMs">): Promise<boolean> {
    this.#refuseWhenStopping();
    const retirement = { ...of, atMs: this.#clock.wallTime() };
    const command = { kind: "retireRegion", retirement, retirementsMax: RETIREMENTS_MAX } as const;
    return (await this.#propose<RetireResult>(command)).result.isChanged;
  }

  /** Lets regions of that name be met again. Returns false when none is forgotten. */
  async admitRegion(region: RegionId): Promise<boolean> {
    this.#refuseWhenStopping();
    return (await this.#propose<RetireResult>({ kind: "admitRegion", region })).result.isChanged;
  }

  /** Has the other regions forget this one, for good. Returns false when that was said already. */
  async setFarewell(farewell: Farewell): Promise<boolean> {
    this.#refuseWhenStopping();
    return (await this.#propose<RetireResult>({ kind: "setFarewell", farewell })).result.isChanged;
  }

  /** The wrapped key that this region signs with; undefined until one was set. */
  regionKey(): Uint8Array | undefined {
    return this.#stateMachine.regionKey;
  }

  /**
   * Gives the region its signing key, unless it has one.
   *
   * @returns the key that holds: another node may have been first
   * @throws RegistryError NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING; repeating it is safe
   */
  async setRegionKey(wrapped: Uint8Array): Promise<Uint8Array> {
    await this.#propose<RegionKeyResult>({ kind: "setRegionKey", wrapped });
    const key = this.regionKey();
    invariant(key !== undefined, "a region key that was set is there");
    return key;
  }

  /**
   * Replaces the region's signing key, if it still is `replaces`.
   *
   * @returns false when it is another one by now, and nothing was done
   * @throws RegistryError NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING
   */
  async replaceRegionKey(replaces: Uint8Array, wrapped: Uint8Array, succession: KeySuccession): Promise<boolean> {
    this.#refuseWhenStopping();
    const command = {
      kind: "replaceRegionKey",
      replaces,
      wrapped,
      succession,
      successionsMax: SUCCESSIONS_MAX,
    } as const;
    return (await this.#propose<RegionKeyResult>(command)).result.isSet;
  }

  /** The region's tokens by id, as of what this node has applied. */
  tokens(): ReadonlyMap<string, KeptToken> {
    return this.#stateMachine.tokens;
  }

  async createToken(fields: Omit<KeptToken, "createdAtMs" | "revokedAtMs">): Promise<KeptToken> {
    this.#refuseWhenStopping();
    const token = { ...fields, createdAtMs: this.#clock.wallTime(), revokedAtMs: null };
    const command = { kind: "createToken", token, tokensMax: TOKENS_MAX } as const;
    const { result } = await this.#propose<CreateTokenResult>(command);
    if ("isCreated" in result) return token;
    const { tokens, tokensMax } = result;
    throw new RegistryError(`the region holds ${tokens} tokens`, { code: "TOO_MANY_TOKENS", tokens, tokensMax });
  }

  async revokeToken(id: string): Promise<KeptToken> {
    this.#refuseWhenStopping();
    const command = { kind: "revokeToken", id, atMs: this.#clock.wallTime() } as const;
    const { token } = (await this.#propose<RevokeTokenResult>(command)).result;
    if (token === null) throw new RegistryError(`no token ${id}`, { code: "TOKEN_NOT_FOUND", token: id });
    return token;
  }

  /**
   * Wraps the region's signing key anew, if it still is wrapped as `replaces`.
   *
   * @returns false when it is wrapped otherwise by now, and nothing was done
   * @throws RegistryError NO_LEADER, OVERLOADED, OUTCOME_UNKNOWN, STOPPING; repeating it is safe
   */
  async rewrapRegionKey(replaces: Uint8Array, wrapped: Uint8Array): Promise<boolean> {
    return (await this.#propose<RegionKeyResult>({ kind: "rewrapRegionKey", replaces, wrapped })).result.isSet;
  }

  /** Writes what there is to tell of the agent's dependencies; without a leader that is not told. */
  async #audit(agent: StoredAgent, resolutions: Resolutions): Promise<void> {
    const { eventsMax, isolatesNamespaces } = this.#options;
    if (eventsMax === 0) return;
    const prior = this.#stateMachine.auditsOf(agent.id);
    const options = {
      reasonOf: this.#resolver.reasonOf,
      ...(isolatesNamespaces && { namespace: agent.record.namespace }),
    };
    const beforeEach = (dependency: Dependency) => this.#resolver.beforeAudit(dependency);
    const entries = await auditOf(agent, resolutions, prior, this.#stateMachine.index, options, beforeEach);
    if (entries.length === 0) return;
    const { id, incarnation } = agent;
    const atMs = this.#clock.wallTime();
    try {
      await this.#propose<AuditResult>({ kind: "audit", id, incarnation, entries, atMs, eventsMax });
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      this.#logger.warn({ code: "AUDIT_NOT_WRITTEN", agent: id, reason: error.detail.code }, "an audit was lost");
    }
  }

  #answerHome({ place, ...query }: LookupQuery): RegionAnswer {
    const zone = place === undefined ? this.#zoneOf(query) : place.nearness.zone;
    const { after, isAfterInZone } = homeAfter(this.region, place);
    const zoneFirst = zone === null ? undefined : { zone, isAfterInZone };
    return this.#find(after === undefined ? query : { ...query, after }, null, zoneFirst);
  }

  /** Where the asker is taken to be; null when nobody said. */
  #zoneOf({ zone = this.#options.zone }: Pick<LookupQuery, "zone">): string | null {
    return zone ?? null;
  }

  #askAbroad(query: LookupQuery): Promise<readonly RegionAnswer[]> {
    const { capability, tags, version, namespace, health, place, region, consistency, maxStalenessMs, explain } = query;
    const asked: RegionQuery = {
      capability,
      tags,
      version,
      health,
      limit: boundedLimit(query.limit),
      ...(namespace !== undefined && { namespace }),
    };
    return this.#remote.lookup(asked, {
      consistency,
      ...(explain === true && { explain }),
      ...(place !== undefined && { afterIn: (other) => awayAfter(this.region, other, place) }),
      ...(region !== undefined && { only: region }),
      ...(maxStalenessMs !== undefined && { maxStalenessMs }),
    });
  }

  #merge(regions: readonly RegionAnswer[], query: LookupQuery): LookupAnswer {
    const moved: FoundAgent[] = [];
    const nearness = query.place?.nearness ?? nearnessOf(this.region, regions, this.#zoneOf(query));
    const { agents, next } = mergeAnswers(regions, {
      home: this.region,
      nearness,
      limit: boundedLimit(query.limit),
      isHidden: (agent) => this.#livesHere(agent),
      ...(query.explain === true && { onMoved: (agent) => moved.push(agent) }),
    });
    // Who was found may be called through this node, wherever it is.
    this.#resolver.noteEndpoints(agents);
    const complete = regions.every(({ error }) => error === undefined);
    const answer = { agents, complete, regions, ...(next !== undefined && { next }) };
    return query.explain === true ? this.#explained(answer, query, nearness, moved) : answer;
  }

  #explained(answer: LookupAnswer, query: LookupQuery, nearness: Nearness, moved: readonly FoundAgent[]): LookupAnswer {
    const { agents, regions } = answer;
    const isRead = regions.some(({ region }) => region === this.region);
    const offers = this.#stateMachine.index.offers(query.capability);
    const inZone = (agent: FoundAgent) => isInZone(agent, this.region, nearness);
    const explanation: LookupExplanation = {
      zone: nearness.zone,
      places: tracePlaces(agents, this.region, regions, inZone),
      ...(isRead && { matching: traceMatching(offers, query, this.#resolver.reasonOf) }),
      moved: {
        count: moved.length,
        listed: moved.slice(0, TRACE_LISTED_MAX).map(({ id, region }) => ({ id, region })),
      },
    };
    const traced = regions.map((part) =>
      part.source === "local" ? { ...part, trace: { did: "read" } as const } : part,
    );
    return { ...answer, regions: traced, explanation };
  }

  /** Whether another region still shows an agent that has registered here since, whatever it offers here now. */
  #livesHere({ id, region, registeredAtMs }: FoundAgent): boolean {
    if (region === this.region) return false;
    const held = this.#stateMachine.index.get(id);
    return held?.health === "healthy" && held.incarnatedAtMs > registeredAtMs;
  }

  #needsBarrier({ consistency, maxStalenessMs }: LookupQuery): boolean {
    if (consistency === "linearizable") return true;
    return maxStalenessMs !== undefined && this.#group.status().stalenessMs > maxStalenessMs;
  }

  /** Makes this node's state as fresh as the query asks, or says that it can not be had. */
  async #catchUp({ consistency, maxStalenessMs }: LookupQuery): Promise<void> {
    try {
      await this.#barrier();
    } catch (error) {
      if (consistency === "linearizable" || maxStalenessMs === undefined || !isNoLeader(error)) throw error;
      const { stalenessMs } = this.#group.status();
      throw new RegistryError(
        `this node's state may be ${Math.ceil(stalenessMs)} ms old, more than the ${maxStalenessMs} ms asked for`,
        { code: "TOO_STALE", region: this.region, stalenessMs, maxStalenessMs },
        { cause: error },
      );
    }
  }

  /** Renews what this node's state shows to be current; undefined when that needs a closer look. */
  #renewHere(id: AgentId, incarnation: number | null, guard: ChangeGuard | undefined): KeptAgent | undefined {
    this.#refuseWhenStopping();
    if (!this.#hasLivePath()) throw this.#noLeader(0);
    const agent = this.#stateMachine.index.get(id);
    if (agent?.health !== "healthy" || (incarnation !== null && incarnation !== agent.incarnation)) return undefined;
    this.#refuseWhenNotServed(agent.record.namespace);
    const forbidden = findForbidden(guard, undefined, agent);
    if (forbidden !== null) throw forbiddenChange(forbidden, id, guard);
    this.#keeper.renew(agent.incarnation);
    return agent;
  }

  /** The same once this node has caught up, so that a refusal is known to be true. */
  async #renewForCertain(id: AgentId, incarnation: number | null, guard: ChangeGuard | undefined): Promise<KeptAgent> {
    await this.#barrier();
    const agent = this.#renewHere(id, incarnation, guard);
    if (agent !== undefined) return agent;
    if (this.#stateMachine.index.get(id) === undefined) {
      throw new RegistryError(`no agent ${id} in region ${this.region}`, { code: "UNKNOWN_AGENT", agentId: id });
    }
    throw new RegistryError(`the lease of ${id} ended; register again`, {
      code: "LEASE_LOST",
      agentId: id,
      incarnation,
    });
  }

  /** The healthy agent held here whose record equals `record`: such a record was accepted, and needs no check and no write. */
  #heldEqual(id: AgentId, record: AgentRecord): KeptAgent | undefined {
    const held = this.#stateMachine.index.get(id);
    return held?.health === "healthy" && equalData(held.record, record) ? held : undefined;
  }

  #adviseRenewal(leaseMs: number): number {
    return adviseRenewal(leaseMs, this.#keeper.renewalLoad, this.#random);
  }

  #hasLivePath(): boolean {
    return this.#group.status().sinceLeaderMs < this.#timeouts.livePathMs;
  }

  #view(): View {
    const { appliedIndex, stalenessMs } = this.#group.status();
    return { revision: appliedIndex, stalenessMs };
  }

  #toListed(agent: KeptAgent): ListedAgent {
    const { incarnatedAtMs: _, ...stored } = agent;
    return { ...stored, lastSeenMs: this.#keeper.lastSeenMs(agent) };
  }

  /** Before the region is founded this node holds nothing, which is not the same as that there is nothing (P9). */
  #refuseWhenUnfounded(): void {
    if (this.#group.status().membership.voters.length > 0) return;
    const detail = { code: "NO_LEADER", region: this.region, waitedMs: 0 } as const;
    throw new RegistryError("the region is not founded yet", detail);
  }

  #refuseWhenNotServed(namespace: string | undefined): void {
    const { served } = this.#options;
    if (served === undefined || namespace === undefined || served.includes(namespace)) return;
    throw new RegistryError(`not ${namespace}`, { code: "NAMESPACE_NOT_SERVED", namespace, served });
  }

  /** Said before anything is read or proposed, as far as this node knows; the log has the last word. */
  #refuseWhenForbidden(guard: ChangeGuard | undefined, namespace: string | undefined, id: AgentId): void {
    const forbidden = findForbidden(guard, namespace, this.#stateMachine.index.get(id));
    if (forbidden !== null) throw forbiddenChange(forbidden, id, guard);
  }

  #refuseWhenStopping(): void {
    if (this.#isStopping) {
      throw new RegistryError("this node is shutting down", { code: "STOPPING", region: this.region });
    }
  }

  #refuseWithoutRoom(id: AgentId): void {
    const code = this.#refusesRegistration(this.#stateMachine.index.get(id) === undefined);
    if (code !== null) throw new RegistryError("no room for a registration", { code, region: this.region });
  }

  async #propose<Result extends CommandResult>(command: Command): Promise<{ index: number; result: Result }> {
    try {
      const bytes = encodeCommand(command);
      const { index, result } = await this.#group.propose(bytes, { timeoutMs: this.#timeouts.writeMs });
      const isUnderstood = (result as { refused?: string }).refused !== "unknown-command";
      invariant(isUnderstood, `this node does not understand its own ${command.kind} command`);
      return { index, result: result as Result };
    } catch (error) {
      throw this.#translate(error);
    }
  }

  async #barrier(timeoutMs = this.#timeouts.barrierMs): Promise<void> {
    try {
      await this.#group.readBarrier({ timeoutMs });
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #noLeader(waitedMs: number, cause?: unknown): RegistryError {
    const detail = { code: "NO_LEADER", region: this.region, waitedMs } as const;
    return new RegistryError(`region ${this.region} has no leader`, detail, { cause });
  }

  /** The group's refusals in the words of the registry; anything else is a bug and stays what it is. */
  #translate(error: unknown): unknown {
    if (!(error instanceof RaftError)) return error;
    const { region } = this;
    const { detail } = error;
    switch (detail.code) {
      case "NO_LEADER":
        return this.#noLeader(detail.waitedMs, error);
      case "OUTCOME_UNKNOWN": {
        const { code, waitedMs } = detail;
        return new RegistryError("the write may still happen", { code, region, waitedMs }, { cause: error });
      }
      case "COMMAND_TOO_LARGE": {
        const { bytes, bytesMax } = detail;
        const facts = { code: "RECORD_TOO_LARGE", field: "record", bytes, bytesMax } as const;
        return new RegistryError("the log takes no command of that size", facts, { cause: error });
      }
      case "OVERLOADED":
        return new RegistryError("too many writes wait already", { code: "OVERLOADED", region }, { cause: error });
      case "STOPPED":
        return new RegistryError("this node is shutting down", { code: "STOPPING", region }, { cause: error });
    }
  }
}

function refusedRegistration(
  refusal: Extract<RegisterResult, { refused: string }>,
  id: AgentId,
  guard: ChangeGuard | undefined,
): RegistryError {
  switch (refusal.refused) {
    case "dependency-cycle": {
      const { cycle } = refusal;
      const message = `required dependency cycle: ${cycle.join(" \u2192 ")}`;
      return new RegistryError(message, { code: "DEPENDENCY_CYCLE", cycle });
    }
    case "too-many-agents": {
      const { agents, agentsMax } = refusal;
      return new RegistryError(`the region holds ${agents} agents`, { code: "TOO_MANY_AGENTS", agents, agentsMax });
    }
    default:
      return forbiddenChange(refusal, id, guard);
  }
}

function forbiddenChange(forbidden: Forbidden, agentId: AgentId, guard: ChangeGuard | undefined): RegistryError {
  if (forbidden.refused === "entity") {
    const { entity } = forbidden;
    return new RegistryError(`${agentId} belongs to ${entity}`, { code: "ENTITY_MISMATCH", agentId, entity });
  }
  const { namespace } = forbidden;
  const token = guard?.token ?? "";
  const detail = { code: "NAMESPACE_NOT_ALLOWED", token, agentId, namespace } as const;
  return new RegistryError(`${token} does not reach namespace ${namespace}`, detail);
}

/** The part of a guard that goes to the log; nothing where there is nothing to check. */
function replicated(guard: ChangeGuard | undefined): { readonly guard?: ReplicatedGuard } {
  if (guard === undefined) return {};
  const { namespaces, entity, overrides } = guard;
  return { guard: { namespaces, entity, overrides } };
}

function isNoLeader(error: unknown): boolean {
  return error instanceof RegistryError && error.detail.code === "NO_LEADER";
}

function boundedLimit(limit: number): number {
  return Math.min(Math.max(limit, 1), ANSWER_AGENTS_MAX);
}
