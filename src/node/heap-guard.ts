/**
 * Whether this process's heap has room, long before it has none and the process dies with all that it knew.
 *
 * What is used includes what the garbage collector has not taken away yet, so that one look tells little. The least of the
 * last looks tells enough: far from the limit it may be well above what lives, but near it the collector runs often, and the
 * two are close. When it passes a share of the limit, memory is low: the registry takes no agents that it does not know, and
 * new watches are refused. Closer to the limit lookups are refused too, whose answers may be large. What is known stays, is
 * renewed, and can be removed.
 *
 * Elsewhere: what lives, as full collections leave it, which may be minutes ago (`collected-heap.ts`).
 */

import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";

/** Of the old generation, where everything ends up that lives for long. */
export interface HeapNumbers {
  readonly usedBytes: number;
  /** Where V8 gives up: `--max-old-space-size`, or what it chose by the machine's memory. */
  readonly limitBytes: number;
}

const MIB = 1024 * 1024;
/** V8's limit counts the young generation too: three halves of up to this size. */
const YOUNG_BYTES_MAX = 3 * 64 * MIB;
const YOUNG_SHARE_MAX = 0.1;

/** Makes what reads this process's heap. @param flags - what Node was started with */
export function v8Heap(flags: readonly string[]): () => HeapNumbers {
  const limitBytes = oldGenerationLimit(flags);
  return () => {
    const old = getHeapSpaceStatistics().filter(({ space_name }) => !space_name.startsWith("new_"));
    return { usedBytes: old.reduce((sum, { space_used_size }) => sum + space_used_size, 0), limitBytes };
  };
}

function oldGenerationLimit(flags: readonly string[]): number {
  const asked = flags.flatMap((flag) => /^--max[-_]old[-_]space[-_]size=(\d+)$/.exec(flag)?.[1] ?? []).at(-1);
  if (asked !== undefined) return Number(asked) * MIB;
  const { heap_size_limit } = getHeapStatistics();
  return heap_size_limit - Math.min(YOUNG_BYTES_MAX, YOUNG_SHARE_MAX * heap_size_limit);
}

export type HeapLevel = "enough" | "low" | "critical";

/** Shares of the limit at which a level begins, and, lower, at which it is over. */
const LEVELS = {
  low: { begins: 0.8, ends: 0.7 },
  critical: { begins: 0.9, ends: 0.85 },
} as const;
const LOOK_MS = 250;
const LOOKS = 8;

export class HeapGuard {
  readonly #clock: Clock;
  readonly #read: () => HeapNumbers;
  readonly #shares: number[] = [];
  #level: HeapLevel = "enough";
  #cancel: CancelTimer = () => {};

  constructor(clock: Clock, read: () => HeapNumbers) {
    this.#clock = clock;
    this.#read = read;
  }

  start(): void {
    this.#cancel = repeat(this.#clock, LOOK_MS, () => this.#look());
  }

  stop(): void {
    this.#cancel();
  }

  get level(): HeapLevel {
    return this.#level;
  }

  /** The least that was used of the heap in the last looks, as a share of its limit; 0 before the first. */
  get share(): number {
    return this.#shares.length === 0 ? 0 : Math.min(...this.#shares);
  }

  #look(): void {
    const { usedBytes, limitBytes } = this.#read();
    this.#shares.push(usedBytes / limitBytes);
    // A few looks are too few: the collector may not have run between them.
    if (this.#shares.length < LOOKS) return;
    if (this.#shares.length > LOOKS) this.#shares.shift();
    const { share } = this;
    const isAt = (level: keyof typeof LEVELS, isNow: boolean) => share >= LEVELS[level][isNow ? "ends" : "begins"];
    if (isAt("critical", this.#level === "critical")) this.#level = "critical";
    else this.#level = isAt("low", this.#level !== "enough") ? "low" : "enough";
  }
}
