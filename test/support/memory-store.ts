/**
 * A disk in memory that behaves like LevelDB on a real one, with its failures at hand.
 *
 * Batches are atomic and reach the disk in the order they were written. Until its promise resolves, a batch is not seen and
 * may be lost in a crash, and then so are all behind it: a torn batch is one that is lost. A `clear` is seen at once, but is
 * durable only with the next batch.
 *
 * The same calls and the same random numbers give the same disk.
 */

import {
  type KeyRange,
  type KeyValueReader,
  type KeyValueSnapshot,
  type KeyValueStore,
  StorageError,
  type WriteOperation,
} from "../../src/storage/interface.ts";
import type { CancelTimer, Clock } from "../../src/util/clock.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";

const PAGE_RECORDS = 100;

type Record = readonly [key: Uint8Array, value: Uint8Array];
/** By key, as a string of one character per byte: its order is the order of bytes. */
type Records = Map<string, Record>;

interface PendingWrite {
  /** Null when none of it ever reaches the disk. */
  readonly operations: readonly WriteOperation[] | null;
  readonly settle: () => void;
}

interface Failure {
  readonly reason: string;
  readonly reachesDisk: boolean;
}

const FULL: Failure = { reason: "no space left on device", reachesDisk: false };

/** Loses everything that a crash may lose. */
const HARSHEST: Random = { next: () => 0 };

export class MemoryStore implements KeyValueStore {
  readonly #records: Records;
  #pending: PendingWrite[] = [];
  #cleared: Record[] = [];
  #delay: { readonly clock: Pick<Clock, "schedule">; readonly ms: () => number } | null = null;
  #cancelSettle: CancelTimer = () => {};
  /** Counts what was scheduled; only the last of it is heeded. */
  #turn = 0;
  #nextFailure: Failure | null = null;
  #isFull = false;
  #stalls = 0;
  #isCrashed = false;

  constructor(records: Iterable<Record> = []) {
    this.#records = new Map([...records].map((record) => [idOf(record[0]), record]));
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return read(this.#records).get(key);
  }

  scan(range: KeyRange) {
    return read(this.#records).scan(range);
  }

  snapshot(): KeyValueSnapshot {
    return { ...read(new Map(this.#records)), close: async () => {} };
  }

  write(operations: readonly WriteOperation[]): Promise<void> {
    const copies = operations.map(copyOperation);
    const failure = this.#takeFailure();
    return new Promise((resolve, reject) => {
      // The process is gone: nobody is told anything any more.
      if (this.#isCrashed) return;
      const reached = failure === null || failure.reachesDisk ? copies : null;
      const settle = () => {
        this.#apply(reached);
        if (failure === null) resolve();
        else reject(writeFailed(failure.reason));
      };
      this.#pending.push({ operations: reached, settle });
      if (this.#pending.length === 1) this.#scheduleSettle();
    });
  }

  async clear({ from, to }: KeyRange): Promise<void> {
    // Otherwise it takes no time.
    const mustWait = this.#isCrashed || this.#isFull || this.#stalls > 0;
    if (mustWait) await this.write([]);
    const [first, end] = [idOf(from), idOf(to)];
    for (const [id, record] of this.#records) {
      if (id < first || id >= end) continue;
      this.#records.delete(id);
      this.#cleared.push(record);
    }
  }

  async close(): Promise<void> {
    if (this.#pending.length > 0) await this.write([]);
  }

  // ------------------------------------------------------------------ what can go wrong

  /** From now on each batch takes this long to reach the disk, one after the other. */
  delayWrites(clock: Pick<Clock, "schedule">, ms: () => number): void {
    this.#delay = { clock, ms };
  }

  /** The next write is rejected; whether it reached the disk all the same is what its caller can not know (R8). */
  failNextWrite(reason: string, reachesDisk = false): void {
    this.#nextFailure = { reason, reachesDisk };
  }

  /** Every change is rejected, and leaves nothing on the disk, until there is room again; a crash makes none. */
  setFull(isFull: boolean): void {
    this.#isFull = isFull;
  }

  /** No change comes to an end, well or badly, until the function returned here is called. Stalls add up. */
  stall(): () => void {
    this.#stalls++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#stalls--;
      if (this.#stalls === 0 && this.#pending.length > 0) this.#scheduleSettle();
    };
  }

  /**
   * Flips one bit of one record, each bit of the disk as likely as any other.
   *
   * @returns the key of the record, or null when the disk holds no bit
   */
  flipRandomBit(random: Random): Uint8Array | null {
    const records = [...this.#records.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record);
    const bits = 8 * records.reduce((bytes, [, value]) => bytes + value.length, 0);
    let bit = randomInteger(random, 0, bits - 1);
    for (const [key, value] of records) {
      if (bit < value.length * 8) {
        this.flipBit(key, bit);
        return key;
      }
      bit -= value.length * 8;
    }
    return null;
  }

  /** Flips one bit of a value, counted from its first byte on. */
  flipBit(key: Uint8Array, bit: number): void {
    const value = Buffer.from(this.get(key) ?? []);
    value[bit >> 3]! ^= 1 << (bit & 7);
    this.#records.set(idOf(key), [key, value]);
  }

  /**
   * Ends the process and the power; this store is dead from here on and settles no promise.
   *
   * @param random - draws how many of the unsettled batches, in order, had reached the disk; without it, none had
   * @returns the disk as it is found afterwards
   */
  crash(random: Random = HARSHEST): MemoryStore {
    this.#isCrashed = true;
    this.#cancelSettle();
    const survivors = randomInteger(random, 0, this.#pending.length);
    const clearsKept = survivors > 0 ? this.#cleared.length : randomInteger(random, 0, this.#cleared.length);
    const disk = new MemoryStore([...this.#records.values(), ...this.#cleared.slice(clearsKept)]);
    disk.#isFull = this.#isFull;
    for (const { operations } of this.#pending.slice(0, survivors)) disk.#apply(operations);
    return disk;
  }

  #takeFailure(): Failure | null {
    const failure = this.#isFull ? FULL : this.#nextFailure;
    this.#nextFailure = null;
    return failure;
  }

  #scheduleSettle(): void {
    this.#cancelSettle();
    const turn = ++this.#turn;
    const settle = () => {
      if (this.#isCrashed || this.#stalls > 0 || turn !== this.#turn) return;
      this.#pending.shift()?.settle();
      if (this.#pending.length > 0) this.#scheduleSettle();
    };
    const delayMs = this.#delay?.ms() ?? 0;
    if (this.#delay !== null && delayMs > 0) this.#cancelSettle = this.#delay.clock.schedule(delayMs, settle);
    else queueMicrotask(settle);
  }

  #apply(operations: readonly WriteOperation[] | null): void {
    if (operations === null) return;
    for (const operation of operations) {
      if (operation.type === "put") this.#records.set(idOf(operation.key), [operation.key, operation.value]);
      else this.#records.delete(idOf(operation.key));
    }
    this.#cleared = [];
  }
}

function writeFailed(reason: string): StorageError {
  return new StorageError(reason, { code: "WRITE_FAILED", reason });
}

function read(records: Records): KeyValueReader {
  return {
    get: (key) => records.get(idOf(key))?.[1],
    async *scan({ from, to }) {
      const [first, end] = [idOf(from), idOf(to)];
      const ids = [...records.keys()].filter((id) => id >= first && id < end).sort();
      const found = ids.map((id) => records.get(id)!);
      for (let i = 0; i < found.length; i += PAGE_RECORDS) yield found.slice(i, i + PAGE_RECORDS);
    },
  };
}

function idOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

/** Callers may use their buffers again. */
function copyOperation(operation: WriteOperation): WriteOperation {
  const key = Buffer.from(operation.key);
  return operation.type === "put" ? { type: "put", key, value: Buffer.from(operation.value) } : { type: "delete", key };
}
