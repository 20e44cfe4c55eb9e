/**
 * A region's capabilities with digests, kept incrementally: what two nodes compare to find where they differ.
 *
 * Entries fall into 256 buckets by the hash of their name. A bucket's digest is the sum, modulo 2^64, of the digests of
 * its entries, so it does not depend on the order in which they came; the root digest covers all buckets. Two summaries
 * with equal roots hold equal entries.
 *
 * Pure. Elsewhere: which of two entries is the newer one (`summary-replica.ts`).
 */

import type { SummaryEntry, SummaryNode } from "../types/summary.ts";

export const BUCKETS = 256;

/** A 64-bit hash that is the same on every node of the federation. */
export type Hash64 = (text: string) => bigint;

interface Held {
  readonly entry: SummaryEntry;
  readonly digest: bigint;
}

export class CapabilitySummary {
  readonly #hash64: Hash64;
  readonly #buckets: Map<string, Held>[] = Array.from({ length: BUCKETS }, () => new Map());
  // Stores wrap modulo 2^64 by themselves.
  readonly #digests = new BigUint64Array(BUCKETS);
  #root: string | undefined;
  #size = 0;

  constructor(hash64: Hash64) {
    this.#hash64 = hash64;
  }

  /** How many capabilities are on offer. */
  get size(): number {
    return this.#size;
  }

  bucketOf(name: string): number {
    return Number(this.#hash64(name) % BigInt(BUCKETS));
  }

  /** Adds an entry or replaces the one of its name; `total` 0 removes it. */
  set(entry: SummaryEntry): void {
    const bucket = this.bucketOf(entry.name);
    this.#remove(bucket, entry.name);
    if (entry.total === 0) return;
    const digest = entryDigest(this.#hash64, entry);
    this.#buckets[bucket]!.set(entry.name, { entry, digest });
    this.#digests[bucket]! += digest;
    this.#size++;
    this.#root = undefined;
  }

  remove(name: string): void {
    this.#remove(this.bucketOf(name), name);
  }

  get(name: string): SummaryEntry | undefined {
    return this.#buckets[this.bucketOf(name)]!.get(name)?.entry;
  }

  /** The entries of one bucket, in no particular order. */
  bucket(number: number): SummaryEntry[] {
    return [...this.#buckets[number]!.values()].map((held) => held.entry);
  }

  /** A copy: later changes do not show in it. */
  bucketDigests(): BigUint64Array {
    return this.#digests.slice();
  }

  bucketDigest(number: number): bigint {
    return this.#digests[number]!;
  }

  /** Digest over all buckets, 16 hex digits. */
  root(): string {
    this.#root ??= rootDigest(this.#hash64, this.#digests);
    return this.#root;
  }

  #remove(bucket: number, name: string): void {
    const held = this.#buckets[bucket]!.get(name);
    if (held === undefined) return;
    this.#buckets[bucket]!.delete(name);
    this.#digests[bucket]! -= held.digest;
    this.#size--;
    this.#root = undefined;
  }
}

/** What the bucket digest of exactly these entries would be. */
export function digestOf(hash64: Hash64, entries: Iterable<SummaryEntry>): bigint {
  let sum = 0n;
  for (const entry of entries) sum += entryDigest(hash64, entry);
  return BigInt.asUintN(64, sum);
}

export function rootDigest(hash64: Hash64, digests: BigUint64Array): string {
  return hash64(digests.join(",")).toString(16).padStart(16, "0");
}

/** What a header says of the region's nodes, which change seldom. */
export function nodesDigest(hash64: Hash64, nodes: readonly SummaryNode[]): string {
  const listed = nodes.map(({ name, nodeId, addresses, http }) => [name, nodeId, addresses, http]);
  return hash64(JSON.stringify(listed)).toString(16).padStart(16, "0");
}

/** Big-endian, 8 bytes per bucket: how digests travel. */
export function encodeDigests(digests: BigUint64Array): Uint8Array {
  const bytes = new Uint8Array(BUCKETS * 8);
  const view = new DataView(bytes.buffer);
  for (let bucket = 0; bucket < BUCKETS; bucket++) view.setBigUint64(bucket * 8, digests[bucket]!);
  return bytes;
}

/** @param bytes - exactly what `encodeDigests` makes: 2,048 bytes */
export function decodeDigests(bytes: Uint8Array): BigUint64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return BigUint64Array.from({ length: BUCKETS }, (_, bucket) => view.getBigUint64(bucket * 8));
}

/** JSON of a fixed list of fields is canonical: field order is ours, and the lists inside come sorted from the region. */
function entryDigest(hash64: Hash64, entry: SummaryEntry): bigint {
  const { name, healthy, total, versions, tags, revision } = entry;
  return hash64(JSON.stringify([name, healthy, total, versions, tags, revision]));
}
