/**
 * When agents are asked to renew next (F19).
 *
 * Four renewals fit a lease while the node has room. When it takes more of them than its budget, the interval grows by as
 * much as they are too many, but never so far that two do not fit: load must not cost an agent its lease. What is measured
 * is what arrives, so the interval shrinks again by itself. Chance spreads each answer, so that agents that came together,
 * after an outage say, do not come together for ever.
 *
 * Pure: told the time.
 */

import { jitter, type Random } from "../util/random.ts";

/** Agents are asked to renew four times within a lease, so three renewals may be lost. */
const RENEWALS_PER_LEASE = 4;
/** Each interval is spread by this share of it, to both sides. */
const SPREAD = 0.2;
/** The longest interval, spread to its longest, of which two are still shorter than the lease. */
const LEASE_SHARE_MAX = 0.4;

/**
 * How long an agent is asked to wait before it renews.
 *
 * @param load - renewals taken, as a share of the budget for them; up to 1 nothing is changed
 * @returns whole milliseconds, from 0.2 to 0.48 of the lease
 */
export function adviseRenewal(leaseMs: number, load: number, random: Random): number {
  const intervalMs = leaseMs * Math.min(Math.max(load, 1) / RENEWALS_PER_LEASE, LEASE_SHARE_MAX);
  return Math.floor(jitter(random, intervalMs, SPREAD));
}

export interface RenewalBudget {
  /** Renewals per second that a node takes before it asks for fewer. */
  readonly perSecond: number;
  /** Over how long they are counted: long enough that a burst of one tick says nothing. */
  readonly windowMs: number;
}

/** Counts renewals over a sliding window: the last whole one fades out while the current one fills. */
export class RenewalMeter {
  readonly #budget: RenewalBudget;
  #since: number;
  #count = 0;
  #before = 0;

  /** @param now - monotonic milliseconds, as everywhere here */
  constructor(budget: RenewalBudget, now: number) {
    this.#budget = budget;
    this.#since = now;
  }

  note(now: number): void {
    this.#turn(now);
    this.#count++;
  }

  /** Renewals per second as a share of the budget. */
  load(now: number): number {
    this.#turn(now);
    const { perSecond, windowMs } = this.#budget;
    const faded = this.#before * (1 - (now - this.#since) / windowMs);
    return ((this.#count + faded) * 1_000) / (perSecond * windowMs);
  }

  #turn(now: number): void {
    const { windowMs } = this.#budget;
    const windows = Math.floor((now - this.#since) / windowMs);
    if (windows <= 0) return;
    this.#before = windows === 1 ? this.#count : 0;
    this.#count = 0;
    this.#since += windows * windowMs;
  }
}
