/** A machine of the simulated region: what is left of a node when its process has ended. */

import type { RaftState } from "../../src/raft/core/state.ts";
import type { NodeId } from "../../src/types/ids.ts";
import { decodeMembership, type Member, type Membership } from "../../src/types/membership.ts";
import { DiskRecord, type SimulatedDisk } from "./node-sim-disk.ts";
import type { Hardware } from "./node-sim-loop.ts";
import type { NodeProcess } from "./node-sim-process.ts";
import type { DurableLog, ObservedMember } from "./raft-invariants.ts";

/** An identity with its disk and its clocks. A wiped disk makes another one, of the same name. */
export class Machine implements ObservedMember {
  readonly member: Member;
  /** False for one that lost its disk: its region exists. */
  readonly mayFound: boolean;
  readonly hardware: Hardware;
  readonly disk: SimulatedDisk;
  readonly record = new DiskRecord();
  /** Null while it is down. */
  process: NodeProcess | null = null;
  /** It never starts again: its disk is gone or damaged, or it left the region. */
  isGone = false;

  constructor(member: Member, mayFound: boolean, hardware: Hardware, disk: SimulatedDisk) {
    this.member = member;
    this.mayFound = mayFound;
    this.hardware = hardware;
    this.disk = disk;
  }

  get id(): NodeId {
    return this.member.id;
  }

  get core(): RaftState | null {
    return this.process?.core ?? null;
  }

  get image(): DurableLog {
    return this.record.image;
  }

  /**
   * The configurations that it may bring into force: also one that is down, with a change that nobody else has heard of.
   *
   * @param committed - the highest index known committed by anybody
   */
  possibleMemberships(committed: number): readonly Membership[] {
    const { core, image } = this;
    if (core !== null) return core.configurations.possible(core.log.commit);
    const changes = image.entries.filter(({ kind, index }) => kind === "membership" && index > committed);
    return changes.map(({ data }) => decodeMembership(data));
  }

  /** How it stands, in words. */
  toString(): string {
    const { id, isGone, record, process } = this;
    if (process === null) return `${id} is ${isGone ? "gone" : "down"}, on its disk ${record.image}`;
    const { core, loop } = process;
    const pause = loop.isPaused ? ", paused" : "";
    if (core === null) return `${id} has no place in the region${pause}`;
    const { role, term, leader, log, membership } = core;
    const idsOf = (members: readonly Member[]) => members.map((member) => member.id).join(" ");
    const members = [membership.voters, membership.outgoing, membership.learners].map(idsOf).join(" | ");
    return `${id} is ${role} of term ${term} under ${leader}, log ${log.startIndex}-${log.lastIndex}, commit ${log.commit}, members ${members}${pause}`;
  }
}
