/**
 * Backups of the region, read from this node's own disk and streamed to whoever asks (`storage/backup-format.ts`).
 *
 * A backup is a consistent view of the store: what is written afterwards does not show in it, and nobody waits for it. What is
 * a region's only as long as it is the same cluster is left out, and so is what proposers need to be served exactly once: a
 * region that is founded with the rest has its own. So no backup holds a secret but the hashes of tokens.
 */

import { Readable } from "node:stream";
import { ClusterError } from "../api/cluster-error.ts";
import type { Backup, BackupSource } from "../api/ports.ts";
import { SESSION_PREFIX } from "../raft/sessions.ts";
import { RECORDS_OF_CLUSTER } from "../registry/registry-state-machine.ts";
import { writeBackup } from "../storage/backup-format.ts";
import type { RaftStore } from "../storage/raft-store.ts";
import type { BackupHeader } from "../types/backup.ts";
import type { ClusterId } from "../types/ids.ts";
import { type CancelTimer, type Clock, sleep } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";

/** Each holds a view, which keeps the disk from giving up what was replaced since. */
const BACKUPS_MAX = 2;
/** So long a view is kept for somebody who reads nothing. */
const IDLE_MS = 60_000;
const POLL_MS = 10;
/** What the stream holds ready for its reader. */
const AHEAD_BYTES = 512 * 1024;

export interface BackupsParts {
  /** Null until the region is founded. */
  readonly region: () => BackedUpRegion | null;
  /** What this node has applied, be it on disk or not. */
  readonly appliedIndex: () => number;
  readonly place: Pick<BackupHeader, "federation" | "region" | "node" | "version">;
  /** Empty when there is none. */
  readonly sharedKey: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long to wait for the disk. */
  readonly timeoutMs: number;
}

export interface BackedUpRegion {
  readonly cluster: ClusterId;
  readonly storage: Pick<RaftStore, "durableAppliedIndex" | "openSelection">;
}

export class Backups implements BackupSource {
  readonly #parts: BackupsParts;
  readonly #open = new Set<Readable>();
  /** Asked for, not yet open. */
  #opening = 0;

  constructor(parts: BackupsParts) {
    this.#parts = parts;
  }

  async open(): Promise<Backup> {
    if (this.#open.size + this.#opening >= BACKUPS_MAX) {
      const detail = { code: "TOO_MANY_BACKUPS", backupsMax: BACKUPS_MAX } as const;
      throw new ClusterError("this node sends as many backups as it may", detail);
    }
    this.#opening++;
    try {
      return this.#begin(await this.#onceOnDisk());
    } finally {
      this.#opening--;
    }
  }

  close(): void {
    for (const content of this.#open) content.destroy(new Error("this node is stopping"));
  }

  /** Effects of commands reach the disk a little after they were applied. */
  async #onceOnDisk(): Promise<BackedUpRegion> {
    const { region, appliedIndex, clock, timeoutMs } = this.#parts;
    const target = appliedIndex();
    const beganAt = clock.now();
    for (;;) {
      const backedUp = region();
      if (backedUp !== null && backedUp.storage.durableAppliedIndex >= target) return backedUp;
      const waitedMs = Math.round(clock.now() - beganAt);
      if (waitedMs >= timeoutMs) {
        throw new ClusterError("the disk is behind what was applied", { code: "BACKUP_LAGS", waitedMs });
      }
      await sleep(clock, POLL_MS);
    }
  }

  #begin({ cluster, storage }: BackedUpRegion): Backup {
    const { place, sharedKey, clock } = this.#parts;
    const view = storage.openSelection(isBackedUp);
    const header: BackupHeader = {
      ...place,
      cluster,
      revision: view.lastIndex,
      term: view.lastTerm,
      takenAtMs: clock.wallTime(),
      records: view.stateRecords,
    };
    const bytes = writeBackup(header, view.chunks(), sharedKey);
    const source = this.#paced(bytes, (reason) => content.destroy(reason));
    const content = Readable.from(source, { objectMode: false, highWaterMark: AHEAD_BYTES });
    this.#open.add(content);
    // Whoever reads learns of it as well; here it is told once the stream is closed.
    content.on("error", () => {});
    content.once("close", () => {
      this.#open.delete(content);
      this.#report(view.lastIndex, content);
      // Reading may still be under way: the view is closed behind it.
      const closed = source.return().then(() => view.close());
      closed.catch((error: unknown) => {
        const facts = { code: "BACKUP_VIEW_OPEN", reason: messageOf(error) };
        this.#parts.logger.warn(facts, "the view that a backup was read from was not closed");
      });
    });
    return { revision: view.lastIndex, content };
  }

  /** Passes on what is read, and gives up a reader that takes nothing for a while. */
  async *#paced(
    source: AsyncIterable<Uint8Array>,
    giveUp: (reason: Error) => void,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let cancel: CancelTimer = () => {};
    try {
      for await (const bytes of source) {
        const reason = new Error(`nothing of it was read for ${IDLE_MS} ms`);
        cancel = this.#parts.clock.schedule(IDLE_MS, () => giveUp(reason));
        yield bytes;
        cancel();
      }
    } finally {
      cancel();
    }
  }

  #report(revision: number, content: Readable): void {
    const { logger } = this.#parts;
    if (content.readableEnded) {
      logger.info({ code: "BACKUP_SENT", revision }, "a backup of the region was sent");
      return;
    }
    const reason = content.errored?.message ?? "its reader went away";
    logger.warn({ code: "BACKUP_NOT_SENT", revision, reason }, "a backup of the region was not sent to its end");
  }
}

/** Whether a record of the state, by key, is part of backups. */
export function isBackedUp(key: string): boolean {
  return !key.startsWith(SESSION_PREFIX) && !RECORDS_OF_CLUSTER.includes(key);
}
