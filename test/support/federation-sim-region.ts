/** A region of the simulated federation: its log, its key, its machines, and the truth about it. */

import type { RegionKeyPair } from "../../src/federation/interface.ts";
import { generateRegionKey } from "../../src/federation/region-key.ts";
import { nextEpoch } from "../../src/types/cluster-id.ts";
import { asClusterId, asNodeId, asNodeName, asRegionId, type ClusterId, type RegionId } from "../../src/types/ids.ts";
import { hash64 } from "./fake-federation.ts";
import { SimulatedLog } from "./federation-sim-group.ts";
import { type FederationProcess, SimulatedMachine } from "./federation-sim-process.ts";
import { RegionTruth } from "./federation-sim-truth.ts";
import type { EventQueue } from "./raft-sim-queue.ts";

export interface RegionTimes {
  readonly commitMs: number;
  readonly lagMs: number;
}

/** What somebody else may have as well. */
export interface Claims {
  readonly cluster?: string;
  readonly key?: RegionKeyPair | undefined;
}

export class SimulatedRegion {
  readonly name: RegionId;
  readonly key: RegionKeyPair;
  readonly machines: readonly SimulatedMachine[];
  readonly truth: RegionTruth;
  cluster: ClusterId;
  log: SimulatedLog;
  readonly #queue: EventQueue;
  readonly #times: RegionTimes;

  /** @param machineNames - unlike any other machine's in the world */
  constructor(
    queue: EventQueue,
    times: RegionTimes,
    name: string,
    machineNames: readonly string[],
    { cluster = `c${name}`, key = generateRegionKey() }: Claims = {},
  ) {
    this.#queue = queue;
    this.#times = times;
    this.name = asRegionId(name);
    this.cluster = asClusterId(cluster);
    this.key = key;
    this.machines = machineNames.map((machine) => new SimulatedMachine(this, machine));
    this.truth = new RegionTruth(this.name, hash64);
    this.log = this.#begin([], 0);
  }

  get processes(): FederationProcess[] {
    return this.machines.flatMap(({ process }) => process ?? []);
  }

  get leader(): FederationProcess | undefined {
    return this.processes.find(({ group }) => group === this.log.leader);
  }

  /** Begins a new epoch out of what one machine has on its disk; the processes have ended. */
  recover(from: SimulatedMachine): void {
    this.cluster = nextEpoch(this.cluster, "salt");
    const survived = this.log.commands.slice(0, from.durableIndex);
    for (const machine of this.machines) machine.durableIndex = Math.min(machine.durableIndex, survived.length);
    this.log = this.#begin(survived, this.log.term);
  }

  #begin(commands: readonly Uint8Array[], term: number): SimulatedLog {
    const epoch = this.truth.begin(this.cluster, this.#queue.now);
    const members = this.machines.map(({ known }) => ({ id: asNodeId(known.nodeId), name: asNodeName(known.name) }));
    const onCommit = (command: Uint8Array, index: number) => epoch.commit(command, index, this.#queue.now);
    return new SimulatedLog(this.#queue, { ...this.#times, members, onCommit }, commands, term);
  }
}
