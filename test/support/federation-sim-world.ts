/**
 * A whole federation in one process: regions of production nodes on simulated logs, disks and a simulated WAN, from one seed.
 *
 * Here is what can be done to it; what a seed does is said by its plan (`federation-sim-faults.ts`, `federation-sim-workload.ts`),
 * what must hold by the oracle (`federation-sim-oracle.ts`).
 */

import type { RegistryService } from "../../src/registry/registry-service.ts";
import type { RegionId } from "../../src/types/ids.ts";
import type { LookupAnswer, LookupQuery } from "../../src/types/lookup.ts";
import { increment } from "../../src/util/counts.ts";
import { AtollError } from "../../src/util/errors.ts";
import type { Random } from "../../src/util/random.ts";
import { type Blocked, FederationNetwork, type Rule } from "./federation-sim-network.ts";
import { Oracle } from "./federation-sim-oracle.ts";
import { type FederationPlan, federationStream } from "./federation-sim-plan.ts";
import { FederationProcess, type SimulatedMachine } from "./federation-sim-process.ts";
import { SimulatedRegion } from "./federation-sim-region.ts";
import { Story } from "./node-sim-story.ts";
import { VirtualTime } from "./node-sim-time.ts";

export class FederationWorld {
  readonly plan: FederationPlan;
  readonly time: VirtualTime;
  readonly random: Random;
  readonly story = new Story();
  readonly counters = new Map<string, number>();
  readonly network: FederationNetwork;
  /** Those that are gone included. */
  readonly regions: SimulatedRegion[];
  readonly oracle: Oracle;
  /** Lookups that were not answered yet, by the process asked. */
  readonly open = new Map<FederationProcess, number>();
  readonly #repairs = new Set<() => void>();

  constructor(plan: FederationPlan) {
    this.plan = plan;
    this.time = new VirtualTime(() => {});
    this.random = federationStream(plan.seed, "nodes");
    const { queue } = this.time;
    this.network = new FederationNetwork(queue, federationStream(plan.seed, "network"), plan.wan, (what) =>
      this.count(what),
    );
    this.regions = plan.regions.map((nodes, number) => {
      const name = `r${number + 1}`;
      const machines = Array.from({ length: nodes }, (_, i) => `${name}-${i + 1}`);
      return new SimulatedRegion(queue, plan, name, machines);
    });
    const truths = new Map(this.regions.map(({ name, truth }) => [name, truth]));
    this.oracle = new Oracle({
      now: () => this.now,
      truthOf: (region) => truths.get(region)!,
      regions: () => [...truths.keys()],
      dueRegions: () => this.staying.map(({ name }) => name),
      nodesOf: (name) => this.regions.find((region) => region.name === name)!.machines.map(({ known }) => known),
      unseenMs: this.network.gossipMsMax,
      lookupDeadlineMs: plan.config.lookupDeadlineMs,
      drift: plan.clocks.drift,
    });
  }

  get now(): number {
    return this.time.now;
  }

  /** Those that are there, and will be in the end. */
  get staying(): SimulatedRegion[] {
    return this.regions.filter(({ isLeaving }) => !isLeaving);
  }

  /** Whether the nodes of a region are configured with the names of another one's. */
  isNamed(by: SimulatedRegion, other: RegionId): boolean {
    const { regions } = this;
    const place = regions.indexOf(by);
    return !this.plan.isRing || place === -1 || regions[(place + 1) % regions.length]!.name === other;
  }

  get machines(): SimulatedMachine[] {
    return this.regions.flatMap(({ machines }) => machines);
  }

  get processes(): FederationProcess[] {
    return this.machines.flatMap(({ process }) => process ?? []);
  }

  /** Starts all nodes; the first one of each region leads. */
  found(): void {
    for (const machine of this.machines) this.start(machine);
    for (const region of this.regions) region.log.elect(region.machines[0]!.process!.group);
  }

  count(what: string): void {
    increment(this.counters, what);
  }

  note(who: string, what: string): void {
    this.story.note(this.now, who, what);
    for (const letter of `${this.now.toFixed(3)} ${who} ${what}`) this.story.mix(letter.charCodeAt(0));
  }

  schedule(delayMs: number, run: () => void): void {
    this.time.schedule(delayMs, run);
  }

  start(machine: SimulatedMachine): void {
    const { isGone, machines } = machine.region;
    if (machine.process !== null || isGone || !machines.includes(machine)) return;
    this.note(machine.name, "starts");
    machine.process = new FederationProcess(this, machine);
    const { log } = machine.region;
    if (log.leader === null && log.term > 0) this.electSomeone(machine.region);
  }

  /** Ends a node without a word: what it knew of other regions is lost, its disk stays. */
  crash(machine: SimulatedMachine): void {
    const { process, region } = machine;
    if (process === null) return;
    this.note(machine.name, "crashes");
    this.network.leave(process.endpoint);
    process.end();
    machine.process = null;
    if (region.log.leader !== process.group) return;
    region.log.elect(null);
    this.schedule(ELECTION_MS, () => this.electSomeone(region));
  }

  /** A member that is not cut off takes over, if the region has none that leads. */
  electSomeone(region: SimulatedRegion): void {
    const able = region.processes.filter(({ group }) => !group.isStalled);
    const next = able[Math.floor(this.random.next() * able.length)];
    if (region.log.leader !== null || next === undefined) return;
    this.note(next.name, `leads ${region.name} in term ${region.log.term + 1}`);
    this.count("leader elected");
    region.log.elect(next.group);
  }

  block(what: Blocked, holds: Rule["holds"]): () => void {
    return this.repairLater(this.network.block({ what, holds }));
  }

  /** Cuts a node off from its own region. @returns lets it back in */
  stall({ group, machine }: FederationProcess): () => void {
    const { region } = machine;
    const isLeader = region.log.leader === group;
    group.stall();
    if (isLeader) {
      this.schedule(ELECTION_MS, () => {
        if (region.log.leader !== group || !group.isStalled) return;
        region.log.elect(null);
        this.electSomeone(region);
      });
      this.schedule(2 * ELECTION_MS, () => group.doubt());
    }
    return this.repairLater(() => {
      group.resume();
      this.electSomeone(region);
    });
  }

  /** All of a region is lost but one disk, with which it begins a new epoch. */
  recoverByForce(region: SimulatedRegion): void {
    for (const machine of region.machines) this.crash(machine);
    const survivors = region.survivors();
    const survivor = survivors[Math.floor(this.random.next() * survivors.length)];
    if (survivor !== undefined) {
      region.recover(survivor);
      this.count("recovered by force");
      this.note(region.name, `goes on as ${region.cluster} from ${survivor.name} at ${survivor.durableIndex}`);
    }
    for (const machine of region.machines) this.start(machine);
    this.electSomeone(region);
  }

  /** Founds a region anew under the name of one that is gone for good: other machines, another cluster, another key. */
  foundAnew(gone: SimulatedRegion): void {
    const { name, truth } = gone;
    const claims = { cluster: `${gone.cluster}-anew`, truth };
    const region = new SimulatedRegion(this.time.queue, this.plan, name, [`${name}-anew-1`], claims);
    this.regions[this.regions.indexOf(gone)] = region;
    const [machine] = region.machines;
    this.start(machine!);
    region.log.elect(machine!.process!.group);
  }

  /** Does something to a running node's registry as a client would. */
  call(process: FederationProcess, what: string, ask: (registry: RegistryService) => Promise<unknown>): void {
    process.loop.receive(() => {
      ask(process.registry).then(
        () => this.#onOutcome(process, what, "ok"),
        (error: unknown) => {
          if (!isAtollError(error)) return this.time.fail(error);
          this.#onOutcome(process, what, error.detail.code);
        },
      );
    });
  }

  /** Has operators ask some node of a region, again and again, until it is done. */
  insist(
    region: SimulatedRegion,
    what: string,
    ask: (process: FederationProcess) => Promise<unknown>,
    isDone: () => boolean,
  ): void {
    if (isDone() || region.isGone) return;
    const process = region.processes[Math.floor(this.random.next() * region.processes.length)];
    if (process !== undefined) this.call(process, what, () => ask(process));
    this.schedule(INSIST_MS, () => this.insist(region, what, ask, isDone));
  }

  /** Asks a node, and holds its answer against the truth. */
  lookup(process: FederationProcess, query: LookupQuery, onAnswer: (answer: LookupAnswer) => void = () => {}): void {
    const askedAt = this.now;
    this.open.set(process, (this.open.get(process) ?? 0) + 1);
    this.call(process, "lookup", async (registry) => {
      try {
        const answer = await registry.lookup(query);
        if (!process.isRunning) return;
        for (const { source, error } of answer.regions) {
          this.count(error === undefined ? `answer: ${source}` : `answer: ${source}, ${error.code}`);
        }
        this.oracle.onAnswer(process, query, askedAt, answer);
        onAnswer(answer);
      } finally {
        this.open.set(process, this.open.get(process)! - 1);
      }
    });
  }

  /** The same for tests, which wait for it. */
  async ask(process: FederationProcess, query: LookupQuery): Promise<LookupAnswer> {
    return this.time.settled(new Promise((resolve) => this.lookup(process, query, resolve)), ANSWER_MS);
  }

  /** Undoes all that was done to the network, the logs and the processes. */
  heal(): void {
    this.note("everything", "heals");
    for (const repair of [...this.#repairs]) repair();
    for (const machine of this.machines) this.start(machine);
    for (const region of this.regions) this.electSomeone(region);
  }

  /** Something to be undone once: by a fault's end, or by the healing. */
  repairLater(repair: () => void): () => void {
    const once = () => {
      if (this.#repairs.delete(once)) repair();
    };
    this.#repairs.add(once);
    return once;
  }

  #onOutcome(process: FederationProcess, what: string, outcome: string): void {
    if (!process.isRunning) return;
    this.count(`${what}: ${outcome}`);
    this.note(process.name, `${what}: ${outcome}`);
  }
}

/** How long a region is without a leader, and a deposed one believes that it leads. */
const ELECTION_MS = 700;
const ANSWER_MS = 10_000;
const INSIST_MS = 300;

function isAtollError(error: unknown): error is AtollError<{ readonly code: string }> {
  return error instanceof AtollError;
}
