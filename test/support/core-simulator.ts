/**
 * A Raft group of pure cores in a world of virtual time: a network that loses, repeats, delays and cuts, disks that are
 * slow, hang and forget what was not synced, processes that die at any point, sleep and come back.
 *
 * Everything follows from the seed. After every event `RaftInvariants` looks at all members; at the end the world is
 * healed, and the group must serve a read, then agree, then serve a write, in bounded time and with bounded traffic.
 */

import { Packr } from "msgpackr";
import { peersOf } from "../../src/raft/core/quorum.ts";
import { acceptsProposals } from "../../src/raft/core/step.ts";
import type { NodeId } from "../../src/types/ids.ts";
import { NO_MEMBERS } from "../../src/types/membership.ts";
import type { LogEntry, RaftMessage } from "../../src/types/raft.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import { type Before, type EventBody, InvariantBroken, RaftInvariants } from "./raft-invariants.ts";
import { Churn } from "./raft-sim-churn.ts";
import { type CrashPoint, type NodeHost, SimulatedNode, type SnapshotInFlight } from "./raft-sim-node.ts";
import { drawPlan, type Fault, members, type SimulationPlan, streamOf } from "./raft-sim-plan.ts";
import { EventQueue } from "./raft-sim-queue.ts";

const HISTORY_LENGTH = 200;
const LIMBO_MS = 5_000;
/** Longest time a healed group may need for each of the things it must then do. */
const LIVENESS_MS = 12_000;
/** Longest time that one entry more may take. */
const ENTRY_MS = 50;
const QUIET_MS = 1_000;

export interface SimulationResult {
  readonly seed: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly committed: number;
  /** How often a member was looked at. */
  readonly checks: number;
  /** Equal for equal runs. */
  readonly traceHash: number;
  /** How often something worth reaching was reached. */
  readonly counters: ReadonlyMap<string, number>;
}

/** The first breach, with what led to it. */
export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";
  readonly seed: number;

  constructor(plan: SimulationPlan, history: readonly string[], cause: unknown) {
    const what = cause instanceof Error ? (cause instanceof InvariantBroken ? cause.message : cause.stack) : cause;
    super(
      [
        `seed ${plan.seed}: ${what}`,
        `replay: npm run sim -- --seed ${plan.seed}`,
        `plan: ${JSON.stringify(plan)}`,
        ...history,
      ].join("\n"),
      { cause },
    );
    this.seed = plan.seed;
  }
}

/** @throws SimulationFailure at the first broken promise */
export function simulate(seed: number, plan: SimulationPlan = drawPlan(seed)): SimulationResult {
  return new CoreSimulator(plan).run();
}

interface Link {
  isCut: boolean;
}

/** How far the figure-eight script has come: which leader lost its office, who took it, what may not spread. */
interface FigureEight {
  readonly former: SimulatedNode;
  rival: SimulatedNode | null;
  /** Entries of this term stay where they are, while older ones spread. */
  heldTerm: number | null;
}

const packr = new Packr({ useRecords: false });

class CoreSimulator implements NodeHost {
  readonly #plan: SimulationPlan;
  readonly #queue = new EventQueue();
  readonly #nodes: SimulatedNode[];
  readonly #byId = new Map<NodeId, SimulatedNode>();
  readonly #invariants: RaftInvariants;
  readonly #network: Random;
  readonly #faults: Random;
  readonly #workload: Random;
  readonly #founders: number;
  readonly #churnRandom: Random;
  readonly #churn: Churn;
  readonly #links = new Map<string, Link>();
  readonly #clockJumps = new Map<NodeId, number>();
  readonly #counters = new Map<string, number>();
  readonly #history: (() => string)[] = [];
  #figureEight: FigureEight | null = null;
  #isHealed = false;
  #traceHash = 0x811c9dc5;
  #events = 0;
  #messages = 0;
  #nextCommand = 1;
  #nextRequest = 1;
  #readsConfirmed = 0;

  constructor(plan: SimulationPlan) {
    this.#plan = plan;
    this.#network = streamOf(plan.seed, "network");
    this.#faults = streamOf(plan.seed, "faults");
    this.#workload = streamOf(plan.seed, "workload");
    this.#churnRandom = streamOf(plan.seed, "faults", 1);
    const founders = peersOf(plan.membership);
    const spares = members(founders.length + 1, founders.length + (plan.churn?.spares ?? 0)).map(({ id }) => id);
    this.#founders = founders.length;
    this.#nodes = [...founders, ...spares].map((id, i) => {
      const randoms = { node: streamOf(plan.seed, "disk", i), core: streamOf(plan.seed, "nodes", i) };
      return new SimulatedNode(id, i < founders.length ? plan.membership : NO_MEMBERS, plan, this, randoms);
    });
    for (const node of this.#nodes) {
      this.#byId.set(node.id, node);
      node.writeMs = plan.writeMs;
      for (const other of this.#nodes) this.#links.set(`${node.id}>${other.id}`, { isCut: false });
    }
    this.#invariants = new RaftInvariants(this.#nodes, (what) => this.count(what));
    this.#churn = new Churn({
      nodes: this.#nodes,
      random: this.#churnRandom,
      now: () => this.#queue.now,
      isHealed: () => this.#isHealed,
      schedule: (delayMs, run) => this.#queue.schedule(delayMs, run),
      count: (what) => this.count(what),
    });
  }

  run(): SimulationResult {
    const { durationMs } = this.#plan;
    try {
      for (const node of this.#nodes.slice(0, this.#founders)) node.start();
      this.#everyMs(this.#plan.proposeEveryMs, () => this.#propose());
      this.#everyMs(this.#plan.readEveryMs, () => this.#read());
      if (this.#plan.faults.length > 0) this.#everyMs(this.#plan.faultEveryMs, () => this.#fault());
      if (this.#plan.churn !== null) this.#churnEveryMs(this.#plan.churn.everyMs);
      this.#runUntil(durationMs, () => false);
      this.#heal();
      this.#checkLiveness();
    } catch (cause) {
      throw new SimulationFailure(
        this.#plan,
        this.#history.map((line) => line()),
        cause,
      );
    }
    return {
      seed: this.#plan.seed,
      events: this.#events,
      virtualMs: Math.round(this.#queue.now),
      committed: this.#invariants.quorumReaches,
      checks: this.#invariants.checks,
      traceHash: this.#traceHash,
      counters: this.#counters,
    };
  }

  /** @returns whether `isDone` held in time */
  #runUntil(deadline: number, isDone: () => boolean): boolean {
    let sinceLook = 0;
    while (this.#queue.runNext(deadline)) {
      this.#events++;
      if (++sinceLook < 20) continue;
      sinceLook = 0;
      if (isDone()) return true;
    }
    return isDone();
  }

  /** Repeats at random intervals of this mean, until the world is healed. */
  #everyMs(meanMs: number, run: () => void): void {
    this.#queue.schedule(2 * meanMs * this.#workload.next(), () => {
      if (this.#isHealed) return;
      run();
      this.#everyMs(meanMs, run);
    });
  }

  #churnEveryMs(meanMs: number): void {
    this.#queue.schedule(2 * meanMs * this.#churnRandom.next(), () => {
      if (this.#isHealed) return;
      this.#churn.act();
      this.#churnEveryMs(meanMs);
    });
  }

  // ------------------------------------------------------------------ what members ask of the world

  schedule(delayMs: number, run: () => void): void {
    this.#queue.schedule(delayMs, run);
  }

  clockOf(node: SimulatedNode): number {
    const rate = this.#plan.clockRates[this.#nodes.indexOf(node)] ?? 1;
    return this.#queue.now * rate + (this.#clockJumps.get(node.id) ?? 0);
  }

  transmit(message: RaftMessage): void {
    this.#messages++;
    this.#note(() => `sends ${describe(message)}`, message.from, message.term);
    if (this.#links.get(`${message.from}>${message.to}`)!.isCut) return;
    const { loss, duplicates, limbo, delayMs, jitterMs } = this.#plan.network;
    const { next } = this.#network;
    // Bytes cross, not objects: nothing that one member changes shows on another.
    const bytes = packr.pack(this.#withoutHeld(message));
    const deliverAfter = (delay: number) => this.#queue.schedule(delay, () => this.#arrive(bytes));
    // A connection ends with its process: of one that is gone for good nothing comes up seconds later.
    const sender = this.#byId.get(message.from)!;
    const deliverLate = (delay: number) => this.#queue.schedule(delay, () => sender.isGone || this.#arrive(bytes));
    const delay = () => delayMs - (jitterMs === 0 || this.#isHealed ? 0 : jitterMs * Math.log(1 - next()));
    if (!this.#isHealed) {
      if (limbo > 0 && next() < limbo) deliverLate(LIMBO_MS * next());
      if (loss > 0 && next() < loss) return;
      if (duplicates > 0 && next() < duplicates) deliverAfter(delay());
    }
    deliverAfter(delay());
  }

  #arrive(bytes: Uint8Array): void {
    const message: RaftMessage = packr.unpack(bytes);
    if (this.#links.get(`${message.from}>${message.to}`)!.isCut) return;
    const receiver = this.#byId.get(message.to)!;
    if (!receiver.isUp) return;
    if (message.type === "removed") return this.left(receiver);
    if (receiver.appliedMembership.removed.includes(message.from)) return this.#tellRemoved(receiver, message.from);
    receiver.deliver({ type: "message", message });
  }

  #tellRemoved(by: SimulatedNode, id: NodeId): void {
    this.transmit({ type: "removed", from: by.id, to: id, term: by.core!.term });
  }

  left(node: SimulatedNode): void {
    this.count("member left");
    this.#note(() => "leaves the group", node.id, 0);
    node.leave();
  }

  transferSnapshot(node: SimulatedNode, peer: NodeId, snapshot: SnapshotInFlight, done: (ok: boolean) => void): void {
    let isDone = false;
    const finish = (ok: boolean) => {
      if (isDone) return;
      isDone = true;
      if (!ok) this.count("snapshot failed");
      done(ok);
    };
    const { next } = this.#network;
    const isCut = () => this.#links.get(`${node.id}>${peer}`)!.isCut || this.#links.get(`${peer}>${node.id}`)!.isCut;
    const isLost = () => isCut() || (!this.#isHealed && next() < this.#plan.snapshotLoss / 2);
    this.count("snapshot sent");
    this.#queue.schedule(3_000, () => finish(false));
    this.#queue.schedule(2 + 20 * next(), () => {
      if (isLost()) return finish(false);
      this.#byId.get(peer)!.receiveSnapshot(snapshot, 100 * next(), (ok) => {
        this.#queue.schedule(2, () => finish(ok && !isLost()));
      });
    });
  }

  started(node: SimulatedNode): void {
    this.#note(() => `starts in term ${node.core?.term}`, node.id, node.core!.term);
    this.#invariants.started(node);
  }

  stepped(node: SimulatedNode, before: Before, event: EventBody): void {
    const core = node.core!;
    const { term, role, log } = core;
    if (event.type === "message") this.#note(() => `takes ${describe(event.message)}`, node.id, term);
    else if (event.type !== "tick") this.#note(() => `takes ${JSON.stringify(event)}`, node.id, term);
    this.#mix(log.lastIndex * 31 + log.commit);
    if (role !== before.role || term !== before.term) {
      this.#note(() => `is ${role} of term ${term}, log to ${log.lastIndex}, commit ${log.commit}`, node.id, term);
      if (before.role === "leader" && term === before.term) this.count("leader stepped down by itself");
      if (role === "leader" && core.isTransferCampaign) this.count("leadership transferred");
      if (role === "leader") this.#figureEightElected(node, term);
    }
    this.#invariants.stepped(node, before, event);
    this.#churn.stepped(node, before);
  }

  sending(node: SimulatedNode, message: RaftMessage): void {
    if (message.type === "preVoteResponse" && !message.granted) this.count("pre-vote refused");
    if (message.type === "voteResponse" && !message.granted) this.count("vote refused");
    if (message.type === "appendResponse" && !message.accepted) this.count("append refused");
    this.#invariants.sending(node, message);
  }

  applied(node: SimulatedNode, entry: LogEntry): void {
    this.#invariants.applied(node, entry.index, node.hash);
    if (entry.kind !== "membership" || node.core?.role !== "leader") return;
    for (const id of node.appliedMembership.removed) if (this.#byId.get(id)!.isUp) this.#tellRemoved(node, id);
  }

  read(node: SimulatedNode, request: number, index: number | null): void {
    this.#invariants.readEnded(node, request, index);
    if (index === null) return this.count("read refused");
    this.count(node.core?.role === "leader" ? "read confirmed on the leader" : "read confirmed on a follower");
    this.#readsConfirmed++;
  }

  count(what: string): void {
    this.#counters.set(what, (this.#counters.get(what) ?? 0) + 1);
  }

  // ------------------------------------------------------------------ load

  #propose(): void {
    const leaders = this.#nodes.filter((node) => this.#takesProposals(node));
    if (leaders.length > 0) this.#proposeOn(this.#pick(this.#workload, leaders));
  }

  #takesProposals(node: SimulatedNode): boolean {
    if (!node.isReady || !acceptsProposals(node.core!)) return false;
    return node.core!.uncommittedBytes <= this.#plan.uncommittedBytesMax;
  }

  #proposeOn(node: SimulatedNode): void {
    const count = randomInteger(this.#workload, 1, 4);
    const commands = Array.from({ length: count }, () => this.#command());
    node.deliver({ type: "propose", commands });
  }

  /** Unlike any other. */
  #command(): Uint8Array {
    const command = new Uint8Array(4 + randomInteger(this.#workload, 0, 60));
    new DataView(command.buffer).setUint32(0, this.#nextCommand++);
    return command;
  }

  #read(): void {
    const node = this.#pick(this.#workload, this.#nodes);
    if (!node.isReady) return;
    const request = this.#nextRequest++;
    this.#invariants.readBegan(node, request);
    node.deliver({ type: "read", requests: [request] });
  }

  // ------------------------------------------------------------------ faults

  crash(node: SimulatedNode): void {
    this.#crashFor(node, this.#faults.next() < 0.5 ? 30 : 1_500);
  }

  #crashFor(node: SimulatedNode, meanMs: number): void {
    if (!node.isUp) return;
    this.count("crash");
    this.#note(() => "dies", node.id, 0);
    node.crash();
    const { life } = node;
    this.#queue.schedule(meanMs * (0.2 + 1.6 * this.#faults.next()), () => {
      if (node.life === life) node.start();
    });
    for (const other of this.#nodes) {
      if (other === node || this.#faults.next() >= this.#plan.peerGone) continue;
      this.#queue.schedule(1 + 5 * this.#faults.next(), () => other.deliver({ type: "peerGone", peer: node.id }));
    }
  }

  #fault(): void {
    const fault = this.#pick(this.#faults, this.#plan.faults);
    this.#note(() => `fault: ${fault}`, this.#nodes[0]!.id, 0);
    this.#mix(this.#plan.faults.indexOf(fault));
    this.#inject(fault);
  }

  #inject(fault: Fault): void {
    const random = this.#faults;
    const node = this.#pick(random, this.#nodes);
    const leader = this.#nodes.find((candidate) => candidate.isReady && candidate.core!.role === "leader");
    const shortly = (run: () => void): void => {
      this.#queue.schedule(2_000 * random.next(), run);
    };
    switch (fault) {
      case "crash":
        if (random.next() < 0.3) this.#crashFor(node, 800);
        else node.crashPoint = this.#pick<CrashPoint>(random, CRASH_POINTS);
        return;
      case "crash-all":
        for (const each of this.#nodes) this.#crashFor(each, 200);
        return;
      case "leader-crash-mid-append":
      case "leader-crash-mid-write":
        if (leader === undefined || !this.#takesProposals(leader)) return;
        leader.crashPoint = fault === "leader-crash-mid-append" ? "amid-sends" : "before-persist";
        return this.#proposeOn(leader);
      case "leader-alone-with-one": {
        if (leader === undefined) return;
        const companion = this.#pick(random, this.#nodes);
        this.#cutBetween([leader, companion]);
        return shortly(() => this.#mend());
      }
      case "one-follower-hears": {
        if (leader === undefined) return;
        const hearer = this.#pick(random, this.#nodes);
        for (const other of this.#nodes) if (other !== hearer) this.#cut(leader, other);
        return shortly(() => this.#mend());
      }
      case "contested-election":
        return this.#contest(leader);
      case "partition":
        this.#cutBetween(this.#nodes.filter(() => random.next() < 0.5));
        return shortly(() => this.#mend());
      case "one-way-cut":
        this.#cut(node, this.#pick(random, this.#nodes));
        this.#cut(this.#pick(random, this.#nodes), this.#pick(random, this.#nodes));
        return shortly(() => this.#mend());
      case "isolate-one":
        this.#cutBetween([leader !== undefined && random.next() < 0.5 ? leader : node]);
        return shortly(() => this.#mend());
      case "pause":
        return this.#pause(leader !== undefined && random.next() < 0.4 ? leader : node);
      case "slow-disk":
        node.writeMs = 30 + 200 * random.next();
        return shortly(() => node.unstall(this.#plan.writeMs));
      case "stalled-disk": {
        const stalled = leader !== undefined && random.next() < 0.5 ? leader : node;
        stalled.writeMs = Number.POSITIVE_INFINITY;
        return shortly(() => stalled.unstall(this.#plan.writeMs));
      }
      case "transfer":
        return this.#transfer(leader);
      case "cut-during-transfer":
        this.#transfer(leader);
        this.#queue.schedule(20 * random.next(), () => this.#cutBetween([node]));
        return shortly(() => this.#mend());
      case "clock-jump":
        return this.#jump(node, 1_000 * random.next());
      case "figure-eight":
        if (leader !== undefined && this.#figureEight === null) this.#beginFigureEight(leader);
        return;
    }
  }

  /**
   * Figure 3.7 of the dissertation, played on purpose, because chance hardly ever finds it: a leader fails with an entry
   * that few have; a rival is elected and fails with an entry nobody has; the first leads again, and spreads its old
   * entry to a majority but nothing of its new term, and fails; the rival returns and may replace that entry.
   */
  #beginFigureEight(former: SimulatedNode): void {
    const script: FigureEight = { former, rival: null, heldTerm: null };
    this.#figureEight = script;
    this.#cutBetween([former]);
    if (this.#takesProposals(former)) this.#proposeOn(former);
    this.#after(150, script, () => former.crash());
    this.#after(5_000, script, () => this.#endFigureEight(script));
  }

  #figureEightElected(node: SimulatedNode, term: number): void {
    const script = this.#figureEight;
    if (script === null) return;
    if (script.rival === null && node !== script.former) {
      script.rival = node;
      this.#cutBetween([node]);
      this.#after(150, script, () => {
        node.crash();
        this.#mend();
        this.#revive(script.former);
      });
    } else if (script.rival !== null && node === script.former) {
      script.heldTerm = term;
      this.#after(300, script, () => this.#endFigureEight(script));
    } else if (script.rival !== null && node !== script.rival) {
      this.#after(0, script, () => this.#endFigureEight(script));
    }
  }

  /** Unless the script is over by then. */
  #after(delayMs: number, script: FigureEight, run: () => void): void {
    this.#queue.schedule(delayMs, () => {
      if (this.#figureEight === script) run();
    });
  }

  #endFigureEight(script: FigureEight): void {
    this.#figureEight = null;
    this.#mend();
    const { former, rival } = script;
    if (rival === null) return this.#revive(former);
    former.crash();
    this.#revive(rival);
    this.#queue.schedule(1_000, () => this.#revive(former));
  }

  /** Starts it, and lets it stand for election at once. */
  #revive(node: SimulatedNode): void {
    if (!node.isUp) node.start();
    // The first attempt may only teach it the term of the others.
    for (const delayMs of [0, 60]) {
      this.#queue.schedule(delayMs, () => {
        if (node.core?.role === "follower") this.#jump(node, this.#plan.core.electionMsMax);
      });
    }
  }

  /** As if the append had been cut shorter. */
  #withoutHeld(message: RaftMessage): RaftMessage {
    const term = this.#figureEight?.heldTerm ?? null;
    if (term === null || message.type !== "append") return message;
    return { ...message, entries: message.entries.filter((entry) => entry.term !== term) };
  }

  /** Several members stand at once while those who vote die right after voting. */
  #contest(leader: SimulatedNode | undefined): void {
    if (leader !== undefined) this.#crashFor(leader, 1_000);
    for (const node of this.#nodes) {
      if (this.#faults.next() < 0.5) this.#queue.schedule(30 * this.#faults.next(), () => this.#jump(node, 700));
      else {
        node.crashPoint = "after-promises";
        // Those who still hear of the former leader would not vote.
        if (leader !== undefined) node.deliver({ type: "peerGone", peer: leader.id });
      }
    }
  }

  #transfer(leader: SimulatedNode | undefined): void {
    if (leader === undefined) return;
    const target = this.#faults.next() < 0.5 ? null : this.#pick(this.#faults, this.#nodes).id;
    leader.deliver({ type: "transfer", target });
  }

  #pause(node: SimulatedNode): void {
    if (!node.isUp || node.isPaused) return;
    const { life } = node;
    const lagMs = 1_500 * this.#faults.next();
    node.pause();
    this.count("pause");
    this.#queue.schedule(lagMs, () => {
      if (node.life === life) node.resume(lagMs);
    });
  }

  /** The clock says that time has passed, and no timer knew. */
  #jump(node: SimulatedNode, byMs: number): void {
    this.#clockJumps.set(node.id, (this.#clockJumps.get(node.id) ?? 0) + byMs);
    node.deliver({ type: "tick", ownLagMs: 0 });
  }

  #cut(from: SimulatedNode, to: SimulatedNode): void {
    this.#links.get(`${from.id}>${to.id}`)!.isCut = true;
  }

  #cutBetween(side: readonly SimulatedNode[]): void {
    for (const from of this.#nodes) {
      for (const to of this.#nodes) if (side.includes(from) !== side.includes(to)) this.#cut(from, to);
    }
  }

  #mend(): void {
    for (const link of this.#links.values()) link.isCut = false;
  }

  // ------------------------------------------------------------------ the end

  #heal(): void {
    this.#isHealed = true;
    this.#figureEight = null;
    this.#note(() => "the world is healed", this.#nodes[0]!.id, 0);
    this.#mend();
    for (const node of this.#nodes) {
      node.crashPoint = null;
      node.unstall(Math.min(this.#plan.writeMs, 10));
      if (node.isUp) node.resume(0);
      else if (node.life > 0) node.start();
    }
  }

  #checkLiveness(): void {
    // First only a read: a leader that needs a write to get going must not be forgiven.
    const confirmed = this.#readsConfirmed;
    this.#readRepeatedly(() => this.#readsConfirmed > confirmed);
    this.#require("a read is confirmed", () => this.#readsConfirmed > confirmed);
    this.#require("all members agree without a further write", () => this.#isSettled());
    const written = this.#invariants.quorumReaches;
    this.#writeRepeatedly(() => this.#invariants.quorumReaches > written);
    this.#require("a write is committed", () => this.#invariants.quorumReaches > written);
    this.#require("all members agree after the write", () => this.#isSettled());
    this.#checkTraffic();
    this.#checkFarewells();
  }

  #require(what: string, isDone: () => boolean): void {
    const mostMs = LIVENESS_MS + this.#backlog() * ENTRY_MS;
    const isInTime = this.#runUntil(this.#queue.now + mostMs, isDone);
    if (!isInTime) throw new InvariantBroken(`liveness: not within ${mostMs} ms of the healing: ${what}`);
  }

  /** How far a lone voter has outrun its learners, whose windows may take one entry at a time. */
  #backlog(): number {
    const ends = this.#nodes.flatMap(({ core }) => core?.log.lastIndex ?? []);
    return Math.max(...ends) - Math.min(...ends);
  }

  #readRepeatedly(isDone: () => boolean): void {
    if (isDone()) return;
    this.#read();
    this.#queue.schedule(200, () => this.#readRepeatedly(isDone));
  }

  #writeRepeatedly(isDone: () => boolean): void {
    if (isDone()) return;
    this.#propose();
    this.#queue.schedule(200, () => this.#writeRepeatedly(isDone));
  }

  #isSettled(): boolean {
    const leader = this.#nodes.find((node) => node.core?.role === "leader");
    if (leader === undefined) return false;
    const { lastIndex, commit } = leader.core!.log;
    const { membership } = leader.core!;
    const peers = peersOf(membership);
    const agrees = (node: SimulatedNode) =>
      node.appliedIndex === lastIndex && node.hash === leader.hash && node.core?.leader === leader.id;
    const isPromotionDue = membership.learners.some(
      ({ id, becomes }) => becomes === "voter" && this.#byId.get(id)!.isUp,
    );
    const isChangeDue = membership.outgoing.length > 0 || isPromotionDue;
    const members = this.#nodes.filter(({ id, isGone }) => peers.includes(id) && !isGone);
    return commit === lastIndex && !isChangeDue && members.every(agrees);
  }

  /** Whoever was voted out knows it by now, or will not disturb anybody. */
  #checkFarewells(): void {
    for (const { core, id } of this.#nodes) {
      if (core === null || !core.membership.voters.some((voter) => voter.id === id)) continue;
      const leader = this.#nodes.find((node) => node.core?.role === "leader")!;
      const isForgotten = leader.core!.membership.removed.includes(id);
      if (isForgotten) throw new InvariantBroken(`${id} was removed and still believes to vote`);
    }
  }

  /** A group at rest speaks no more than its heartbeats. A learner that was promoted, or still catches up, is no rest. */
  #checkTraffic(): void {
    const lastIndex = () => Math.max(...this.#nodes.map(({ core }) => core?.log.lastIndex ?? 0));
    let before: number;
    let begunAt: number;
    do {
      this.#runUntil(this.#queue.now + LIMBO_MS, () => false);
      this.#require("all members agree at rest", () => this.#isSettled());
      before = this.#messages;
      begunAt = lastIndex();
      this.#runUntil(this.#queue.now + QUIET_MS, () => false);
    } while (lastIndex() > begunAt);
    const beats = (QUIET_MS / this.#plan.core.heartbeatMs + 2) * 1.3;
    const most = 2 * beats * (this.#nodes.length - 1);
    const sent = this.#messages - before;
    if (sent > most)
      throw new InvariantBroken(`traffic: ${sent} messages in ${QUIET_MS} ms of rest, at most ${most} due`);
  }

  // ------------------------------------------------------------------ what happened

  #note(line: () => string, id: NodeId, value: number): void {
    const at = this.#queue.now;
    this.#mix(at * 1_000 + value);
    if (this.#history.length === HISTORY_LENGTH) this.#history.shift();
    this.#history.push(() => `${at.toFixed(2).padStart(10)} ${id} ${line()}`);
  }

  #mix(value: number): void {
    this.#traceHash = Math.imul(this.#traceHash ^ Math.floor(value), 0x01000193) >>> 0;
  }

  #pick<T>(random: Random, values: readonly T[]): T {
    return values[randomInteger(random, 0, values.length - 1)]!;
  }
}

const CRASH_POINTS: readonly CrashPoint[] = [
  "before-send",
  "amid-sends",
  "before-persist",
  "after-persist",
  "after-promises",
  "after-apply",
];

function describe(message: RaftMessage): string {
  const { type, from, to, term, ...rest } = message;
  const shown: Record<string, unknown> = { ...rest };
  if (message.type === "append") {
    shown.entries = message.entries.map((entry) => `${entry.index}(${entry.term})`).join(" ");
  }
  return `${type} ${from}>${to} term ${term} ${JSON.stringify(shown)}`;
}
