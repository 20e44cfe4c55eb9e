/**
 * Snapshots between members: a view of the leader's disk, streamed in chunks, stored beside the receiver's state and put in
 * its place in one batch (Ongaro 2014, §5; R6, R43).
 */

import type { RaftTransport } from "../network/interface.ts";
import type { RaftStorage, SnapshotInstall } from "../storage/interface.ts";
import type { ClusterId, NodeId } from "../types/ids.ts";
import type { Membership } from "../types/membership.ts";
import type { HardState, SnapshotHeader } from "../types/raft.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { peersOf } from "./core/quorum.ts";
import { acceptsSnapshot } from "./core/snapshot.ts";
import type { RaftState } from "./core/state.ts";
import type { RaftMetrics } from "./metrics.ts";

export interface SnapshotExchangeParts {
  readonly cluster: ClusterId;
  readonly storage: RaftStorage;
  readonly transport: RaftTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<RaftMetrics, "snapshot">;
  /** A failed transfer is reported to the core after this long, so that it is not repeated in a rush. */
  readonly retryMs: number;
}

export interface InstalledSnapshot {
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly membership: Membership;
}

/** Finishes an installation; null when meanwhile the log itself caught up. */
export type CommitInstall = (vote: Pick<HardState, "term" | "votedFor">) => Promise<InstalledSnapshot | null>;

export class SnapshotExchange {
  readonly #parts: SnapshotExchangeParts;
  readonly #sending = new Set<NodeId>();
  readonly #timers = new Set<CancelTimer>();
  /** What peers take from, or took a moment ago: they need the entries after it. */
  readonly #views = new Set<{ readonly lastIndex: number }>();
  #isReceiving = false;

  constructor(parts: SnapshotExchangeParts) {
    this.#parts = parts;
  }

  /** Streams the state to a peer; `done` is called once, also when it fails. */
  send(peer: NodeId, term: number, done: (lastIndex: number, installed: boolean) => void): void {
    if (this.#sending.has(peer)) return;
    this.#sending.add(peer);
    const { logger, metrics } = this.#parts;
    this.#transfer(peer, term).then(
      (lastIndex) => {
        this.#sending.delete(peer);
        metrics.snapshot("sent", true);
        logger.info({ code: "SNAPSHOT_SENT", peer, lastIndex }, "a peer caught up by snapshot");
        done(lastIndex, true);
      },
      (error) => {
        this.#sending.delete(peer);
        metrics.snapshot("sent", false);
        logger.warn({ code: "SNAPSHOT_NOT_SENT", peer, reason: messageOf(error) }, "a snapshot was not installed");
        this.#later(() => done(0, false));
      },
    );
  }

  /** Entries after this index are needed by peers that take a snapshot; Infinity when none does. */
  get neededAfter(): number {
    let index = Number.POSITIVE_INFINITY;
    for (const { lastIndex } of this.#views) index = Math.min(index, lastIndex);
    return index;
  }

  #later(run: () => void): void {
    const cancel = this.#parts.clock.schedule(this.#parts.retryMs, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }

  async #transfer(peer: NodeId, term: number): Promise<number> {
    const { storage, transport, cluster } = this.#parts;
    const view = storage.openSnapshot();
    this.#views.add(view);
    try {
      const { lastIndex, lastTerm, membership } = view;
      // A snapshot that leaves its receiver out would make it forget that it is a member (R45).
      if (!peersOf(membership).includes(peer)) throw new Error(`${peer} is not a member as of ${lastIndex}`);
      await transport.sendSnapshot(peer, { cluster, term, lastIndex, lastTerm, membership }, view.chunks());
      return lastIndex;
    } finally {
      this.#later(() => this.#views.delete(view));
      await view.close();
    }
  }

  /**
   * Stores the chunks beside the live state, then has `install` put them in its place.
   *
   * @throws Error when it is refused or came damaged; nothing has changed then
   */
  async receive(
    from: NodeId,
    header: SnapshotHeader,
    chunks: AsyncIterable<Uint8Array>,
    state: RaftState,
    install: (commit: CommitInstall) => Promise<void>,
  ): Promise<void> {
    if (this.#isReceiving) throw new Error("another snapshot is being received");
    this.#check(from, header, state);
    // The sender learns that we hold all of it, which is what it wanted to know.
    if (!acceptsSnapshot(state, header.lastIndex, header.lastTerm)) return;
    this.#isReceiving = true;
    try {
      const target = await this.#parts.storage.beginInstall(header);
      try {
        for await (const chunk of chunks) await target.write(chunk);
        await install((vote) => this.#commit(target, header, vote, state));
      } catch (error) {
        this.#parts.metrics.snapshot("installed", false);
        await target.abort();
        throw error;
      }
      const { lastIndex } = header;
      this.#parts.metrics.snapshot("installed", true);
      this.#parts.logger.info({ code: "SNAPSHOT_INSTALLED", from, lastIndex }, "caught up by snapshot");
    } finally {
      this.#isReceiving = false;
    }
  }

  #check(from: NodeId, header: SnapshotHeader, state: RaftState): void {
    if (header.cluster !== this.#parts.cluster) throw new Error("the snapshot is another region's");
    // A newcomer knows no members yet, but it knows by whom it is led.
    if (state.leader !== from) throw new Error(`${from} does not lead`);
    // Its heartbeats have told us its term by now, or will before it tries again.
    if (header.lastTerm > header.term) throw new Error(`the snapshot is of term ${header.term} and holds a later one`);
    if (header.term !== state.term) throw new Error(`the snapshot is of term ${header.term}, ours is ${state.term}`);
  }

  async #commit(
    target: SnapshotInstall,
    header: SnapshotHeader,
    vote: Pick<HardState, "term" | "votedFor">,
    state: RaftState,
  ): Promise<InstalledSnapshot | null> {
    const { lastIndex, lastTerm, membership } = header;
    if (!acceptsSnapshot(state, lastIndex, lastTerm)) {
      await target.abort();
      return null;
    }
    await target.commit({ ...vote, commit: lastIndex });
    return { lastIndex, lastTerm, membership };
  }

  stop(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }
}
