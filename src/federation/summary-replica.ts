/**
 * Another region's summary as it is put together here from gossip and pulls, in whatever order they arrive.
 *
 * A summary is a function of the region's revision, so order is restored by revisions alone: of two entries of one name
 * the newer stays, and a bucket known in full as of revision R can no longer be changed by anything that happened up to R.
 * That `floor` is what keeps a late message from bringing a deleted capability back (P10, F23).
 *
 * Pure. Elsewhere: who may say something about the region (`region-trust.ts`), and how old it is (`summary-table.ts`).
 */

import type { SummaryEntry } from "../types/summary.ts";
import { BUCKETS, CapabilitySummary, type Hash64 } from "./capability-summary.ts";

interface BucketKnowledge {
  /** All that happened in the bucket up to this revision is known. */
  floor: number;
  /** Names deleted after `floor`, with the revision that showed them gone. */
  readonly deleted: Map<string, number>;
}

export class SummaryReplica {
  readonly #content: CapabilitySummary;
  // Minus one: nothing is known, not even that an unborn region is empty.
  readonly #buckets: BucketKnowledge[] = Array.from({ length: BUCKETS }, () => ({ floor: -1, deleted: new Map() }));

  constructor(hash64: Hash64) {
    this.#content = new CapabilitySummary(hash64);
  }

  get size(): number {
    return this.#content.size;
  }

  /** All that happened to any name up to this revision is known; 0 when that can not be said yet. */
  get knownRevision(): number {
    return Math.max(0, Math.min(...this.#buckets.map(({ floor }) => floor)));
  }

  root(): string {
    return this.#content.root();
  }

  bucketDigest(bucket: number): bigint {
    return this.#content.bucketDigest(bucket);
  }

  /** A copy: later changes do not show in it. */
  bucketDigests(): BigUint64Array {
    return this.#content.bucketDigests();
  }

  bucket(number: number): SummaryEntry[] {
    return this.#content.bucket(number);
  }

  *entries(): Iterable<SummaryEntry> {
    for (let bucket = 0; bucket < BUCKETS; bucket++) yield* this.bucket(bucket);
  }

  find(name: string): SummaryEntry | undefined {
    return this.#content.get(name);
  }

  /** True when all that happened to `name` up to `revision` is known here, so that its absence means something. */
  isKnownAsOf(name: string, revision: number): boolean {
    return this.#buckets[this.#content.bucketOf(name)]!.floor >= revision;
  }

  /** Takes one gossiped change; `total` 0 deletes. Returns whether it was news. */
  merge(entry: SummaryEntry): boolean {
    const bucket = this.#content.bucketOf(entry.name);
    const knowledge = this.#buckets[bucket]!;
    if (entry.revision <= this.#newestOf(entry.name, knowledge)) return false;
    this.#content.set(entry);
    if (entry.total === 0) knowledge.deleted.set(entry.name, entry.revision);
    else knowledge.deleted.delete(entry.name);
    return true;
  }

  /**
   * Takes the whole content of a bucket as of `revision`. Changes that are newer than that stay. Returns false, and
   * changes nothing, when as much or more is known already.
   */
  replaceBucket(bucket: number, entries: readonly SummaryEntry[], revision: number): boolean {
    const knowledge = this.#buckets[bucket]!;
    if (revision <= knowledge.floor) return false;
    for (const held of this.#content.bucket(bucket)) {
      if (held.revision <= revision) this.#content.remove(held.name);
    }
    for (const entry of entries) {
      const hasNewer =
        this.#content.get(entry.name) !== undefined || isAfter(knowledge.deleted.get(entry.name), revision);
      if (!hasNewer) this.#content.set(entry);
    }
    raiseFloor(knowledge, revision);
    return true;
  }

  /**
   * Compares with the region's digests as of `revision`: a bucket that equals them is known in full as of then.
   *
   * @returns the buckets to fetch: different, and not yet known as of `revision`
   */
  reconcile(digests: BigUint64Array, revision: number): number[] {
    const toFetch: number[] = [];
    this.#buckets.forEach((knowledge, bucket) => {
      if (this.#content.bucketDigest(bucket) === digests[bucket]) raiseFloor(knowledge, revision);
      else if (knowledge.floor < revision) toFetch.push(bucket);
    });
    return toFetch;
  }

  /** Everything held was shown, by an equal root digest, to be the region's state as of `revision`. */
  confirmAll(revision: number): void {
    for (const knowledge of this.#buckets) raiseFloor(knowledge, revision);
  }

  #newestOf(name: string, knowledge: BucketKnowledge): number {
    const held = this.#content.get(name)?.revision ?? knowledge.deleted.get(name) ?? -1;
    return Math.max(held, knowledge.floor);
  }
}

function isAfter(revision: number | undefined, other: number): boolean {
  return revision !== undefined && revision > other;
}

function raiseFloor(knowledge: BucketKnowledge, revision: number): void {
  if (revision <= knowledge.floor) return;
  knowledge.floor = revision;
  // A deletion at or below the floor is implied by it.
  for (const [name, deletedAt] of knowledge.deleted) {
    if (deletedAt <= revision) knowledge.deleted.delete(name);
  }
}
