/**
 * Members that come, go, and lose their disks, while everything else goes wrong as well.
 *
 * Whatever happens, so many voters keep their disks that the group can heal: what no group survives is not tried.
 */

import { peersOf, votersOf } from "../../src/raft/core/quorum.ts";
import { isChanging } from "../../src/raft/core/state.ts";
import type { NodeName } from "../../src/types/ids.ts";
import { asNodeName } from "../../src/types/ids.ts";
import type { Member, MembershipChange } from "../../src/types/membership.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import type { Before } from "./raft-invariants.ts";
import type { CrashPoint, SimulatedNode } from "./raft-sim-node.ts";

/** A wiped voter is believed to live for an election timeout; until then nobody takes another one away. */
const AFTER_WIPE_MS = 3_000;
const JOIN_RETRY_MS = 250;

export interface ChurnWorld {
  /** Members and those that may become such. */
  readonly nodes: readonly SimulatedNode[];
  readonly random: Random;
  now(): number;
  isHealed(): boolean;
  schedule(delayMs: number, run: () => void): void;
  count(what: string): void;
}

export class Churn {
  readonly #world: ChurnWorld;
  #quietUntil = 0;

  constructor(world: ChurnWorld) {
    this.#world = world;
  }

  /** Does one thing to the members. */
  act(): void {
    const leader = this.#leader();
    if (leader === undefined || this.#world.now() < this.#quietUntil) return;
    const { next } = this.#world.random;
    const kind = next();
    if (kind < 0.35) this.#add(leader, next() < 0.8 ? "voter" : "learner");
    else if (kind < 0.6) this.#remove(leader);
    else if (kind < 0.7) this.#promote(leader);
    else this.#wipe(leader);
  }

  /** A leader that just entered a joint configuration may die of it. */
  stepped(node: SimulatedNode, before: Before): void {
    const { outgoing } = node.core!.membership;
    if (outgoing.length > 0 && before.membership.outgoing.length === 0) {
      this.#world.count("joint configuration entered");
      if (this.#world.isHealed() || node.core!.role !== "leader" || this.#world.random.next() < 0.6) return;
      node.crashPoint = this.#pick<CrashPoint>(["amid-sends", "before-persist", "after-persist", "after-apply"]);
    }
    if (outgoing.length === 0 && before.membership.outgoing.length > 0) this.#world.count("joint configuration left");
  }

  #leader(): SimulatedNode | undefined {
    const leaders = this.#world.nodes.filter((node) => node.isReady && node.core!.role === "leader");
    return leaders.sort((a, b) => b.core!.term - a.core!.term)[0];
  }

  #change(leader: SimulatedNode, change: MembershipChange): void {
    this.#world.count(`asked to ${change.type}`);
    leader.deliver({ type: "changeMembership", change });
  }

  #add(leader: SimulatedNode, becomes: "voter" | "learner"): void {
    const newcomer = this.#startSpare();
    if (newcomer === undefined) return;
    this.#change(leader, { type: "add", member: { id: newcomer.id, name: asNodeName(newcomer.id) }, becomes });
  }

  #remove(leader: SimulatedNode): void {
    const { membership } = leader.core!;
    const id = this.#world.random.next() < 0.3 ? leader.id : this.#pick(peersOf(membership));
    this.#change(leader, { type: "remove", id });
  }

  #promote(leader: SimulatedNode): void {
    const { learners } = leader.core!.membership;
    if (learners.length > 0) this.#change(leader, { type: "promote", id: this.#pick(learners).id });
  }

  /** A voter's disk is lost, and one with its name comes back without a memory (F7). */
  #wipe(leader: SimulatedNode): void {
    const { membership } = leader.core!;
    const victim = this.#node(this.#pick(votersOf(membership)));
    if (!this.#isSettled(leader) || victim.isGone || !this.#survivesWithout(victim, membership.voters)) return;
    const heir = this.#startSpare();
    if (heir === undefined) return;
    const { name } = membership.voters.find(({ id }) => id === victim.id)!;
    victim.leave();
    this.#world.count("disk lost");
    this.#quietUntil = this.#world.now() + AFTER_WIPE_MS;
    this.#askToJoin(heir, name);
  }

  /** While a change is under way, or may come back with a leader that failed, the voters may turn out to be fewer. */
  #isSettled(leader: SimulatedNode): boolean {
    const inForce = JSON.stringify(leader.core!.membership);
    const others = this.#world.nodes.filter(({ isGone, life }) => !isGone && life > 0);
    return !isChanging(leader.core!) && others.every(({ core }) => JSON.stringify(core?.membership) === inForce);
  }

  #survivesWithout(victim: SimulatedNode, voters: readonly Member[]): boolean {
    const left = voters.filter(({ id }) => id !== victim.id && !this.#node(id).isGone);
    return 2 * left.length > voters.length;
  }

  /** Until a leader has committed it. */
  #askToJoin(heir: SimulatedNode, name: NodeName): void {
    const leader = this.#leader();
    const isMember = leader !== undefined && peersOf(leader.appliedMembership).includes(heir.id);
    if (isMember || heir.isGone) return;
    if (leader !== undefined) this.#change(leader, { type: "add", member: { id: heir.id, name }, becomes: "voter" });
    this.#world.schedule(JOIN_RETRY_MS, () => this.#askToJoin(heir, name));
  }

  /** One that never was a member. */
  #startSpare(): SimulatedNode | undefined {
    const spare = this.#world.nodes.find((node) => node.life === 0);
    spare?.start();
    return spare;
  }

  #node(id: string): SimulatedNode {
    return this.#world.nodes.find((node) => node.id === id)!;
  }

  #pick<T>(values: readonly T[]): T {
    return values[randomInteger(this.#world.random, 0, values.length - 1)]!;
  }
}
