/**
 * The last hour of a node, for people who look at it now and kept no Prometheus: one sample every ten seconds, the oldest
 * given up for the newest.
 *
 * Rates are of what this node did between two samples, by the monotonic clock; wall time is there to be read only (F2). A
 * sample that is late, because the process was stopped, covers the longer while.
 */

import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import { quantileMs } from "./latency-counts.ts";

/** What a sample is made of, as it stands now. Totals only grow. */
export interface TrendNumbers {
  readonly agents: number;
  readonly healthyAgents: number;
  readonly lookupsTotal: number;
  readonly renewalsTotal: number;
  readonly writesTotal: number;
  /** Requests answered, by how long they took (`latency-counts.ts`). */
  readonly latencies: readonly number[];
  readonly term: number;
  readonly hasLeader: boolean;
  readonly lagRevisions: number;
}

export interface TrendSample {
  /** Wall time at its end. */
  readonly atMs: number;
  /** Of the region, as this node shows it. */
  readonly agents: number;
  readonly healthyAgents: number;
  /** These are of this node. */
  readonly lookupsPerSecond: number;
  readonly renewalsPerSecond: number;
  readonly writesPerSecond: number;
  /** 99 of 100 requests were answered within this; null when there were none. */
  readonly p99Ms: number | null;
  readonly term: number;
  readonly hasLeader: boolean;
  /** Committed in the region, as far as this node heard, and not shown here yet. */
  readonly lagRevisions: number;
}

export interface TrendBounds {
  readonly intervalMs: number;
  readonly samplesMax: number;
}

export const TREND_BOUNDS: TrendBounds = { intervalMs: 10_000, samplesMax: 360 };

export interface TrendOptions {
  readonly clock: Clock;
  readonly read: () => TrendNumbers;
  readonly bounds?: TrendBounds;
}

const P99 = 0.99;

export class Trend {
  readonly bounds: TrendBounds;
  readonly #clock: Clock;
  readonly #read: () => TrendNumbers;
  /** In order of time; a ring would save nothing that can be measured at one sample in ten seconds. */
  readonly #samples: TrendSample[] = [];
  #before: { readonly atMs: number; readonly numbers: TrendNumbers };
  #cancel: CancelTimer = () => {};

  constructor({ clock, read, bounds = TREND_BOUNDS }: TrendOptions) {
    this.bounds = bounds;
    this.#clock = clock;
    this.#read = read;
    this.#before = { atMs: clock.now(), numbers: read() };
  }

  start(): void {
    this.#before = { atMs: this.#clock.now(), numbers: this.#read() };
    this.#cancel = repeat(this.#clock, this.bounds.intervalMs, () => this.#sample());
  }

  stop(): void {
    this.#cancel();
  }

  /** The oldest first. @param afterMs - only those whose time is later; all when absent */
  samples(afterMs = Number.NEGATIVE_INFINITY): readonly TrendSample[] {
    return this.#samples.filter(({ atMs }) => atMs > afterMs);
  }

  #sample(): void {
    const now = { atMs: this.#clock.now(), numbers: this.#read() };
    this.#samples.push({ atMs: Math.round(this.#clock.wallTime()), ...between(this.#before, now) });
    if (this.#samples.length > this.bounds.samplesMax) this.#samples.shift();
    this.#before = now;
  }
}

interface Reading {
  readonly atMs: number;
  readonly numbers: TrendNumbers;
}

function between(before: Reading, after: Reading): Omit<TrendSample, "atMs"> {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const rate = (total: "lookupsTotal" | "renewalsTotal" | "writesTotal") =>
    seconds > 0 ? (after.numbers[total] - before.numbers[total]) / seconds : 0;
  const { agents, healthyAgents, term, hasLeader, lagRevisions } = after.numbers;
  return {
    agents,
    healthyAgents,
    lookupsPerSecond: rate("lookupsTotal"),
    renewalsPerSecond: rate("renewalsTotal"),
    writesPerSecond: rate("writesTotal"),
    p99Ms: quantileMs(before.numbers.latencies, after.numbers.latencies, P99),
    term,
    hasLeader,
    lagRevisions,
  };
}
