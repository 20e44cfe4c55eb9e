/** A node of the simulated federation: the production registry and federation over a simulated log and network. */

import { FederationCounters } from "../../src/federation/counters.ts";
import { Federation } from "../../src/federation/federation.ts";
import type { PullOutcome, Refusal } from "../../src/federation/interface.ts";
import { localRegion } from "../../src/node/local-region.ts";
import { LeaseKeeper } from "../../src/registry/lease-keeper.ts";
import { RegistryService } from "../../src/registry/registry-service.ts";
import { RegistryStateMachine } from "../../src/registry/registry-state-machine.ts";
import type { NodeFacts } from "../../src/storage/interface.ts";
import { asFederationId, asNodeId, asNodeName, type RegionId } from "../../src/types/ids.ts";
import type { SummaryNode } from "../../src/types/summary.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { hash64, memoryFacts } from "./fake-federation.ts";
import { SimulatedGroup } from "./federation-sim-group.ts";
import type { Endpoint } from "./federation-sim-network.ts";
import { ShownMemory } from "./federation-sim-oracle.ts";
import type { SimulatedRegion } from "./federation-sim-region.ts";
import type { FederationWorld } from "./federation-sim-world.ts";
import { ProcessLoop } from "./node-sim-loop.ts";

export const FEDERATION = asFederationId("simulated");

/** A machine: what is left of a node when its process has ended. */
export class SimulatedMachine {
  readonly region: SimulatedRegion;
  readonly known: SummaryNode;
  readonly facts: NodeFacts = memoryFacts();
  /** Up to where its disk has the region's state. */
  durableIndex = 0;
  process: FederationProcess | null = null;

  constructor(region: SimulatedRegion, name: string) {
    this.region = region;
    this.known = { name, nodeId: `id-of-${name}`, addresses: [`${name}:4001`], http: `http://${name}:8000` };
  }

  get name(): string {
    return this.known.name;
  }
}

export class FederationProcess {
  readonly machine: SimulatedMachine;
  readonly loop: ProcessLoop;
  readonly endpoint: Endpoint;
  readonly group: SimulatedGroup;
  readonly stateMachine: RegistryStateMachine;
  readonly registry: RegistryService;
  readonly federation: Federation;
  /** What it has shown, and may not unsay. */
  readonly memory = new ShownMemory();
  isRunning = true;

  constructor(world: FederationWorld, machine: SimulatedMachine) {
    const { region, known } = machine;
    const { plan, time, random } = world;
    const nodeId = asNodeId(known.nodeId);
    this.machine = machine;
    this.loop = new ProcessLoop(time.queue, { rate: 1, wallOffsetMs: 0 }, (error) => time.fail(error));
    const { loop } = this;
    this.endpoint = world.network.join(
      {
        nodeId,
        name: asNodeName(known.name),
        region: region.name,
        cluster: region.cluster,
        http: known.http,
        addresses: known.addresses,
      },
      loop,
    );
    this.stateMachine = new RegistryStateMachine(region.name);
    this.group = new SimulatedGroup(region.log, nodeId, this.stateMachine, machine.durableIndex);
    const { group, stateMachine, endpoint } = this;
    const remote = {
      lookup: (...asked: Parameters<Federation["lookup"]>) => this.federation.lookup(...asked),
      knows: (other: RegionId) => this.federation.knows(other),
      known: (...asked: Parameters<Federation["known"]>) => this.federation.known(...asked),
      changes: () => this.federation.changes(),
    };
    const common = { group, stateMachine, clock: loop, logger: silentLogger };
    // Leases are the business of the other simulators: the plan ends them.
    const broadcast = { send: () => {} };
    const keeper = new LeaseKeeper({ ...common, broadcast, onFatal: (error) => time.fail(error) });
    this.registry = new RegistryService({ ...common, region: region.name, keeper, remote, random });
    const { registry } = this;
    this.federation = new Federation({
      local: localRegion({
        registry,
        stateMachine,
        group,
        nodes: () => region.machines.map((mate) => mate.known),
        signingKey: () => region.key,
      }),
      federation: FEDERATION,
      cluster: region.cluster,
      directory: endpoint,
      requests: endpoint,
      summaries: endpoint.summaries,
      facts: machine.facts,
      hash64,
      clock: loop,
      random,
      logger: silentLogger,
      config: plan.config,
      metrics: new TellingMetrics((what) => world.count(what)),
    });
    if (world.regions.includes(region)) {
      this.federation.onCapability((other, entry) => world.oracle.onEntry(this, other, entry));
    }
    this.federation.start();
  }

  get name(): string {
    return this.machine.name;
  }

  /** Nothing it does from here on has any effect. */
  end(): void {
    this.isRunning = false;
    this.machine.durableIndex = this.group.appliedIndex;
    this.loop.end();
    this.group.end();
  }
}

class TellingMetrics extends FederationCounters {
  readonly #count: (what: string) => void;

  constructor(count: (what: string) => void) {
    super();
    this.#count = count;
  }

  override refused(reason: Refusal): void {
    super.refused(reason);
    this.#count(`refused: ${reason}`);
  }

  override pulled(region: RegionId, outcome: PullOutcome): void {
    super.pulled(region, outcome);
    this.#count(`pull: ${outcome}`);
  }

  override gap(region: RegionId): void {
    super.gap(region);
    this.#count("gap");
  }

  override accepted(): void {
    super.accepted();
    this.#count("gossip accepted");
  }
}
