/** What agents and those who look for them do in a simulated federation. */

import type { AgentRecord } from "../../src/types/agent.ts";
import { type AgentId, asAgentId } from "../../src/types/ids.ts";
import type { LookupQuery } from "../../src/types/lookup.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import { federationStream } from "./federation-sim-plan.ts";
import type { FederationProcess } from "./federation-sim-process.ts";
import type { SimulatedRegion } from "./federation-sim-region.ts";
import type { FederationWorld } from "./federation-sim-world.ts";

/** How long the record of an agent that moved away stays: the lease that nobody renews. */
export const LEASE_MS = 3_000;
const TAGS = ["fast", "slow", "gpu"];

interface SimulatedAgent {
  readonly id: AgentId;
  home: SimulatedRegion;
}

export class Workload {
  readonly #world: FederationWorld;
  readonly #random: Random;
  readonly #agents: readonly SimulatedAgent[];
  #isOver = false;
  #writes = 0;

  constructor(world: FederationWorld) {
    this.#world = world;
    this.#random = federationStream(world.plan.seed, "workload");
    this.#agents = Array.from({ length: world.plan.agents }, (_, i) => ({
      id: asAgentId(`agent-${i}`),
      home: this.#pick(world.regions),
    }));
  }

  start(): void {
    const { writeEveryMs, lookupEveryMs } = this.#world.plan;
    this.#repeat(writeEveryMs, () => this.#write());
    this.#repeat(lookupEveryMs, () => this.#lookup());
  }

  /** No agent does anything more; leases still end. */
  stop(): void {
    this.#isOver = true;
  }

  #repeat(everyMs: number, act: () => void): void {
    this.#world.schedule(2 * everyMs * this.#random.next(), () => {
      if (this.#isOver) return;
      act();
      this.#repeat(everyMs, act);
    });
  }

  #write(): void {
    const agent = this.#pick(this.#agents);
    const dice = this.#random.next();
    if (dice < 0.15) this.#move(agent);
    else if (dice < 0.4) this.#leave(agent);
    else this.#register(agent);
  }

  #register({ id, home }: SimulatedAgent): void {
    const process = this.#processOf(home);
    const { capabilities } = this.#world.plan;
    const offered = new Set(
      Array.from({ length: randomInteger(this.#random, 1, 3) }, () => this.#capability(capabilities)),
    );
    const record = recordOf(`1.${++this.#writes}.0`, [...offered], this.#pick(TAGS));
    if (process === undefined) return;
    this.#world.count("agent registers");
    this.#world.call(process, "register", (registry) => registry.register(id, record));
  }

  #leave({ id, home }: SimulatedAgent): void {
    const mode = this.#random.next() < 0.5 ? "keep" : "purge";
    const process = this.#processOf(home);
    if (process === undefined) return;
    this.#world.count(`agent leaves: ${mode}`);
    this.#world.call(process, "deregister", (registry) => registry.deregister(id, mode));
  }

  #move(agent: SimulatedAgent): void {
    const before = agent.home;
    agent.home = this.#pick(this.#world.regions);
    this.#register(agent);
    if (before === agent.home) return;
    this.#world.count("agent moves");
    this.#world.schedule(LEASE_MS, () => {
      const process = this.#processOf(before);
      if (agent.home === before || process === undefined) return;
      this.#world.call(process, "expire", (registry) => registry.deregister(agent.id, "keep"));
    });
  }

  #lookup(): void {
    const { plan, processes, regions } = this.#world;
    const random = this.#random;
    const process = this.#pick(processes);
    const chance = (share: number) => random.next() < share;
    const query: LookupQuery = queryOf(this.#capability(plan.capabilities), {
      tags: chance(0.3) ? [this.#pick(TAGS)] : [],
      health: chance(0.2) ? "any" : "healthy",
      limit: chance(0.1) ? 1 : 100,
      consistency: chance(0.1) ? "linearizable" : "stale",
      ...(chance(0.2) && { maxStalenessMs: randomInteger(random, 200, 5_000) }),
      ...(chance(0.1) && { region: this.#pick(regions).name }),
    });
    if (process !== undefined) this.#world.lookup(process, query);
  }

  #processOf(region: SimulatedRegion): FederationProcess | undefined {
    return this.#pick(region.processes);
  }

  #capability(count: number): string {
    return capabilityName(randomInteger(this.#random, 1, count));
  }

  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.next() * list.length)]!;
  }
}

export function capabilityName(number: number): string {
  return `capability-${number}`;
}

export function queryOf(capability: string, more: Partial<LookupQuery> = {}): LookupQuery {
  const all = { tags: [], version: "", health: "healthy", limit: 100, scope: "federation" } as const;
  return { capability, ...all, consistency: "stale", ...more };
}

/** @param version - tells one registration from another */
export function recordOf(version: string, capabilities: readonly string[], tag = "fast"): AgentRecord {
  return {
    name: "simulated",
    namespace: "default",
    type: "mcp_agent",
    runtime: "python",
    version,
    endpoint: "http://10.0.0.1:8080",
    labels: {},
    metadata: {},
    capabilities: capabilities.map((name) => ({ name, functionName: name, version, tags: [tag], dependencies: [] })),
    leaseMs: LEASE_MS,
  };
}
