/**
 * The replicated state of a region's registry: what a committed command does to it.
 *
 * Pure: the same commands in the same order give the same state on every replica, and `stateHash` says whether they did
 * (R58, F6). Time is what the proposer stamped and is only kept for people to read.
 *
 * Records: `agent/<id>` (KeptAgent), `capability/<name>` (its revision), `event/<sequence>`, `audit/<id>` (the newest audit of
 * each of the agent's dependencies), `meta/topology` and `meta/rotated` (log indices), `region/key`,
 * `region/successions` (of the region's keys), `region/export`, `region/retired` (clusters that are
 * forgotten), `region/farewell`, `region/draining`, `token/<id>` (KeptToken: a hash, never the token).
 *
 * Elsewhere: who is proposed for expiry (`lease-keeper.ts`), how commands look (`commands.ts`), what is found
 * (`agent-index.ts`, `matching/`).
 */

import type { StateMachine } from "../raft/index.ts";
import type { StateRecord, StateWrite } from "../storage/interface.ts";
import type { AgentRecord, JsonObject } from "../types/agent.ts";
import type { RegistryEvent } from "../types/event.ts";
import type { AgentId, RegionId } from "../types/ids.ts";
import type { Farewell, KeySuccession, Retirement } from "../types/region-standing.ts";
import type { KeptToken } from "../types/token.ts";
import { AgentIndex, type KeptAgent } from "./agent-index.ts";
import { findForbidden } from "./change-guard.ts";
import {
  type AuditResult,
  type BatchResult,
  type Command,
  type CommandResult,
  type CreateTokenResult,
  type DeregisterResult,
  type DrainResult,
  decodeCommand,
  type ExportResult,
  type RegionKeyResult,
  type RegisterResult,
  type RetireResult,
  type RevokeTokenResult,
  type RotateResult,
} from "./commands.ts";
import { ContentHash } from "./content-hash.ts";
import { type DependencyIndex, requiredEdges } from "./dependency-index.ts";
import { equalData } from "./equal-data.ts";
import { EventLog } from "./event-log.ts";
import { fellSilent, registered, rotated, unregistered } from "./event-records.ts";
import { compileExport, EXPORT_ALL, type ExportPolicy } from "./export-policy.ts";
import { findRequiredCycle } from "./matching/required-cycle.ts";
import { shareTexts } from "./matching/shared-texts.ts";

/** Follows the state as it changes. Called while a command is applied: it must be quick and must not throw. */
export interface StateObserver {
  /** An agent came (`before` undefined), changed, or was removed (`after` undefined). */
  agentChanged?(before: KeptAgent | undefined, after: KeptAgent | undefined): void;
  /** A command changed something: the capabilities of the agents it touched, and its index. */
  applied?(capabilities: ReadonlySet<string>, revision: number): void;
  /** Other regions may see other namespaces than before. Told before `applied`. */
  exportChanged?(): void;
  /** Everything was replaced; `capabilities` names those there were and those there are. */
  restored?(capabilities: ReadonlySet<string>): void;
}

const AGENT_PREFIX = "agent/";
const CAPABILITY_PREFIX = "capability/";
const EVENT_PREFIX = "event/";
const AUDIT_PREFIX = "audit/";
const TOPOLOGY_KEY = "meta/topology";
const ROTATED_KEY = "meta/rotated";
const REGION_KEY = "region/key";
const SUCCESSIONS_KEY = "region/successions";
const EXPORT_KEY = "region/export";
const RETIRED_KEY = "region/retired";
const FAREWELL_KEY = "region/farewell";
const TOKEN_PREFIX = "token/";
const DRAINING_KEY = "region/draining";

/** Records that are a region's only as long as it is the same cluster: one that is founded anew has its own, or none. */
export const RECORDS_OF_CLUSTER: readonly string[] = [REGION_KEY, SUCCESSIONS_KEY, FAREWELL_KEY];

/** Events of one command are counted within its log index: what orders them needs no counter of its own. */
const EVENTS_PER_COMMAND = 2 ** 20;
const SEQUENCE_DIGITS = 16;

/** The newest audit of each dependency of an agent, by `slotOf`. */
export type Audits = Readonly<Record<string, JsonObject>>;

export function slotOf(functionName: string, position: number): string {
  return `${position} ${functionName}`;
}

/** All that is replicated, so that a restore can build the next one beside the one being read. */
class State {
  readonly index: AgentIndex;
  readonly hash = new ContentHash();
  readonly events = new EventLog();
  readonly audits = new Map<AgentId, Audits>();
  topologyRevision = 0;
  rotatedRevision = 0;
  regionKey: Uint8Array | undefined = undefined;
  keySuccessions: readonly KeySuccession[] = [];
  exportPolicy: ExportPolicy | undefined = undefined;
  retirements: readonly Retirement[] = [];
  farewell: Farewell | undefined = undefined;
  readonly tokens = new Map<string, KeptToken>();
  isDraining = false;

  constructor(region: RegionId) {
    this.index = new AgentIndex(region);
  }
}

export class RegistryStateMachine implements StateMachine {
  readonly #region: RegionId;
  readonly #observers = new Set<StateObserver>();
  #state: State;

  constructor(region: RegionId) {
    this.#region = region;
    this.#state = new State(region);
  }

  /** The agents as of the last applied command. Not to be kept: a restore replaces it. */
  get index(): AgentIndex {
    return this.#state.index;
  }

  /**
   * Log index at which an agent other than of type `api` last came, recovered, left, expired, moved, or changed what it
   * offers (contract A3, and the gap named there); 0 before the first.
   */
  get topologyRevision(): number {
    return this.#state.topologyRevision;
  }

  /** Log index at which an operator last had every agent ask anew; 0 before the first time. */
  get rotatedRevision(): number {
    return this.#state.rotatedRevision;
  }

  /** The newest events. Not to be kept: a restore replaces it. */
  get events(): EventLog {
    return this.#state.events;
  }

  /** What was last said of an agent's dependencies. */
  auditsOf(id: AgentId): Audits {
    return this.#state.audits.get(id) ?? {};
  }

  get isDraining(): boolean {
    return this.#state.isDraining;
  }

  /** The region's wrapped signing key, undefined until one was set. */
  get regionKey(): Uint8Array | undefined {
    return this.#state.regionKey;
  }

  /** Which namespaces other regions see; undefined until it was set. */
  get exportPolicy(): ExportPolicy | undefined {
    return this.#state.exportPolicy;
  }

  /** Clusters that this region is to forget. The same list for as long as it does not change. */
  get retirements(): readonly Retirement[] {
    return this.#state.retirements;
  }

  /** Once the other regions are to forget this one. */
  get farewell(): Farewell | undefined {
    return this.#state.farewell;
  }

  /** Tokens of the region, also those that were revoked. Not to be kept: a restore replaces it. */
  get tokens(): ReadonlyMap<string, KeptToken> {
    return this.#state.tokens;
  }

  /** How the signing key came to be the region's, oldest first. */
  get keySuccessions(): readonly KeySuccession[] {
    return this.#state.keySuccessions;
  }

  /** Equal on replicas that hold the same records. */
  stateHash(): string {
    return this.#state.hash.toString();
  }

  observe(observer: StateObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  apply(bytes: Uint8Array, index: number): { readonly result: CommandResult; readonly writes: readonly StateWrite[] } {
    const command = decodeCommand(bytes);
    if (command === null) return { result: { refused: "unknown-command" }, writes: [] };
    const change = new Change(this.#state, index, this.#observers);
    const result = perform(change, command);
    return { result, writes: change.commit() };
  }

  async restore(records: AsyncIterable<readonly StateRecord[]>): Promise<void> {
    const next = new State(this.#region);
    for await (const page of records) {
      for (const [key, value] of page) load(next, key, value);
    }
    next.index.setDepartedFloor(next.topologyRevision);
    const capabilities = new Set<string>();
    for (const { index } of [this.#state, next]) {
      for (const name of index.names()) capabilities.add(name);
    }
    this.#state = next;
    for (const observer of this.#observers) observer.restored?.(capabilities);
  }
}

/** Takes one record; those of other owners, such as sessions, are passed over. In key order, agents come first. */
function load(state: State, key: string, value: unknown): void {
  if (key.startsWith(AGENT_PREFIX)) {
    const agent = value as KeptAgent;
    state.index.put({ ...agent, record: shareTexts(agent.record) }, agent.revision);
  } else if (key.startsWith(CAPABILITY_PREFIX)) {
    state.index.touch(key.slice(CAPABILITY_PREFIX.length), value as number);
  } else if (key.startsWith(EVENT_PREFIX)) {
    state.events.add(value as RegistryEvent);
  } else if (key.startsWith(AUDIT_PREFIX)) {
    state.audits.set(key.slice(AUDIT_PREFIX.length) as AgentId, value as Audits);
  } else if (key.startsWith(TOKEN_PREFIX)) {
    const token = value as KeptToken;
    state.tokens.set(token.id, token);
  } else if (key === TOPOLOGY_KEY) {
    state.topologyRevision = value as number;
  } else if (key === ROTATED_KEY) {
    state.rotatedRevision = value as number;
  } else if (key === DRAINING_KEY) {
    state.isDraining = value as boolean;
  } else if (key === REGION_KEY) {
    state.regionKey = Uint8Array.from(value as Uint8Array);
  } else if (key === RETIRED_KEY) {
    state.retirements = value as readonly Retirement[];
  } else if (key === FAREWELL_KEY) {
    state.farewell = value as Farewell;
  } else if (key === EXPORT_KEY) {
    state.exportPolicy = value as ExportPolicy;
  } else if (key === SUCCESSIONS_KEY) {
    state.keySuccessions = value as readonly KeySuccession[];
  } else {
    return;
  }
  state.hash.set(key, value);
}

/** What one command changes, gathered to be written and told once. */
class Change {
  readonly index: number;
  readonly #state: State;
  readonly #observers: ReadonlySet<StateObserver>;
  readonly #writes: StateWrite[] = [];
  readonly #capabilities = new Set<string>();
  #events = 0;
  #hasChanged = false;

  constructor(state: State, index: number, observers: ReadonlySet<StateObserver>) {
    this.#state = state;
    this.index = index;
    this.#observers = observers;
  }

  get agentCount(): number {
    return this.#state.index.size;
  }

  get agents(): AgentIndex {
    return this.#state.index;
  }

  agent(id: AgentId): KeptAgent | undefined {
    return this.#state.index.get(id);
  }

  put(agent: KeptAgent): void {
    const before = this.agent(agent.id);
    this.#state.index.put(agent, this.index);
    this.#write(`${AGENT_PREFIX}${agent.id}`, agent);
    this.#touch(before, agent);
  }

  remove(before: KeptAgent): void {
    this.#state.index.remove(before.id, this.index);
    this.#write(`${AGENT_PREFIX}${before.id}`, undefined);
    if (this.#state.audits.delete(before.id)) this.#write(`${AUDIT_PREFIX}${before.id}`, undefined);
    for (const sequence of this.#state.events.forget(before.id)) this.#write(eventKey(sequence), undefined);
    this.#touch(before, undefined);
  }

  /** Adds to the region's events, of which it keeps the newest `eventsMax`. */
  addEvent(event: Omit<RegistryEvent, "sequence" | "revision">, eventsMax: number): void {
    if (eventsMax <= 0 || this.#events === EVENTS_PER_COMMAND) return;
    const sequence = this.index * EVENTS_PER_COMMAND + this.#events++;
    const kept = { sequence, revision: this.index, ...event };
    this.#state.events.add(kept);
    this.#write(eventKey(sequence), kept);
    for (const old of this.#state.events.trim(eventsMax)) this.#write(eventKey(old), undefined);
  }

  setAudits(id: AgentId, changed: Audits): void {
    const audits = { ...this.#state.audits.get(id), ...changed };
    this.#state.audits.set(id, audits);
    this.#write(`${AUDIT_PREFIX}${id}`, audits);
  }

  /** Has every agent ask anew. */
  markRotated(): void {
    this.#state.rotatedRevision = this.index;
    this.#write(ROTATED_KEY, this.index);
  }

  setDraining(isDraining: boolean): void {
    if (this.#state.isDraining === isDraining) return;
    this.#state.isDraining = isDraining;
    this.#write(DRAINING_KEY, isDraining ? true : undefined);
  }

  /** Notes that who can be found, or where, is no longer what agents were told. */
  markTopology(): void {
    if (this.#state.topologyRevision === this.index) return;
    this.#state.topologyRevision = this.index;
    this.#write(TOPOLOGY_KEY, this.index);
  }

  /** @returns false when that cluster is forgotten already */
  retireRegion(retirement: Retirement, retirementsMax: number): boolean {
    const { region, cluster, publicKey } = retirement;
    const isSame = (held: Retirement) =>
      held.region === region && held.cluster === cluster && held.publicKey === publicKey;
    if (this.#state.retirements.some(isSame)) return false;
    this.#setRetirements([...this.#state.retirements, retirement].slice(-Math.max(1, retirementsMax)));
    return true;
  }

  /** @returns false when nothing of that name is forgotten */
  admitRegion(region: RegionId): boolean {
    const left = this.#state.retirements.filter((held) => held.region !== region);
    if (left.length === this.#state.retirements.length) return false;
    this.#setRetirements(left);
    return true;
  }

  /** @returns false when it was said already */
  setFarewell(farewell: Farewell): boolean {
    if (this.#state.farewell !== undefined) return false;
    this.#state.farewell = farewell;
    this.#write(FAREWELL_KEY, farewell);
    return true;
  }

  #setRetirements(retirements: readonly Retirement[]): void {
    this.#state.retirements = retirements;
    this.#write(RETIRED_KEY, retirements.length > 0 ? retirements : undefined);
  }

  setExport(policy: ExportPolicy): void {
    const before = this.#state.exportPolicy;
    if (before !== undefined && equalData(before, policy)) return;
    this.#state.exportPolicy = policy;
    this.#write(EXPORT_KEY, policy);
    // What other regions kept of these is judged by their revision, and says too much or too little now.
    const [sawIt, seesIt] = [compileExport(before ?? EXPORT_ALL), compileExport(policy)];
    for (const { record } of this.#state.index.agents()) {
      const { namespace, capabilities } = record;
      if ((sawIt?.(namespace) ?? true) === (seesIt?.(namespace) ?? true)) continue;
      for (const { name } of capabilities) {
        this.#state.index.touch(name, this.index);
        this.#capabilities.add(name);
      }
    }
    for (const observer of this.#observers) observer.exportChanged?.();
  }

  /** @returns false when there was one */
  setRegionKey(wrapped: Uint8Array): boolean {
    if (this.#state.regionKey !== undefined) return false;
    this.#state.regionKey = wrapped;
    this.#write(REGION_KEY, wrapped);
    return true;
  }

  /** @returns false when another key is held than the one to replace */
  replaceRegionKey({
    replaces,
    wrapped,
    succession,
    successionsMax,
  }: Extract<Command, { kind: "replaceRegionKey" }>): boolean {
    if (!this.rewrapRegionKey(replaces, wrapped)) return false;
    const { keySuccessions } = this.#state;
    this.#state.keySuccessions = [...keySuccessions, succession].slice(-Math.max(1, successionsMax));
    this.#write(SUCCESSIONS_KEY, this.#state.keySuccessions);
    return true;
  }

  /** @returns false when another wrapping is held than the one to replace */
  rewrapRegionKey(replaces: Uint8Array, wrapped: Uint8Array): boolean {
    const { regionKey } = this.#state;
    if (regionKey === undefined || Buffer.compare(regionKey, replaces) !== 0) return false;
    this.#state.regionKey = wrapped;
    this.#write(REGION_KEY, wrapped);
    return true;
  }

  get tokens(): ReadonlyMap<string, KeptToken> {
    return this.#state.tokens;
  }

  putToken(token: KeptToken): void {
    this.#state.tokens.set(token.id, token);
    this.#write(`${TOKEN_PREFIX}${token.id}`, token);
  }

  removeToken(id: string): void {
    if (this.#state.tokens.delete(id)) this.#write(`${TOKEN_PREFIX}${id}`, undefined);
  }

  commit(): readonly StateWrite[] {
    // Whoever can not work without what changed is found, or not, with it.
    const affected = this.#state.index.dependencies.closureOf(this.#capabilities);
    for (const name of affected) {
      if (!this.#capabilities.has(name)) this.#state.index.touch(name, this.index);
      this.#write(`${CAPABILITY_PREFIX}${name}`, this.#state.index.capability(name)?.revision);
    }
    if (this.#hasChanged) {
      for (const observer of this.#observers) observer.applied?.(affected, this.index);
    }
    return this.#writes;
  }

  #write(key: string, value: unknown): void {
    this.#hasChanged = true;
    this.#writes.push({ key, value });
    this.#state.hash.set(key, value);
  }

  #touch(before: KeptAgent | undefined, after: KeptAgent | undefined): void {
    for (const { name } of before?.record.capabilities ?? []) this.#capabilities.add(name);
    for (const { name } of after?.record.capabilities ?? []) this.#capabilities.add(name);
    for (const observer of this.#observers) observer.agentChanged?.(before, after);
  }
}

function perform(change: Change, command: Command): CommandResult {
  switch (command.kind) {
    case "register":
      return register(change, command);
    case "deregister":
      return deregister(change, command);
    case "expire":
      return expire(change, command);
    case "purge":
      return purge(change, command);
    case "setRegionKey":
      return { isSet: change.setRegionKey(command.wrapped) } satisfies RegionKeyResult;
    case "retireRegion":
      return { isChanged: change.retireRegion(command.retirement, command.retirementsMax) } satisfies RetireResult;
    case "admitRegion":
      return { isChanged: change.admitRegion(command.region) } satisfies RetireResult;
    case "setFarewell":
      return { isChanged: change.setFarewell(command.farewell) } satisfies RetireResult;
    case "setExport":
      change.setExport(command.policy);
      return { policy: command.policy } satisfies ExportResult;
    case "replaceRegionKey":
      return { isSet: change.replaceRegionKey(command) } satisfies RegionKeyResult;
    case "rotate":
      return rotate(change, command);
    case "setDraining":
      change.setDraining(command.isDraining);
      return { isDraining: command.isDraining } satisfies DrainResult;
    case "createToken":
      return createToken(change, command);
    case "revokeToken":
      return revokeToken(change, command);
    case "rewrapRegionKey":
      return { isSet: change.rewrapRegionKey(command.replaces, command.wrapped) } satisfies RegionKeyResult;
    case "audit":
      return audit(change, command);
  }
}

function register(
  change: Change,
  { id, record, atMs, agentsMax, eventsMax, guard }: Extract<Command, { kind: "register" }>,
): RegisterResult {
  const held = change.agent(id);
  const forbidden = findForbidden(guard, record.namespace, held);
  if (forbidden !== null) return forbidden;
  if (held === undefined && change.agentCount >= agentsMax) {
    return { refused: "too-many-agents", agents: change.agentCount, agentsMax };
  }
  const cycle = findCycle(change.agents.dependencies, record, held?.record);
  if (cycle !== null) return { refused: "dependency-cycle", cycle };
  const kind = held === undefined ? "created" : held.health === "unhealthy" ? "recovered" : "updated";
  const hasMoved = held !== undefined && held.record.endpoint !== record.endpoint;
  const isSameLease = held !== undefined && kind === "updated" && !hasMoved;
  const entity = held?.entity ?? guard?.entity ?? undefined;
  const agent: KeptAgent = {
    id,
    record,
    incarnation: isSameLease ? held.incarnation : change.index,
    health: "healthy",
    revision: change.index,
    registeredAtMs: held?.registeredAtMs ?? atMs,
    changedAtMs: atMs,
    incarnatedAtMs: isSameLease ? held.incarnatedAtMs : atMs,
    ...(entity !== undefined && { entity }),
  };
  change.put(agent);
  const isVisible = isSeen(record) || (held !== undefined && isSeen(held.record));
  if (isVisible && (!isSameLease || offersOtherwise(held.record, record))) change.markTopology();
  if (kind !== "updated" && isSeen(record)) change.addEvent(registered(agent, kind, atMs), eventsMax);
  return { change: kind, incarnation: agent.incarnation, registeredAtMs: agent.registeredAtMs };
}

function deregister(
  change: Change,
  { id, mode, incarnation, atMs, eventsMax, guard }: Extract<Command, { kind: "deregister" }>,
): DeregisterResult {
  const held = change.agent(id);
  if (held === undefined || (incarnation !== null && held.incarnation !== incarnation)) return { existed: false };
  const forbidden = findForbidden(guard, undefined, held);
  if (forbidden !== null) return forbidden;
  if (mode === "purge") change.remove(held);
  else if (held.health === "healthy") change.put(unhealthy(held, "deregistered", change.index, atMs));
  if (held.health !== "healthy" || !isSeen(held.record)) return { existed: true };
  change.markTopology();
  if (mode === "keep") change.addEvent(unregistered(held, atMs), eventsMax);
  return { existed: true };
}

function expire(change: Change, { leases, atMs, eventsMax }: Extract<Command, { kind: "expire" }>): BatchResult {
  let changed = 0;
  for (const [id, incarnation] of leases) {
    const held = change.agent(id);
    if (held === undefined || held.health !== "healthy" || held.incarnation !== incarnation) continue;
    change.put(unhealthy(held, "lease-expired", change.index, atMs));
    changed++;
    if (!isSeen(held.record)) continue;
    change.markTopology();
    change.addEvent(fellSilent(held, atMs), eventsMax);
  }
  return { changed };
}

function purge(change: Change, { agents }: Extract<Command, { kind: "purge" }>): BatchResult {
  let changed = 0;
  for (const [id, revision] of agents) {
    const held = change.agent(id);
    if (held === undefined || held.health !== "unhealthy" || held.revision !== revision) continue;
    change.remove(held);
    changed++;
  }
  return { changed };
}

function rotate(change: Change, { entityId, atMs, eventsMax }: Extract<Command, { kind: "rotate" }>): RotateResult {
  let affectedAgents = 0;
  for (const agent of change.agents.agents()) {
    if (agent.health !== "healthy" || (entityId !== null && agent.entity !== entityId)) continue;
    affectedAgents++;
    change.addEvent(rotated(agent, atMs), eventsMax);
  }
  if (entityId === null || affectedAgents > 0) change.markRotated();
  return { affectedAgents };
}

/** How long it is told of a token that it was revoked, or expired, before it makes room for others. */
const ENDED_TOKEN_KEPT_MS = 30 * 24 * 60 * 60_000;

function createToken(
  change: Change,
  { token, tokensMax }: Extract<Command, { kind: "createToken" }>,
): CreateTokenResult {
  const now = token.createdAtMs;
  for (const { id, revokedAtMs, expiresAtMs } of [...change.tokens.values()]) {
    const endedAtMs = Math.min(revokedAtMs ?? Number.POSITIVE_INFINITY, expiresAtMs ?? Number.POSITIVE_INFINITY);
    if (endedAtMs + ENDED_TOKEN_KEPT_MS < now) change.removeToken(id);
  }
  const { size } = change.tokens;
  if (size >= tokensMax) return { refused: "too-many-tokens", tokens: size, tokensMax };
  change.putToken(token);
  return { isCreated: true };
}

function revokeToken(change: Change, { id, atMs }: Extract<Command, { kind: "revokeToken" }>): RevokeTokenResult {
  const held = change.tokens.get(id);
  if (held === undefined) return { token: null };
  if (held.revokedAtMs !== null) return { token: held };
  const token = { ...held, revokedAtMs: atMs };
  change.putToken(token);
  return { token };
}

function audit(
  change: Change,
  { id, incarnation, entries, atMs, eventsMax }: Extract<Command, { kind: "audit" }>,
): AuditResult {
  const held = change.agent(id);
  if (held === undefined || held.incarnation !== incarnation || entries.length === 0) return { written: 0 };
  for (const { functionName, type, data } of entries) {
    change.addEvent({ type, agentId: id, agentName: held.record.name, functionName, atMs, data }, eventsMax);
  }
  const newest = entries.map(({ functionName, position, data }) => [slotOf(functionName, position), data] as const);
  change.setAudits(id, Object.fromEntries(newest));
  return { written: entries.length };
}

/** The cycle that the record's required dependencies would close, not counting those of the record it replaces. */
function findCycle(
  dependencies: DependencyIndex,
  record: AgentRecord,
  replaced: AgentRecord | undefined,
): readonly string[] | null {
  const edges = [...requiredEdges(record)];
  if (edges.length === 0) return null;
  if (replaced !== undefined) dependencies.remove(replaced);
  const cycle = findRequiredCycle(edges, (name) => dependencies.requiredBy(name));
  if (replaced !== undefined) dependencies.add(replaced);
  return cycle;
}

function eventKey(sequence: number): string {
  return `${EVENT_PREFIX}${`${sequence}`.padStart(SEQUENCE_DIGITS, "0")}`;
}

function unhealthy(
  held: KeptAgent,
  unhealthyReason: NonNullable<KeptAgent["unhealthyReason"]>,
  index: number,
  atMs: number,
): KeptAgent {
  return { ...held, health: "unhealthy", unhealthyReason, revision: index, changedAtMs: atMs };
}

/** Agents of type `api` consume and offer nothing: their coming and going changes nothing for others (contract A3). */
function isSeen(record: AgentRecord): boolean {
  return record.type !== "api";
}

function offersOtherwise(before: AgentRecord, after: AgentRecord): boolean {
  return before.type !== after.type || !equalData(before.capabilities, after.capabilities);
}
