/**
 * The replicated state of a region's registry: what a committed command does to it.
 *
 * Pure: the same commands in the same order give the same state on every replica, and `stateHash` says whether they did
 * (R58, F6). Time is what the proposer stamped and is only kept for people to read.
 *
 * Records: `agent/<id>` (KeptAgent), `capability/<name>` (its revision), `meta/topology` (a log index), `region/key`.
 *
 * Elsewhere: who is proposed for expiry (`lease-keeper.ts`), how commands look (`commands.ts`), what is found
 * (`agent-index.ts`, `matching/`).
 */

import type { StateMachine } from "../raft/index.ts";
import type { StateRecord, StateWrite } from "../storage/interface.ts";
import type { AgentRecord } from "../types/agent.ts";
import type { AgentId, RegionId } from "../types/ids.ts";
import { AgentIndex, type KeptAgent } from "./agent-index.ts";
import {
  type BatchResult,
  type Command,
  type CommandResult,
  type DeregisterResult,
  decodeCommand,
  type RegionKeyResult,
  type RegisterResult,
} from "./commands.ts";
import { ContentHash } from "./content-hash.ts";
import { equalData } from "./equal-data.ts";

/** Follows the state as it changes. Called while a command is applied: it must be quick and must not throw. */
export interface StateObserver {
  /** An agent came (`before` undefined), changed, or was removed (`after` undefined). */
  agentChanged?(before: KeptAgent | undefined, after: KeptAgent | undefined): void;
  /** A command changed something: the capabilities of the agents it touched, and its index. */
  applied?(capabilities: ReadonlySet<string>, revision: number): void;
  /** Everything was replaced; `capabilities` names those there were and those there are. */
  restored?(capabilities: ReadonlySet<string>): void;
}

const AGENT_PREFIX = "agent/";
const CAPABILITY_PREFIX = "capability/";
const TOPOLOGY_KEY = "meta/topology";
const REGION_KEY = "region/key";

/** All that is replicated, so that a restore can build the next one beside the one being read. */
class State {
  readonly index: AgentIndex;
  readonly hash = new ContentHash();
  topologyRevision = 0;
  regionKey: Uint8Array | undefined = undefined;

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

  /** The region's wrapped signing key, undefined until one was set. */
  get regionKey(): Uint8Array | undefined {
    return this.#state.regionKey;
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
    const capabilities = new Set<string>();
    for (const { index } of [this.#state, next]) {
      for (const { name } of index.capabilities()) capabilities.add(name);
    }
    this.#state = next;
    for (const observer of this.#observers) observer.restored?.(capabilities);
  }
}

/** Takes one record; those of other owners, such as sessions, are passed over. In key order, agents come first. */
function load(state: State, key: string, value: unknown): void {
  if (key.startsWith(AGENT_PREFIX)) {
    const agent = value as KeptAgent;
    state.index.put(agent, agent.revision);
  } else if (key.startsWith(CAPABILITY_PREFIX)) {
    state.index.setCapabilityRevision(key.slice(CAPABILITY_PREFIX.length), value as number);
  } else if (key === TOPOLOGY_KEY) {
    state.topologyRevision = value as number;
  } else if (key === REGION_KEY) {
    state.regionKey = Uint8Array.from(value as Uint8Array);
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
  #hasChanged = false;

  constructor(state: State, index: number, observers: ReadonlySet<StateObserver>) {
    this.#state = state;
    this.index = index;
    this.#observers = observers;
  }

  get agentCount(): number {
    return this.#state.index.size;
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
    this.#touch(before, undefined);
  }

  /** Notes that who can be found, or where, is no longer what agents were told. */
  markTopology(): void {
    if (this.#state.topologyRevision === this.index) return;
    this.#state.topologyRevision = this.index;
    this.#write(TOPOLOGY_KEY, this.index);
  }

  /** @returns false when there was one */
  setRegionKey(wrapped: Uint8Array): boolean {
    if (this.#state.regionKey !== undefined) return false;
    this.#state.regionKey = wrapped;
    this.#write(REGION_KEY, wrapped);
    return true;
  }

  commit(): readonly StateWrite[] {
    for (const name of this.#capabilities) {
      this.#write(`${CAPABILITY_PREFIX}${name}`, this.#state.index.capability(name)?.revision);
    }
    if (this.#hasChanged) {
      for (const observer of this.#observers) observer.applied?.(this.#capabilities, this.index);
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
  }
}

function register(
  change: Change,
  { id, record, atMs, agentsMax }: Extract<Command, { kind: "register" }>,
): RegisterResult {
  const held = change.agent(id);
  if (held === undefined && change.agentCount >= agentsMax) {
    return { refused: "too-many-agents", agents: change.agentCount, agentsMax };
  }
  const kind = held === undefined ? "created" : held.health === "unhealthy" ? "recovered" : "updated";
  const hasMoved = held !== undefined && held.record.endpoint !== record.endpoint;
  const isSameLease = held !== undefined && kind === "updated" && !hasMoved;
  const agent: KeptAgent = {
    id,
    record,
    incarnation: isSameLease ? held.incarnation : change.index,
    health: "healthy",
    revision: change.index,
    registeredAtMs: held?.registeredAtMs ?? atMs,
    changedAtMs: atMs,
    incarnatedAtMs: isSameLease ? held.incarnatedAtMs : atMs,
  };
  change.put(agent);
  const isVisible = isSeen(record) || (held !== undefined && isSeen(held.record));
  if (isVisible && (!isSameLease || offersOtherwise(held.record, record))) change.markTopology();
  return { change: kind, incarnation: agent.incarnation, registeredAtMs: agent.registeredAtMs };
}

function deregister(
  change: Change,
  { id, mode, incarnation, atMs }: Extract<Command, { kind: "deregister" }>,
): DeregisterResult {
  const held = change.agent(id);
  if (held === undefined || (incarnation !== null && held.incarnation !== incarnation)) return { existed: false };
  if (mode === "purge") change.remove(held);
  else if (held.health === "healthy") change.put(unhealthy(held, "deregistered", change.index, atMs));
  if (held.health === "healthy" && isSeen(held.record)) change.markTopology();
  return { existed: true };
}

function expire(change: Change, { leases, atMs }: Extract<Command, { kind: "expire" }>): BatchResult {
  let changed = 0;
  for (const [id, incarnation] of leases) {
    const held = change.agent(id);
    if (held === undefined || held.health !== "healthy" || held.incarnation !== incarnation) continue;
    change.put(unhealthy(held, "lease-expired", change.index, atMs));
    if (isSeen(held.record)) change.markTopology();
    changed++;
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
