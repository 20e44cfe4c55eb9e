/** Records to register, and a region of nodes that keep them. */

import type { RemoteLookupOptions, RemoteRegions } from "../../../src/registry/interface.ts";
import { LeaseKeeper, type LeaseOptions } from "../../../src/registry/lease-keeper.ts";
import type { RecordLimits } from "../../../src/registry/limits.ts";
import { RegistryService, type ServiceOptions } from "../../../src/registry/registry-service.ts";
import { RegistryStateMachine } from "../../../src/registry/registry-state-machine.ts";
import type { AgentRecord, Capability } from "../../../src/types/agent.ts";
import { type AgentId, asAgentId, asRegionId } from "../../../src/types/ids.ts";
import type { KnownAnswer, LookupQuery, RegionAnswer, RegionQuery } from "../../../src/types/lookup.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { type InstantGroup, InstantRegion } from "../../support/instant-group.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

export const HOME = asRegionId("us-east");
export const LEASE_MS = 20_000;

export function aCapability(name: string, fields: Partial<Capability> = {}): Capability {
  return { name, functionName: `${name}_function`, version: "1.0.0", tags: [], dependencies: [], ...fields };
}

export function aRecord(fields: Partial<AgentRecord> = {}): AgentRecord {
  return {
    name: "weather",
    namespace: "default",
    type: "mcp_agent",
    runtime: "python",
    version: "1.0.0",
    endpoint: "http://10.0.0.1:8080",
    labels: {},
    metadata: {},
    capabilities: [aCapability("weather")],
    leaseMs: LEASE_MS,
    ...fields,
  };
}

export function aQuery(fields: Partial<LookupQuery & RegionQuery> = {}): LookupQuery & RegionQuery {
  return {
    capability: "weather",
    tags: [],
    version: "",
    health: "healthy",
    limit: 100,
    scope: "federation",
    consistency: "stale",
    ...fields,
  };
}

export const agentId = (name: string | number): AgentId => asAgentId(`agent-${name}`);

/** Other regions that answer what they are told to. */
export class ScriptedRegions implements RemoteRegions {
  answers: readonly RegionAnswer[] = [];
  asked: RegionQuery[] = [];
  askedWith: RemoteLookupOptions[] = [];
  names: readonly string[] = [];
  /** What is known without asking, whatever the question. */
  knownAnswers: readonly KnownAnswer[] = [];
  /** Counts what was told above. */
  told = 0;

  async lookup(query: RegionQuery, options: RemoteLookupOptions): Promise<readonly RegionAnswer[]> {
    this.asked.push(query);
    this.askedWith.push(options);
    return this.answers;
  }

  knows(region: string): boolean {
    return this.names.includes(region);
  }

  known(): readonly KnownAnswer[] {
    return this.knownAnswers;
  }

  changes(): number {
    return this.told;
  }
}

export interface TestNode {
  readonly group: InstantGroup;
  readonly stateMachine: RegistryStateMachine;
  readonly keeper: LeaseKeeper;
  readonly service: RegistryService;
  readonly remote: ScriptedRegions;
  /** Its broadcasts reach nobody and nobody's reach it. */
  isCutOff: boolean;
}

export interface TestOptions {
  readonly leases?: Partial<LeaseOptions>;
  readonly limits?: Partial<RecordLimits>;
  readonly service?: Partial<ServiceOptions>;
}

/** Nodes on one virtual clock; broadcasts arrive at once, and as copies. */
export class TestRegion {
  readonly clock = new VirtualClock();
  readonly region = new InstantRegion();
  readonly nodes: TestNode[] = [];

  constructor(size: number, options: TestOptions = {}) {
    for (let i = 0; i < size; i++) this.#add(options);
    for (const { keeper } of this.nodes) keeper.start();
  }

  /** Every agent renews wherever `node` says, each `everyMs`, until the clock has advanced by `forMs`. */
  async renewAll(ids: readonly AgentId[], forMs: number, everyMs = 5_000, node = () => this.nodes[0]!): Promise<void> {
    for (let passedMs = 0; passedMs < forMs; passedMs += everyMs) {
      for (const id of ids) await node().service.renew(id, null);
      await this.clock.advance(Math.min(everyMs, forMs - passedMs));
    }
  }

  healthyIds(node = this.nodes[0]!): string[] {
    return node.service.list({ health: "healthy" }, { limit: 100_000 }).agents.map(({ id }) => id);
  }

  #add({ leases, limits, service: options = {} }: TestOptions): void {
    const { clock } = this;
    const stateMachine = new RegistryStateMachine(HOME);
    const group = this.region.join(stateMachine);
    const remote = new ScriptedRegions();
    const broadcast = {
      send: (_method: string, payload: unknown) => {
        if (node.isCutOff) return;
        for (const other of this.nodes) {
          if (other !== node && !other.isCutOff) other.keeper.receive(structuredClone(payload), group.self);
        }
      },
    };
    const onFatal = (error: unknown) => {
      throw error;
    };
    const keeper = new LeaseKeeper({
      group,
      stateMachine,
      broadcast,
      clock,
      logger: silentLogger,
      onFatal,
      ...(leases !== undefined && { options: leases }),
    });
    const service = new RegistryService({
      region: HOME,
      group,
      stateMachine,
      keeper,
      remote,
      clock,
      random: seededRandom(1),
      logger: silentLogger,
      options,
      ...(limits !== undefined && { limits }),
    });
    const node: TestNode = { group, stateMachine, keeper, service, remote, isCutOff: false };
    this.nodes.push(node);
  }
}
