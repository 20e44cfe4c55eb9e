/**
 * The region's agents in memory, found by id, by capability and by namespace.
 *
 * Pure and synchronous. Everything a reader asks for is kept up to date as agents come and go: the offers of a capability
 * stand in the order of an answer, and what other regions are told about it (`CapabilityCount`) is counted, not computed.
 */

import type { Capability, FoundAgent, StoredAgent } from "../types/agent.ts";
import type { AgentId, RegionId } from "../types/ids.ts";
import { compareText } from "../util/compare.ts";
import { DependencyIndex } from "./dependency-index.ts";
import { hostAndPortOf } from "./endpoint.ts";
import type { AgentFilter, CapabilityCount } from "./interface.ts";
import { compareOffers, type Offer } from "./matching/resolve.ts";
import { type ParsedVersion, parseVersion } from "./matching/version-constraint.ts";
import { SchemaIndex } from "./schema-index.ts";
import { insertSorted, lowerBound } from "./sorted-array.ts";
import { SortedList } from "./sorted-list.ts";

/** A stored agent as this folder keeps it. */
export interface KeptAgent extends StoredAgent {
  /**
   * Wall time at which the current incarnation began, stamped by its proposer. Of two regions that hold one agent, the
   * later one is where it lives (F11).
   */
  readonly incarnatedAtMs: number;
}

/** Names that nobody offers any more, remembered for agents that wait for them; beyond this the oldest are forgotten. */
const DEPARTED_MAX = 100_000;

export class AgentIndex {
  /** Who can not work without whom. */
  readonly dependencies = new DependencyIndex();
  readonly schemas = new SchemaIndex();
  /** By `host:port`: the endpoint that was registered last, and how many agents are there. */
  readonly #endpoints = new Map<string, { readonly endpoint: string; readonly agents: number }>();
  readonly region: RegionId;
  readonly #agents = new Map<AgentId, KeptAgent>();
  readonly #ids = new SortedList<string>(compareText);
  readonly #idsByNamespace = new Map<string, SortedList<string>>();
  readonly #capabilities = new Map<string, CapabilityEntry>();
  /** The keys of `#capabilities`, in order. */
  readonly #names = new SortedList<string>(compareText);
  /** When the last offer of a name left, by name, oldest first. */
  readonly #departed = new Map<string, number>();
  /** Offers of names that are neither here nor among the departed may have left up to this revision. */
  #departedFloor = 0;
  #healthy = 0;

  /** @param region - named in every `FoundAgent` */
  constructor(region: RegionId) {
    this.region = region;
  }

  get size(): number {
    return this.#agents.size;
  }

  get healthy(): number {
    return this.#healthy;
  }

  get capabilityCount(): number {
    return this.#capabilities.size;
  }

  get(id: AgentId): KeptAgent | undefined {
    return this.#agents.get(id);
  }

  /** In no particular order. */
  agents(): Iterable<KeptAgent> {
    return this.#agents.values();
  }

  /**
   * Adds an agent, or replaces the one of that id.
   *
   * @param revision - becomes the revision of every capability that the old or the new record offers
   */
  put(agent: KeptAgent, revision: number): void {
    const before = this.#agents.get(agent.id);
    if (before !== undefined) this.#withdraw(before, revision);
    if (before?.record.namespace !== agent.record.namespace) {
      if (before !== undefined) this.#delist(before);
      this.#enlist(agent);
    }
    this.#agents.set(agent.id, agent);
    this.#offer(agent, revision);
    if (before !== undefined) this.#noteDeparted(before, revision);
  }

  remove(id: AgentId, revision: number): void {
    const before = this.#agents.get(id);
    if (before === undefined) return;
    this.#withdraw(before, revision);
    this.#delist(before);
    this.#agents.delete(id);
    this.#noteDeparted(before, revision);
  }

  /**
   * The endpoint that `host:port` means, of an agent of any health; in place of the host may stand its id or its name.
   * Looking for a name takes a walk over all agents.
   */
  endpointAt(hostAndPort: string): string | undefined {
    const there = this.#endpoints.get(hostAndPort);
    if (there !== undefined) return there.endpoint;
    const end = hostAndPort.lastIndexOf(":");
    if (end < 0) return undefined;
    const [who, port] = [hostAndPort.slice(0, end), hostAndPort.slice(end)];
    const isMeant = (agent: KeptAgent | undefined) => agent && hostAndPortOf(agent.record.endpoint)?.endsWith(port);
    const named = this.#agents.get(who as AgentId);
    if (named !== undefined && isMeant(named)) return named.record.endpoint;
    for (const agent of this.#agents.values()) {
      if (agent.record.name === who && isMeant(agent)) return agent.record.endpoint;
    }
    return undefined;
  }

  /** All offers of a capability, in the order of `compareOffers`. */
  offers(capability: string): readonly Offer[] {
    return this.#capabilities.get(capability)?.offers ?? [];
  }

  /** How many versions and tags all offers of a capability have together: what it takes, at most, to judge them. */
  sizeOf(capability: string): number {
    return this.#capabilities.get(capability)?.size ?? 0;
  }

  /** What is counted of a capability; undefined when no agent offers it. */
  capability(name: string): CapabilityCount | undefined {
    return this.#capabilities.get(name)?.count();
  }

  /** Everything that somebody offers, ascending. */
  names(): Iterable<string> {
    return this.#names;
  }

  /** The same of agents in the namespaces that `isExported` lets through: counted now, at the cost of looking at each offer. */
  capabilityIn(isExported: (namespace: string) => boolean, name: string): CapabilityCount | undefined {
    const entry = this.#capabilities.get(name);
    const offers = entry?.offers.filter(({ agent }) => isExported(agent.record.namespace)) ?? [];
    if (entry === undefined || offers.length === 0) return undefined;
    return offers.length === entry.offers.length ? entry.count() : countOf(name, offers, entry.revision);
  }

  /** How many agents are in the namespaces that `isExported` lets through. */
  sizeIn(isExported: (namespace: string) => boolean): number {
    let size = 0;
    for (const [namespace, ids] of this.#idsByNamespace) if (isExported(namespace)) size += ids.size;
    return size;
  }

  /** In order of name; each is counted when its turn comes. */
  *capabilities(): Iterable<CapabilityCount> {
    for (const name of this.#names) yield this.#capabilities.get(name)!.count();
  }

  /** Notes that what is answered about a capability changed, whoever did it: agents that left, or one that its agents need. */
  touch(name: string, revision: number): void {
    this.#capabilities.get(name)?.touch(revision);
  }

  /** The revision since which an answer about the capability is the same; an upper bound for one that nobody offers. */
  changedAt(name: string): number {
    return this.#capabilities.get(name)?.revision ?? this.#departed.get(name) ?? this.#departedFloor;
  }

  /** A state that was read from elsewhere does not know when names departed that are not in it; not after this. */
  setDepartedFloor(revision: number): void {
    this.#departedFloor = revision;
  }

  /** In order of agent id, at most `limit`, beginning after `after`. */
  list(
    filter: AgentFilter,
    { limit, after }: { limit: number; after?: string },
  ): { agents: KeptAgent[]; hasMore: boolean } {
    const agents: KeptAgent[] = [];
    for (const id of this.#candidates(filter).from(after)) {
      const agent = this.#agents.get(id as AgentId);
      if (agent === undefined || id === after || !isListed(agent, filter)) continue;
      if (agents.length === limit) return { agents, hasMore: true };
      agents.push(agent);
    }
    return { agents, hasMore: false };
  }

  /** Ids in order, among them all that the filter may let through. */
  #candidates({ capabilities, fuzzy, namespace }: AgentFilter): SortedList<string> {
    if (capabilities !== undefined && fuzzy !== true) {
      const ids = new SortedList<string>(compareText);
      for (const name of capabilities) {
        for (const { agent } of this.offers(name)) ids.add(agent.id);
      }
      return ids;
    }
    return namespace === undefined ? this.#ids : (this.#idsByNamespace.get(namespace) ?? new SortedList(compareText));
  }

  #enlist({ id, record: { namespace } }: KeptAgent): void {
    this.#ids.add(id);
    let ids = this.#idsByNamespace.get(namespace);
    if (ids === undefined) {
      ids = new SortedList(compareText);
      this.#idsByNamespace.set(namespace, ids);
    }
    ids.add(id);
  }

  #delist({ id, record: { namespace } }: KeptAgent): void {
    this.#ids.remove(id);
    const ids = this.#idsByNamespace.get(namespace);
    ids?.remove(id);
    if (ids?.size === 0) this.#idsByNamespace.delete(namespace);
  }

  #countEndpoint(endpoint: string, by: 1 | -1): void {
    const key = hostAndPortOf(endpoint);
    if (key === undefined) return;
    const held = this.#endpoints.get(key);
    const agents = (held?.agents ?? 0) + by;
    if (agents === 0) this.#endpoints.delete(key);
    else this.#endpoints.set(key, { endpoint: by > 0 || held === undefined ? endpoint : held.endpoint, agents });
  }

  #noteDeparted({ record }: KeptAgent, revision: number): void {
    for (const { name } of record.capabilities) {
      if (this.#capabilities.has(name)) continue;
      this.#departed.delete(name);
      this.#departed.set(name, revision);
    }
    for (const [name, departedAt] of this.#departed) {
      if (this.#departed.size <= DEPARTED_MAX) break;
      this.#departed.delete(name);
      this.#departedFloor = Math.max(this.#departedFloor, departedAt);
    }
  }

  #offer(agent: KeptAgent, revision: number): void {
    const { record, health } = agent;
    this.dependencies.add(record);
    this.schemas.add(agent);
    this.#countEndpoint(record.endpoint, 1);
    if (health === "healthy") this.#healthy++;
    for (const offer of offersOf(agent, this.region)) {
      const { name } = offer.capability;
      let entry = this.#capabilities.get(name);
      if (entry === undefined) {
        entry = new CapabilityEntry(name);
        this.#capabilities.set(name, entry);
        this.#names.add(name);
        this.#departed.delete(name);
      }
      entry.add(offer);
      entry.touch(revision);
    }
  }

  #withdraw(agent: KeptAgent, revision: number): void {
    const { record, health } = agent;
    this.dependencies.remove(record);
    this.schemas.remove(agent);
    this.#countEndpoint(record.endpoint, -1);
    if (health === "healthy") this.#healthy--;
    for (const offer of offersOf(agent, this.region)) {
      const entry = this.#capabilities.get(offer.capability.name);
      if (entry === undefined) continue;
      entry.remove(offer);
      entry.touch(revision);
      if (entry.offers.length > 0) continue;
      this.#capabilities.delete(entry.name);
      this.#names.remove(entry.name);
    }
  }
}

/**
 * One capability: who offers it, and the counts that follow from that.
 *
 * Most capabilities have few offers, which are counted when somebody asks. Counts are kept up to date only where counting
 * would take long: they take more memory than the offers themselves.
 */
class CapabilityEntry {
  readonly name: string;
  readonly offers: Offer[] = [];
  #tally: Tally | null = null;
  #size = 0;
  #revision = 0;
  #count: CapabilityCount | null = null;

  constructor(name: string) {
    this.name = name;
  }

  /** An offer with the same version, agent and function as another one is left out: nobody could tell them apart. */
  add(offer: Offer): void {
    if (!insertSorted(this.offers, offer, compareOffers)) return;
    this.#size += sizeOf(offer);
    if (this.#tally !== null) this.#tally.add(offer);
    else if (this.offers.length > COUNTED_OFFERS_MAX) this.#tally = new Tally(this.offers);
  }

  /** Takes back what `add` did for an offer of the same agent, version and function. */
  remove(offer: Offer): void {
    const at = lowerBound(this.offers, offer, compareOffers);
    const held = this.offers[at];
    if (held === undefined || compareOffers(held, offer) !== 0) return;
    this.offers.splice(at, 1);
    this.#size -= sizeOf(held);
    this.#tally?.remove(held);
    // Not at the bound itself, where one agent that comes and goes would have all counted each time.
    if (this.offers.length < COUNTED_OFFERS_MAX / 2) this.#tally = null;
  }

  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#size;
  }

  touch(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    this.#count = null;
  }

  count(): CapabilityCount {
    this.#count ??= this.#tally?.count(this.name, this.#revision) ?? countOf(this.name, this.offers, this.#revision);
    return this.#count;
  }
}

/** Offers beyond this are counted as they come and go. */
const COUNTED_OFFERS_MAX = 32;

function sizeOf({ capability }: Offer): number {
  return 1 + capability.tags.length;
}

/** The counts of many offers, kept up to date. */
class Tally {
  readonly #offersOfAgent = new Map<AgentId, number>();
  readonly #versions = new CountedTexts();
  readonly #tags = new CountedTexts();
  #healthy = 0;

  constructor(offers: readonly Offer[]) {
    for (const offer of offers) this.add(offer);
  }

  add({ agent, capability }: Offer): void {
    const others = this.#offersOfAgent.get(agent.id) ?? 0;
    this.#offersOfAgent.set(agent.id, others + 1);
    if (others === 0 && agent.health === "healthy") this.#healthy++;
    this.#versions.add(capability.version);
    for (const tag of capability.tags) this.#tags.add(tag);
  }

  remove({ agent, capability }: Offer): void {
    const others = this.#offersOfAgent.get(agent.id)! - 1;
    if (others === 0) this.#offersOfAgent.delete(agent.id);
    else this.#offersOfAgent.set(agent.id, others);
    if (others === 0 && agent.health === "healthy") this.#healthy--;
    this.#versions.remove(capability.version);
    for (const tag of capability.tags) this.#tags.remove(tag);
  }

  count(name: string, revision: number): CapabilityCount {
    const versions = this.#versions.sorted();
    const tags = this.#tags.sorted();
    return { name, healthy: this.#healthy, total: this.#offersOfAgent.size, versions, tags, revision };
  }
}

function countOf(name: string, offers: readonly Offer[], revision: number): CapabilityCount {
  const agents = new Map(offers.map(({ agent }) => [agent.id, agent.health]));
  const sorted = (texts: Iterable<string>) => [...new Set(texts)].sort(compareText);
  return {
    name,
    healthy: [...agents.values()].filter((health) => health === "healthy").length,
    total: agents.size,
    versions: sorted(offers.map(({ capability }) => capability.version)),
    tags: sorted(offers.flatMap(({ capability }) => capability.tags)),
    revision,
  };
}

/** Texts with the number of times they were added; sorted when somebody first looks, and kept so from then on. */
class CountedTexts {
  readonly #counts = new Map<string, number>();
  #sorted: readonly string[] | null = null;

  add(text: string): void {
    const count = this.#counts.get(text) ?? 0;
    this.#counts.set(text, count + 1);
    if (count === 0 && this.#sorted !== null)
      this.#sorted = this.#sorted.toSpliced(lowerBound(this.#sorted, text, compareText), 0, text);
  }

  remove(text: string): void {
    const count = this.#counts.get(text) ?? 0;
    if (count > 1) {
      this.#counts.set(text, count - 1);
    } else if (this.#counts.delete(text) && this.#sorted !== null) {
      this.#sorted = this.#sorted.toSpliced(lowerBound(this.#sorted, text, compareText), 1);
    }
  }

  sorted(): readonly string[] {
    this.#sorted ??= [...this.#counts.keys()].sort(compareText);
    return this.#sorted;
  }
}

function offersOf(agent: KeptAgent, region: RegionId): Offer[] {
  return agent.record.capabilities.map((capability) => offerOf(agent, capability, region));
}

/** One capability as the index holds it. */
export function offerOf(agent: KeptAgent, capability: Capability, region: RegionId): Offer {
  return new KeptOffer(agent, capability, region);
}

/** What is answered for it is put together when it is asked for: kept, it would take more memory than the capability. */
class KeptOffer implements Offer {
  readonly agent: KeptAgent;
  readonly capability: Capability;
  readonly version: ParsedVersion;
  readonly #region: RegionId;

  constructor(agent: KeptAgent, capability: Capability, region: RegionId) {
    this.agent = agent;
    this.capability = capability;
    this.version = parseVersion(capability.version);
    this.#region = region;
  }

  get found(): FoundAgent {
    return toFound(this.agent, this.capability, this.#region);
  }
}

function toFound(agent: KeptAgent, capability: Offer["capability"], region: RegionId): FoundAgent {
  const { id, record, health, revision, incarnatedAtMs } = agent;
  const { name, namespace, type, runtime, endpoint, zone, labels, metadata } = record;
  const { functionName, version, tags, description, kwargs } = capability;
  return {
    id,
    name,
    namespace,
    type,
    runtime,
    endpoint,
    ...(zone !== undefined && { zone }),
    labels,
    metadata,
    region,
    capability: capability.name,
    functionName,
    version,
    tags,
    ...(description !== undefined && { description }),
    ...(kwargs !== undefined && { kwargs }),
    health,
    revision,
    registeredAtMs: incarnatedAtMs,
    score: 0,
  };
}

function isListed({ record, health }: KeptAgent, filter: AgentFilter): boolean {
  if (filter.name !== undefined && record.name !== filter.name) return false;
  if (filter.namespace !== undefined && record.namespace !== filter.namespace) return false;
  if (filter.type !== undefined && record.type !== filter.type) return false;
  if (filter.health !== undefined && health !== filter.health) return false;
  if (filter.capabilities === undefined) return true;
  const wanted = filter.capabilities;
  if (filter.fuzzy !== true) return record.capabilities.some(({ name }) => wanted.includes(name));
  return record.capabilities.some(({ name }) => {
    const lower = name.toLowerCase();
    return wanted.some((part) => lower.includes(part.toLowerCase()));
  });
}
