/** What goes wrong in a simulated federation. Each fault draws from a stream of its own, and ends by itself or by the healing. */

import { BUCKETS_METHOD, DIGESTS_METHOD, LOOKUP_METHOD } from "../../src/federation/wire.ts";
import { nextEpoch } from "../../src/types/cluster-id.ts";
import { asAgentId, asNodeId } from "../../src/types/ids.ts";
import { AtollError } from "../../src/util/errors.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import { liar, lieOf } from "./federation-sim-lies.ts";
import type { Blocked } from "./federation-sim-network.ts";
import {
  addMember,
  changeExport,
  forgetRegion,
  moveRegion,
  removeMember,
  rotateKey,
  sayFarewell,
} from "./federation-sim-operators.ts";
import { type FederationFault, federationStream, type PlannedFault } from "./federation-sim-plan.ts";
import type { FederationProcess, SimulatedMachine } from "./federation-sim-process.ts";
import { SimulatedRegion } from "./federation-sim-region.ts";
import { capabilityName, recordOf } from "./federation-sim-workload.ts";
import type { FederationWorld } from "./federation-sim-world.ts";
import { check } from "./raft-invariants.ts";

const FLAP_MS = 300;
const LIE_EVERY_MS = 20;
const LOOP_EVERY_MS = 2;

export function scheduleFaults(world: FederationWorld): void {
  for (const fault of world.plan.faults) {
    world.schedule(fault.atMs, () => new Trouble(world, fault).begin());
  }
}

export class Trouble {
  readonly #world: FederationWorld;
  readonly #fault: PlannedFault;
  readonly #random: Random;

  constructor(world: FederationWorld, fault: PlannedFault) {
    this.#world = world;
    this.#fault = fault;
    this.#random = federationStream(world.plan.seed, "fault", fault.number);
  }

  begin(): void {
    const { kind, number, lengthMs } = this.#fault;
    this.#world.note("fault", `${number}: ${kind} for ${lengthMs} ms`);
    this.#world.count(`fault: ${kind}`);
    KINDS[kind](this);
  }

  get world(): FederationWorld {
    return this.#world;
  }

  get number(): number {
    return this.#fault.number;
  }

  get random(): Random {
    return this.#random;
  }

  get lengthMs(): number {
    return this.#fault.lengthMs;
  }

  readonly pick = <T>(list: readonly T[]): T | undefined => {
    return list[Math.floor(this.#random.next() * list.length)];
  };

  /** Two different regions. */
  pair(): readonly [SimulatedRegion, SimulatedRegion] {
    const first = this.pick(this.#world.regions)!;
    return [first, this.pick(this.#world.regions.filter((region) => region !== first))!];
  }

  /** Ends what began when the fault does. */
  undoLater(undo: () => void): void {
    this.#world.schedule(this.#fault.lengthMs, undo);
  }

  block(what: Blocked, from: readonly SimulatedMachine[], to: readonly SimulatedMachine[], isOneWay = false): void {
    const idsOf = (machines: readonly SimulatedMachine[]) => new Set(machines.map(({ known }) => known.nodeId));
    const [left, right] = [idsOf(from), idsOf(to)];
    const undo = this.#world.block(what, (a, b) => {
      const isThere = left.has(a.nodeId) && right.has(b.nodeId);
      return isThere || (!isOneWay && left.has(b.nodeId) && right.has(a.nodeId));
    });
    this.undoLater(undo);
  }

  /** Again and again until the fault ends, or everything heals. */
  repeat(everyMs: number, act: () => void): void {
    let isOver = false;
    const stop = this.#world.repairLater(() => {
      isOver = true;
    });
    const again = () => {
      if (isOver) return;
      act();
      this.#world.schedule(everyMs, again);
    };
    again();
    this.undoLater(stop);
  }

  /** Down now, and up again when the fault ends. */
  crash(machines: readonly SimulatedMachine[]): void {
    for (const machine of machines) this.#world.crash(machine);
    this.undoLater(() => {
      for (const machine of machines) this.#world.start(machine);
    });
  }
}

const KINDS: Readonly<Record<FederationFault, (trouble: Trouble) => void>> = {
  cut: (trouble) => cutPair(trouble, "link"),
  "cut-silent": (trouble) => cutPair(trouble, "frames"),
  "cut-one-way": (trouble) => {
    const [a, b] = trouble.pair();
    trouble.block("frames", a.machines, b.machines, true);
  },
  "region-away": (trouble) => {
    const away = trouble.pick(trouble.world.regions)!;
    const others = trouble.world.machines.filter(({ region }) => region !== away);
    trouble.block("link", away.machines, others);
  },
  "partial-cut": (trouble) => {
    const [a, b] = trouble.pair();
    trouble.block(trouble.random.next() < 0.5 ? "link" : "frames", [trouble.pick(a.machines)!], b.machines);
  },
  flapping: (trouble) => {
    const [a, b] = trouble.pair();
    const machine = trouble.pick(a.machines)!.known.nodeId;
    trouble.repeat(FLAP_MS, () => {
      const end = trouble.world.block("link", (from, to) => from.nodeId === machine && to.region === b.name);
      trouble.world.schedule(FLAP_MS / 2, end);
    });
  },
  "gossip-silent": (trouble) =>
    trouble.block("gossip", trouble.world.machines, [trouble.pick(trouble.world.machines)!]),
  "requests-silent": (trouble) => {
    const [a, b] = trouble.pair();
    trouble.block("requests", a.machines, b.machines);
  },
  "slow-node": (trouble) => {
    const process = trouble.pick(trouble.world.processes);
    if (process === undefined) return;
    process.endpoint.slowMs = randomInteger(trouble.random, 100, 1_500);
    const end = trouble.world.repairLater(() => {
      process.endpoint.slowMs = 0;
    });
    trouble.undoLater(end);
  },
  crash: (trouble) => trouble.crash([trouble.pick(trouble.world.machines)!]),
  "region-crash": (trouble) => trouble.crash(trouble.pick(trouble.world.regions)!.machines),
  "follower-lags": (trouble) => {
    const { processes } = trouble.world;
    const follower = trouble.pick(processes.filter((process) => process.machine.region.leader !== process));
    if (follower !== undefined) trouble.undoLater(trouble.world.stall(follower));
  },
  "leader-change": (trouble) => {
    const region = trouble.pick(trouble.world.regions)!;
    region.log.elect(null);
    trouble.undoLater(trouble.world.repairLater(() => trouble.world.electSomeone(region)));
  },
  "leader-deposed": (trouble) => {
    const leader = trouble.pick(trouble.world.regions.filter(({ machines }) => machines.length > 1))?.leader;
    if (leader !== undefined) trouble.undoLater(trouble.world.stall(leader));
  },
  "recovered-by-force": (trouble) => trouble.world.recoverByForce(trouble.pick(trouble.world.staying)!),
  "forged-gossip": (trouble) => trouble.repeat(LIE_EVERY_MS, () => tellLie(trouble)),
  "lying-node": (trouble) => {
    const process = trouble.pick(trouble.world.processes);
    if (process === undefined) return;
    process.endpoint.lie = liar(trouble.random, (what) => trouble.world.count(what));
    const end = trouble.world.repairLater(() => {
      process.endpoint.lie = null;
    });
    trouble.undoLater(end);
  },
  "pull-loop": (trouble) => {
    const [asker, asked] = [trouble.pick(trouble.world.processes), trouble.pick(trouble.world.processes)];
    if (asker === undefined || asked === undefined || asker === asked) return;
    const buckets = Array.from({ length: 256 }, (_, bucket) => bucket);
    const payload = { nonce: "0".repeat(32), buckets };
    trouble.repeat(LOOP_EVERY_MS, () => askInVain(trouble.world, asker, asked, BUCKETS_METHOD, payload));
  },
  "hostile-lookups": (trouble) => {
    const [asker, asked] = [trouble.pick(trouble.world.processes), trouble.pick(trouble.world.processes)];
    if (asker === undefined || asked === undefined || asker === asked) return;
    trouble.repeat(LIE_EVERY_MS, () => {
      const payload = trouble.pick(HOSTILE_QUERIES)!;
      askInVain(trouble.world, asker, asked, LOOKUP_METHOD, payload);
      askInVain(trouble.world, asker, asked, DIGESTS_METHOD, payload);
    });
  },
  twin: raiseTwin,
  "key-rotation": rotateKey,
  "export-changes": changeExport,
  "region-forgotten": forgetRegion,
  "region-leaves": sayFarewell,
  "member-joins": addMember,
  "member-leaves": removeMember,
  "addresses-change": moveRegion,
};

const HOSTILE_QUERIES: readonly unknown[] = [
  null,
  "everything",
  { query: {}, consistency: "stale" },
  { query: { capability: "x".repeat(100_000), tags: [], version: "", health: "any", limit: 1 }, consistency: "stale" },
  { query: { capability: "x", tags: [], version: "", health: "any", limit: 1e9 }, consistency: "stale" },
  { query: { capability: "x", tags: [[["deep"]]], version: "", health: "any", limit: 1 }, consistency: "stale" },
];

function cutPair(trouble: Trouble, what: Blocked): void {
  const [a, b] = trouble.pair();
  trouble.block(what, a.machines, b.machines);
}

function tellLie({ world, random }: Trouble): void {
  const { heard } = world.network;
  const truth = heard[Math.floor(random.next() * heard.length)];
  const hearer = world.processes[Math.floor(random.next() * world.processes.length)];
  if (truth === undefined || hearer === undefined || !world.regions.some(({ name }) => name === truth.region)) return;
  const lie = lieOf(random, truth, world.regions, hearer);
  if (lie === null) return;
  const { kind, message, verdicts } = lie;
  hearer.loop.receive(() => {
    const verdict = hearer.endpoint.hear(message);
    world.count(`lie: gossip ${kind}`);
    check(verdicts.includes(verdict), `P11: ${hearer.name} met gossip that was ${kind} with ${verdict}`);
    if (verdict === "accept") hearer.memory.tookLate(truth.region, world.now - truth.at);
  });
}

function askInVain(
  world: FederationWorld,
  asker: FederationProcess,
  asked: FederationProcess,
  method: string,
  payload: unknown,
): void {
  if (!asker.isRunning) return;
  const to = asNodeId(asked.machine.known.nodeId);
  asker.endpoint.request(to, method, payload, { timeoutMs: 1_000 }).then(
    () => world.count("hostile request: served"),
    (error: unknown) => {
      if (!(error instanceof AtollError)) return world.time.fail(error);
      const { code, remoteCode = code } = error.detail as { readonly code: string; readonly remoteCode?: string };
      world.count(`hostile request: ${remoteCode}`);
    },
  );
}

/** Somebody else takes a region's name, once everybody knows the real one (F17). */
function raiseTwin(trouble: Trouble): void {
  const { world, random } = trouble;
  const real = trouble.pick(world.staying.filter(({ isToBeMet }) => !isToBeMet));
  if (real === undefined) return;
  const others = world.machines.filter(({ region }) => region !== real);
  const isKnown = others.every(
    ({ process }) => process !== null && process.federation.headerOf(real.name) !== undefined,
  );
  if (!isKnown) return;
  const cluster = [real.cluster, nextEpoch(real.cluster, "twin"), "another"][randomInteger(random, 0, 2)]!;
  // Who has the key can speak for the cluster; for another one it can not.
  const key = cluster === "another" && random.next() < 0.5 ? real.key : undefined;
  world.count("twin raised");
  real.twins++;
  const twin = new SimulatedRegion(world.time.queue, world.plan, real.name, [`twin-${trouble.number}`], {
    cluster,
    key,
  });
  const machine = twin.machines[0]!;
  // Members of the real region meet it with another cluster, or with keys that are none of theirs.
  const { nodeId } = machine.known;
  const apart = world.network.block({
    what: "link",
    holds: (from, to) => from.nodeId === nodeId && to.region === real.name,
  });
  world.start(machine);
  twin.log.elect(machine.process!.group);
  const record = recordOf("6.6.6", [capabilityName(1), capabilityName(2)]);
  world.call(machine.process!, "twin", (registry) => registry.register(asAgentId("intruder"), record));
  const end = world.repairLater(() => {
    world.crash(machine);
    apart();
    real.twins--;
  });
  trouble.undoLater(end);
}
