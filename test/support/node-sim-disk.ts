/**
 * The disk of a simulated machine, and what is known to be on it.
 *
 * `SimulatedDisk` is a `MemoryStore` with latency and faults. `ObservedStorage` stands between the group and its storage:
 * it keeps the image of what was acknowledged as synced, and compares it with what a restart finds, which must be the
 * outcome of all acknowledged batches and of the one under way or not (R1, R5, R6).
 */

import {
  type KeyValueStore,
  type RaftStorage,
  type RaftWrite,
  type RecoveredRaft,
  type SnapshotInstall,
  type SnapshotView,
  type StateRecord,
  StorageError,
} from "../../src/storage/interface.ts";
import type { ClusterId } from "../../src/types/ids.ts";
import type { Membership } from "../../src/types/membership.ts";
import type { HardState, LogEntry, SnapshotHeader } from "../../src/types/raft.ts";
import type { Random } from "../../src/util/random.ts";
import { MemoryStore } from "./memory-store.ts";
import type { ProcessLoop } from "./node-sim-loop.ts";
import { type DurableLog, InvariantBroken } from "./raft-invariants.ts";
import type { EventQueue } from "./raft-sim-queue.ts";

export class SimulatedDisk {
  readonly #queue: EventQueue;
  readonly #random: Random;
  #store = new MemoryStore();
  /** Mean time of a synced write, in milliseconds. */
  writeMs: number;
  /** Ends the stall; null when there is none. */
  #release: (() => void) | null = null;

  constructor(queue: EventQueue, random: Random, writeMs: number) {
    this.#queue = queue;
    this.#random = random;
    this.writeMs = writeMs;
  }

  /** The store as a process uses it: it hears of a finished write when it next runs. */
  open(loop: ProcessLoop): KeyValueStore {
    const schedule = (delayMs: number, run: () => void) => {
      const event = this.#queue.schedule(delayMs, () => loop.receive(run));
      return () => {
        event.run = null;
      };
    };
    this.#store.delayWrites({ schedule }, () => this.writeMs * (0.5 + this.#random.next()));
    return this.#store;
  }

  /** The power goes: what was not synced may be lost. */
  crash(): void {
    this.#store = this.#store.crash(this.#random);
    if (this.#release !== null) this.#release = this.#store.stall();
  }

  /** Nothing written reaches it until it goes on. */
  stall(): void {
    this.#release ??= this.#store.stall();
  }

  goOn(): void {
    this.#release?.();
    this.#release = null;
  }

  /** While it is full every write fails, and its process with it (R8). */
  setFull(isFull: boolean): void {
    this.#store.setFull(isFull);
  }

  /** The next write fails, and may have reached the disk or not. */
  failNextSync(): void {
    this.#store.failNextWrite("input/output error", this.#random.next() < 0.5);
  }

  flipBits(count: number, random: Random): void {
    for (let i = 0; i < count; i++) this.#store.flipRandomBit(random);
  }
}

/** What was acknowledged to be on a disk. */
export class DurableImage implements DurableLog {
  hardState: HardState = { term: 0, votedFor: null, commit: 0 };
  start: { readonly index: number; readonly term: number } = { index: 0, term: 0 };
  entries: LogEntry[] = [];
  applied = 0;

  write({ hardState, entries = [], state, compactTo }: RaftWrite): void {
    if (hardState !== undefined) this.hardState = hardState;
    if (compactTo !== undefined && compactTo.index > this.start.index) {
      this.entries.splice(0, compactTo.index - this.start.index);
      this.start = compactTo;
    }
    const first = entries[0];
    if (first !== undefined) this.entries.length = first.index - this.start.index - 1;
    for (const entry of entries) this.entries.push(entry);
    if (state !== undefined) this.applied = state.appliedIndex;
  }

  install({ lastIndex, lastTerm }: SnapshotHeader, hardState: HardState): void {
    this.hardState = hardState;
    this.start = { index: lastIndex, term: lastTerm };
    this.entries = [];
    this.applied = lastIndex;
  }

  take({ hardState, logStart, entries, appliedIndex }: RecoveredRaft): void {
    this.hardState = hardState;
    this.start = logStart;
    this.entries = [...entries];
    this.applied = appliedIndex;
  }

  clone(): DurableImage {
    const clone = new DurableImage();
    Object.assign(clone, this, { entries: [...this.entries] });
    return clone;
  }

  /** Everything but the entries in between, which their checksums chain to the last one. */
  toString(): string {
    const { hardState, start, entries, applied } = this;
    const last = entries.at(-1) ?? start;
    const positions = `log ${start.index}(${start.term})-${last.index}(${last.term}), applied ${applied}`;
    return `term ${hardState.term}, vote ${hardState.votedFor}, ${positions}`;
  }
}

type Underway = (image: DurableImage) => void;

/** The disk of one identity, from its first process to its last. */
export class DiskRecord {
  readonly image = new DurableImage();
  /** What the write under way would change. */
  underway: Underway | null = null;
  wasFounded = false;
  /** Bits were flipped, and nobody has looked since: to be refused is right, and so is to find nothing amiss. */
  isDamaged = false;

  /** A process looks at its disk for the first time. */
  found(recovered: RecoveredRaft | null): void {
    const before = this.image.clone();
    const after = this.image.clone();
    this.underway?.(after);
    this.underway = null;
    if (recovered === null) {
      if (this.wasFounded) throw new InvariantBroken("a disk forgot that its region was founded");
      return;
    }
    this.wasFounded = true;
    // All of it was proved to be as it was written.
    this.isDamaged = false;
    this.image.take(recovered);
    const found = `${this.image}`;
    if (found === `${before}` || found === `${after}`) return;
    throw new InvariantBroken(`a disk shows ${found}; it had ${before}, and was about to have ${after}`);
  }
}

/** Where a process passes by that may be told to die there. */
export type StoragePoint = "write begins" | "write done" | "chunk stored" | "install begins" | "install done";

export interface StorageWatch {
  at(point: StoragePoint): void;
  /** The disk is about to say that the state of `index` has these members. */
  stating(index: number, membership: Membership): void;
  /** A batch was refused: who asked for it must stop (R8). */
  failed(): void;
}

export class ObservedStorage implements RaftStorage {
  readonly #inner: RaftStorage;
  readonly #record: DiskRecord;
  readonly #watch: StorageWatch;

  constructor(inner: RaftStorage, record: DiskRecord, watch: StorageWatch) {
    this.#inner = inner;
    this.#record = record;
    this.#watch = watch;
  }

  async load(): Promise<RecoveredRaft | null> {
    const recovered = await this.#inner.load();
    this.#record.found(recovered);
    return recovered;
  }

  async found(cluster: ClusterId, membership: Membership): Promise<void> {
    await this.#inner.found(cluster, membership);
    this.#record.wasFounded = true;
  }

  write(batch: RaftWrite): Promise<void> {
    if (batch.state !== undefined) this.#watch.stating(batch.state.appliedIndex, batch.state.membership);
    return this.#change(
      "write begins",
      "write done",
      (image) => image.write(batch),
      () => this.#inner.write(batch),
    );
  }

  readState(): AsyncIterable<readonly StateRecord[]> {
    return this.#inner.readState();
  }

  openSnapshot(): SnapshotView {
    return this.#inner.openSnapshot();
  }

  async beginInstall(header: SnapshotHeader): Promise<SnapshotInstall> {
    this.#watch.stating(header.lastIndex, header.membership);
    const install = await this.#watched(this.#inner.beginInstall(header));
    return {
      write: async (chunk) => {
        await this.#watched(install.write(chunk));
        this.#watch.at("chunk stored");
      },
      commit: (hardState) =>
        this.#change(
          "install begins",
          "install done",
          (image) => image.install(header, hardState),
          () => install.commit(hardState),
        ),
      abort: () => install.abort(),
    };
  }

  #change(begins: StoragePoint, done: StoragePoint, underway: Underway, run: () => Promise<void>): Promise<void> {
    this.#record.underway = underway;
    this.#watch.at(begins);
    const finish = () => {
      underway(this.#record.image);
      this.#record.underway = null;
      this.#watch.at(done);
    };
    return this.#watched(run()).then(finish);
  }

  #watched<T>(change: Promise<T>): Promise<T> {
    return change.catch((error: unknown) => {
      if (error instanceof StorageError && error.detail.code === "WRITE_FAILED") this.#watch.failed();
      throw error;
    });
  }
}
