/**
 * A region as its nodes' federations read it: agents, a revision that counts changes, a leader.
 *
 * Every node has its own view, which can be frozen to play a member that is cut off from its leader.
 */

import { sayFarewell } from "../../src/federation/farewell.ts";
import type { LocalRegion, RegionKeyPair } from "../../src/federation/interface.ts";
import { succeedKey, toHex } from "../../src/federation/key-succession.ts";
import { generateRegionKey } from "../../src/federation/region-key.ts";
import type { FoundAgent } from "../../src/types/agent.ts";
import {
  asAgentId,
  asClusterId,
  asNodeId,
  type ClusterId,
  type FederationId,
  type NodeId,
  type RegionId,
} from "../../src/types/ids.ts";
import type { RegionAnswer, RegionQuery } from "../../src/types/lookup.ts";
import type { Farewell, KeySuccession, Retirement } from "../../src/types/region-standing.ts";
import type { SummaryEntry, SummaryNode } from "../../src/types/summary.ts";
import type { Clock } from "../../src/util/clock.ts";

interface State {
  readonly revision: number;
  readonly agents: ReadonlyMap<string, FoundAgent>;
  readonly entries: ReadonlyMap<string, SummaryEntry>;
}

interface Frozen {
  readonly state: State;
  readonly atMs: number;
  readonly key: RegionKeyPair | undefined;
  readonly successions: readonly KeySuccession[];
}

export class FakeRegion {
  readonly region: RegionId;
  readonly cluster: ClusterId;
  readonly clock: Clock;
  readonly nodes: SummaryNode[] = [];
  key: RegionKeyPair | undefined = generateRegionKey();
  readonly successions: KeySuccession[] = [];
  retirements: readonly Retirement[] = [];
  farewell: Farewell | undefined;
  term = 1;
  leader: NodeId | undefined;
  readonly #agents = new Map<string, FoundAgent>();
  readonly #entries = new Map<string, SummaryEntry>();
  readonly #views = new Set<FakeView>();
  #revision = 0;

  constructor(clock: Clock, region: RegionId, cluster = `cluster of ${region}`) {
    this.clock = clock;
    this.region = region;
    this.cluster = asClusterId(cluster);
  }

  get revision(): number {
    return this.#revision;
  }

  entries(): ReadonlyMap<string, SummaryEntry> {
    return this.#entries;
  }

  /** Registers an agent that offers one capability, or replaces it. */
  register(id: string, capability: string, facts: Partial<FoundAgent> = {}): void {
    const before = this.#agents.get(id);
    this.#revision++;
    const agent = { ...agentOf(this.region, id, capability), ...facts, revision: this.#revision };
    this.#agents.set(id, agent);
    this.#changed(new Set([capability, ...(before === undefined ? [] : [before.capability])]));
  }

  deregister(id: string): void {
    const before = this.#agents.get(id);
    if (before === undefined) return;
    this.#revision++;
    this.#agents.delete(id);
    this.#changed(new Set([before.capability]));
  }

  /** Replaces the region's key by one that the old one vouches for. */
  rotateKey(federation: FederationId): void {
    const next = generateRegionKey();
    this.successions.push(succeedKey({ federation, ...this }, this.key!, next.publicKey));
    this.key = next;
  }

  /** Has the other regions forget this one. */
  sayFarewell(federation: FederationId): void {
    this.farewell = sayFarewell({ federation, ...this }, this.key!, this.successions);
    this.#revision++;
    this.#changed(new Set());
  }

  /** Forgets another region, as its operators told it. */
  retire(other: FakeRegion): void {
    const { region, cluster } = other;
    const publicKey = toHex(other.key!.publicKey);
    this.retirements = [...this.retirements, { region, cluster, publicKey, atMs: 0 }];
    this.#revision++;
    this.#changed(new Set());
  }

  /** A node's own view of the region. */
  view(nodeId: NodeId): FakeView {
    const view = new FakeView(this, nodeId, () => this.state());
    this.#views.add(view);
    return view;
  }

  state(): State {
    return { revision: this.#revision, agents: new Map(this.#agents), entries: new Map(this.#entries) };
  }

  find(query: RegionQuery): readonly FoundAgent[] {
    return [...this.#agents.values()].filter((agent) => matches(agent, query));
  }

  #changed(names: ReadonlySet<string>): void {
    for (const name of names) {
      const offering = [...this.#agents.values()].filter((agent) => agent.capability === name);
      if (offering.length === 0) this.#entries.delete(name);
      else this.#entries.set(name, entryOf(name, offering, this.#revision));
    }
    for (const view of this.#views) view.onApplied(names);
  }
}

export class FakeView implements LocalRegion {
  readonly region: RegionId;
  readonly #of: FakeRegion;
  readonly #nodeId: NodeId;
  readonly #live: () => State;
  readonly #listeners = new Set<(names: ReadonlySet<string>, revision: number) => void>();
  #frozen: Frozen | undefined;

  constructor(of: FakeRegion, nodeId: NodeId, live: () => State) {
    this.region = of.region;
    this.#of = of;
    this.#nodeId = nodeId;
    this.#live = live;
  }

  /** From now on this node applies nothing any more, and says how long ago it stopped. */
  freeze(): void {
    const { clock, key, successions } = this.#of;
    this.#frozen = { state: this.#live(), atMs: clock.now(), key, successions: [...successions] };
  }

  onApplied(names: ReadonlySet<string>): void {
    if (this.#frozen !== undefined) return;
    for (const listener of this.#listeners) listener(names, this.revision());
  }

  isLeader = () => this.#of.leader === this.#nodeId;
  term = () => this.#of.term;
  revision = () => this.#frozen?.state.revision ?? this.#of.revision;
  stalenessMs = () => (this.#frozen === undefined ? 0 : this.#of.clock.now() - this.#frozen.atMs);
  agents = () => this.#state().agents.size;
  nodes = () => this.#of.nodes;
  entries = () => [...this.#entries().values()];
  entry = (name: string) => this.#entries().get(name);
  signingKey = () => this.#frozen?.key ?? this.#of.key;
  retirements = () => this.#of.retirements;
  farewell = () => this.#of.farewell;
  keySuccessions = () => this.#frozen?.successions ?? this.#of.successions;

  onChange(listener: (names: ReadonlySet<string>, revision: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async lookup(query: RegionQuery): Promise<RegionAnswer> {
    const agents = [...this.#state().agents.values()].filter((agent) => matches(agent, query)).slice(0, query.limit);
    const stalenessMs = this.stalenessMs();
    return { region: this.region, source: "local", revision: this.revision(), stalenessMs, agents, hasMore: false };
  }

  #state(): State {
    return this.#frozen?.state ?? this.#live();
  }

  #entries(): ReadonlyMap<string, SummaryEntry> {
    return this.#frozen?.state.entries ?? this.#of.entries();
  }
}

export const nodeIdOf = (name: string) => asNodeId(`id-of-${name}`);

export function queryFor(capability: string, more: Partial<RegionQuery> = {}): RegionQuery {
  return { capability, tags: [], version: "", health: "healthy", limit: 100, ...more };
}

export function agentOf(region: RegionId, id: string, capability: string): FoundAgent {
  return {
    id: asAgentId(id),
    name: id,
    namespace: "default",
    type: "mcp_agent",
    runtime: "typescript",
    endpoint: `http://${id}:9000`,
    labels: {},
    metadata: { started: "here" },
    region,
    capability,
    functionName: capability,
    version: "1.0.0",
    tags: ["fast"],
    health: "healthy",
    revision: 1,
    registeredAtMs: 0,
    score: 0,
  };
}

function entryOf(name: string, offering: readonly FoundAgent[], revision: number): SummaryEntry {
  const healthy = offering.filter((agent) => agent.health === "healthy").length;
  const versions = [...new Set(offering.map((agent) => agent.version))].sort();
  const tags = [...new Set(offering.flatMap((agent) => agent.tags))].sort();
  return { name, healthy, total: offering.length, versions, tags, revision };
}

function matches(agent: FoundAgent, query: RegionQuery): boolean {
  return agent.capability === query.capability && (query.health === "any" || agent.health === "healthy");
}
