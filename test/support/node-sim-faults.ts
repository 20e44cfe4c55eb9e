/**
 * What goes wrong in a world of whole nodes. Each fault draws from its own stream, lasts for a while in proportion to the
 * election timeout, and is undone by its end or by the healing of the world.
 */

import { type Random, randomInteger } from "../../src/util/random.ts";
import type { Machine } from "./node-sim-machine.ts";
import type { LinkEnds } from "./node-sim-network.ts";
import type { FaultKind, PlannedFault } from "./node-sim-plan.ts";
import { CRASH_POINTS } from "./node-sim-process.ts";
import type { NodeWorld } from "./node-sim-world.ts";
import { streamOf } from "./raft-sim-plan.ts";

const HOUR_MS = 3_600_000;
/** A region shrinks and grows within these. */
const MACHINES_MIN = 2;
const MACHINES_MAX = 8;
/** Operators are not asked for more while so much is to be done. */
const WISHES_MAX = 3;
/** The slowest a disk gets without standing still. */
const SLOW_WRITE_MS = 250;

export function inject(world: NodeWorld, fault: PlannedFault): void {
  new Injection(world, streamOf(world.plan.seed, "faults", fault.number)).run(fault.kind);
}

class Injection {
  readonly #world: NodeWorld;
  readonly #random: Random;
  readonly #durationMs: number;
  readonly #running: readonly Machine[];
  readonly #leader: Machine | undefined;
  /** The leader more often than chance would have it. */
  readonly #victim: Machine | undefined;

  constructor(world: NodeWorld, random: Random) {
    this.#world = world;
    this.#random = random;
    const { electionMsMax } = world.plan.raft;
    this.#durationMs = electionMsMax * (random.next() < 0.5 ? 1.5 : 6) * random.next();
    this.#running = world.running;
    this.#leader = world.leader?.machine;
    const isLeaderHit = random.next() < 0.4;
    const any = this.#any(this.#running);
    this.#victim = isLeaderHit ? (this.#leader ?? any) : any;
  }

  run(kind: FaultKind): void {
    const victim = this.#victim;
    if (victim === undefined) return;
    this.#world.count(`fault: ${kind}`);
    switch (kind) {
      case "crash":
        return this.#crash(victim);
      case "crash-at-point":
        return this.#crashAtPoint(victim);
      case "crash-all":
        for (const machine of this.#running) this.#crash(machine);
        return;
      case "leader-crash-mid-append":
        return this.#leaderCrash();
      case "pause":
      case "suspend":
        return this.#pause(victim, kind === "suspend");
      case "restart":
        return this.#world.restart(victim, this.#durationMs / 4);
      case "transfer":
        return this.#transfer();
      case "cut-during-transfer":
        this.#transfer();
        return this.#cutFor(this.#isolating([victim]));
      case "wipe":
        if (this.#world.canLose(victim)) this.#world.wipe(victim, this.#durationMs);
        return;
      case "add-member":
      case "remove-member":
      case "crash-in-change":
        return this.#changeMembers(kind, victim);
      case "wall-jump":
        victim.hardware.wallOffsetMs += HOUR_MS * (this.#random.next() < 0.5 ? -1 : 1);
        return;
      case "slow-disk":
      case "stalled-disk":
      case "full-disk":
      case "failing-sync":
      case "bit-flips":
        return this.#spoilDisk(kind, victim);
      case "clog":
        return this.#lasts(this.#world.network.clog(this.#isolating([victim])));
      default:
        return this.#cutFor(this.#linksCutBy(kind, victim));
    }
  }

  // ------------------------------------------------------------------ processes

  #crash(machine: Machine): void {
    this.#world.crash(machine, { downMs: this.#durationMs, isSeen: this.#random.next() < 0.7 });
  }

  /** At a place inside one turn of its loop that no time of the clock falls on. */
  #crashAtPoint({ process }: Machine): void {
    if (process === null) return;
    process.crashAt = { point: this.#any(CRASH_POINTS)!, passes: randomInteger(this.#random, 1, 4) };
  }

  /** With some of a write's appends sent, and the rest not. */
  #leaderCrash(): void {
    const process = this.#leader?.process;
    if (process === null || process === undefined) return;
    process.crashAt = { point: "send", passes: randomInteger(this.#random, 1, this.#running.length) };
    this.#world.writeSomething(process);
  }

  #pause({ process }: Machine, isFrozen: boolean): void {
    if (process === null) return;
    process.pause(isFrozen);
    this.#lasts(() => process.resume());
  }

  #transfer(): void {
    const target = this.#random.next() < 0.5 ? null : this.#any(this.#running)!.id;
    this.#world.transferLeadership(target);
  }

  // ------------------------------------------------------------------ links

  #cutFor(links: readonly LinkEnds[]): void {
    this.#lasts(this.#world.network.cut(links));
  }

  #linksCutBy(kind: FaultKind, victim: Machine): readonly LinkEnds[] {
    const machines = this.#world.machines;
    const [first, second] = [this.#leader ?? victim, this.#any(machines)!];
    switch (kind) {
      case "isolate":
        return this.#isolating([victim]);
      case "halves":
        return this.#isolating(machines.filter(() => this.#random.next() < 0.5));
      case "bridge": {
        const side = machines.filter((machine) => machine !== victim && this.#random.next() < 0.5);
        return this.#isolating(side).filter((ends) => !ends.includes(victim.id));
      }
      case "ring":
        return this.#between(
          (a, b) => ![1, machines.length - 1].includes(Math.abs(machines.indexOf(a) - machines.indexOf(b))),
        );
      case "one-way":
        return this.#between((from, to) => from === victim && (to === second || this.#random.next() < 0.5));
      case "random-links":
        return this.#between(() => this.#random.next() < 0.3);
      case "asymmetric":
        return this.#between(
          (from, to) => from !== to && [first, second].includes(from) && [first, second].includes(to),
        );
      case "leader-alone-with-one":
        return this.#isolating([first, second]);
      case "one-follower-hears":
        return this.#between((from, to) => from === first && to !== second);
      default:
        return [];
    }
  }

  #isolating(side: readonly Machine[]): readonly LinkEnds[] {
    return this.#between((from, to) => side.includes(from) !== side.includes(to));
  }

  #between(isCut: (from: Machine, to: Machine) => boolean): readonly LinkEnds[] {
    const { machines } = this.#world;
    return machines.flatMap((from) =>
      machines.filter((to) => from !== to && isCut(from, to)).map((to): LinkEnds => [from.id, to.id]),
    );
  }

  // ------------------------------------------------------------------ disks

  #spoilDisk(kind: FaultKind, machine: Machine): void {
    const { disk } = machine;
    switch (kind) {
      case "slow-disk": {
        const { writeMs } = disk;
        disk.writeMs = SLOW_WRITE_MS * this.#random.next();
        return this.#lasts(() => {
          disk.writeMs = writeMs;
        });
      }
      case "stalled-disk":
        disk.stall();
        return this.#lasts(() => disk.goOn());
      case "full-disk":
        disk.setFull(true);
        return this.#lasts(() => disk.setFull(false));
      case "failing-sync":
        return disk.failNextSync();
      default:
        return this.#flipBits(machine);
    }
  }

  #flipBits(machine: Machine): void {
    if (!this.#world.canLose(machine)) return;
    this.#crash(machine);
    this.#world.damage(machine, randomInteger(this.#random, 1, 3), this.#random);
  }

  // ------------------------------------------------------------------ members

  #changeMembers(kind: "add-member" | "remove-member" | "crash-in-change", victim: Machine): void {
    const world = this.#world;
    if (world.operator.wishes.length >= WISHES_MAX) return;
    const { length } = world.machines;
    const isGrowing =
      length <= MACHINES_MIN || (length < MACHINES_MAX && (kind === "add-member" || this.#random.next() < 0.5));
    if (isGrowing) world.grow(this.#random.next() < 0.7 ? "voter" : "learner");
    else if (!world.canShrink) return;
    else if (this.#random.next() < 0.5) world.operator.remove(victim.id);
    else world.removeDirectly(victim.id);
    if (kind !== "crash-in-change") return;
    // Somewhere in the change, or in what it leads to by itself.
    for (const machine of this.#running) {
      if (this.#random.next() < 0.4) world.schedule(this.#durationMs * this.#random.next(), () => this.#crash(machine));
    }
  }

  // ------------------------------------------------------------------ helpers

  #lasts(undo: () => void): void {
    this.#world.undoAfter(this.#durationMs, undo);
  }

  #any<T>(values: readonly T[]): T | undefined {
    return values[randomInteger(this.#random, 0, values.length - 1)];
  }
}
