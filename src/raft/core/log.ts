/**
 * The log of one member, in memory from the last compaction on.
 *
 * Compaction is frequent, because the applied state is durable by itself, so everything a peer can still need of the log
 * fits here and the core never reads a disk. Positions, in ascending order:
 *
 *   start     the entry before the first one kept; its index and term are all that is known of it
 *   applied   handed to the state machine
 *   commit    known to be on a quorum
 *   stable    on this member's disk
 *   last      may still be replaced by a newer leader's entries when above commit
 *
 * `stable` may lie on either side of `commit`.
 */

import type { LogEntry } from "../../types/raft.ts";
import { invariant } from "../../util/errors.ts";

/** What an entry costs in memory and on the wire beside its data; an estimate for bounds, in bytes. */
const ENTRY_OVERHEAD_BYTES = 64;

export function entryBytes(entry: LogEntry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

export class RaftLog {
  #entries: LogEntry[];
  #start: { readonly index: number; readonly term: number };
  #bytes = 0;
  #commit: number;
  #applied: number;
  #stable: number;

  constructor(from: {
    start: { readonly index: number; readonly term: number };
    entries: readonly LogEntry[];
    commit: number;
    applied: number;
  }) {
    this.#start = from.start;
    this.#entries = [...from.entries];
    this.#stable = this.lastIndex;
    this.#commit = from.commit;
    this.#applied = from.applied;
    for (const entry of from.entries) this.#bytes += entryBytes(entry);
    invariant(from.applied >= from.start.index && from.applied <= from.commit, "applied lies within the log");
    invariant(from.commit <= this.lastIndex, "commit lies within the log");
  }

  get startIndex(): number {
    return this.#start.index;
  }
  get lastIndex(): number {
    return this.#start.index + this.#entries.length;
  }
  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#start.term;
  }
  get commit(): number {
    return this.#commit;
  }
  get applied(): number {
    return this.#applied;
  }
  get stable(): number {
    return this.#stable;
  }
  /** Memory held by the entries, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The term of an entry, or undefined where the log does not reach (compacted or not yet there). */
  termAt(index: number): number | undefined {
    if (index === this.#start.index) return this.#start.term;
    return this.#entries[index - this.#start.index - 1]?.term;
  }

  has(index: number, term: number): boolean {
    return this.termAt(index) === term;
  }

  /** §5.4.1: a log is newer by the term of its last entry, then by its length (R16). */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** Entries from `from` on, at least one if there is one, then as many as fit in `bytesMax` (R36). */
  slice(from: number, bytesMax: number): LogEntry[] {
    const begin = from - this.#start.index - 1;
    invariant(begin >= 0, `entry ${from} was compacted away`);
    let end = begin;
    let bytes = 0;
    while (end < this.#entries.length) {
      bytes += entryBytes(this.#entries[end]!);
      if (end > begin && bytes > bytesMax) break;
      end++;
    }
    return this.#entries.slice(begin, end);
  }

  /** Size of the entries after `after` up to and including `upTo`. */
  bytesBetween(after: number, upTo: number): number {
    let bytes = 0;
    for (let i = after - this.#start.index; i < upTo - this.#start.index; i++) bytes += entryBytes(this.#entries[i]!);
    return bytes;
  }

  /** Committed entries not yet handed to the state machine, at most `countMax` of them (R39). */
  takeCommitted(countMax: number): LogEntry[] {
    const begin = this.#applied - this.#start.index;
    const end = Math.min(this.#commit - this.#start.index, begin + countMax);
    if (end <= begin) return [];
    this.#applied = this.#start.index + end;
    return this.#entries.slice(begin, end);
  }

  /** Appends a leader's own entries. */
  append(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      invariant(entry.index === this.lastIndex + 1, "entries are contiguous");
      invariant(entry.term >= this.lastTerm, "terms never decrease");
      this.#entries.push(entry);
      this.#bytes += entryBytes(entry);
    }
  }

  /**
   * Takes over the entries that follow one we share with the leader. Entries we already have stay; from the first real
   * conflict on, the whole tail goes (R29).
   *
   * @returns the first entry that was written, or undefined if all were there already
   */
  merge(entries: readonly LogEntry[]): number | undefined {
    const isNew = (entry: LogEntry) => !this.has(entry.index, entry.term);
    const first = entries.findIndex(isNew);
    if (first === -1) return undefined;
    const firstIndex = entries[first]!.index;
    if (firstIndex <= this.lastIndex) this.#truncateFrom(firstIndex);
    this.append(entries.slice(first));
    return firstIndex;
  }

  #truncateFrom(index: number): void {
    invariant(index > this.#commit, `a committed entry would be replaced: ${index} <= ${this.#commit}`);
    for (const entry of this.#entries.splice(index - this.#start.index - 1)) this.#bytes -= entryBytes(entry);
    this.#stable = Math.min(this.#stable, index - 1);
  }

  /** Moves commit forward; never back, never past the end. */
  commitTo(index: number): void {
    if (index <= this.#commit) return;
    invariant(index <= this.lastIndex, `commit ${index} is past the log's end ${this.lastIndex}`);
    this.#commit = index;
  }

  /** The disk holds everything up to this entry, unless it was replaced while the write was under way (R4). */
  stableTo(index: number, term: number): void {
    if (index > this.#stable && this.has(index, term)) this.#stable = index;
  }

  /** Forgets entries up to and including `index`. */
  compactTo(index: number): void {
    if (index <= this.#start.index) return;
    invariant(index <= this.#applied, "only applied entries are compacted");
    const term = this.termAt(index)!;
    for (const entry of this.#entries.splice(0, index - this.#start.index)) this.#bytes -= entryBytes(entry);
    this.#start = { index, term };
  }

  /** Starts anew behind a snapshot: everything up to it is applied, nothing follows (R44). */
  reset(start: { readonly index: number; readonly term: number }): void {
    this.#entries = [];
    this.#bytes = 0;
    this.#start = start;
    this.#commit = start.index;
    this.#applied = start.index;
    this.#stable = start.index;
  }

  /**
   * The best guess where two logs may agree, searched from `index` down: the last entry whose term is not above `term`
   * (R33). One probe then skips a whole term instead of one entry.
   */
  hintBelow(index: number, term: number): { index: number; term: number } {
    let candidate = Math.min(index, this.lastIndex);
    while (candidate > this.#start.index && this.termAt(candidate)! > term) candidate--;
    return { index: candidate, term: this.termAt(candidate) ?? 0 };
  }
}
