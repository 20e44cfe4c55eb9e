/**
 * The key space: what lies where in the one LevelDB of a node.
 *
 * A key begins with the byte of its bucket, so a bucket is a range and buckets never mix. Numbers in keys are big-endian,
 * so the order of keys is the order of numbers. What a value looks like: `records.ts`.
 */

import type { KeyRange } from "./interface.ts";

/** Numbers are part of the format on disk: never reused, never changed. */
export const BUCKET = {
  /** Fact name in UTF-8 -> a small fact about this node. Not replicated, there before the region is founded. */
  fact: 0x10,
  /** No further key -> the root: everything a batch can change beside log and state. */
  root: 0x20,
  /** Log index, 8 bytes -> log entry. */
  log: 0x30,
  /** Generation, 4 bytes, then state key in UTF-8 -> one record of the replicated state. */
  state: 0x40,
  /** No further key -> the same bytes as `root`; at the other end of the key space, so that one bad block spares one of them. */
  rootCopy: 0xf0,
  /** No further key -> the number of the last batch. Of `LevelStore` alone: no key of anybody else begins with it. */
  batchNumber: 0xff,
} as const;

const INDEX_BYTES = 8;
const GENERATION_BYTES = 4;
/** Where the state's own key begins. */
const STATE_KEY_OFFSET = 1 + GENERATION_BYTES;

export const ROOT_KEYS: readonly Uint8Array[] = [Buffer.of(BUCKET.root), Buffer.of(BUCKET.rootCopy)];

export function factKey(name: string): Uint8Array {
  return Buffer.concat([Buffer.of(BUCKET.fact), Buffer.from(name)]);
}

export function logKey(index: number): Uint8Array {
  const key = Buffer.allocUnsafe(1 + INDEX_BYTES);
  key[0] = BUCKET.log;
  key.writeUInt32BE(Math.floor(index / 2 ** 32), 1);
  key.writeUInt32BE(index % 2 ** 32, 1 + 4);
  return key;
}

/** The index in a key of the log, or null when it is no such key. */
export function logIndexOf(key: Uint8Array): number | null {
  if (key.length !== 1 + INDEX_BYTES || key[0] !== BUCKET.log) return null;
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(1) * 2 ** 32 + view.getUint32(1 + 4);
}

/** Entries from `from` on, up to and including `to`. */
export function logRange(from: number, to: number): KeyRange {
  return { from: logKey(from), to: logKey(to + 1) };
}

/** Entries from `from` on. */
export function logRangeFrom(from: number): KeyRange {
  return { from: logKey(from), to: Buffer.of(BUCKET.log + 1) };
}

export function stateKey(generation: number, key: string): Uint8Array {
  const bytes = Buffer.allocUnsafe(STATE_KEY_OFFSET + Buffer.byteLength(key));
  bytes[0] = BUCKET.state;
  bytes.writeUInt32BE(generation, 1);
  bytes.write(key, STATE_KEY_OFFSET);
  return bytes;
}

/** The state's own key in a key of the state. */
export function stateKeyOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("utf8", STATE_KEY_OFFSET);
}

/** All records of one generation of the state. */
export function stateRange(generation: number): KeyRange {
  return stateRanges(generation, generation);
}

/** All records of the generations from `first` to `last`, both included. */
export function stateRanges(first: number, last: number): KeyRange {
  return { from: stateKey(first, ""), to: stateKey(last + 1, "") };
}

/** All records of every generation after `generation`. */
export function stateRangeAfter(generation: number): KeyRange {
  return { from: stateKey(generation + 1, ""), to: Buffer.of(BUCKET.state + 1) };
}

/** What exists only once the region was founded, beside the root. */
export const FOUNDED_RANGE: KeyRange = { from: Buffer.of(BUCKET.log), to: Buffer.of(BUCKET.state + 1) };
