/**
 * A disk in memory that behaves like LevelDB on a real one, with its failures at hand.
 *
 * Batches are atomic and reach the disk in the order they were written. Until its promise resolves, a batch is not seen and
 * may be lost in a crash. A `clear` is seen at once, but is durable only with the next batch.
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
  readonly operations: readonly WriteOperation[];
  readonly settle: () => void;
}

interface Failure {
  readonly reason: string;
  readonly reachesDisk: boolean;
}

/** Loses everything that a crash may lose. */
const HARSHEST: Random = { next: () => 0 };

export class MemoryStore implements KeyValueStore {
  readonly #records: Records;
  #pending: PendingWrite[] = [];
  #cleared: Record[] = [];
  #delay: { readonly clock: Clock; readonly ms: () => number } | null = null;
  #cancelSettle: CancelTimer = () => {};
  #nextFailure: Failure | null = null;
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
    const failure = this.#nextFailure;
    this.#nextFailure = null;
    return new Promise((resolve, reject) => {
      // The process is gone: nobody is told anything any more.
      if (this.#isCrashed) return;
      const settle = () => {
        if (failure === null || failure.reachesDisk) this.#apply(copies);
        if (failure === null) resolve();
        else reject(new StorageError(failure.reason, { code: "WRITE_FAILED", reason: failure.reason }));
      };
      this.#pending.push({ operations: copies, settle });
      if (this.#pending.length === 1) this.#scheduleSettle();
    });
  }

  async clear({ from, to }: KeyRange): Promise<void> {
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
  delayWrites(clock: Clock, ms: () => number): void {
    this.#delay = { clock, ms };
  }

  /** The next write is rejected; whether it reached the disk all the same is what its caller can not know (R8). */
  failNextWrite(reason: string, reachesDisk = false): void {
    this.#nextFailure = { reason, reachesDisk };
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
    for (const { operations } of this.#pending.slice(0, survivors)) disk.#apply(operations);
    return disk;
  }

  #scheduleSettle(): void {
    const settle = () => {
      if (this.#isCrashed) return;
      this.#pending.shift()?.settle();
      if (this.#pending.length > 0) this.#scheduleSettle();
    };
    const delayMs = this.#delay?.ms() ?? 0;
    if (this.#delay !== null && delayMs > 0) this.#cancelSettle = this.#delay.clock.schedule(delayMs, settle);
    else queueMicrotask(settle);
  }

  #apply(operations: readonly WriteOperation[]): void {
    for (const operation of operations) {
      if (operation.type === "put") this.#records.set(idOf(operation.key), [operation.key, operation.value]);
      else this.#records.delete(idOf(operation.key));
    }
    this.#cleared = [];
  }
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
