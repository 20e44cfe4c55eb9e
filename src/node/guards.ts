/** What looks after this node's own means (time, memory, disk), put together for a real process. */

import { statfs } from "node:fs/promises";
import { LoadGuard } from "../api/load-guard.ts";
import type { DiskNumbers } from "../metrics/source.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import { CollectedHeap } from "./collected-heap.ts";
import { Conditions } from "./conditions.ts";
import { DiskGuard } from "./disk-guard.ts";
import { HeapGuard, type HeapLevel, v8Heap } from "./heap-guard.ts";

export interface GuardsParts {
  readonly dataDir: string;
  readonly diskReserveBytes: number;
  readonly lagMsMax: number;
  /** A write of the disk that takes longer is slow. */
  readonly slowMs: number;
  /** How long the write has taken that is under way; 0 when none is. */
  readonly writingMs: () => number;
  readonly isLeader: () => boolean;
  readonly handOver: () => Promise<boolean>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What is refused for want of memory: watches, and closer to the limit lookups, whose answers may be large. */
const PRESSURE_OF_HEAP: Readonly<Record<HeapLevel, number>> = { enough: 0, low: 1, critical: 2 };

export class Guards {
  readonly load: LoadGuard;
  readonly heap: HeapGuard;
  readonly collected: CollectedHeap;
  readonly disk: DiskGuard;
  readonly conditions: Conditions;

  constructor(parts: GuardsParts) {
    const { clock, logger, slowMs, writingMs, isLeader, handOver } = parts;
    const readHeap = v8Heap([...(process.env.NODE_OPTIONS ?? "").split(/\s+/), ...process.execArgv]);
    this.heap = new HeapGuard(clock, readHeap);
    this.collected = new CollectedHeap(readHeap);
    this.load = new LoadGuard({
      clock,
      limits: { lagMsMax: parts.lagMsMax },
      floor: () => PRESSURE_OF_HEAP[this.heap.level],
    });
    this.disk = new DiskGuard({
      clock,
      read: () => readDisk(parts.dataDir),
      reserveBytes: parts.diskReserveBytes,
      writingMs,
      slowMs,
    });
    const { load, heap, disk } = this;
    this.conditions = new Conditions({ load, heap, disk, isLeader, handOver, clock, logger });
  }

  /** Resolves once the disk was looked at. */
  async start(): Promise<void> {
    this.heap.start();
    this.collected.start();
    this.conditions.start();
    await this.disk.start();
  }

  stop(): void {
    for (const guard of [this.load, this.heap, this.collected, this.disk, this.conditions]) guard.stop();
  }
}

/** Null where the file system does not say. */
async function readDisk(folder: string): Promise<DiskNumbers | null> {
  try {
    const { bsize, bavail, blocks } = await statfs(folder);
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  } catch {
    // A gap says so: there is no number to show, and a disk that is gone refuses the next write itself.
    return null;
  }
}
