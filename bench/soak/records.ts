/** What became of the operations of a whole run: of each kind in all, and from second to second. */

import { OPERATIONS, type Operation, type OperationRecord, Tally } from "./workload.ts";

export interface OperationReport {
  readonly operation: Operation;
  readonly count: number;
  readonly failed: number;
  readonly failedFirst: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Of every `bucketMs` since the run began. */
export interface Timeline {
  readonly bucketMs: number;
  /** The slowest operation; null where there was none. */
  readonly worstMs: Readonly<Record<Operation, readonly (number | null)[]>>;
  readonly failed: readonly number[];
}

const BUCKET_MS = 1_000;

/** Counts operations as they come, and keeps none of them. */
export class RunRecords {
  readonly #startMs: number;
  readonly #tallies = new Map(OPERATIONS.map((operation) => [operation, new Tally()]));
  readonly #worstMs = new Map<Operation, (number | null)[]>(OPERATIONS.map((operation) => [operation, []]));
  readonly #failed: number[] = [];

  /** @param startMs - on the clock that times records */
  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  take(record: OperationRecord): void {
    const { operation, intendedMs, doneMs, isAcknowledged } = record;
    this.#tallies.get(operation)?.take(record);
    const bucket = Math.max(0, Math.floor((intendedMs - this.#startMs) / BUCKET_MS));
    const worst = this.#worstMs.get(operation) ?? [];
    worst[bucket] = Math.max(worst[bucket] ?? 0, doneMs - intendedMs);
    if (!isAcknowledged) this.#failed[bucket] = (this.#failed[bucket] ?? 0) + 1;
  }

  operations(): OperationReport[] {
    return [...this.#tallies].map(([operation, { latencies, failed, failedFirst }]) => {
      return { operation, count: latencies.count, failed, failedFirst, ...latencies.summary() };
    });
  }

  timeline(): Timeline {
    const buckets = Math.max(this.#failed.length, ...[...this.#worstMs.values()].map(({ length }) => length));
    const each = Array.from({ length: buckets }, (_, i) => i);
    const worst = [...this.#worstMs].map(([operation, ms]) => [operation, each.map((i) => ms[i] ?? null)]);
    return {
      bucketMs: BUCKET_MS,
      worstMs: Object.fromEntries(worst) as Timeline["worstMs"],
      failed: each.map((i) => this.#failed[i] ?? 0),
    };
  }
}
