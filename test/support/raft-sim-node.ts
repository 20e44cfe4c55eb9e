/**
 * One simulated member: the pure core, a disk that forgets what was not synced, and a driver in between that does what
 * `src/raft/raft-group.ts` and `persister.ts` do, without promises: one write at a time, everything that waits shares the
 * next one, promises leave after the write.
 *
 * It can die at any point of that loop, be paused, and be started again from its disk.
 */

import { peersOf } from "../../src/raft/core/quorum.ts";
import { acceptsSnapshot } from "../../src/raft/core/snapshot.ts";
import { type CoreOptions, createState, type RaftState } from "../../src/raft/core/state.ts";
import { type RaftEvent, type Ready, step, takeReady } from "../../src/raft/core/step.ts";
import type { NodeId } from "../../src/types/ids.ts";
import { decodeMembership, type Membership } from "../../src/types/membership.ts";
import type { HardState, LogEntry, RaftMessage } from "../../src/types/raft.ts";
import type { Random } from "../../src/util/random.ts";
import type { Before, DurableLog, EventBody } from "./raft-invariants.ts";

/** What is on disk, synced. */
export interface DiskImage extends DurableLog {
  hardState: HardState;
  start: { readonly index: number; readonly term: number };
  entries: LogEntry[];
  applied: {
    readonly index: number;
    readonly term: number;
    readonly hash: number;
    readonly membership: Membership;
  };
}

/** The state of a peer's disk, on its way to another. */
export interface SnapshotInFlight {
  readonly from: NodeId;
  readonly term: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly hash: number;
  readonly membership: Membership;
}

/** Where in its loop a member dies. */
export type CrashPoint =
  | "before-send"
  | "amid-sends"
  | "before-persist"
  | "after-persist"
  | "after-promises"
  | "after-apply";

interface Batch {
  readonly hardState: HardState | undefined;
  readonly entries: readonly LogEntry[];
  readonly promises: readonly RaftMessage[];
  readonly applied: DiskImage["applied"] | undefined;
  readonly compactTo: { readonly index: number; readonly term: number } | undefined;
}

/** The world around a member. */
export interface NodeHost {
  schedule(delayMs: number, run: () => void): void;
  /** This member's own clock. */
  clockOf(node: SimulatedNode): number;
  transmit(message: RaftMessage): void;
  /** `done` is called once with the snapshot's last index, also when the transfer fails. */
  transferSnapshot(node: SimulatedNode, peer: NodeId, snapshot: SnapshotInFlight, done: (ok: boolean) => void): void;
  crash(node: SimulatedNode): void;
  started(node: SimulatedNode): void;
  stepped(node: SimulatedNode, before: Before, event: EventBody): void;
  sending(node: SimulatedNode, message: RaftMessage): void;
  applied(node: SimulatedNode, entry: LogEntry): void;
  /** It applied that it is no member any more. */
  left(node: SimulatedNode): void;
  read(node: SimulatedNode, request: number, index: number | null): void;
  count(what: string): void;
}

export interface NodeSettings {
  readonly core: CoreOptions;
  readonly logEntriesMax: number;
  readonly logTailEntries: number;
  readonly flushMs: number;
  readonly bursts: number;
}

export class SimulatedNode {
  readonly id: NodeId;
  readonly image: DiskImage;
  /** Null while it is down. */
  core: RaftState | null = null;
  /** Grows at each start and crash: what an earlier life scheduled finds nobody. */
  life = 0;
  /** Hash over all applied entries, in order: order and repetition show. */
  hash = 0;
  appliedIndex = 0;
  /** As of `appliedIndex`. */
  appliedMembership: Membership;
  /** It left the group, or its disk is gone: it never starts again. */
  isGone = false;
  /** What one synced write takes now; Infinity for a disk that hangs. */
  writeMs = 1;
  /** The next time its loop comes by here, it dies. */
  crashPoint: CrashPoint | null = null;
  isPaused = false;
  readonly #host: NodeHost;
  readonly #settings: NodeSettings;
  readonly #random: Random;
  readonly #coreRandom: Random;
  /** What happened while it was paused. */
  #missed: (() => void)[] = [];
  /** Events wait here while a snapshot replaces the log under the core. */
  #held: EventBody[] | null = null;
  #isReceiving = false;
  readonly #sending = new Set<NodeId>();
  #isPumpScheduled = false;
  #hardState: HardState | undefined;
  #entries: LogEntry[] = [];
  #promises: RaftMessage[] = [];
  #isAppliedNew = false;
  #compactTo: { readonly index: number; readonly term: number } | undefined;
  #isFlushScheduled = false;
  #durableApplied = 0;
  #isWriting = false;
  #onIdle: (() => void) | null = null;
  #stalledWrite: (() => void) | null = null;

  constructor(
    id: NodeId,
    membership: Membership,
    settings: NodeSettings,
    host: NodeHost,
    randoms: { readonly node: Random; readonly core: Random },
  ) {
    this.id = id;
    this.appliedMembership = membership;
    this.#settings = settings;
    this.#host = host;
    this.#random = randoms.node;
    this.#coreRandom = randoms.core;
    this.image = {
      hardState: { term: 0, votedFor: null, commit: 0 },
      start: { index: 0, term: 0 },
      entries: [],
      applied: { index: 0, term: 0, hash: 0, membership },
    };
  }

  get isUp(): boolean {
    return this.core !== null;
  }

  /** Whether an event would be handled at once. */
  get isReady(): boolean {
    return this.core !== null && !this.isPaused && this.#held === null;
  }

  start(): void {
    if (this.isGone) return;
    this.life++;
    this.crashPoint = null;
    this.isPaused = false;
    this.#missed = [];
    this.#held = null;
    this.#isReceiving = false;
    this.#sending.clear();
    this.#isPumpScheduled = false;
    this.#hardState = undefined;
    this.#entries = [];
    this.#promises = [];
    this.#isAppliedNew = false;
    this.#compactTo = undefined;
    this.#isFlushScheduled = false;
    this.#durableApplied = 0;
    this.#isWriting = false;
    this.#onIdle = null;
    this.#stalledWrite = null;
    const { hardState, start, entries, applied } = this.image;
    this.hash = applied.hash;
    this.appliedIndex = applied.index;
    this.appliedMembership = applied.membership;
    this.core = createState(
      this.id,
      { hardState, start, entries, appliedIndex: applied.index, membership: applied.membership },
      this.#settings.core,
      this.#coreRandom,
      this.#host.clockOf(this),
    );
    this.#host.started(this);
    this.#tickLater();
  }

  /** Dies for good. */
  leave(): void {
    this.isGone = true;
    this.crash();
  }

  /** Dies. What was being written is on disk in whole or not at all. */
  crash(): void {
    if (this.core === null) return;
    const { term, votedFor } = this.core;
    const onDisk = this.image.hardState;
    if (votedFor !== null && (term !== onDisk.term || votedFor !== onDisk.votedFor))
      this.#host.count("vote not yet durable at a crash");
    if (this.core.log.stable < this.core.log.lastIndex) this.#host.count("entries not yet durable at a crash");
    this.core = null;
    this.life++;
  }

  pause(): void {
    this.isPaused = true;
  }

  /** Goes on after `lagMs`. As in the driver, what arrived meanwhile is handled before the timers (R59). */
  resume(lagMs: number): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    const missed = this.#missed;
    this.#missed = [];
    for (const run of missed) if (this.isUp) run();
    if (this.isUp) this.deliver({ type: "tick", ownLagMs: lagMs });
  }

  /** The disk works again. */
  unstall(writeMs: number): void {
    this.writeMs = writeMs;
    const write = this.#stalledWrite;
    this.#stalledWrite = null;
    write?.();
  }

  deliver(event: EventBody): void {
    this.#whenAwake(() => {
      if (this.#held === null) this.#step(event);
      else this.#held.push(event);
    });
  }

  /** Runs now, or when the pause is over; never in another life. */
  #whenAwake(run: () => void): void {
    if (this.core === null) return;
    if (this.isPaused) this.#missed.push(run);
    else run();
  }

  #tickLater(): void {
    const { life } = this;
    const intervalMs = this.#settings.core.heartbeatMs / 2;
    this.#host.schedule(intervalMs, () => {
      if (this.life !== life) return;
      if (!this.isPaused) this.deliver({ type: "tick", ownLagMs: 0 });
      if (this.life === life) this.#tickLater();
    });
  }

  #step(body: EventBody): void {
    if (this.core === null) return;
    this.#change(body);
    this.schedulePump();
  }

  #change(body: EventBody): void {
    const core = this.core!;
    const before = conditionOf(core);
    step(core, { ...body, now: this.#host.clockOf(this) } as RaftEvent);
    this.#host.stepped(this, before, body);
  }

  /** Does what is left to do, at once or together with what further events leave. */
  schedulePump(): void {
    if (this.#isPumpScheduled || this.#held !== null) return;
    const { bursts } = this.#settings;
    if (bursts === 0 || this.#random.next() >= bursts) return this.#pump();
    this.#isPumpScheduled = true;
    const { life } = this;
    this.#host.schedule(2 * this.#random.next(), () => {
      if (this.life !== life) return;
      this.#isPumpScheduled = false;
      this.#whenAwake(() => {
        if (this.#held === null) this.#pump();
      });
    });
  }

  #dies(here: CrashPoint): boolean {
    if (this.crashPoint !== here || this.core === null) return this.core === null;
    this.#host.count(`crash ${here}`);
    this.#host.crash(this);
    return true;
  }

  #pump(): void {
    if (this.core === null) return;
    const ready = takeReady(this.core);
    if (ready.entries.length > 0 && this.#dies("before-send")) return;
    for (const [i, message] of ready.messages.entries()) {
      const isAmid = this.crashPoint === "amid-sends" && message.type === "append" && message.entries.length > 0;
      if (isAmid && i > 0 && this.#random.next() < 0.5 && this.#dies("amid-sends")) return;
      this.#send(message);
    }
    if (ready.entries.length > 0 && (this.#dies("amid-sends") || this.#dies("before-persist"))) return;
    this.#addToBatch(ready);
    for (const entry of ready.committed) this.#apply(entry);
    if (ready.committed.length > 0 && this.#dies("after-apply")) return;
    for (const { request, index } of ready.readsReady) this.#host.read(this, request, index);
    for (const request of ready.readsFailed) this.#host.read(this, request, null);
    for (const peer of ready.snapshotsFor) this.#sendSnapshot(peer);
    this.#compact();
    this.#kick();
    if (this.core !== null && this.appliedMembership.removed.includes(this.id) && this.core.role !== "leader") {
      return this.#host.left(this);
    }
    if (ready.committed.length === this.#settings.core.committedPage) {
      const { life } = this;
      this.#host.schedule(0, () => {
        if (this.life === life) this.#whenAwake(() => this.schedulePump());
      });
    }
  }

  #send(message: RaftMessage): void {
    this.#host.sending(this, message);
    if (message.to === this.id) this.deliver({ type: "message", message });
    else this.#host.transmit(message);
  }

  #addToBatch(ready: Ready): void {
    if (ready.hardState !== null) this.#hardState = ready.hardState;
    const first = ready.entries[0];
    if (first !== undefined) {
      this.#entries = [...this.#entries.filter((entry) => entry.index < first.index), ...ready.entries];
    }
    this.#promises.push(...ready.promises);
  }

  #apply(entry: LogEntry): void {
    this.hash = foldEntry(this.hash, entry);
    this.appliedIndex = entry.index;
    if (entry.kind === "membership") this.appliedMembership = decodeMembership(entry.data);
    this.#isAppliedNew = true;
    this.#host.applied(this, entry);
  }

  #compact(): void {
    const { log } = this.core!;
    const { logEntriesMax, logTailEntries } = this.#settings;
    if (log.lastIndex - log.startIndex <= logEntriesMax) return;
    const index = Math.min(this.#durableApplied, log.lastIndex - logTailEntries);
    if (index <= log.startIndex) return;
    log.compactTo(index);
    this.#compactTo = { index, term: log.termAt(index)! };
    this.#host.count("compaction");
  }

  // ------------------------------------------------------------------ the disk

  #kick(): void {
    if (this.#isWriting || this.#held !== null) return;
    if (this.#hardState !== undefined || this.#entries.length > 0) return this.#startWrite();
    const promises = this.#promises;
    this.#promises = [];
    this.#keepPromises(promises);
    if (this.core === null || !this.#isAppliedNew || this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    const { life } = this;
    this.#host.schedule(this.#settings.flushMs, () => {
      if (this.life !== life) return;
      this.#isFlushScheduled = false;
      this.#whenAwake(() => {
        if (!this.#isWriting && this.#held === null && this.#isAppliedNew) this.#startWrite();
      });
    });
  }

  #startWrite(): void {
    const batch: Batch = {
      hardState: this.#hardState,
      entries: this.#entries,
      promises: this.#promises,
      applied: this.#isAppliedNew ? this.#appliedNow() : undefined,
      compactTo: this.#compactTo,
    };
    this.#hardState = undefined;
    this.#entries = [];
    this.#promises = [];
    this.#isAppliedNew = false;
    this.#compactTo = undefined;
    this.#isWriting = true;
    this.#afterDisk(() => this.#written(batch));
  }

  #appliedNow(): DiskImage["applied"] {
    const index = this.appliedIndex;
    return { index, term: this.core!.log.termAt(index)!, hash: this.hash, membership: this.appliedMembership };
  }

  /** Runs `done` when one synced write is through; while the disk hangs, when it works again. */
  #afterDisk(done: () => void): void {
    const { life } = this;
    const finish = () => {
      if (this.life === life) done();
    };
    if (this.writeMs === Number.POSITIVE_INFINITY) this.#stalledWrite = finish;
    else this.#host.schedule(this.writeMs * (0.5 + this.#random.next()), finish);
  }

  #written(batch: Batch): void {
    this.#toImage(batch);
    // The kernel has it, whether or not this process is awake to hear of it.
    this.#whenAwake(() => this.#afterWrite(batch));
  }

  #afterWrite(batch: Batch): void {
    this.#isWriting = false;
    if (batch.applied !== undefined) this.#durableApplied = batch.applied.index;
    if (this.#dies("after-persist")) return;
    this.#keepPromises(batch.promises);
    const last = batch.entries.at(-1);
    if (last !== undefined && this.core !== null)
      this.deliver({ type: "persisted", index: last.index, term: last.term });
    if (this.core === null) return;
    this.#kick();
    if (!this.#isWriting) this.#onIdle?.();
  }

  #keepPromises(promises: readonly RaftMessage[]): void {
    for (const message of promises) this.#send(message);
    if (promises.some(({ type }) => type === "voteResponse" || type === "vote")) this.#dies("after-promises");
  }

  #toImage(batch: Batch): void {
    const { image } = this;
    if (batch.hardState !== undefined) image.hardState = batch.hardState;
    const first = batch.entries[0];
    if (first !== undefined) {
      const kept = image.entries.filter((entry) => entry.index < first.index);
      image.entries = [...kept, ...batch.entries];
    }
    if (batch.applied !== undefined) image.applied = batch.applied;
    const compactTo = batch.compactTo;
    if (compactTo !== undefined && compactTo.index > image.start.index) {
      image.start = compactTo;
      image.entries = image.entries.filter((entry) => entry.index > compactTo.index);
    }
  }

  // ------------------------------------------------------------------ snapshots

  #sendSnapshot(peer: NodeId): void {
    if (this.#sending.has(peer)) return;
    this.#sending.add(peer);
    const { index, term, hash, membership } = this.image.applied;
    if (this.core!.membership.outgoing.length > 0) this.#host.count("snapshot sent during a joint configuration");
    const core = this.core!;
    // As in the driver: what leaves its receiver out is not sent, and tried again later (R45).
    if (!peersOf(membership).includes(peer)) {
      const { life } = this;
      this.#host.schedule(this.#settings.core.electionMsMax, () => {
        if (this.life !== life) return;
        this.#sending.delete(peer);
        this.deliver({ type: "snapshotSent", peer, lastIndex: 0, installed: false });
      });
      return this.#host.count("snapshot left its receiver out");
    }
    const snapshot = {
      from: this.id,
      term: core.term,
      lastIndex: index,
      lastTerm: term,
      hash,
      membership,
    };
    const { life } = this;
    this.#host.transferSnapshot(this, peer, snapshot, (installed) => {
      if (this.life !== life) return;
      this.#sending.delete(peer);
      const report = () => {
        if (this.life !== life) return;
        this.deliver({ type: "snapshotSent", peer, lastIndex: installed ? index : 0, installed });
      };
      if (installed) report();
      else this.#host.schedule(this.#settings.core.electionMsMax, report);
    });
  }

  /** The header is here, the chunks follow for `transferMs`. */
  receiveSnapshot(snapshot: SnapshotInFlight, transferMs: number, done: (ok: boolean) => void): void {
    const core = this.core;
    if (core === null || !this.isReady || this.#isReceiving) return done(false);
    if (snapshot.term !== core.term || snapshot.from !== core.leader) return done(false);
    if (!this.#accepts(snapshot)) return done(true);
    this.#isReceiving = true;
    const { life } = this;
    this.#host.schedule(transferMs, () => {
      if (this.life !== life) return done(false);
      this.#whenAwake(() => this.#install(snapshot, done));
    });
  }

  #accepts(snapshot: SnapshotInFlight): boolean {
    const core = this.core!;
    const before = conditionOf(core);
    const isAccepted = acceptsSnapshot(core, snapshot.lastIndex, snapshot.lastTerm);
    this.#host.stepped(this, before, { type: "tick", ownLagMs: 0 });
    return isAccepted;
  }

  /** Events wait, the write under way ends, then everything is replaced in one write. */
  #install(snapshot: SnapshotInFlight, done: (ok: boolean) => void): void {
    this.#held = [];
    const replace = () => {
      this.#onIdle = null;
      if (!this.#accepts(snapshot)) return this.#release(done);
      this.#afterDisk(() => {
        this.#replaceImage(snapshot);
        this.#whenAwake(() => this.#adopt(snapshot, done));
      });
    };
    if (this.#isWriting) this.#onIdle = replace;
    else replace();
  }

  #replaceImage({ lastIndex, lastTerm, hash, membership }: SnapshotInFlight): void {
    const { term, votedFor } = this.core!;
    this.image.hardState = { term, votedFor, commit: lastIndex };
    this.image.start = { index: lastIndex, term: lastTerm };
    this.image.entries = [];
    this.image.applied = { index: lastIndex, term: lastTerm, hash, membership };
  }

  #adopt(snapshot: SnapshotInFlight, done: (ok: boolean) => void): void {
    const { lastIndex, lastTerm, hash, membership } = snapshot;
    this.#entries = [];
    this.#hardState = undefined;
    this.#isAppliedNew = false;
    this.#compactTo = undefined;
    this.#durableApplied = lastIndex;
    this.hash = hash;
    this.appliedIndex = lastIndex;
    this.appliedMembership = membership;
    this.#host.count("snapshot installed");
    this.#change({ type: "snapshotInstalled", lastIndex, lastTerm, membership });
    this.#release(done);
  }

  #release(done: (ok: boolean) => void): void {
    const events = this.#held ?? [];
    this.#held = null;
    this.#isReceiving = false;
    for (const event of events) this.deliver(event);
    this.schedulePump();
    done(true);
  }
}

function conditionOf({ role, term, log, membership }: RaftState): Before {
  return { role, term, commit: log.commit, lastIndex: log.lastIndex, membership };
}

/** Folds an entry into the hash of everything before it. */
function foldEntry(hash: number, entry: LogEntry): number {
  let folded = Math.imul(hash ^ entry.index, 0x9e3779b1) ^ entry.term;
  for (const byte of entry.data) folded = Math.imul(folded ^ byte, 0x01000193);
  return folded >>> 0;
}
