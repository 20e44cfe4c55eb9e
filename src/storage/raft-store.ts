/**
 * A region's log, hard state and replicated state on one key-value store.
 *
 * Every change is one synced batch that also holds the root, twice, so what is on disk is at any moment the outcome of a
 * whole number of batches (R5, R7, R11). `load` proves all of it before anything is used (R9): what was lost or damaged
 * shows as CORRUPT, never as a shorter log, a missing record or a forgotten vote.
 *
 * A snapshot is installed into a new generation of the state beside the live one; the root then points to it (R6).
 *
 * Elsewhere: where things lie (`buckets.ts`), what they look like (`records.ts`), how a snapshot travels (`snapshot-chunks.ts`).
 */

import type { ClusterId } from "../types/ids.ts";
import type { Membership } from "../types/membership.ts";
import type { HardState, LogEntry, SnapshotHeader } from "../types/raft.ts";
import { invariant } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import {
  FOUNDED_RANGE,
  logIndexOf,
  logKey,
  logRange,
  logRangeFrom,
  ROOT_KEYS,
  stateKey,
  stateKeyOf,
  stateRange,
  stateRangeAfter,
  stateRanges,
} from "./buckets.ts";
import {
  type KeyRange,
  type KeyValueReader,
  type KeyValueStore,
  type RaftStorage,
  type RaftWrite,
  type RecoveredRaft,
  type SnapshotInstall,
  type SnapshotView,
  type StateRecord,
  StorageError,
  type WriteOperation,
} from "./interface.ts";
import {
  checkState,
  checksumOf,
  corrupt,
  EMPTY_STATE,
  isIntact,
  logOrigin,
  minus,
  type Position,
  plus,
  positionOf,
  type Root,
  type StateProof,
  seal,
  sealEntry,
  sealRoot,
  stateSeed,
  unseal,
  unsealEntry,
  unsealRoot,
} from "./records.ts";
import { ChunkReader, packChunks, type SealedRecord, type SnapshotIdentity } from "./snapshot-chunks.ts";

/**
 * Compacted entries are deleted with later batches, at most this many beside as many as the batch appends: a batch stays
 * short, and deletion keeps up with any rate of appends.
 */
const DELETES_PER_WRITE = 1_000;

export class RaftStore implements RaftStorage {
  readonly #store: KeyValueStore;
  readonly #logger: Logger;
  /** As on disk; null until `load` or `found`. */
  #root: Root | null = null;
  /** Of each record of the live state, so that nothing need be read to know what a batch replaces; some 80 bytes a record. */
  #checksums = new Map<string, number>();
  /** Entries before this one are gone from disk; those from here up to the log's start still wait to be deleted. */
  #deletedBefore = 1;
  #lastTurn: Promise<unknown> = Promise.resolve();
  /** After a failed write nobody knows what is on disk, so nothing more is built upon it (R8). */
  #failure: unknown = null;
  #isInstalling = false;

  constructor(store: KeyValueStore, logger: Logger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** The state on disk shows all commands up to this index; 0 until `load` or `found`. */
  get durableAppliedIndex(): number {
    return this.#root?.applied.index ?? 0;
  }

  async found(cluster: ClusterId, membership: Membership): Promise<void> {
    const existing = await this.#readRoot();
    invariant(existing === null, "a region is founded once");
    const origin = logOrigin(cluster, 0, 0);
    await this.#commit([], {
      cluster,
      term: 0,
      votedFor: null,
      commit: 0,
      start: origin,
      last: origin,
      generation: 0,
      applied: { index: 0, term: 0 },
      membership,
      state: EMPTY_STATE,
    });
  }

  /**
   * Makes a log that begins behind entry `at`, with a state that shows all up to there. Not atomic: on a store that is put in its
   * place only afterwards.
   *
   * @param records - in any order, each key once
   */
  async foundWith(
    { cluster, membership, at }: StateOrigin,
    records: AsyncIterable<readonly StateRecord[]>,
  ): Promise<void> {
    const existing = await this.#readRoot();
    invariant(existing === null, "a region is founded once");
    const seedOf = stateSeed(cluster);
    let state = EMPTY_STATE;
    for await (const page of records) {
      const puts = page.map(([key, value]): WriteOperation => {
        const sealed = seal(value, seedOf(key));
        state = plus(state, checksumOf(sealed));
        return { type: "put", key: stateKey(0, key), value: sealed };
      });
      if (puts.length > 0) await this.#persist(puts);
    }
    const { index, term } = at;
    const origin = logOrigin(cluster, index, term);
    await this.#commit([], {
      cluster,
      term,
      votedFor: null,
      commit: index,
      start: origin,
      last: origin,
      generation: 0,
      applied: { index, term },
      membership,
      state,
    });
  }

  // ------------------------------------------------------------------ recovery

  async load(): Promise<RecoveredRaft | null> {
    const found = await this.#readRoot();
    if (found === null) return null;
    const { root } = found;
    checkPositions(root);
    const entries = await this.#readLog(root);
    await this.#proveState(root);
    await this.#sweep(root);
    this.#root = root;
    if (!found.isWhole) {
      this.#logger.warn({ code: "STORE_REPAIRED" }, "one copy of the root record was damaged; the other one served");
      await this.#commit([], root);
    }
    const { term, votedFor, commit, start, applied, membership } = root;
    return {
      hardState: { term, votedFor, commit },
      logStart: { index: start.index, term: start.term },
      entries,
      appliedIndex: applied.index,
      membership,
    };
  }

  /**
   * @returns null when nothing was ever founded here; `isWhole` when both copies are intact
   * @throws StorageError CORRUPT when neither copy is
   */
  async #readRoot(): Promise<{ root: Root; isWhole: boolean } | null> {
    const copies = ROOT_KEYS.map((key) => this.#store.get(key));
    const intact = copies.flatMap((sealed) => readRootCopy(sealed) ?? []);
    const [first, second] = intact;
    if (first === undefined) {
      const wasFounded = copies.some((sealed) => sealed !== undefined) || (await this.#hasAny(FOUNDED_RANGE));
      if (wasFounded) throw corrupt("both copies of the root record are damaged or missing");
      return null;
    }
    if (second !== undefined && Buffer.compare(first.sealed, second.sealed) !== 0) {
      throw corrupt("the two copies of the root record differ");
    }
    return { root: first.root, isWhole: second !== undefined };
  }

  async #hasAny(range: KeyRange): Promise<boolean> {
    for await (const page of this.#store.scan(range)) if (page.length > 0) return true;
    return false;
  }

  async #readLog({ start, last }: Root): Promise<LogEntry[]> {
    const entries: LogEntry[] = [];
    let previous = start;
    for await (const page of this.#store.scan(logRangeFrom(start.index + 1))) {
      for (const [key, value] of page) {
        const index = logIndexOf(key);
        if (index === null || index > last.index) {
          throw corrupt(`log entry ${index ?? "of no index"} lies behind the end of the log at ${last.index}`);
        }
        if (index !== previous.index + 1) throw corrupt(`log entry ${previous.index + 1} is missing`);
        const { entry, at } = unsealEntry(key, value, previous);
        entries.push(entry);
        previous = at;
      }
    }
    if (previous.index !== last.index) throw corrupt(`log entry ${previous.index + 1} is missing`);
    if (previous.checksum !== last.checksum) throw corrupt(`log entry ${last.index} is not the one written last`);
    return entries;
  }

  async #proveState(root: Root): Promise<void> {
    let found: StateProof = EMPTY_STATE;
    const checksums = new Map<string, number>();
    for await (const page of sealedRecords(this.#store, root)) {
      for (const [key, sealed] of page) {
        const checksum = checksumOf(sealed);
        found = plus(found, checksum);
        checksums.set(key, checksum);
      }
    }
    checkState(found, root.state);
    this.#checksums = checksums;
  }

  /** Removes what a crash left behind: compacted entries, and generations that never came to life or just died. */
  async #sweep({ start, generation }: Root): Promise<void> {
    await this.#clear(logRange(0, start.index));
    await this.#clear(stateRangeAfter(generation));
    if (generation > 0) await this.#clear(stateRanges(0, generation - 1));
    this.#deletedBefore = start.index + 1;
  }

  // ------------------------------------------------------------------ writing

  write(batch: RaftWrite): Promise<void> {
    return this.#inTurn(async () => {
      const operations: WriteOperation[] = [];
      const changed = new Map<string, number | undefined>();
      let root = this.#current();
      if (batch.hardState !== undefined) root = withHardState(root, batch.hardState);
      // Before the batch's own state, which the disk does not show yet.
      if (batch.compactTo !== undefined) root = this.#compact(root, batch.compactTo);
      if (batch.entries !== undefined) root = this.#append(root, batch.entries, operations);
      if (batch.state !== undefined)
        root = this.#applyState(root, batch.state, batch.entries ?? [], operations, changed);
      const deletedBefore = this.#deleteCompacted(root, batch.entries?.length ?? 0, operations);
      // What was applied is committed. What is not on this disk is of no use to its recovery, committed or not.
      const commit = Math.min(Math.max(root.commit, root.applied.index), root.last.index);
      await this.#commit(operations, { ...root, commit });
      for (const [key, checksum] of changed) {
        if (checksum === undefined) this.#checksums.delete(key);
        else this.#checksums.set(key, checksum);
      }
      this.#deletedBefore = deletedBefore;
    });
  }

  #append(root: Root, entries: readonly LogEntry[], operations: WriteOperation[]): Root {
    const first = entries[0];
    if (first === undefined) return root;
    invariant(first.index <= root.last.index + 1, "entries leave no gap in the log");
    invariant(first.index > root.applied.index, "an applied entry is never replaced");
    let last = first.index > root.last.index ? root.last : this.#positionAt(first.index - 1, root);
    for (const entry of entries) {
      invariant(entry.index === last.index + 1 && entry.term >= last.term, "entries are contiguous, terms never fall");
      const { key, value, at } = sealEntry(entry, last);
      operations.push({ type: "put", key, value });
      last = at;
    }
    invariant(last.term <= root.term, "the term is on disk before, or with, its entries");
    deleteEntries(last.index + 1, root.last.index, operations);
    return { ...root, last };
  }

  #applyState(
    root: Root,
    { writes, appliedIndex, membership }: NonNullable<RaftWrite["state"]>,
    appended: readonly LogEntry[],
    operations: WriteOperation[],
    changed: Map<string, number | undefined>,
  ): Root {
    invariant(appliedIndex >= root.applied.index, "the applied index never goes back");
    invariant(appliedIndex <= root.last.index, "what is applied is in the log");
    const seedOf = stateSeed(root.cluster);
    let state = root.state;
    // The newest value of a key counts, and each replaces what the disk holds.
    for (const [name, value] of new Map(writes.map((write) => [write.key, write.value]))) {
      const key = stateKey(root.generation, name);
      const replaced = this.#checksums.get(name);
      if (replaced !== undefined) state = minus(state, replaced);
      if (value === undefined) {
        operations.push({ type: "delete", key });
        changed.set(name, undefined);
        continue;
      }
      const sealed = seal(value, seedOf(name));
      const checksum = checksumOf(sealed);
      state = plus(state, checksum);
      operations.push({ type: "put", key, value: sealed });
      changed.set(name, checksum);
    }
    const term = this.#termAt(appliedIndex, root, appended);
    return { ...root, state, membership, applied: { index: appliedIndex, term } };
  }

  #compact(root: Root, { index, term }: NonNullable<RaftWrite["compactTo"]>): Root {
    invariant(index <= root.applied.index, "only entries that the durable state shows are forgotten (R42)");
    if (index <= root.start.index) return root;
    const start = this.#positionAt(index, root);
    invariant(start.term === term, "the log is compacted to an entry it holds");
    return { ...root, start };
  }

  /** Deletes some of the entries that compaction left behind. @returns the first entry that may still be there */
  #deleteCompacted({ start }: Root, appended: number, operations: WriteOperation[]): number {
    const from = this.#deletedBefore;
    const to = Math.min(start.index, from + DELETES_PER_WRITE + appended - 1);
    deleteEntries(from, to, operations);
    return to + 1;
  }

  #termAt(index: number, root: Root, appended: readonly LogEntry[]): number {
    const first = appended[0];
    const inBatch = first === undefined ? undefined : appended[index - first.index];
    return inBatch?.term ?? this.#positionAt(index, root).term;
  }

  #positionAt(index: number, { start, last }: Root): Position {
    if (index === start.index) return start;
    if (index === last.index) return last;
    invariant(index > start.index && index < last.index, "the entry is in the log");
    return positionOf(index, this.#store.get(logKey(index)));
  }

  /** Writes the root with whatever goes with it. */
  async #commit(operations: WriteOperation[], root: Root): Promise<void> {
    const value = sealRoot(root);
    for (const key of ROOT_KEYS) operations.push({ type: "put", key, value });
    await this.#persist(operations);
    this.#root = root;
  }

  #persist(operations: readonly WriteOperation[]): Promise<void> {
    return this.#untilFailure(() => this.#store.write(operations));
  }

  #clear(range: KeyRange): Promise<void> {
    return this.#untilFailure(() => this.#store.clear(range));
  }

  async #untilFailure(change: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    try {
      await change();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** Batches follow each other: each is built on what the one before it left. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#lastTurn.then(work);
    // Whoever asked for the turn hears of its failure; the next turn meets it in `#failure`.
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }

  #current(): Root {
    invariant(this.#root !== null, "the store is loaded or founded first");
    return this.#root;
  }

  // ------------------------------------------------------------------ snapshots

  async *readState(): AsyncGenerator<readonly StateRecord[], void, undefined> {
    this.#current();
    const view = this.#store.snapshot();
    try {
      const root = rootOf(view);
      const seedOf = stateSeed(root.cluster);
      for await (const page of sealedRecords(view, root)) {
        yield page.map(([key, sealed]): StateRecord => [key, unseal(sealed, seedOf(key), `state record "${key}"`)]);
      }
    } finally {
      await view.close();
    }
  }

  openSnapshot(): SnapshotView {
    return this.#openView((identity, pages, { state }) => packChunks(identity, pages, () => state));
  }

  /**
   * A snapshot of a part of the state.
   *
   * @param isTaken - by key; what is left out is read and proved all the same, so that nothing is missing without an error
   */
  openSelection(isTaken: (key: string) => boolean): SnapshotView & { readonly stateRecords: number } {
    return this.#openView((identity, pages, { state }) => {
      const selection = new Selection(isTaken, state);
      return packChunks(identity, selection.from(pages), () => selection.taken);
    });
  }

  #openView(
    pack: (
      identity: SnapshotIdentity,
      pages: AsyncIterable<readonly SealedRecord[]>,
      root: Root,
    ) => AsyncIterable<Uint8Array>,
  ): SnapshotView & { readonly stateRecords: number } {
    this.#current();
    const view = this.#store.snapshot();
    const root = rootOf(view);
    const { cluster, applied, membership, state } = root;
    const identity = { cluster, lastIndex: applied.index, lastTerm: applied.term };
    return {
      lastIndex: applied.index,
      lastTerm: applied.term,
      membership,
      stateRecords: state.records,
      chunks: () => pack(identity, sealedRecords(view, root), root),
      close: () => view.close(),
    };
  }

  /** One at a time: the one before must have been committed or aborted. */
  async beginInstall(header: SnapshotHeader): Promise<SnapshotInstall> {
    const { cluster, generation } = this.#current();
    invariant(!this.#isInstalling, "one snapshot is installed at a time");
    invariant(header.cluster === cluster, "the snapshot is of this region");
    this.#isInstalling = true;
    const target = generation + 1;
    await this.#clear(stateRange(target));
    const reader = new ChunkReader(header);
    const checksums = new Map<string, number>();
    let isOpen = true;
    const leave = () => {
      isOpen = false;
      this.#isInstalling = false;
    };
    return {
      write: async (chunk) => {
        invariant(isOpen, "an installation that ended takes no chunk");
        const puts = reader.read(chunk).map(([key, value]): WriteOperation => {
          checksums.set(key, checksumOf(value));
          return { type: "put", key: stateKey(target, key), value };
        });
        if (puts.length > 0) await this.#persist(puts);
      },
      commit: async (hardState) => {
        invariant(isOpen, "an installation is committed once");
        const proof = reader.proof();
        // From here on the new generation may be the live one, whatever this promise says: an abort must not touch it.
        leave();
        await this.#inTurn(() => this.#switchTo(target, header, hardState, proof, checksums));
      },
      abort: async () => {
        if (!isOpen) return;
        leave();
        await this.#clear(stateRange(target));
      },
    };
  }

  async #switchTo(
    generation: number,
    header: SnapshotHeader,
    hardState: HardState,
    state: StateProof,
    checksums: Map<string, number>,
  ): Promise<void> {
    const before = this.#current();
    const { lastIndex: index, lastTerm: term, membership } = header;
    invariant(index > before.applied.index, "a snapshot never takes the state back (R44)");
    const origin = logOrigin(before.cluster, index, term);
    invariant(hardState.term >= term, "a snapshot is not newer than the term of the node that takes it");
    const operations: WriteOperation[] = [];
    deleteEntries(index + 1, before.last.index, operations);
    await this.#commit(operations, {
      ...withHardState(before, hardState),
      commit: index,
      start: origin,
      last: origin,
      generation,
      applied: { index, term },
      membership,
      state,
    });
    this.#checksums = checksums;
    await this.#clear(logRange(this.#deletedBefore, index));
    await this.#clear(stateRange(before.generation));
    this.#deletedBefore = index + 1;
  }
}

/** Where the log of a region begins that is founded with a state. */
export interface StateOrigin {
  readonly cluster: ClusterId;
  readonly membership: Membership;
  readonly at: { readonly index: number; readonly term: number };
}

/** Takes some of the records that pass, and proves that all passed. */
class Selection {
  readonly #isTaken: (key: string) => boolean;
  readonly #expected: StateProof;
  #taken = EMPTY_STATE;

  constructor(isTaken: (key: string) => boolean, expected: StateProof) {
    this.#isTaken = isTaken;
    this.#expected = expected;
  }

  /** The proof of those that were taken. */
  get taken(): StateProof {
    return this.#taken;
  }

  /** @throws StorageError CORRUPT at the end, when not all came that were written */
  async *from(pages: AsyncIterable<readonly SealedRecord[]>): AsyncGenerator<readonly SealedRecord[], void, undefined> {
    let found = EMPTY_STATE;
    for await (const page of pages) {
      const taken: SealedRecord[] = [];
      for (const record of page) {
        const checksum = checksumOf(record[1]);
        found = plus(found, checksum);
        if (!this.#isTaken(record[0])) continue;
        this.#taken = plus(this.#taken, checksum);
        taken.push(record);
      }
      yield taken;
    }
    checkState(found, this.#expected);
  }
}

function withHardState(root: Root, { term, votedFor, commit }: HardState): Root {
  invariant(term >= root.term, "the term on disk never falls");
  return { ...root, term, votedFor, commit };
}

function deleteEntries(from: number, to: number, operations: WriteOperation[]): void {
  for (let index = from; index <= to; index++) operations.push({ type: "delete", key: logKey(index) });
}

/** A copy of the root, or null when it is missing or damaged. */
function readRootCopy(sealed: Uint8Array | undefined): { root: Root; sealed: Uint8Array } | null {
  if (sealed === undefined) return null;
  try {
    return { root: unsealRoot(sealed), sealed };
  } catch (error) {
    if (error instanceof StorageError && error.detail.code === "CORRUPT") return null;
    throw error;
  }
}

/** The root that a consistent view shows. */
function rootOf(view: KeyValueReader): Root {
  const intact = ROOT_KEYS.flatMap((key) => readRootCopy(view.get(key)) ?? []);
  if (intact[0] === undefined) throw corrupt("both copies of the root record are damaged or missing");
  return intact[0].root;
}

/** @throws StorageError CORRUPT when the root contradicts itself */
function checkPositions({ term, commit, start, last, applied }: Root): void {
  const isOrdered = start.index <= applied.index && applied.index <= commit && commit <= last.index;
  if (!isOrdered) {
    const positions = `start ${start.index}, applied ${applied.index}, commit ${commit}, last ${last.index}`;
    throw corrupt(`the positions of the log are out of order: ${positions}`);
  }
  if (term < last.term) throw corrupt(`the term is ${term}, the last log entry is of term ${last.term}`);
}

/** Pages of the live state, each record proved intact, so that damage never spreads to a peer (F5). */
async function* sealedRecords(
  reader: KeyValueReader,
  { cluster, generation }: Root,
): AsyncGenerator<readonly SealedRecord[], void, undefined> {
  const seedOf = stateSeed(cluster);
  for await (const page of reader.scan(stateRange(generation))) {
    yield page.map(([keyBytes, sealed]): SealedRecord => {
      const key = stateKeyOf(keyBytes);
      if (!isIntact(sealed, seedOf(key))) throw corrupt(`state record "${key}" is damaged`);
      return [key, sealed];
    });
  }
}
