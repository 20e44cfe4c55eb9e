/**
 * The group's way to its disk: one write at a time, everything that waits shares the next (group commit, R37).
 *
 * A batch holds hard state, log entries, and the effects of the commands applied so far together with their index, so the
 * state on disk is at any moment exactly that of some log index (R7). Effects alone are in no hurry: the log has them. They
 * go with the next log write, or after `flushMs`.
 */

import type { RaftStorage, RaftWrite, StateWrite } from "../storage/interface.ts";
import type { Membership } from "../types/membership.ts";
import type { HardState, LogEntry, RaftMessage } from "../types/raft.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import type { Ready } from "./core/step.ts";
import type { RaftMetrics } from "./metrics.ts";

export interface PersisterParts {
  readonly storage: RaftStorage;
  readonly clock: Clock;
  readonly flushMs: number;
  /** What the state on disk shows at the start. */
  readonly durableApplied: number;
  readonly takeSessionWrites: () => readonly StateWrite[];
  /** Everything handed over before the write began is on disk. */
  readonly onWritten: (done: { promises: readonly RaftMessage[]; last: LogEntry | undefined }) => void;
  readonly onFailed: (error: unknown) => void;
  readonly metrics: Pick<RaftMetrics, "written">;
}

export class Persister {
  readonly #parts: PersisterParts;
  #hardState: HardState | undefined;
  #entries: LogEntry[] = [];
  #promises: RaftMessage[] = [];
  #compactTo: { index: number; term: number } | undefined;
  /** The newest value of each changed record of the replicated state. */
  #effects = new Map<string, unknown>();
  #applied: { index: number; membership: Membership } | undefined;
  #durableApplied: number;
  #writing: Promise<void> | null = null;
  #writeBeganAt: number | null = null;
  #cancelFlush: CancelTimer | null = null;
  #isStopped = false;

  constructor(parts: PersisterParts) {
    this.#parts = parts;
    this.#durableApplied = parts.durableApplied;
  }

  /** The state on disk shows all commands up to this index. */
  get durableApplied(): number {
    return this.#durableApplied;
  }

  /** How long the write under way has taken so far, in milliseconds; 0 when none is. */
  get writingMs(): number {
    return this.#writeBeganAt === null ? 0 : this.#parts.clock.now() - this.#writeBeganAt;
  }

  /** Takes over what a `Ready` wants persisted, and the promises that wait for it. */
  add(ready: Pick<Ready, "hardState" | "entries" | "promises">): void {
    if (ready.hardState !== null) this.#hardState = ready.hardState;
    const first = ready.entries[0];
    if (first !== undefined) {
      // A newer leader may have replaced entries that still wait here.
      while (this.#entries.length > 0 && this.#entries.at(-1)!.index >= first.index) this.#entries.pop();
      for (const entry of ready.entries) this.#entries.push(entry);
    }
    for (const message of ready.promises) {
      const waiting = this.#promises.at(-1);
      if (waiting !== undefined && saysMore(message, waiting)) this.#promises.pop();
      this.#promises.push(message);
    }
  }

  effects(writes: readonly StateWrite[]): void {
    for (const { key, value } of writes) this.#effects.set(key, value);
  }

  applied(index: number, membership: Membership): void {
    this.#applied = { index, membership };
  }

  compact(index: number, term: number): void {
    this.#compactTo = { index, term };
  }

  /** Starts a write if one is due and none is under way; promises that depend on nothing leave at once. */
  kick(): void {
    if (this.#writing !== null || this.#isStopped) return;
    if (this.#hardState !== undefined || this.#entries.length > 0) {
      this.#startWrite();
      return;
    }
    if (this.#promises.length > 0) {
      const promises = this.#promises;
      this.#promises = [];
      this.#parts.onWritten({ promises, last: undefined });
    }
    if (this.#applied !== undefined && this.#cancelFlush === null) {
      this.#cancelFlush = this.#parts.clock.schedule(this.#parts.flushMs, () => {
        this.#cancelFlush = null;
        if (this.#writing === null && !this.#isStopped && this.#applied !== undefined) this.#startWrite();
      });
    }
  }

  /**
   * Runs `task` as if it were a write: after the one under way, and before whatever waits.
   *
   * @throws Error when no more is written, because a write failed (R8) or the group stopped; `task` did not run then
   */
  async exclusively(task: () => Promise<void>): Promise<void> {
    while (this.#writing !== null) await this.#writing;
    if (this.#isStopped) throw new Error("nothing more is written");
    const running = task();
    const clear = () => {
      this.#writing = null;
    };
    this.#writing = running.then(clear, clear);
    await running;
  }

  /** A snapshot replaced the state up to `index`, the log, and the hard state, on disk as well. */
  discard(index: number): void {
    this.#effects.clear();
    this.#applied = undefined;
    this.#compactTo = undefined;
    this.#entries = [];
    this.#hardState = undefined;
    this.#durableApplied = index;
  }

  /** Writes nothing more, not even what waits. */
  abandon(): void {
    this.#isStopped = true;
    this.#cancelFlush?.();
  }

  /** Writes what is left and refuses more; when it returns, nothing is under way. */
  async stop(): Promise<void> {
    this.#cancelFlush?.();
    while (this.#writing !== null) await this.#writing;
    if (!this.#isStopped && this.#applied !== undefined) this.#startWrite();
    this.#isStopped = true;
    while (this.#writing !== null) await this.#writing;
  }

  #startWrite(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = null;
    const batch = this.#takeBatch();
    const promises = this.#promises;
    this.#promises = [];
    const last = batch.entries?.at(-1);
    const { storage, clock, metrics } = this.#parts;
    this.#writeBeganAt = clock.now();
    this.#writing = storage.write(batch).then(
      () => {
        metrics.written(this.writingMs);
        this.#writing = null;
        this.#writeBeganAt = null;
        if (batch.state !== undefined) this.#durableApplied = batch.state.appliedIndex;
        this.#parts.onWritten({ promises, last });
        this.kick();
      },
      (error) => {
        this.#writing = null;
        this.#writeBeganAt = null;
        this.#isStopped = true;
        this.#parts.onFailed(error);
      },
    );
  }

  #takeBatch(): RaftWrite {
    const batch: { -readonly [Field in keyof RaftWrite]: RaftWrite[Field] } = {};
    if (this.#hardState !== undefined) batch.hardState = this.#hardState;
    if (this.#entries.length > 0) batch.entries = this.#entries;
    if (this.#applied !== undefined) {
      const writes = [...this.#effects].map(([key, value]): StateWrite => ({ key, value }));
      writes.push(...this.#parts.takeSessionWrites());
      batch.state = { writes, appliedIndex: this.#applied.index, membership: this.#applied.membership };
    }
    if (this.#compactTo !== undefined) batch.compactTo = this.#compactTo;
    this.#hardState = undefined;
    this.#entries = [];
    this.#effects = new Map();
    this.#applied = undefined;
    this.#compactTo = undefined;
    return batch;
  }
}

/** Whether a promise says all that one before it says: who holds an entry holds those before it. */
function saysMore(message: RaftMessage, before: RaftMessage): boolean {
  if (message.type !== "appendResponse" || before.type !== "appendResponse") return false;
  const isOfSame = message.to === before.to && message.term === before.term;
  return isOfSame && message.accepted && before.accepted && message.index >= before.index;
}
