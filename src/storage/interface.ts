/**
 * What the node asks of its disk.
 *
 * `KeyValueStore` is the machine: LevelDB in a process, a disk that loses, tears and flips in the simulator.
 * `RaftStorage` is the meaning: one log, one hard state, one replicated state, always changed together in one synced batch.
 */

import type { ClusterId } from "../types/ids.ts";
import type { Membership } from "../types/membership.ts";
import type { HardState, LogEntry, SnapshotHeader } from "../types/raft.ts";
import { AtollError } from "../util/errors.ts";

export type WriteOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "delete"; readonly key: Uint8Array };

export interface KeyRange {
  /** First key, included. */
  readonly from: Uint8Array;
  /** End, excluded. */
  readonly to: Uint8Array;
}

export interface KeyValueReader {
  /** Reads without a turn of the event loop; for small values on paths that are not hot. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Walks a range in key order, in pages, giving way to the event loop between pages. */
  scan(range: KeyRange): AsyncIterable<readonly (readonly [key: Uint8Array, value: Uint8Array])[]>;
}

/** A consistent view that later writes do not change. Must be closed. */
export interface KeyValueSnapshot extends KeyValueReader {
  close(): Promise<void>;
}

/** Keys begin with a byte below 0xff; what is above is the store's own. */
export interface KeyValueStore extends KeyValueReader {
  /**
   * Writes all operations or none, after those of earlier calls, and resolves when they are on disk (fsync).
   *
   * @throws StorageError WRITE_FAILED; what is on disk is then unknown, so the caller must stop (R8)
   */
  write(operations: readonly WriteOperation[]): Promise<void>;
  /**
   * Deletes a range; not atomic with anything, safe to repeat.
   *
   * @throws StorageError WRITE_FAILED
   */
  clear(range: KeyRange): Promise<void>;
  snapshot(): KeyValueSnapshot;
  close(): Promise<void>;
}

/** One change of the replicated state: `value` undefined deletes. Keys are UTF-8 and ordered by their bytes. */
export interface StateWrite {
  readonly key: string;
  /** Any msgpack value; the storage encodes it. */
  readonly value: unknown;
}

export type StateRecord = readonly [key: string, value: unknown];

/** One batch: everything in it reaches the disk together, or nothing does (R5, R7). */
export interface RaftWrite {
  readonly hardState?: HardState;
  /** Contiguous. Whatever the log held from the first one's index on is replaced. */
  readonly entries?: readonly LogEntry[];
  /** Changes of the replicated state, with the index of the last command they show. */
  readonly state?: {
    readonly writes: readonly StateWrite[];
    readonly appliedIndex: number;
    readonly membership: Membership;
  };
  /** Forgets entries up to and including this one. Must not pass the durable applied index (R42). */
  readonly compactTo?: { readonly index: number; readonly term: number };
}

export interface RecoveredRaft {
  readonly hardState: HardState;
  /** Where the log begins: the entry before the first one kept. */
  readonly logStart: { readonly index: number; readonly term: number };
  readonly entries: readonly LogEntry[];
  readonly appliedIndex: number;
  /** As of `appliedIndex`. */
  readonly membership: Membership;
}

/** A snapshot being received. Chunks land beside the live state; nothing changes until `commit`. */
export interface SnapshotInstall {
  /** @throws StorageError CORRUPT when the chunk's checksum does not match */
  write(chunk: Uint8Array): Promise<void>;
  /** Replaces state, log start, membership and hard state in one synced batch (R6). The whole log is dropped. */
  commit(hardState: HardState): Promise<void>;
  abort(): Promise<void>;
}

/** A consistent view of the replicated state, to send to a peer. */
export interface SnapshotView {
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly membership: Membership;
  /** Checksummed chunks of at most 256 KiB plus one record. */
  chunks(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export interface RaftStorage {
  /**
   * Reads and proves what is on disk: checksums bound to (cluster, term, index), contiguous indexes, terms that never
   * decrease, commit within the log (R9).
   *
   * @returns null when this region was never founded here
   * @throws StorageError CORRUPT naming what is damaged; the node must not vote or lead on it
   */
  load(): Promise<RecoveredRaft | null>;
  /** Makes an empty log with `membership` in force at index 0; synced. Refuses when a log exists. */
  found(cluster: ClusterId, membership: Membership): Promise<void>;
  /** @throws StorageError WRITE_FAILED: stop the node */
  write(batch: RaftWrite): Promise<void>;
  /** All records of the replicated state as of the durable applied index, in key order. */
  readState(): AsyncIterable<readonly StateRecord[]>;
  openSnapshot(): SnapshotView;
  beginInstall(header: SnapshotHeader): Promise<SnapshotInstall>;
}

/** Small facts about this node that are not replicated: its key, its founding record, the region keys it trusts. */
export interface NodeFacts {
  get(name: string): Uint8Array | undefined;
  put(name: string, value: Uint8Array): Promise<void>;
}

export type StorageErrorDetail =
  | { readonly code: "STORE_LOCKED"; readonly path: string }
  | { readonly code: "STORE_UNAVAILABLE"; readonly path: string; readonly reason: string }
  | { readonly code: "CORRUPT"; readonly what: string }
  /** Whole, but written by a version of the program that knows more than this one. */
  | { readonly code: "STORE_FORMAT"; readonly format: number; readonly formatMax: number }
  | { readonly code: "WRITE_FAILED"; readonly reason: string };

export class StorageError extends AtollError<StorageErrorDetail> {}
