/**
 * What the values in the store look like, and how they prove themselves.
 *
 * LevelDB returns damaged values, and after damage to its own log leaves whole batches out, without an error (R9). So:
 *
 *   every record   begins with a CRC-32 of its content, bound to where it belongs: a value under a wrong key is damage
 *   log            each checksum continues that of the entry before, so an entry left out or left over breaks the chain
 *   state          the sum of all checksums is kept in the root, so a record left out or left over changes it
 *   root           names the ends of the log, the chain at both, and the sum; written twice in every batch (R11)
 *
 * What this can not see is a loss at the very end: it looks like the disk of a node that crashed before it wrote that. LevelDB's
 * files are therefore proved as well (`leveldb/prove-files.ts`, `acknowledged-mark.ts`).
 */

import { crc32 } from "node:zlib";
import { Packr, RESERVE_START_SPACE } from "msgpackr";
import type { ClusterId, NodeId } from "../types/ids.ts";
import type { Membership } from "../types/membership.ts";
import type { EntryKind, LogEntry } from "../types/raft.ts";
import { logKey } from "./buckets.ts";
import { StorageError } from "./interface.ts";

/** A place in the log, with the checksum of the entry there. */
export interface Position {
  readonly index: number;
  readonly term: number;
  readonly checksum: number;
}

/** Everything a batch can change beside log and state. Whatever it does not name is not part of the region's data. */
export interface Root {
  readonly cluster: ClusterId;
  readonly term: number;
  readonly votedFor: NodeId | null;
  readonly commit: number;
  /** The entry before the first one kept. */
  readonly start: Position;
  /** The last entry; equal to `start` when the log is empty. */
  readonly last: Position;
  /** Which copy of the state is live. */
  readonly generation: number;
  /** The last entry that the state shows, and the configuration in force there. */
  readonly applied: { readonly index: number; readonly term: number };
  readonly membership: Membership;
  readonly state: StateProof;
}

/** How many records the state has, and the sum of their checksums, modulo 2^32. Equal on replicas that hold the same. */
export interface StateProof {
  readonly records: number;
  readonly sum: number;
}

export const EMPTY_STATE: StateProof = { records: 0, sum: 0 };

/** Grows when a format here changes in a way that older programs can not read. */
const FORMAT = 1;
const CHECKSUM_BYTES = 4;
/** Numbers are part of the format on disk. */
const KINDS: readonly EntryKind[] = ["empty", "command", "membership"];

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

/** @param what - names the damaged thing and how it is damaged */
export function corrupt(what: string, cause?: unknown): StorageError {
  return new StorageError(`${what}; damaged data is never used`, { code: "CORRUPT", what }, { cause });
}

/** Encodes a value with a checksum in front. `seed` is the checksum of what it is bound to. */
export function seal(value: unknown, seed: number): Uint8Array {
  const sealed = packr.pack(value, RESERVE_START_SPACE + CHECKSUM_BYTES);
  sealed.writeUInt32BE(crc32(sealed.subarray(CHECKSUM_BYTES), seed), 0);
  return sealed;
}

/** The checksum that a sealed record claims to have. */
export function checksumOf(sealed: Uint8Array): number {
  if (sealed.length < CHECKSUM_BYTES) return Number.NaN;
  return new DataView(sealed.buffer, sealed.byteOffset, CHECKSUM_BYTES).getUint32(0);
}

/** Whether a sealed record is what was sealed with this seed. */
export function isIntact(sealed: Uint8Array, seed: number): boolean {
  return checksumOf(sealed) === crc32(sealed.subarray(CHECKSUM_BYTES), seed);
}

/**
 * Decodes what `seal` made.
 *
 * @param what - names the record in the error
 * @throws StorageError CORRUPT
 */
export function unseal(sealed: Uint8Array, seed: number, what: string): unknown {
  if (!isIntact(sealed, seed)) throw corrupt(`${what} is damaged`);
  try {
    return packr.unpack(sealed.subarray(CHECKSUM_BYTES));
  } catch (cause) {
    throw corrupt(`${what} can not be decoded`, cause);
  }
}

// -------------------------------------------------------------------- root

const ROOT_SEED = crc32("root");

export function sealRoot(root: Root): Uint8Array {
  return seal({ format: FORMAT, ...root }, ROOT_SEED);
}

/** @throws StorageError CORRUPT; STORE_FORMAT when it is whole, but of a later format */
export function unsealRoot(sealed: Uint8Array): Root {
  const { format, ...root } = unseal(sealed, ROOT_SEED, "the root record") as Root & { readonly format: number };
  if (format > FORMAT) {
    const detail = { code: "STORE_FORMAT", format, formatMax: FORMAT } as const;
    throw new StorageError(`the data is in format ${format}, this version reads up to ${FORMAT}`, detail);
  }
  return root;
}

// -------------------------------------------------------------------- log

/** Where the chain of a log without any entry begins. */
export function logOrigin(cluster: ClusterId, index: number, term: number): Position {
  return { index, term, checksum: crc32(`log/${index}/${term}`, crc32(cluster)) };
}

/** The checksum of an entry covers its key, its content, and through `previous` all of the log before it. */
function entrySeed(key: Uint8Array, previous: Position): number {
  return crc32(key, previous.checksum);
}

/** Encodes an entry as the successor of `previous`. */
export function sealEntry(entry: LogEntry, previous: Position): { key: Uint8Array; value: Uint8Array; at: Position } {
  const key = logKey(entry.index);
  const value = seal([entry.term, KINDS.indexOf(entry.kind), entry.data], entrySeed(key, previous));
  return { key, value, at: { index: entry.index, term: entry.term, checksum: checksumOf(value) } };
}

/**
 * Decodes the successor of `previous`.
 *
 * @throws StorageError CORRUPT
 */
export function unsealEntry(key: Uint8Array, value: Uint8Array, previous: Position): { entry: LogEntry; at: Position } {
  const index = previous.index + 1;
  const name = `log entry ${index}`;
  const [term, kindNumber, data] = unseal(value, entrySeed(key, previous), name) as [number, number, Uint8Array];
  const kind = KINDS[kindNumber];
  if (kind === undefined) throw corrupt(`${name} is of unknown kind ${kindNumber}`);
  if (term < previous.term) throw corrupt(`${name} is of term ${term}, the one before of term ${previous.term}`);
  return { entry: { index, term, kind, data }, at: { index, term, checksum: checksumOf(value) } };
}

/**
 * Where an entry stands, without proof that it is intact: for entries that were proved when they were read or written.
 *
 * @throws StorageError CORRUPT when it is not there
 */
export function positionOf(index: number, value: Uint8Array | undefined): Position {
  if (value === undefined) throw corrupt(`log entry ${index} is missing`);
  const [term] = packr.unpack(value.subarray(CHECKSUM_BYTES)) as [number];
  return { index, term, checksum: checksumOf(value) };
}

// -------------------------------------------------------------------- state

/**
 * What a record of the state is bound to: region and key, not generation, so that its bytes travel in snapshots as they
 * are and prove themselves from the disk of the sender to that of the receiver.
 */
export function stateSeed(cluster: ClusterId): (key: string) => number {
  const seed = crc32("state", crc32(cluster));
  return (key) => crc32(key, seed);
}

/** The proof of a state that also has a record with this checksum. */
export function plus({ records, sum }: StateProof, checksum: number): StateProof {
  return { records: records + 1, sum: (sum + checksum) >>> 0 };
}

/** The proof of a state without a record with this checksum. */
export function minus({ records, sum }: StateProof, checksum: number): StateProof {
  return { records: records - 1, sum: (sum - checksum) >>> 0 };
}

/** @throws StorageError CORRUPT when what was read is not the state that was written */
export function checkState(found: StateProof, expected: StateProof): void {
  if (found.records === expected.records && found.sum === expected.sum) return;
  const counts = `${found.records} records found, ${expected.records} written`;
  throw corrupt(`records of the replicated state are missing or out of date (${counts})`);
}

// -------------------------------------------------------------------- facts

export function factSeed(name: string): number {
  return crc32(`fact/${name}`);
}
