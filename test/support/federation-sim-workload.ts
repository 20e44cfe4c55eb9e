/** What agents and those who look for them do in a simulated federation. */

import type { AgentRecord } from "../../src/types/agent.ts";
import { type AgentId, asAgentId } from "../../src/types/ids.ts";
import type { LookupQuery } from "../../src/types/lookup.ts";
import { AtollError } from "../../src/util/errors.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import { federationStream } from "./federation-sim-plan.ts";
import type { FederationProcess } from "./federation-sim-process.ts";
import type { SimulatedRegion } from "./federation-sim-region.ts";
import type { FederationWorld } from "./federation-sim-world.ts";

/** How long the record of an agent stays that moved away, or fell silent: the lease that nobody renews. */
export const LEASE_MS = 3_000;
const RENEW_MS = 800;
/** An agent that was refused asks another node of its region. */
const RENEW_AGAIN_MS = 200;
const RENEW_ATTEMPTS = 3;
const TAGS = ["fast", "slow", "gpu"];
const NAMESPACES = ["default", "default", "internal"];

interface SimulatedAgent {
  readonly id: AgentId;
  readonly namespace: string;
  home: SimulatedRegion;
  /** What it registered, and renews; null once it left, or fell silent. */
  record: AgentRecord | null;
  /** Counts what it decided, so that nothing is done for what it no longer wants. */
  decisions: number;
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
      namespace: this.#pick(NAMESPACES),
      home: this.#pick(world.regions),
      record: null,
      decisions: 0,
    }));
  }

  start(): void {
    const { writeEveryMs, lookupEveryMs } = this.#world.plan;
    this.#repeat(writeEveryMs, () => this.#write());
    this.#repeat(lookupEveryMs, () => this.#lookup());
  }

  /** No agent does anything new; those that live go on renewing. */
  stop(): void {
    this.#isOver = true;
  }

  /** Records that are healthy although nobody renews them any more, in words (P7). */
  undead(): string[] {
    const found: string[] = [];
    for (const { name, truth } of this.#world.staying) {
      for (const { id, home, record } of this.#agents) {
        const isAlive = record !== null && home.name === name;
        if (!isAlive && truth.now.machine.index.get(id)?.health === "healthy") found.push(`${id} in ${name}`);
      }
    }
    return found;
  }

  /** Agents that renew, and are not healthy in their region, in words. */
  lost(): string[] {
    const { staying } = this.#world;
    return this.#agents.flatMap(({ id, home, record }) => {
      const isHealthy = home.truth.now.machine.index.get(id)?.health === "healthy";
      return record === null || isHealthy || !staying.includes(home) ? [] : [`${id} in ${home.name}`];
    });
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
    else if (dice < 0.35) this.#leave(agent);
    else if (dice < 0.45) this.#fallSilent(agent);
    else this.#register(agent);
  }

  #register(agent: SimulatedAgent): void {
    const { capabilities } = this.#world.plan;
    const offered = new Set(
      Array.from({ length: randomInteger(this.#random, 1, 3) }, () => this.#capability(capabilities)),
    );
    const { namespace } = agent;
    agent.record = { ...recordOf(`1.${++this.#writes}.0`, [...offered], this.#pick(TAGS)), namespace };
    this.#world.count("agent registers");
    this.#announce(agent, ++agent.decisions);
  }

  /** Begins to renew as well: whether the registration was done shows at the first renewal. */
  #announce(agent: SimulatedAgent, decision: number): void {
    const { id, record } = agent;
    const process = this.#processOf(agent.home);
    if (record !== null && process !== undefined) {
      this.#world.call(process, "register", (registry) => registry.register(id, record));
    }
    this.#world.schedule(RENEW_MS, () => this.#renewFromNowOn(agent, decision));
  }

  #renewFromNowOn(agent: SimulatedAgent, decision: number): void {
    if (agent.decisions !== decision || agent.home.isGone) return;
    this.#renew(agent, decision, RENEW_ATTEMPTS);
    this.#world.schedule(RENEW_MS, () => this.#renewFromNowOn(agent, decision));
  }

  #renew(agent: SimulatedAgent, decision: number, attempts: number): void {
    const { id, home, record } = agent;
    const process = this.#processOf(home);
    if (record === null || process === undefined || agent.decisions !== decision) return;
    process.loop.receive(() => {
      process.registry.renew(id, null).then(
        ({ agent: { incarnation } }) => {
          if (process.isRunning) home.truth.now.heardOf(incarnation, this.#world.now);
        },
        (error: unknown) => {
          if (!(error instanceof AtollError)) return this.#world.time.fail(error);
          const { code } = error.detail as { readonly code: string };
          this.#world.count(`renew: ${code}`);
          if (agent.decisions !== decision || this.#processOf(home) === undefined) return;
          // Known to be true (P12), so it has to begin anew.
          if (code === "UNKNOWN_AGENT" || code === "LEASE_LOST") {
            this.#world.call(process, "register", (registry) => registry.register(id, record));
          } else if (attempts > 1) {
            this.#world.schedule(RENEW_AGAIN_MS, () => this.#renew(agent, decision, attempts - 1));
          }
        },
      );
    });
  }

  #leave(agent: SimulatedAgent): void {
    const { id, home } = agent;
    const mode = this.#random.next() < 0.5 ? "keep" : "purge";
    const process = this.#processOf(home);
    agent.record = null;
    agent.decisions++;
    if (process === undefined) return;
    this.#world.count(`agent leaves: ${mode}`);
    this.#world.call(process, "deregister", (registry) => registry.deregister(id, mode));
  }

  /** Its process ended without a word: its lease is to tell everybody. */
  #fallSilent(agent: SimulatedAgent): void {
    if (agent.record === null) return;
    this.#world.count("agent falls silent");
    agent.record = null;
    agent.decisions++;
  }

  #move(agent: SimulatedAgent): void {
    const before = agent.home;
    agent.home = this.#pick(this.#world.staying);
    this.#register(agent);
    if (before !== agent.home) this.#world.count("agent moves");
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
