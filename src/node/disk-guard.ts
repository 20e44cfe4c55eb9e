/**
 * Whether this node's disk has room and answers in time, looked at before it refuses a write.
 *
 * After a refused write nobody knows what the disk holds, and the node has to end (R8). So a reserve is kept free:
 *   low    the reserve is begun: this node takes no registrations, and hands leadership on. What is under way, renewals'
 *          ends, departures and votes still find room.
 *   full   a quarter of the reserve is left: it also takes nothing more from the leader. To its region that is a member that
 *          is behind; the log brings it up to date when there is room again.
 * Slow is a disk one of whose writes takes, or took a moment ago, longer than an election may. Its node hands leadership on
 * too. Each state ends by itself, at some distance from where it began.
 */

import type { DiskNumbers } from "../metrics/source.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";

export type DiskLevel = "enough" | "low" | "full";

export interface DiskGuardParts {
  readonly clock: Clock;
  /** Null where the file system does not say; then there is always room. Never rejects. */
  readonly read: () => Promise<DiskNumbers | null>;
  /** Kept free, in bytes; of a small disk no more than a tenth of it. */
  readonly reserveBytes: number;
  /** How long the write has taken that is under way; 0 when none is. */
  readonly writingMs: () => number;
  /** A write that takes longer is slow. */
  readonly slowMs: number;
}

const LOOK_MS = 500;
/** Of the whole disk, the reserve is no more than this. */
const DISK_SHARE_MAX = 0.1;
const FULL_SHARE = 0.25;
/** A level is over when there is so much more room than where it began. */
const ENDS_FACTOR = 1.25;
/** A disk was slow until it was not for so long. */
const SLOW_LASTS_MS = 5_000;

export class DiskGuard {
  readonly #parts: DiskGuardParts;
  #cancel: CancelTimer = () => {};
  #isReading = false;
  #level: DiskLevel = "enough";
  #disk: DiskNumbers | null = null;
  #slowest = { ms: 0, at: Number.NEGATIVE_INFINITY };

  constructor(parts: DiskGuardParts) {
    this.#parts = parts;
  }

  /** Looks once, and again and again from then on. */
  async start(): Promise<void> {
    await this.#look();
    this.#cancel = repeat(this.#parts.clock, LOOK_MS, () => void this.#look());
  }

  stop(): void {
    this.#cancel();
  }

  get level(): DiskLevel {
    return this.#level;
  }

  /** What it had at the last look; null where the file system does not say. */
  get disk(): DiskNumbers | null {
    return this.#disk;
  }

  /** The reserve of a disk of this size. */
  get reserveBytes(): number {
    return Math.min(this.#parts.reserveBytes, DISK_SHARE_MAX * (this.#disk?.sizeBytes ?? Number.POSITIVE_INFINITY));
  }

  /** How long the slowest write of the last seconds took, or takes; null while none is slow. */
  get slowMs(): number | null {
    const { clock, slowMs } = this.#parts;
    const isRecent = clock.now() - this.#slowest.at < SLOW_LASTS_MS;
    return isRecent && this.#slowest.ms > slowMs ? this.#slowest.ms : null;
  }

  async #look(): Promise<void> {
    this.#noteWrite();
    if (this.#isReading) return;
    this.#isReading = true;
    this.#disk = await this.#parts.read();
    this.#isReading = false;
    this.#level = this.#levelOf(this.#disk?.freeBytes ?? Number.POSITIVE_INFINITY);
  }

  #noteWrite(): void {
    const { clock, slowMs, writingMs } = this.#parts;
    const ms = writingMs();
    if (ms > slowMs) this.#slowest = { ms, at: clock.now() };
  }

  #levelOf(freeBytes: number): DiskLevel {
    const isBelow = (bytes: number, isNow: boolean) => freeBytes < bytes * (isNow ? ENDS_FACTOR : 1);
    if (isBelow(FULL_SHARE * this.reserveBytes, this.#level === "full")) return "full";
    return isBelow(this.reserveBytes, this.#level !== "enough") ? "low" : "enough";
  }
}
