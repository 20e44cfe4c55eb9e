/**
 * What this node does without for want of something, while it serves the rest: for `/ready`, the log, the metrics, and whom
 * it concerns.
 *
 * A condition is no reason to send clients elsewhere: lookups and renewals go on. Each is said in the log when it begins and
 * when it is over. A node that leads while its own disk is in trouble hands leadership on, and asks again as long as it leads:
 * another may have become able to take it.
 */

import type { ConditionCode } from "../metrics/source.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import type { DiskGuard } from "./disk-guard.ts";
import type { HeapGuard } from "./heap-guard.ts";

export interface Condition {
  readonly code: ConditionCode;
  /** For operators: what is short, what that means, and what to do. */
  readonly message: string;
}

export interface ConditionsParts {
  readonly load: { readonly isShedding: boolean };
  readonly heap: Pick<HeapGuard, "level" | "share">;
  readonly disk: Pick<DiskGuard, "level" | "disk" | "reserveBytes" | "slowMs">;
  readonly isLeader: () => boolean;
  readonly handOver: () => Promise<boolean>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LOOK_MS = 500;
/** A leader whose disk is in trouble asks the others again after this long. */
const HAND_OVER_AGAIN_MS = 30_000;
const MIB = 1024 * 1024;

export class Conditions {
  readonly #parts: ConditionsParts;
  readonly #begun = new Set<ConditionCode>();
  #cancel: CancelTimer = () => {};
  #handedOverAt = Number.NEGATIVE_INFINITY;

  constructor(parts: ConditionsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#cancel = repeat(this.#parts.clock, LOOK_MS, () => this.#look());
  }

  stop(): void {
    this.#cancel();
  }

  /** Those that hold now; empty when nothing is short. */
  current(): readonly Condition[] {
    return [...this.#ofLoad(), ...this.#ofMemory(), ...this.#ofDisk()];
  }

  /** What keeps this node from taking a registration; null when nothing does. @param isNew - of an agent it does not hold */
  refusesRegistration(isNew: boolean): "MEMORY_LOW" | "DISK_LOW" | null {
    const { heap, disk } = this.#parts;
    if (disk.level !== "enough") return "DISK_LOW";
    return isNew && heap.level !== "enough" ? "MEMORY_LOW" : null;
  }

  /** Whether the log must not grow here any more. */
  get isDiskFull(): boolean {
    return this.#parts.disk.level === "full";
  }

  *#ofLoad(): Generator<Condition> {
    if (!this.#parts.load.isShedding) return;
    const message =
      "more is asked of this node than it can answer: some requests are refused, watches first, then lookups, then writes, " +
      "renewals never; add nodes, or ask less";
    yield { code: "OVERLOADED", message };
  }

  *#ofMemory(): Generator<Condition> {
    const { level, share } = this.#parts.heap;
    if (level === "enough") return;
    const message =
      `${Math.round(share * 100)} % of this process's heap is in use: agents that are not known yet are refused; ` +
      "give it more (--max-old-space-size), or remove agents";
    yield { code: "MEMORY_LOW", message };
  }

  *#ofDisk(): Generator<Condition> {
    const { level, disk, reserveBytes, slowMs } = this.#parts.disk;
    if (level !== "enough" && disk !== null) {
      const room = `${Math.floor(disk.freeBytes / MIB)} MiB are free where this node's data lies, ${Math.floor(reserveBytes / MIB)} MiB are kept free`;
      const means =
        level === "full" ? "registrations and the region's writes are refused" : "registrations are refused";
      yield { code: level === "full" ? "DISK_FULL" : "DISK_LOW", message: `${room}: ${means}; make room` };
    }
    if (slowMs !== null) {
      const message = `this node's disk took ${Math.round(slowMs)} ms for a write: writes may be slow; look at the disk`;
      yield { code: "DISK_SLOW", message };
    }
  }

  #look(): void {
    const now = this.current();
    const { logger } = this.#parts;
    for (const { code: condition, message } of now) {
      if (this.#begun.has(condition)) continue;
      this.#begun.add(condition);
      logger.warn({ code: "NODE_DEGRADED", condition }, message);
    }
    for (const condition of this.#begun) {
      if (now.some(({ code }) => code === condition)) continue;
      this.#begun.delete(condition);
      logger.info({ code: "NODE_RECOVERED", condition }, `over: ${condition}`);
    }
    if (now.some(({ code }) => code.startsWith("DISK_"))) this.#handOver();
  }

  #handOver(): void {
    const { clock, isLeader, handOver, logger } = this.#parts;
    const now = clock.now();
    if (!isLeader() || now - this.#handedOverAt < HAND_OVER_AGAIN_MS) return;
    this.#handedOverAt = now;
    void handOver().then((isDone) => {
      const fact = isDone ? "another node leads now" : "nobody else took over";
      logger.info({ code: "LEADERSHIP_OFFERED", isDone }, `this node's disk is in trouble: ${fact}`);
    });
  }
}
