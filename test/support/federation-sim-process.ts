/** A node of the simulated federation: the production registry and federation over a simulated log and network. */

import { FederationCounters } from "../../src/federation/counters.ts";
import { Federation } from "../../src/federation/federation.ts";
import type { PullOutcome, Refusal } from "../../src/federation/interface.ts";
import { ExportKeeper } from "../../src/node/export-keeper.ts";
import { NodeFederationAdmin } from "../../src/node/federation-admin.ts";
import { Introductions } from "../../src/node/introductions.ts";
import { localRegion } from "../../src/node/local-region.ts";
import { RegionKeyKeeper } from "../../src/node/region-key-keeper.ts";
import { RegionMembers } from "../../src/node/region-members.ts";
import { LeaseKeeper, RENEWALS_METHOD } from "../../src/registry/lease-keeper.ts";
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
import { type Hardware, ProcessLoop } from "./node-sim-loop.ts";

export const FEDERATION = asFederationId("simulated");
const SHARED_KEY = Buffer.from("the simulated federation's shared key");

/** A machine: what is left of a node when its process has ended. */
export class SimulatedMachine {
  readonly region: SimulatedRegion;
  readonly clocks: Hardware;
  readonly facts: NodeFacts = memoryFacts();
  known: SummaryNode;
  /** Up to where its disk has the region's state. */
  durableIndex = 0;
  process: FederationProcess | null = null;
  /** Regions that it once left out of an answer because they are gone for good. */
  readonly forgotten = new Set<RegionId>();
  #moves = 0;

  constructor(region: SimulatedRegion, name: string, clocks: Hardware) {
    this.region = region;
    this.clocks = clocks;
    this.known = { name, nodeId: `id-of-${name}`, addresses: [`${name}:4001`], http: `http://${name}:8000` };
  }

  get name(): string {
    return this.known.name;
  }

  /** Its process has ended, and the next one is somewhere else. */
  move(): void {
    const at = `${this.name}-moved-${++this.#moves}`;
    this.known = { ...this.known, addresses: [`${at}:4001`], http: `http://${at}:8000` };
  }
}

export class FederationProcess {
  readonly machine: SimulatedMachine;
  readonly loop: ProcessLoop;
  readonly endpoint: Endpoint;
  readonly group: SimulatedGroup;
  readonly stateMachine: RegistryStateMachine;
  readonly registry: RegistryService;
  readonly keyKeeper: RegionKeyKeeper;
  readonly federation: Federation;
  readonly admin: NodeFederationAdmin;
  /** What it has shown, and may not unsay. */
  readonly memory = new ShownMemory();
  isRunning = true;

  constructor(world: FederationWorld, machine: SimulatedMachine) {
    const { region, known } = machine;
    const { plan, time, random } = world;
    const nodeId = asNodeId(known.nodeId);
    this.machine = machine;
    this.loop = new ProcessLoop(time.queue, machine.clocks, (error) => time.fail(error));
    const { loop } = this;
    const self = {
      nodeId,
      name: asNodeName(known.name),
      region: region.name,
      cluster: region.cluster,
      http: known.http,
      addresses: known.addresses,
    };
    this.endpoint = world.network.join(self, loop, (other) => world.isNamed(region, other));
    this.endpoint.onPulse = (ageMs) => this.memory.heardPulse(ageMs - world.network.gossipMsMax);
    this.stateMachine = new RegistryStateMachine(region.name);
    this.group = new SimulatedGroup(region.log, nodeId, this.stateMachine, machine.durableIndex);
    const { group, stateMachine, endpoint } = this;
    const remote = {
      lookup: (...asked: Parameters<Federation["lookup"]>) => this.federation.lookup(...asked),
      knows: (other: RegionId) => this.federation.knows(other),
      known: (...asked: Parameters<Federation["known"]>) => this.federation.known(...asked),
      changes: () => this.federation.changes(),
    };
    const network = { directory: endpoint, requests: endpoint, logger: silentLogger };
    const members = new RegionMembers({
      ...network,
      self: known,
      membership: () => region.log.membership,
      lastKnown: (id) => region.machines.find((mate) => mate.known.nodeId === id)?.known,
    });
    const common = { group, stateMachine, clock: loop, logger: silentLogger };
    const leases = new LeaseKeeper({ ...common, broadcast: members, onFatal: (error) => time.fail(error) });
    endpoint.handle(RENEWALS_METHOD, async (from, payload) => {
      leases.receive(payload, from.nodeId);
      return null;
    });
    this.registry = new RegistryService({ ...common, region: region.name, keeper: leases, remote, random });
    const { registry } = this;
    const scope = { federation: FEDERATION, region: region.name, cluster: region.cluster };
    this.keyKeeper = new RegionKeyKeeper({ ...common, registry, psk: SHARED_KEY, scope });
    const { keyKeeper } = this;
    this.federation = new Federation({
      local: localRegion({
        registry,
        stateMachine,
        group,
        nodes: () => members.nodes(),
        signingKey: () => region.stolenKey ?? keyKeeper.pair(),
      }),
      federation: FEDERATION,
      cluster: region.cluster,
      ...network,
      summaries: endpoint.summaries,
      facts: machine.facts,
      hash64,
      clock: loop,
      random,
      config: plan.config,
      metrics: new TellingMetrics((what) => world.count(what)),
    });
    const { federation } = this;
    this.admin = new NodeFederationAdmin({
      region: region.name,
      registry,
      stateMachine,
      keyKeeper: () => keyKeeper,
      federation: () => federation,
    });
    if (world.regions.includes(region)) {
      federation.onCapability((other, entry) => world.oracle.onEntry(this, other, entry));
      // Who is admitted again is met like any other.
      stateMachine.observe({ applied: () => this.memory.forget(stateMachine.retirements) });
    }
    leases.start();
    keyKeeper.start();
    new ExportKeeper({
      ...common,
      registry,
      get configured() {
        return region.exported;
      },
    }).start();
    federation.start();
    new Introductions({
      ...network,
      region: region.name,
      known: () => federation.heard(),
      clock: loop,
      random,
    }).start();
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
