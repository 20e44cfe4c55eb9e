/**
 * A region of whole nodes in one process and on virtual time: production driver, storage and registry
 * (`node-sim-process.ts`) on simulated clocks, disks and links. Everything follows from the plan, and so from one seed.
 *
 * What the members do is checked as it happens (`raft-invariants.ts`, `node-sim-ledger.ts`, `node-sim-agents.ts`), and the
 * first breach ends the run.
 */

import { peersOf } from "../../src/raft/core/quorum.ts";
import type { RaftState } from "../../src/raft/core/state.ts";
import type { RaftEvent } from "../../src/raft/core/step.ts";
import { MembershipError, RaftError } from "../../src/raft/index.ts";
import { decodeCommand } from "../../src/registry/commands.ts";
import { StorageError } from "../../src/storage/interface.ts";
import { asNodeId, asNodeName, type NodeId, type NodeName } from "../../src/types/ids.ts";
import type { Member, Membership } from "../../src/types/membership.ts";
import type { RaftMessage } from "../../src/types/raft.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import { HistoryRecorder } from "./history.ts";
import { LeaseAgent, LeaseWatch, type LeaseWorld } from "./node-sim-agents.ts";
import { type Answer, type ClientWorld, RegisterClient } from "./node-sim-clients.ts";
import { SimulatedDisk } from "./node-sim-disk.ts";
import { inject } from "./node-sim-faults.ts";
import { CommandLedger } from "./node-sim-ledger.ts";
import { ProcessLoop } from "./node-sim-loop.ts";
import { Machine } from "./node-sim-machine.ts";
import { SimulatedNetwork } from "./node-sim-network.ts";
import { Operator } from "./node-sim-operators.ts";
import type { NodeSimulationPlan } from "./node-sim-plan.ts";
import { type CrashPoint, NodeProcess, type NodeSettings, ProcessGone, type ProcessWatch } from "./node-sim-process.ts";
import { isWorthTelling, Story } from "./node-sim-story.ts";
import { VirtualTime } from "./node-sim-time.ts";
import { InvariantBroken, RaftInvariants } from "./raft-invariants.ts";
import { streamOf } from "./raft-sim-plan.ts";

const FOUNDING_MS = 10_000;
/** Streams of the workload: the nemesis has the first, clients follow, then agents. */
const AGENT_STREAM = 1_001;
const OPERATOR_STREAM = 2_001;

export class NodeWorld implements ProcessWatch, ClientWorld, LeaseWorld {
  readonly plan: NodeSimulationPlan;
  readonly network: SimulatedNetwork;
  /** Every identity there ever was. */
  readonly everybody: Machine[] = [];
  readonly operator: Operator;
  readonly clients: RegisterClient[];
  readonly agents: LeaseAgent[];
  readonly ledger = new CommandLedger();
  readonly history: HistoryRecorder;
  readonly counters = new Map<string, number>();
  readonly time = new VirtualTime(() => this.#checkDoomed());
  readonly story = new Story();
  readonly #invariants: RaftInvariants;
  readonly #leases: LeaseWatch;
  readonly #nemesis: RegisterClient;
  readonly #settings: NodeSettings;
  readonly #chance: Random;
  readonly #undos = new Set<() => void>();
  /** Those whose disk refused a write: they must be gone when the event is over (R8). */
  readonly #doomed = new Set<NodeProcess>();
  #isHealed = false;
  #starts = 0;
  #raftMessages = 0;
  /** Removals at a leader that have not been answered. */
  #removals = 0;

  constructor(plan: NodeSimulationPlan) {
    this.plan = plan;
    this.network = new SimulatedNetwork(this.time.queue, streamOf(plan.seed, "network"), plan.network);
    this.history = new HistoryRecorder({ now: () => this.time.queue.now });
    this.#chance = streamOf(plan.seed, "nodes");
    this.#invariants = new RaftInvariants(this.everybody, (what) => this.count(what));
    this.#leases = new LeaseWatch(this);
    const names = Array.from({ length: plan.nodes }, (_, i) => asNodeName(`n${i + 1}`));
    for (const name of names) this.#addMachine(name, name, true);
    const { heartbeatMs, electionMsMax } = plan.raft;
    this.#settings = {
      raft: plan.raft,
      leases: { leaseGraceMs: 2 * heartbeatMs, livePathMs: electionMsMax, ...plan.leases },
      timeouts: { livePathMs: electionMsMax },
      names,
    };
    this.operator = new Operator(this, streamOf(plan.seed, "workload", OPERATOR_STREAM));
    const randomOf = (client: number) => streamOf(plan.seed, "workload", client);
    this.#nemesis = new RegisterClient("nemesis client", plan.clients, randomOf(0), this);
    this.clients = Array.from(
      { length: plan.clients.clients },
      (_, i) => new RegisterClient(`client ${i + 1}`, plan.clients, randomOf(1 + i), this),
    );
    this.agents = Array.from(
      { length: plan.agents.agents },
      (_, i) => new LeaseAgent(i + 1, plan.agents, randomOf(AGENT_STREAM + i), this, this.#leases),
    );
  }

  get now(): number {
    return this.time.now;
  }

  /** Raft messages sent so far. */
  get raftMessages(): number {
    return this.#raftMessages;
  }

  get checks(): number {
    return this.#invariants.checks;
  }

  schedule(delayMs: number, run: () => void): void {
    this.time.schedule(delayMs, run);
  }

  count(what: string): void {
    this.counters.set(what, (this.counters.get(what) ?? 0) + 1);
  }

  // ------------------------------------------------------------------ who is there

  /** Those that may run, now or later. */
  get machines(): Machine[] {
    return this.everybody.filter(({ isGone }) => !isGone);
  }

  get running(): Machine[] {
    return this.everybody.filter(({ process }) => process !== null);
  }

  /** Who leads the highest term. */
  get leader(): NodeProcess | undefined {
    let leader: NodeProcess | undefined;
    for (const { process } of this.everybody) {
      if (process?.core?.role !== "leader") continue;
      if (leader === undefined || process.core.term > leader.core!.term) leader = process;
    }
    return leader;
  }

  /** The highest index known committed by anybody. */
  get committed(): number {
    return this.#invariants.quorumReaches;
  }

  get networkWholeSince(): number {
    return this.network.wholeSince;
  }

  get livePathMs(): number {
    return this.plan.raft.electionMsMax;
  }

  anyProcess(random: Random): NodeProcess | undefined {
    const { running } = this;
    return running[randomInteger(random, 0, running.length - 1)]?.process ?? undefined;
  }

  anyMember(random: Random): NodeProcess | undefined {
    const members = this.running.filter(({ id, core }) => core !== null && peersOf(core.membership).includes(id));
    return members[randomInteger(random, 0, members.length - 1)]?.process ?? undefined;
  }

  /**
   * Whether the region bears the loss of this disk: of every configuration that is in force or may come to be, a majority
   * of the voters keeps its own. While somebody is being removed nobody can tell: a leader takes a voter whose disk was
   * lost a moment ago for one that answers (R52).
   */
  canLose(machine: Machine): boolean {
    const isKept = (id: NodeId) => id !== machine.id && !this.#isLost(id);
    const keepsMajority = (voters: readonly Member[]) =>
      voters.length === 0 || 2 * voters.filter(({ id }) => isKept(id)).length > voters.length;
    const memberships = this.#possibleMemberships();
    return (
      !this.#isRemoving &&
      memberships.length > 0 &&
      memberships.every(({ voters, outgoing }) => [voters, outgoing].every(keepsMajority))
    );
  }

  /** Whether a voter may be removed: none has lost its disk, and is still to be replaced. */
  get canShrink(): boolean {
    return this.#possibleMemberships().every(({ voters }) => voters.every(({ id }) => !this.#isLost(id)));
  }

  get #isRemoving(): boolean {
    return this.#removals > 0 || this.operator.isRemoving;
  }

  #isLost(id: NodeId): boolean {
    return !this.machines.some((machine) => machine.id === id && !machine.record.isDamaged);
  }

  #possibleMemberships(): readonly Membership[] {
    return this.machines.flatMap((machine) => machine.possibleMemberships(this.committed));
  }

  #addMachine(name: NodeName, id: string, mayFound: boolean): Machine {
    const { seed, clocks, writeMs } = this.plan;
    const number = this.everybody.length;
    const disk = new SimulatedDisk(this.time.queue, streamOf(seed, "disk", number), writeMs);
    const hardware = { ...clocks[number % clocks.length]! };
    const machine = new Machine({ id: asNodeId(id), name }, mayFound, hardware, disk);
    this.everybody.push(machine);
    return machine;
  }

  // ------------------------------------------------------------------ lives

  /** Starts the machines, and waits until they have founded their region. */
  async found(): Promise<void> {
    for (const machine of this.everybody) this.start(machine);
    const isFounded = await this.time.until(
      () => this.everybody.every(({ process }) => process?.group != null),
      FOUNDING_MS,
    );
    if (!isFounded) throw new InvariantBroken(`the region was not founded within ${FOUNDING_MS} ms`);
  }

  /** Lets loose everything that the plan has in store. */
  unleash(): void {
    const { faults, durationMs, agents } = this.plan;
    this.network.setCalm(false);
    for (const client of [...this.clients, ...this.agents]) client.start();
    for (const agent of this.agents) {
      if (this.#chance.next() >= agents.mortality) continue;
      this.schedule(durationMs * this.#chance.next(), () => agent.stop());
    }
    for (const fault of faults) {
      this.schedule(fault.atMs, () => {
        if (!this.#isHealed) inject(this, fault);
      });
    }
  }

  start(machine: Machine): void {
    if (machine.process !== null || machine.isGone) return;
    const loop = new ProcessLoop(this.time.queue, machine.hardware, (error) => this.time.fail(error));
    const random = streamOf(this.plan.seed, "nodes", ++this.#starts);
    const { network } = this;
    machine.process = new NodeProcess({ machine, network, loop, random, settings: this.#settings, watch: this });
    network.join(machine.process.endpoint);
    this.#tell(machine.id, "starts");
    machine.process.start();
  }

  /** kill -9, and the power with it: what was not synced may be gone. */
  crash(machine: Machine, { downMs, isSeen }: { downMs: number; isSeen: boolean }): void {
    if (machine.process === null) return;
    this.#tell(machine.id, "dies");
    this.#noteLosses(machine.process);
    this.#end(machine.process, isSeen);
    this.schedule(downMs, () => this.start(machine));
  }

  /** As operators do: hands over, finishes what it has begun, and comes back. */
  restart(machine: Machine, downMs: number): void {
    const { process } = machine;
    if (process === null) return;
    this.#tell(machine.id, "is told to stop");
    process.stop(() => {
      this.#end(process, true);
      this.schedule(downMs, () => this.start(machine));
    });
  }

  /** Flips bits on the disk of a machine that is down. */
  damage(machine: Machine, bits: number, random: Random): void {
    machine.record.isDamaged = true;
    machine.disk.flipBits(bits, random);
  }

  /** Its disk is gone; what comes back under its name is somebody new (F7). */
  wipe(machine: Machine, downMs: number): void {
    this.#tell(machine.id, "loses its disk");
    if (machine.process !== null) this.#end(machine.process, true);
    machine.isGone = true;
    const { name } = machine.member;
    const successor = this.#addMachine(name, `${name}#${this.everybody.length}`, false);
    this.schedule(downMs, () => this.start(successor));
  }

  /** Starts a node under a new name, which an operator then takes in. */
  grow(becomes: "voter" | "learner"): void {
    const name = asNodeName(`n${this.everybody.length + 1}`);
    this.start(this.#addMachine(name, name, true));
    this.#takeIn(name, becomes);
  }

  /** Has operators take in whoever runs and belongs to no region: it returned under a name that was removed meanwhile. */
  takeInStrangers(): void {
    const members = this.leader?.core?.membership;
    if (members === undefined) return;
    for (const { id, member } of this.running) {
      if (!peersOf(members).includes(id)) this.#takeIn(member.name, "voter");
    }
  }

  #takeIn(name: NodeName, becomes: "voter" | "learner"): void {
    this.operator.add(name, becomes, () => this.machines.some(({ member }) => member.name === name));
  }

  transferLeadership(target: NodeId | null): void {
    const { leader } = this;
    leader?.loop.receive(() => {
      leader.group?.transferLeadership(target).catch((error: unknown) => this.fatal(leader, error));
    });
  }

  /** Removes a member at once, also the leader itself, if the leader takes the change; nobody tries again. */
  removeDirectly(id: NodeId): void {
    const { leader } = this;
    if (leader === undefined) return;
    const timeoutMs = this.plan.raft.electionMsMax;
    const ask = async ({ group }: NodeProcess) => group?.changeMembership({ type: "remove", id }, { timeoutMs });
    this.#removals++;
    this.ask(leader, 2 * timeoutMs, ask, (answer) => {
      this.#removals--;
      if (answer.is === "ok") this.count("member removed");
      else if (answer.is === "error" && !isExpected(answer.error)) throw answer.error;
    });
  }

  /** Through this process, unless the last such write is still under way. */
  writeSomething(process: NodeProcess): void {
    this.#nemesis.write(process);
  }

  /** Undoes something after a while, or when the world is healed. */
  undoAfter(ms: number, undo: () => void): void {
    this.#undos.add(undo);
    this.schedule(ms, () => {
      if (this.#undos.delete(undo)) undo();
    });
  }

  /** Ends all faults, for good; whatever can run, runs. */
  heal(): void {
    this.#tell("world", "is healed");
    this.#isHealed = true;
    this.network.setCalm(true);
    this.operator.giveUpRemoving();
    for (const undo of this.#undos) undo();
    this.#undos.clear();
    for (const machine of this.machines) {
      if (machine.process !== null) machine.process.crashAt = null;
      else this.start(machine);
    }
  }

  #end(process: NodeProcess, isSeen: boolean): void {
    const { machine } = process;
    process.end();
    machine.process = null;
    machine.disk.crash();
    this.network.leave(process.endpoint, isSeen ? this.plan.kernelTells : 0);
    this.#leases.forget(process);
  }

  #noteLosses({ core, machine }: NodeProcess): void {
    if (core === null) return;
    const { term, votedFor } = machine.image.hardState;
    if (core.votedFor !== null && (core.term !== term || core.votedFor !== votedFor))
      this.count("vote lost at a crash");
    if (core.log.stable < core.log.lastIndex) this.count("entries lost at a crash");
  }

  // ------------------------------------------------------------------ what processes tell

  started(process: NodeProcess): void {
    this.#invariants.started(process.machine);
  }

  stepped(process: NodeProcess, core: RaftState, event: RaftEvent): void {
    const { before, machine } = process;
    const { role, term, log } = core;
    this.story.mix(this.now * 1_000 + term);
    this.story.mix(log.lastIndex * 31 + log.commit);
    const isNews = role !== before.role || term !== before.term;
    if (isWorthTelling(event)) this.#tell(machine.id, event);
    if (isNews) {
      this.#tell(machine.id, `is ${role} of term ${term}, log to ${log.lastIndex}, commit ${log.commit}`);
      if (role === "leader") this.#leases.leads(process);
      if (before.role === "leader" && term === before.term) this.count("leader stepped down by itself");
      if (role === "leader" && core.isTransferCampaign) this.count("leadership transferred");
    }
    if (core.membership !== before.membership) this.#noteMembership(process, core);
    this.#invariants.stepped(machine, before, event);
  }

  #noteMembership({ machine }: NodeProcess, { membership, role }: RaftState): void {
    const { voters, outgoing, learners } = membership;
    const idsOf = (members: readonly Member[]) => members.map(({ id }) => id).join();
    this.#tell(machine.id, `has voters ${idsOf(voters)}, outgoing ${idsOf(outgoing)}, learners ${idsOf(learners)}`);
    if (role !== "leader") return;
    this.count(outgoing.length > 0 ? "joint configuration begun" : "configuration begun");
    if (!voters.some(({ id }) => id === machine.id)) this.count("leader left itself out");
  }

  sending(process: NodeProcess, message: RaftMessage): void {
    this.#raftMessages++;
    if (message.type === "preVoteResponse" && !message.granted) this.count("pre-vote refused");
    if (message.type === "voteResponse" && !message.granted) this.count("vote refused");
    if (message.type === "appendResponse" && !message.accepted) this.count("append refused");
    this.#invariants.sending(process.machine, message);
  }

  applying(process: NodeProcess, bytes: Uint8Array, index: number): void {
    const command = this.ledger.applying(bytes, index);
    if (command === null) return;
    this.#tell(process.id, `applies ${command.kind} at ${index}`);
    if (command.kind === "expire") this.#leases.ending(process, command);
  }

  stating({ machine }: NodeProcess, index: number, membership: Membership): void {
    this.#invariants.stating(machine, index, membership);
  }

  restored({ stateMachine, machine }: NodeProcess, index: number): void {
    this.#invariants.applied(machine, index, stateMachine.stateHash());
  }

  applied(process: NodeProcess, index: number): void {
    const { stateMachine, machine } = process;
    this.#invariants.applied(machine, index, stateMachine.stateHash());
    this.#leases.ended(process);
    const id = this.ledger.registeredAt(index);
    const incarnation = id === undefined ? undefined : stateMachine.index.get(id)?.incarnation;
    if (incarnation !== undefined) this.#leases.renewed(process, incarnation);
  }

  installed(): void {
    this.count("snapshot installed");
  }

  proposing(process: NodeProcess, bytes: Uint8Array): void {
    const command = decodeCommand(bytes);
    if (command?.kind === "expire") this.time.guard(() => this.#leases.proposing(process, command));
  }

  renewed(process: NodeProcess, incarnation: number): void {
    this.time.guard(() => this.#leases.showed(process, incarnation));
  }

  heardRenewals(process: NodeProcess, payload: unknown): void {
    this.#leases.heard(process, payload);
  }

  dies(process: NodeProcess, point: CrashPoint): void {
    this.count(`crash at: ${point}`);
    const downMs = 2 * this.plan.raft.electionMsMax * this.#chance.next();
    this.crash(process.machine, { downMs, isSeen: this.#chance.next() < 0.7 });
  }

  writeFailed(process: NodeProcess): void {
    this.#doomed.add(process);
  }

  left(process: NodeProcess): void {
    this.#tell(process.id, "left the region");
    this.count("left the region");
    this.#end(process, true);
    process.machine.isGone = true;
  }

  fatal(process: NodeProcess, error: unknown): void {
    const { machine } = process;
    const code = error instanceof StorageError ? error.detail.code : null;
    this.#tell(machine.id, `stops: ${code ?? error}`);
    if (code === "WRITE_FAILED") {
      this.count("stopped by its disk");
      this.crash(machine, { downMs: this.plan.raft.electionMsMax * this.#chance.next(), isSeen: true });
    } else if (code === "CORRUPT" && machine.record.isDamaged) {
      this.count("damaged disk refused");
      this.wipe(machine, this.plan.raft.electionMsMax * this.#chance.next());
    } else {
      this.time.fail(error);
    }
  }

  #checkDoomed(): void {
    if (this.#doomed.size === 0) return;
    for (const process of this.#doomed) {
      if (process.isAlive && !process.isEnding)
        this.time.fail(new InvariantBroken(`${process.id} goes on after its disk refused a write (R8)`));
    }
    this.#doomed.clear();
  }

  // ------------------------------------------------------------------ what clients ask

  ask<T>(
    process: NodeProcess,
    patienceMs: number,
    ask: (process: NodeProcess) => Promise<T>,
    hear: (answer: Answer<T>) => void,
  ): void {
    let isHeard = false;
    const once = (answer: Answer<T>) => {
      if (isHeard) return;
      isHeard = true;
      timeout.run = null;
      this.time.guard(() => hear(answer));
    };
    const timeout = this.time.queue.schedule(patienceMs, () => once({ is: "lost" }));
    process.call(ask).then(
      (value) => once({ is: "ok", value }),
      (error: unknown) => once(error instanceof ProcessGone ? { is: "lost" } : { is: "error", error }),
    );
  }

  // ------------------------------------------------------------------ what happened

  /** How everybody stands, and what is still to be done. */
  get standing(): string[] {
    return [...this.everybody.map(String), ...this.operator.wishes.map((wish) => `operators still want: ${wish}`)];
  }

  #tell(who: string, what: string | RaftEvent): void {
    this.story.note(this.now, who, what);
  }
}

/** What the group may say to an operator. */
function isExpected(error: unknown): boolean {
  return error instanceof MembershipError || error instanceof RaftError;
}
