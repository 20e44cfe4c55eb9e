/** A region of the simulated federation: its log, its key, its machines, and the truth about it. */

import type { RegionKeyPair } from "../../src/federation/interface.ts";
import { EXPORT_ALL, type ExportPolicy } from "../../src/registry/export-policy.ts";
import { nextEpoch } from "../../src/types/cluster-id.ts";
import { asClusterId, asNodeId, asNodeName, asRegionId, type ClusterId, type RegionId } from "../../src/types/ids.ts";
import type { Member } from "../../src/types/membership.ts";
import { hash64 } from "./fake-federation.ts";
import { SimulatedLog } from "./federation-sim-group.ts";
import { clocksOf, type FederationPlan } from "./federation-sim-plan.ts";
import { type FederationProcess, SimulatedMachine } from "./federation-sim-process.ts";
import { RegionTruth } from "./federation-sim-truth.ts";
import type { EventQueue } from "./raft-sim-queue.ts";

export type RegionPlan = Pick<FederationPlan, "seed" | "commitMs" | "lagMs" | "clocks">;

/** What somebody else may have as well. */
export interface Claims {
  readonly cluster?: string;
  readonly key?: RegionKeyPair | undefined;
  /** Of the region that it is founded anew in place of. */
  readonly truth?: RegionTruth;
}

export class SimulatedRegion {
  readonly name: RegionId;
  /** The key that it took from another region, in place of one of its own. */
  readonly stolenKey: RegionKeyPair | undefined;
  readonly truth: RegionTruth;
  cluster: ClusterId;
  log: SimulatedLog;
  /** Which namespaces other regions are to see. */
  exported: ExportPolicy = EXPORT_ALL;
  /** It is to say farewell, or has. */
  isLeaving = false;
  /** Its nodes are gone for good. */
  isGone = false;
  /** So many others have its name now: whoever meets it now for the first time may meet that one (ADR 0014). */
  twins = 0;
  /** Some region was to forget it, and is to meet it anew. */
  isToBeMet = false;
  /** Keys that signed for it before the one that does now, newest last. */
  readonly replacedKeys: RegionKeyPair[] = [];
  readonly #queue: EventQueue;
  readonly #plan: RegionPlan;
  #machines: readonly SimulatedMachine[];
  #founded: number;
  /** When the newest key came, as a place in the log. */
  #keyedAt = 0;

  /** @param machineNames - unlike any other machine's in the world */
  constructor(
    queue: EventQueue,
    plan: RegionPlan,
    name: string,
    machineNames: readonly string[],
    { cluster = `c${name}`, key, truth = new RegionTruth(asRegionId(name), hash64) }: Claims = {},
  ) {
    this.#queue = queue;
    this.#plan = plan;
    this.name = asRegionId(name);
    this.cluster = asClusterId(cluster);
    this.stolenKey = key;
    this.#machines = machineNames.map((machine) => this.#machine(machine));
    this.#founded = machineNames.length;
    this.truth = truth;
    this.log = this.#begin([], 0);
  }

  get machines(): readonly SimulatedMachine[] {
    return this.#machines;
  }

  get processes(): FederationProcess[] {
    return this.machines.flatMap(({ process }) => process ?? []);
  }

  get leader(): FederationProcess | undefined {
    return this.processes.find(({ group }) => group === this.log.leader);
  }

  /** The newest key that one of its running nodes signs with. */
  get key(): RegionKeyPair | undefined {
    const [newest] = this.processes.sort((a, b) => b.group.appliedIndex - a.group.appliedIndex);
    return this.stolenKey ?? newest?.keyKeeper.pair();
  }

  /** One that was never there before; it still has to be started. */
  join(): SimulatedMachine {
    const machine = this.#machine(`${this.name}-${++this.#founded}`);
    this.#machines = [...this.#machines, machine];
    this.log.change(membersOf(this.#machines));
    return machine;
  }

  /** It is no member any more, and its process has ended. */
  leave(machine: SimulatedMachine): void {
    this.#machines = this.#machines.filter((other) => other !== machine);
    this.log.change(membersOf(this.#machines));
  }

  /**
   * Those whose disk an operator may recover the region from. Whoever followed a key that the region then does not know any
   * more can not follow it back (ADR 0014).
   */
  survivors(): readonly SimulatedMachine[] {
    return this.machines.filter(({ durableIndex }) => durableIndex >= this.#keyedAt);
  }

  /** Begins a new epoch out of what one machine has on its disk; the processes have ended. */
  recover(from: SimulatedMachine): void {
    this.cluster = nextEpoch(this.cluster, "salt");
    const survived = this.log.commands.slice(0, from.durableIndex);
    for (const machine of this.machines) machine.durableIndex = Math.min(machine.durableIndex, survived.length);
    this.log = this.#begin(survived, this.log.term);
  }

  #machine(name: string): SimulatedMachine {
    return new SimulatedMachine(this, name, clocksOf(this.#plan, name));
  }

  #begin(commands: readonly Uint8Array[], term: number): SimulatedLog {
    const epoch = this.truth.begin(this.cluster, this.#queue.now);
    const { commitMs, lagMs } = this.#plan;
    const onCommit = (command: Uint8Array, index: number) => {
      const { regionKey } = epoch.machine;
      epoch.commit(command, index, this.#queue.now);
      if (epoch.machine.regionKey !== regionKey) this.#keyedAt = index;
    };
    return new SimulatedLog(this.#queue, { commitMs, lagMs, onCommit }, membersOf(this.machines), commands, term);
  }
}

function membersOf(machines: readonly SimulatedMachine[]): Member[] {
  return machines.map(({ known }) => ({ id: asNodeId(known.nodeId), name: asNodeName(known.name) }));
}
