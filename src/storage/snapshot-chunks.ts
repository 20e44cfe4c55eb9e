/**
 * The replicated state on its way to a peer, in chunks.
 *
 * Each chunk proves that it is intact, whose it is, and its place in the order; the last one proves that nothing is missing.
 * Inside, every record still carries the checksum it had on the sender's disk.
 */

import { crc32 } from "node:zlib";
import type { SnapshotHeader } from "../types/raft.ts";
import {
  checkState,
  checksumOf,
  corrupt,
  EMPTY_STATE,
  isIntact,
  plus,
  type StateProof,
  seal,
  stateSeed,
  unseal,
} from "./records.ts";

/** A record as it lies on disk. */
export type SealedRecord = readonly [key: string, sealed: Uint8Array];

/** Which snapshot a chunk belongs to. */
export type SnapshotIdentity = Pick<SnapshotHeader, "cluster" | "lastIndex" | "lastTerm">;

/** A chunk is closed when it has this much in it; one record may go over it. */
const CHUNK_BYTES = 256 * 1024;
/** The longest chunk taken from a peer: leaves room for one record far larger than any limit of the registry. */
export const CHUNK_BYTES_MAX = 8 * 1024 * 1024;
/** What a record costs in a chunk beside its key and value, at most. */
const RECORD_OVERHEAD_BYTES = 16;

function chunkSeed({ cluster, lastIndex, lastTerm }: SnapshotIdentity): number {
  return crc32(`snapshot/${cluster}/${lastIndex}/${lastTerm}`);
}

/**
 * Packs records, in order of key, into chunks; the last chunk carries the proof of them all.
 *
 * @param proofOf - asked once all records have been packed
 */
export async function* packChunks(
  identity: SnapshotIdentity,
  pages: AsyncIterable<readonly SealedRecord[]>,
  proofOf: () => StateProof,
): AsyncGenerator<Uint8Array, void, undefined> {
  const seed = chunkSeed(identity);
  let sequence = 0;
  let records: SealedRecord[] = [];
  let bytes = 0;
  for await (const page of pages) {
    for (const record of page) {
      const size = Buffer.byteLength(record[0]) + record[1].length + RECORD_OVERHEAD_BYTES;
      if (bytes + size > CHUNK_BYTES && records.length > 0) {
        yield seal([sequence++, records], seed);
        records = [];
        bytes = 0;
      }
      records.push(record);
      bytes += size;
    }
  }
  if (records.length > 0) yield seal([sequence++, records], seed);
  const proof = proofOf();
  yield seal([sequence, null, proof.records, proof.sum], seed);
}

/** Takes chunks in their order and proves them one by one. */
export class ChunkReader {
  readonly #seed: number;
  readonly #recordSeed: (key: string) => number;
  #nextSequence = 0;
  #lastKey: Buffer | null = null;
  #proof = EMPTY_STATE;
  #isComplete = false;

  constructor(identity: SnapshotIdentity) {
    this.#seed = chunkSeed(identity);
    this.#recordSeed = stateSeed(identity.cluster);
  }

  /**
   * @returns the records in it; none in the last chunk
   * @throws StorageError CORRUPT: damaged, of another snapshot, out of order, or not what the last chunk says was sent
   */
  read(chunk: Uint8Array): readonly SealedRecord[] {
    const name = `snapshot chunk ${this.#nextSequence}`;
    if (chunk.length > CHUNK_BYTES_MAX)
      throw corrupt(`${name} has ${chunk.length} bytes, more than ${CHUNK_BYTES_MAX}`);
    const fields = unseal(chunk, this.#seed, name);
    if (!Array.isArray(fields)) throw corrupt(`${name} is malformed`);
    const [sequence, records, ...totals] = fields;
    if (sequence !== this.#nextSequence || this.#isComplete) throw corrupt(`${name} expected, chunk ${sequence} came`);
    this.#nextSequence++;
    if (records === null) {
      this.#finish(totals);
      return [];
    }
    if (!Array.isArray(records)) throw corrupt(`${name} is malformed`);
    for (const record of records) this.#take(record, name);
    return records;
  }

  /**
   * What was read, once all of it was.
   *
   * @throws StorageError CORRUPT when the last chunk has not come
   */
  proof(): StateProof {
    if (!this.#isComplete) throw corrupt(`the snapshot ends before its last chunk, after ${this.#nextSequence} chunks`);
    return this.#proof;
  }

  #take(record: unknown, name: string): void {
    if (!isSealedRecord(record)) throw corrupt(`${name} holds a malformed record`);
    const [key, sealed] = record;
    if (!isIntact(sealed, this.#recordSeed(key))) throw corrupt(`state record "${key}" in ${name} is damaged`);
    const keyBytes = Buffer.from(key);
    if (this.#lastKey !== null && this.#lastKey.compare(keyBytes) >= 0) throw corrupt(`${name} is out of order`);
    this.#lastKey = keyBytes;
    this.#proof = plus(this.#proof, checksumOf(sealed));
  }

  #finish([records, sum]: readonly unknown[]): void {
    if (typeof records !== "number" || typeof sum !== "number") throw corrupt("the last snapshot chunk is malformed");
    checkState(this.#proof, { records, sum });
    this.#isComplete = true;
  }
}

function isSealedRecord(value: unknown): value is SealedRecord {
  return Array.isArray(value) && typeof value[0] === "string" && value[1] instanceof Uint8Array;
}
