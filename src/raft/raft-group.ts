/**
 * One Raft group: drives the pure core (`core/step.ts`) for a single region.
 *
 * The core decides, this module performs. For every `Ready` of the core it
 *   1. sends what does not depend on the disk: a leader's appends leave while its own write is still under way,
 *   2. writes hard state, entries and the effects of applied commands as one synced batch (`persister.ts`),
 *   3. sends the promises, votes and acknowledgements, that the batch makes true (Ongaro 2014, §3.8),
 *   4. applies what is committed and answers those who wait for it.
 * Whatever arrives during a write shares the next one: that is the group commit.
 *
 * A failed write or a broken invariant ends the group for good (R8): `onFatal` is told, once.
 *
 * Elsewhere: proposals and reads of this node (`proposer.ts`, `reads.ts`), snapshots (`snapshot-exchange.ts`), what a
 * command means (`registry/`), how bytes travel (`network/`).
 */

import type { RaftTransport } from "../network/interface.ts";
import { type RaftStorage, type RecoveredRaft, type StateRecord, StorageError } from "../storage/interface.ts";
import type { ClusterId, NodeId } from "../types/ids.ts";
import {
  decodeMembership,
  type Member,
  type Membership,
  type MembershipChange,
  type MembershipRefusal,
} from "../types/membership.ts";
import type { LogEntry, RaftMessage, SnapshotHeader } from "../types/raft.ts";
import type { Tracing } from "../types/tracing.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { invariant } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import type { Random } from "../util/random.ts";
import { CommitSpans } from "./commit-spans.ts";
import { heartbeatAsOf, sinceConfirmedMs } from "./core/freshness.ts";
import { refusalOf } from "./core/membership.ts";
import { peersOf, votersOf } from "./core/quorum.ts";
import { sinceQuorumMs } from "./core/replication.ts";
import { type CoreOptions, createState, isChanging, type RaftState } from "./core/state.ts";
import { acceptsProposals, type RaftEvent, step, takeReady } from "./core/step.ts";
import {
  type ConsensusGroup,
  type GroupMembership,
  type GroupStatus,
  MembershipError,
  type PeerProgress,
  RaftError,
  type StateMachine,
} from "./index.ts";
import { MembershipWaits } from "./membership-waits.ts";
import { noRaftMetrics, type RaftMetrics } from "./metrics.ts";
import { Persister } from "./persister.ts";
import { Proposer, type Traces } from "./proposer.ts";
import { Reads } from "./reads.ts";
import { decodeEnvelope, proposalIdOf, SESSION_PREFIX, SessionTable } from "./sessions.ts";
import { type CommitInstall, type InstalledSnapshot, SnapshotExchange } from "./snapshot-exchange.ts";

export interface RaftGroupOptions extends CoreOptions {
  /** Largest command, in bytes. */
  readonly commandBytesMax: number;
  /** Bytes of proposals of this node that wait for their outcome, and of entries this leader has not committed yet. */
  readonly waitingBytesMax: number;
  /** Compaction begins above this many entries ... */
  readonly logEntriesMax: number;
  /** ... or bytes ... */
  readonly logBytesMax: number;
  /** ... and leaves this many for peers that are a little behind. */
  readonly logTailEntries: number;
  /** Effects of applied commands reach the disk with the next log write, or after this long by themselves. */
  readonly effectsFlushMs: number;
}

export const RAFT_DEFAULTS: RaftGroupOptions = {
  heartbeatMs: 100,
  electionMsMin: 500,
  electionMsMax: 1_000,
  appendBytesMax: 1024 * 1024,
  window: { messagesMax: 64, bytesMax: 8 * 1024 * 1024 },
  committedPage: 512,
  commandBytesMax: 1024 * 1024,
  waitingBytesMax: 64 * 1024 * 1024,
  logEntriesMax: 20_000,
  logBytesMax: 64 * 1024 * 1024,
  logTailEntries: 4_000,
  effectsFlushMs: 200,
};

export interface RaftGroupParts {
  readonly self: NodeId;
  readonly cluster: ClusterId;
  readonly storage: RaftStorage;
  /** The founding configuration: begins the log of a region that was just founded. */
  readonly founding: Membership;
  readonly transport: RaftTransport;
  readonly stateMachine: StateMachine;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The group can not go on; the node must stop. */
  readonly onFatal: (error: unknown) => void;
  /** This member left the group for good, and takes no part in it any more. Called once. */
  readonly onRemoved: () => void;
  /** The log must not grow here: commands are neither proposed nor taken, as if their messages were lost. */
  readonly isDiskFull?: () => boolean;
  readonly metrics?: RaftMetrics;
  /** Absent on nodes that export no traces. */
  readonly tracing?: Tracing | undefined;
  /** Shown the core after each event, before anything it decided is done: where a simulator checks what must always hold. */
  readonly inspect?: (core: RaftState, event: RaftEvent) => void;
}

/** While a peer takes a snapshot, the log may grow to so many times its usual bounds. */
const SNAPSHOT_LOG_FACTOR = 8;
/** Without a leader for so many election timeouts, a member believes strangers that tell it that it left: all may be new. */
const FORSAKEN_ELECTIONS = 20;
/** Ticks in the time of a heartbeat, at most. */
const TICKS_MAX = 8;
/** What a former member goes on to send is said in the log no more often than this. */
const LOG_AGAIN_MS = 60_000;
const NEVER_TOLD = { toldAt: Number.NEGATIVE_INFINITY, loggedAt: Number.NEGATIVE_INFINITY };

export class RaftGroup implements ConsensusGroup, GroupMembership {
  readonly self: NodeId;
  readonly #parts: RaftGroupParts;
  readonly #options: RaftGroupOptions;
  readonly #sessions = new SessionTable();
  readonly #persister: Persister;
  readonly #proposer: Proposer;
  readonly #reads: Reads;
  readonly #snapshots: SnapshotExchange;
  readonly #membershipWaits: MembershipWaits;
  readonly #metrics: RaftMetrics;
  readonly #commitSpans: CommitSpans | undefined;
  readonly #listeners = new Set<(status: GroupStatus) => void>();
  #state: RaftState;
  #appliedIndex: number;
  /** As of `#appliedIndex`: what a snapshot of the state states. */
  #appliedMembership: Membership;
  /** Messages of former members that were not heeded. */
  #refusals = 0;
  /** When each former member was last told, and when that was last said in the log. */
  readonly #tellings = new Map<NodeId, { toldAt: number; loggedAt: number }>();
  #freshness = { at: Number.NEGATIVE_INFINITY, pendingIndex: 0, pendingAt: Number.NEGATIVE_INFINITY };
  #lastTickAt: number;
  #tickDueAt = Number.POSITIVE_INFINITY;
  readonly #startedAt: number;
  #cancelTick: CancelTimer = () => {};
  #isPumpScheduled = false;
  /** Events wait here while a snapshot replaces the log under the core. */
  #held: RaftEvent[] | null = null;
  #isStopped = false;
  #announced: { role: string; term: number; leader: NodeId | null };

  /**
   * Opens the group from what is on disk and takes part in it.
   *
   * @throws StorageError CORRUPT: the log or the state is damaged; nothing was voted or served on it
   */
  static async start(parts: RaftGroupParts, options: RaftGroupOptions): Promise<RaftGroup> {
    const recovered = (await parts.storage.load()) ?? (await beginLog(parts));
    const state = createState(
      parts.self,
      {
        hardState: recovered.hardState,
        start: recovered.logStart,
        entries: recovered.entries,
        appliedIndex: recovered.appliedIndex,
        membership: recovered.membership,
      },
      options,
      parts.random,
      parts.clock.now(),
    );
    const group = new RaftGroup(parts, options, state, recovered.membership);
    await group.#restoreState(recovered.appliedIndex);
    group.#begin();
    return group;
  }

  private constructor(parts: RaftGroupParts, options: RaftGroupOptions, state: RaftState, membership: Membership) {
    const { clock, storage, transport, logger, metrics = noRaftMetrics, tracing } = parts;
    this.self = parts.self;
    this.#parts = parts;
    this.#metrics = metrics;
    this.#commitSpans = tracing === undefined ? undefined : new CommitSpans(tracing);
    this.#options = options;
    this.#state = state;
    this.#appliedIndex = state.log.applied;
    this.#appliedMembership = membership;
    this.#lastTickAt = clock.now();
    this.#startedAt = clock.now();
    this.#announced = { role: state.role, term: state.term, leader: state.leader };
    this.#persister = new Persister({
      storage,
      clock,
      flushMs: options.effectsFlushMs,
      durableApplied: state.log.applied,
      takeSessionWrites: () => this.#sessions.takeWrites(),
      onWritten: (done) => this.#guard(() => this.#onWritten(done)),
      onFailed: (error) => this.#fail(error),
      metrics,
    });
    this.#proposer = new Proposer({
      options,
      clock,
      nonce: `${parts.self}/${Math.floor(parts.random.next() * 2 ** 53)}`,
      submit: (commands, traces) => this.#submit(commands, traces),
      resendMs: options.electionMsMax,
      metrics,
      tracing,
    });
    this.#reads = new Reads({
      clock,
      retryMs: options.electionMsMin / 2,
      ask: (requests) => this.#dispatch({ type: "read", now: clock.now(), requests }),
      firstRequest: Math.floor(parts.random.next() * 2 ** 48),
      metrics,
    });
    this.#membershipWaits = new MembershipWaits(clock);
    this.#snapshots = new SnapshotExchange({
      cluster: parts.cluster,
      storage,
      transport,
      clock,
      logger,
      metrics,
      retryMs: options.electionMsMax,
    });
  }

  #begin(): void {
    const { clock, transport, cluster } = this.#parts;
    transport.start(cluster, {
      onMessage: (from, message) => this.#onMessage(from, message),
      onSnapshot: (from, header, chunks) => this.#receiveSnapshot(from, header, chunks),
      onPeerGone: (peer) => this.#dispatch({ type: "peerGone", now: clock.now(), peer }),
      onPeerUp: (peer) => this.#tellIfRemoved(peer),
    });
    // A region of one has nobody to wait for.
    const voters = votersOf(this.#state.membership);
    if (voters.length === 1 && voters[0] === this.self) this.#state.electionDeadline = clock.now();
    this.#tick(0);
  }

  /** The next tick comes when the core has something to do, and after a heartbeat at the latest, so that stalls are noticed. */
  #nextTickAt(): number {
    const { role, heartbeatDue, electionDeadline } = this.#state;
    const { heartbeatMs } = this.#options;
    if (this.#held !== null) return this.#lastTickAt + heartbeatMs;
    const dueAt = role === "leader" ? heartbeatDue : electionDeadline;
    return this.#lastTickAt + Math.min(Math.max(dueAt - this.#lastTickAt, heartbeatMs / TICKS_MAX), heartbeatMs);
  }

  #armTick(): void {
    const { clock } = this.#parts;
    const dueAt = this.#nextTickAt();
    this.#cancelTick();
    this.#tickDueAt = dueAt;
    // Whole milliseconds, at least one: what is left of a fraction would have a timer that came early come again at once.
    this.#cancelTick = clock.schedule(Math.max(Math.ceil(dueAt - clock.now()), 1), () => {
      const lateMs = clock.now() - dueAt;
      // Node's timers count by a clock of their own.
      if (lateMs < 0) return this.#armTick();
      if (lateMs <= this.#options.heartbeatMs / 2) return this.#tick(0);
      // After a stall the sockets are read first: a heartbeat that lies in the buffer must count (R59).
      clock.afterIo(() => this.#tick(lateMs));
    });
  }

  /** @param ownLagMs - how long this process itself stood still; 0 for what is no more than timers are late anyway */
  #tick(ownLagMs: number): void {
    if (this.#isStopped) return;
    // As long as this, others may believe that this node is gone: whoever asks why a leader changed finds the answer here.
    if (ownLagMs > this.#options.electionMsMin / 2) {
      const { role } = this.#state;
      this.#metrics.stalled(ownLagMs);
      this.#parts.logger.warn({ code: "RAFT_STALLED", lateMs: ownLagMs, role }, "this process stood still");
    }
    const now = this.#parts.clock.now();
    this.#lastTickAt = now;
    // What a leader knows stays known when it leads no more.
    if (this.#isCurrent()) this.#freshness.at = Math.max(this.#freshness.at, now - sinceConfirmedMs(this.#state, now));
    this.#dispatch({ type: "tick", now, ownLagMs });
    if (!this.#isStopped) this.#armTick();
  }

  // ------------------------------------------------------------------ what others of this node ask for

  async propose(command: Uint8Array, options: { timeoutMs: number }): Promise<{ index: number; result: unknown }> {
    if (this.#isStopped) throw stopped();
    return this.#proposer.propose(command, options.timeoutMs);
  }

  async readBarrier(options: { timeoutMs: number }): Promise<void> {
    if (this.#isStopped) throw stopped();
    await this.#reads.wait(options.timeoutMs);
  }

  async confirmLeadership(options: { timeoutMs: number }): Promise<{ term: number }> {
    if (this.#isStopped) throw stopped();
    const { term, role } = this.#state;
    if (role !== "leader") throw notLeader(0);
    await this.#reads.wait(options.timeoutMs);
    if (this.#state.role !== "leader" || this.#state.term !== term) throw notLeader(options.timeoutMs);
    return { term };
  }

  /**
   * Hands leadership to `target`, or to the member that is furthest along.
   *
   * @returns whether another member leads now; false when this node did not lead, or nobody took over within two election timeouts
   */
  async transferLeadership(target: NodeId | null = null): Promise<boolean> {
    const { clock } = this.#parts;
    if (this.#state.role !== "leader") return false;
    this.#dispatch({ type: "transfer", now: clock.now(), target });
    if (this.#state.transfer === null) return false;
    return new Promise<boolean>((resolve) => {
      const cancel = clock.schedule(2 * this.#options.electionMsMax, () => finish(false));
      const unsubscribe = this.onStatusChange(({ leader }) => {
        if (leader !== null && leader !== this.self) finish(true);
      });
      const finish = (isDone: boolean) => {
        cancel();
        unsubscribe();
        resolve(isDone);
      };
    });
  }

  async changeMembership(change: MembershipChange, options: { timeoutMs: number }): Promise<{ index: number }> {
    if (this.#isStopped) throw stopped();
    const refusal = this.#held === null ? refusalOf(this.#state, change) : "not-leader";
    if (refusal !== null) throw refused(refusal);
    const before = this.#state.configurations.index;
    this.#dispatch({ type: "changeMembership", now: this.#parts.clock.now(), change });
    const { configurations, term } = this.#state;
    // The core looked again, at a later time; or it broke a rule, and the group is over.
    if (this.#isStopped) throw stopped();
    if (configurations.index === before) throw refused(refusalOf(this.#state, change) ?? "change-pending");
    return this.#membershipWaits.for({ index: configurations.index, term }, options.timeoutMs);
  }

  progress(): readonly PeerProgress[] {
    const now = this.#parts.clock.now();
    const peers = [...this.#state.progress];
    return peers.map(([id, { match, heardAt }]) => ({ id, matchIndex: match, silentMs: now - heardAt }));
  }

  /** Bytes of proposals of this node that wait for their outcome, and of entries that this leader has not committed. */
  backlog(): { readonly waitingBytes: number; readonly uncommittedBytes: number } {
    return { waitingBytes: this.#proposer.waitingBytes, uncommittedBytes: this.#state.uncommittedBytes };
  }

  /** How long the disk has been at the write that is under way, in milliseconds; 0 when none is. */
  get writingMs(): number {
    return this.#persister.writingMs;
  }

  status(): GroupStatus {
    const { role, term, leader, log, membership } = this.#state;
    return {
      role,
      term,
      leader,
      commitIndex: log.commit,
      appliedIndex: this.#appliedIndex,
      lastIndex: log.lastIndex,
      logStartIndex: log.startIndex,
      membership,
      isChanging: isChanging(this.#state),
      stalenessMs: this.#stalenessMs(),
      sinceLeaderMs: this.#sinceLeaderMs(),
      refusedMessages: this.#refusals,
    };
  }

  onStatusChange(listener: (status: GroupStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops taking part; what was applied is on disk when it resolves. Hand leadership over first. */
  async stop(): Promise<void> {
    this.#halt();
    await this.#persister.stop();
  }

  #halt(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancelTick();
    this.#proposer.stop();
    this.#reads.stop();
    this.#membershipWaits.giveUpAll();
    this.#snapshots.stop();
    this.#commitSpans?.stop();
  }

  // ------------------------------------------------------------------ events in

  #onMessage(from: NodeId, message: RaftMessage): void {
    // A member that this node has not heard of yet is one all the same; one that left is none, whatever it believes.
    if (message.type === "removed") return this.#onRemoved(from);
    // A leader that removed itself still hands over.
    if (message.type !== "timeoutNow" && this.#tellIfRemoved(from)) {
      this.#refusals += 1;
      return;
    }
    if (message.type === "propose") return this.#onForwarded(from, message.entries, message.traces);
    if (message.type === "proposeRefused") {
      return this.#proposer.refused(message.proposals, message.reason === "overloaded");
    }
    if (this.#isDiskFull && growsLog(message)) return;
    this.#dispatch({ type: "message", now: this.#parts.clock.now(), message });
  }

  get #isDiskFull(): boolean {
    return this.#parts.isDiskFull?.() ?? false;
  }

  /** Whether commands must wait before this leader takes more. */
  get #isOverloaded(): boolean {
    return this.#state.uncommittedBytes > this.#options.waitingBytesMax || this.#isDiskFull;
  }

  /** Proposals of another member, which believes that we lead. */
  #onForwarded(from: NodeId, commands: readonly Uint8Array[], traces: Traces | undefined): void {
    const state = this.#state;
    const isOverloaded = this.#isOverloaded;
    if (acceptsProposals(state) && !isOverloaded && this.#held === null) {
      return this.#append(commands, traces);
    }
    const reason = acceptsProposals(state) ? "overloaded" : "not-leader";
    const envelope = { from: this.self, to: from, term: state.term } as const;
    const proposals = commands.map(proposalIdOf);
    this.#parts.transport.send({ ...envelope, type: "proposeRefused", reason, leader: state.leader, proposals });
  }

  /** This node's own proposals: into the log when it leads, else to the leader. @returns whether they are on their way */
  #submit(commands: readonly Uint8Array[], traces: Traces | undefined): "submitted" | "no-leader" | "overloaded" {
    const state = this.#state;
    if (this.#held !== null) return "no-leader";
    if (state.role === "leader") {
      if (state.transfer !== null) return "no-leader";
      if (this.#isOverloaded) return "overloaded";
      this.#append(commands, traces);
      return "submitted";
    }
    if (state.leader === null) return "no-leader";
    const envelope = { from: this.self, to: state.leader, term: state.term } as const;
    const message = { ...envelope, type: "propose", entries: commands } as const;
    this.#parts.transport.send(traces === undefined ? message : { ...message, traces });
    return "submitted";
  }

  /** Puts commands into the log that this node leads. */
  #append(commands: readonly Uint8Array[], traces: Traces | undefined): void {
    const before = this.#state.log.lastIndex;
    this.#dispatch({ type: "propose", now: this.#parts.clock.now(), commands });
    const isAppended = this.#state.log.lastIndex === before + commands.length;
    if (traces !== undefined && isAppended) this.#commitSpans?.begin(before + 1, this.#state.term, traces);
  }

  #dispatch(event: RaftEvent): void {
    if (this.#isStopped) return;
    if (this.#held !== null) {
      this.#held.push(event);
      return;
    }
    this.#guard(() => {
      step(this.#state, event);
      this.#parts.inspect?.(this.#state, event);
      if (event.type === "message") this.#noteFreshness(event.message);
    });
    this.#schedulePump();
  }

  /** What a burst of messages leaves to do is done once, after the burst. */
  #schedulePump(): void {
    if (this.#isPumpScheduled) return;
    this.#isPumpScheduled = true;
    this.#parts.clock.soon(() => {
      this.#isPumpScheduled = false;
      if (!this.#isStopped && this.#held === null) this.#guard(() => this.#pump());
    });
  }

  // ------------------------------------------------------------------ Ready out

  #pump(): void {
    const { transport, clock } = this.#parts;
    const ready = takeReady(this.#state);
    for (const message of ready.messages) transport.send(message);
    this.#persister.add(ready);
    for (const entry of ready.committed) this.#apply(entry);
    for (const { request, index } of ready.readsReady) this.#reads.confirmed(request, index, this.#appliedIndex);
    for (const request of ready.readsFailed) this.#reads.refused(request);
    for (const loss of ready.leaderLosses)
      this.#parts.logger.info({ code: "RAFT_LEADER_LOST", ...loss }, "no leader now");
    for (const peer of ready.snapshotsFor) this.#sendSnapshot(peer);
    this.#compact();
    this.#persister.kick();
    this.#announce();
    this.#leaveIfRemoved();
    // What this turn brought may make the core act earlier than it meant to.
    if (this.#nextTickAt() < this.#tickDueAt && !this.#isStopped) this.#armTick();
    // A long backlog is applied page by page, with everything else in between (R39).
    if (ready.committed.length === this.#options.committedPage) clock.afterIo(() => this.#schedulePump());
  }

  #onWritten(done: { promises: readonly RaftMessage[]; last: LogEntry | undefined }): void {
    for (const message of done.promises) {
      if (message.to === this.self) this.#dispatch({ type: "message", now: this.#parts.clock.now(), message });
      else this.#parts.transport.send(message);
    }
    if (done.last === undefined) return;
    this.#dispatch({ type: "persisted", now: this.#parts.clock.now(), index: done.last.index, term: done.last.term });
  }

  #apply(entry: LogEntry): void {
    this.#appliedIndex = entry.index;
    this.#commitSpans?.applied(entry);
    if (entry.kind === "command") this.#applyCommand(entry);
    if (entry.kind === "membership") this.#applyMembership(entry);
    this.#membershipWaits.applied(entry);
    this.#persister.applied(entry.index, this.#appliedMembership);
    this.#reads.applied(entry.index);
    const { pendingIndex, pendingAt } = this.#freshness;
    if (entry.index >= pendingIndex) this.#freshness.at = Math.max(this.#freshness.at, pendingAt);
  }

  #applyMembership(entry: LogEntry): void {
    const { removed } = this.#appliedMembership;
    this.#appliedMembership = decodeMembership(entry.data);
    const names = memberNames(this.#appliedMembership);
    this.#parts.logger.info({ code: "RAFT_MEMBERS", index: entry.index, ...names }, "the region's members changed");
    if (this.#state.role !== "leader") return;
    // It gets no entries any more, so it would not learn from the log that it left (R51).
    for (const id of this.#appliedMembership.removed) if (!removed.includes(id)) this.#tellIfRemoved(id);
  }

  /** Believed of those that this node knows for members: nobody else has a say in who is one (P11). */
  #onRemoved(from: NodeId): void {
    const isKnown = peersOf(this.#state.membership).includes(from);
    const isForsaken = this.#sinceLeaderMs() > FORSAKEN_ELECTIONS * this.#options.electionMsMax;
    const waitedMs = this.#parts.clock.now() - this.#startedAt;
    if (isKnown || (isForsaken && waitedMs > FORSAKEN_ELECTIONS * this.#options.electionMsMax)) this.#leave();
  }

  /** @returns whether the peer left the group, and was told so */
  #tellIfRemoved(peer: NodeId): boolean {
    if (!this.#appliedMembership.removed.includes(peer) || peer === this.self) return false;
    const now = this.#parts.clock.now();
    const { toldAt, loggedAt } = this.#tellings.get(peer) ?? NEVER_TOLD;
    const mayLog = now - loggedAt >= LOG_AGAIN_MS;
    if (mayLog) this.#parts.logger.info({ code: "RAFT_REMOVED_PEER", peer }, "a node that left the region was told so");
    const mayTell = now - toldAt >= this.#options.electionMsMin;
    if (mayTell) this.#parts.transport.send({ from: this.self, to: peer, term: this.#state.term, type: "removed" });
    this.#tellings.set(peer, { toldAt: mayTell ? now : toldAt, loggedAt: mayLog ? now : loggedAt });
    return true;
  }

  /** A leader that removed itself goes on until another one leads, or nobody will (R51). */
  #leaveIfRemoved(): void {
    const hasLeft = this.#appliedMembership.removed.includes(this.self);
    if (hasLeft && this.#state.role !== "leader") this.#leave();
  }

  #leave(): void {
    if (this.#isStopped) return;
    this.#halt();
    this.#parts.onRemoved();
  }

  #applyCommand(entry: LogEntry): void {
    const envelope = decodeEnvelope(entry.data);
    if (envelope.kind === "open") {
      this.#proposer.opened(envelope.nonce, this.#sessions.open(entry.index));
      return;
    }
    const verdict = this.#sessions.once(envelope, entry.index, () => {
      const { result, writes } = this.#parts.stateMachine.apply(envelope.command, entry.index);
      this.#persister.effects(writes);
      return result;
    });
    this.#proposer.settled(envelope, verdict);
  }

  /** Forgets entries that live on in the durable state, when there are many (R42). */
  #compact(): void {
    const { log } = this.#state;
    const { logEntriesMax, logBytesMax, logTailEntries } = this.#options;
    const count = log.lastIndex - log.startIndex;
    const isLong = count > logEntriesMax;
    if (!isLong && log.bytes <= logBytesMax) return;
    const tail = isLong ? logTailEntries : Math.min(logTailEntries, count >> 1);
    // What a peer needs after its snapshot stays, or it would need the next one; but memory comes first.
    const isBounded = log.bytes <= SNAPSHOT_LOG_FACTOR * logBytesMax && count <= SNAPSHOT_LOG_FACTOR * logEntriesMax;
    const needed = isBounded ? this.#snapshots.neededAfter : Number.POSITIVE_INFINITY;
    const index = Math.min(this.#persister.durableApplied, log.lastIndex - tail, needed);
    if (index <= log.startIndex) return;
    log.compactTo(index);
    this.#persister.compact(index, log.termAt(index)!);
  }

  // ------------------------------------------------------------------ snapshots

  #sendSnapshot(peer: NodeId): void {
    const done = (lastIndex: number, installed: boolean) =>
      this.#dispatch({ type: "snapshotSent", now: this.#parts.clock.now(), peer, lastIndex, installed });
    this.#snapshots.send(peer, this.#state.term, done);
  }

  /** @throws Error when it is refused, came damaged, or found no room; a disk that refuses a write ends the group (R8) */
  async #receiveSnapshot(from: NodeId, header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#isDiskFull) throw new Error("there is no room for a snapshot");
    try {
      await this.#snapshots.receive(from, header, chunks, this.#state, (commit) => this.#installSnapshot(commit));
    } catch (error) {
      if (error instanceof StorageError && error.detail.code === "WRITE_FAILED") this.#fail(error);
      throw error;
    }
  }

  /**
   * Replaces state and log. Messages wait meanwhile: between the two there is no log they could be checked against.
   *
   * @throws StorageError CORRUPT: the snapshot came damaged and nothing changed
   */
  async #installSnapshot(commit: CommitInstall): Promise<void> {
    this.#held = [];
    try {
      await this.#persister.exclusively(async () => {
        const { term, votedFor } = this.#state;
        const snapshot = await commit({ term, votedFor });
        if (snapshot !== null) await this.#adoptSnapshot(snapshot);
      });
    } catch (error) {
      const isUnchanged = error instanceof StorageError && error.detail.code === "CORRUPT";
      if (!isUnchanged) this.#fail(error);
      throw error;
    } finally {
      const events = this.#held ?? [];
      this.#held = null;
      for (const event of events) this.#dispatch(event);
      this.#schedulePump();
    }
  }

  async #adoptSnapshot(snapshot: InstalledSnapshot): Promise<void> {
    this.#persister.discard(snapshot.lastIndex);
    await this.#restoreState(snapshot.lastIndex).catch((cause) => {
      throw new Error("the state could not be read back from an installed snapshot", { cause });
    });
    this.#appliedMembership = snapshot.membership;
    this.#membershipWaits.giveUpAll();
    step(this.#state, { type: "snapshotInstalled", now: this.#parts.clock.now(), ...snapshot });
    this.#reads.applied(snapshot.lastIndex);
    this.#proposer.reviewAll((id) => this.#sessions.outcomeOf(id));
  }

  /** Takes the state that the disk shows, which is that of `index`. */
  async #restoreState(index: number): Promise<void> {
    const { storage, stateMachine } = this.#parts;
    const sessions: StateRecord[] = [];
    const isSession = ([key]: StateRecord) => key.startsWith(SESSION_PREFIX);
    async function* withoutSessions() {
      for await (const page of storage.readState()) {
        sessions.push(...page.filter(isSession));
        yield page.filter((record) => !isSession(record));
      }
    }
    await stateMachine.restore(withoutSessions());
    this.#sessions.restore(sessions);
    this.#appliedIndex = index;
  }

  // ------------------------------------------------------------------ how things stand

  /** A follower is fresh as of the moment when a leader said what is committed, if we have applied that, or have by now. */
  #noteFreshness(message: RaftMessage): void {
    if (message.type !== "heartbeat" || this.#state.leader !== message.from) return;
    const { leaderCommit } = message;
    // A leader that is cut off with us knows no more than a quorum last told it (P9).
    const asOf = heartbeatAsOf(this.#state, message);
    if (this.#appliedIndex >= leaderCommit) this.#freshness.at = Math.max(this.#freshness.at, asOf);
    else if (this.#appliedIndex >= this.#freshness.pendingIndex) {
      this.#freshness.pendingIndex = leaderCommit;
      this.#freshness.pendingAt = asOf;
    }
  }

  #stalenessMs(): number {
    const state = this.#state;
    const now = this.#parts.clock.now();
    // Measured, not assumed.
    return this.#isCurrent() ? sinceConfirmedMs(state, now) : now - this.#freshness.at;
  }

  /** A leader's own state is current as long as a quorum answers it, once it has applied what was there when it began. */
  #isCurrent(): boolean {
    return this.#state.role === "leader" && this.#appliedIndex >= this.#state.termStartIndex;
  }

  #sinceLeaderMs(): number {
    const state = this.#state;
    const now = this.#parts.clock.now();
    if (state.role === "leader") return sinceQuorumMs(state, now);
    return state.leader === null ? Number.POSITIVE_INFINITY : now - state.leaderHeardAt;
  }

  #announce(): void {
    const { role, term, leader } = this.#state;
    const before = this.#announced;
    if (role === before.role && term === before.term && leader === before.leader) return;
    this.#announced = { role, term, leader };
    const isNews = leader !== before.leader;
    if (isNews) this.#parts.logger.info({ code: "RAFT_LEADER", term, leader, role }, "the region's leader changed");
    if (leader !== null) this.#proposer.leaderChanged();
    if (leader !== null) this.#reads.leaderChanged();
    const status = this.status();
    for (const listener of this.#listeners) listener(status);
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.#halt();
    // What the core decided before it broke a rule must not be built upon: it does not reach the disk either.
    this.#persister.abandon();
    this.#parts.onFatal(error);
  }
}

function memberNames({ voters, outgoing, learners }: Membership) {
  const namesOf = (members: readonly Member[]) => members.map(({ name }) => name).join(" ");
  return { voters: namesOf(voters), outgoing: namesOf(outgoing), learners: namesOf(learners) };
}

async function beginLog({ storage, cluster, founding }: RaftGroupParts): Promise<RecoveredRaft> {
  await storage.found(cluster, founding);
  const recovered = await storage.load();
  invariant(recovered !== null, "a log that was begun is there");
  return recovered;
}

function stopped(): RaftError {
  return new RaftError("this node is stopping", { code: "STOPPED" });
}

function refused(reason: MembershipRefusal): MembershipError {
  return new MembershipError(`the members were not changed: ${reason}`, { code: "MEMBERSHIP_REFUSED", reason });
}

function notLeader(waitedMs: number): RaftError {
  return new RaftError("this node does not lead its region", { code: "NO_LEADER", waitedMs });
}

/** Whether a message would put commands into the log. A new leader's first entry is small, and nothing is committed without it. */
function growsLog(message: RaftMessage): boolean {
  return message.type === "append" && message.entries.some(({ kind }) => kind === "command");
}
