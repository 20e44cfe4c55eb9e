/**
 * Which agents were heard of, and when: the leases of a region as one node knows them.
 *
 * Pure: every method is told what time it is. That time is *lease time*, which `LeaseClock` makes of the monotonic clock by
 * leaving out what must not be charged to agents. A lease is named by its incarnation, so a sign of life of an earlier
 * registration finds nothing here and revives nobody (F21).
 *
 * Elsewhere: when to look, who decides, and how nodes tell each other (`lease-keeper.ts`).
 */

import type { AgentId } from "../types/ids.ts";
import type { KeptAgent } from "./agent-index.ts";

/**
 * Monotonic time without the spans in which this node could not have heard of agents: its own process stood still (P7), or
 * it had no path to a leader, so that no renewal was acknowledged here and those of others may not have come.
 */
export class LeaseClock {
  readonly #gapMsMax: number;
  #last: number;
  #leaseTime = 0;

  /**
   * @param now - monotonic milliseconds
   * @param gapMsMax - a longer span between two readings is a stall, and only this much of it is charged
   */
  constructor(now: number, gapMsMax: number) {
    this.#last = now;
    this.#gapMsMax = gapMsMax;
  }

  /** Lease time at `now`, with the span since the last reading charged up to `gapMsMax`. */
  read(now: number): number {
    this.#leaseTime += Math.min(Math.max(now - this.#last, 0), this.#gapMsMax);
    this.#last = now;
    return this.#leaseTime;
  }

  /** Lease time at `now`, with nothing charged since the last reading. */
  skip(now: number): number {
    this.#last = now;
    return this.#leaseTime;
  }
}

/** One incarnation of one agent. */
export interface Lease {
  readonly id: AgentId;
  readonly incarnation: number;
  leaseMs: number;
  /** Lease time of the last sign of life; null while this node has heard none and has granted no time either. */
  renewedAt: number | null;
  /** Wall time of the last sign of life, for people. */
  lastSeenMs: number;
  /** Lease time at which this node saw it end; null while it runs. */
  endedAt: number | null;
  /** The agent was told of everything up to this revision; null when this node does not know. */
  informedRevision: number | null;
}

export class LeaseTable {
  readonly #leases = new Map<number, Lease>();
  #running = 0;

  /** Leases that have not ended. */
  get running(): number {
    return this.#running;
  }

  get(incarnation: number): Lease | undefined {
    return this.#leases.get(incarnation);
  }

  all(): Iterable<Lease> {
    return this.#leases.values();
  }

  /**
   * Follows an agent: opens the lease of a new incarnation, ends it when the agent became unhealthy, forgets what is gone.
   *
   * @param heardAt - lease time when the change itself is a sign of life, null when it is only read back from disk
   */
  follow(
    before: KeptAgent | undefined,
    after: KeptAgent | undefined,
    time: { now: number; heardAt: number | null; wallMs: number },
  ): void {
    if (before !== undefined && before.incarnation !== after?.incarnation) this.#forget(before.incarnation);
    if (after === undefined) return;
    const isRunning = after.health === "healthy";
    const held = this.#leases.get(after.incarnation);
    if (held === undefined) {
      this.#open(after, isRunning, time);
      return;
    }
    held.leaseMs = after.record.leaseMs;
    if (isRunning && time.heardAt !== null) renew(held, time.heardAt, time.wallMs);
    if (!isRunning) this.#end(held, time.now);
  }

  /**
   * Notes a sign of life; an older one than is known changes nothing.
   *
   * @returns the lease, or undefined when it is unknown here or has ended
   */
  renewed(incarnation: number, at: number, wallMs: number): Lease | undefined {
    const lease = this.#leases.get(incarnation);
    if (lease === undefined || lease.endedAt !== null) return undefined;
    renew(lease, at, wallMs);
    return lease;
  }

  /** Notes that an agent was told of everything up to `revision`. */
  informed(incarnation: number, revision: number): Lease | undefined {
    const lease = this.#leases.get(incarnation);
    if (lease !== undefined) lease.informedRevision = Math.max(lease.informedRevision ?? 0, revision);
    return lease;
  }

  /** Gives every running lease that was never heard of its whole length from `now` on. Repeating it changes nothing. */
  grantUnheard(now: number): void {
    for (const lease of this.#leases.values()) lease.renewedAt ??= now;
  }

  /** Milliseconds until a lease is due: 0 or less when it is; its whole length while nothing is known. */
  remaining(lease: Lease, now: number): number {
    return lease.renewedAt === null ? lease.leaseMs : lease.renewedAt + lease.leaseMs - now;
  }

  /** Running leases that are over, the longest overdue first. */
  due(now: number): Lease[] {
    const due: Lease[] = [];
    for (const lease of this.#leases.values()) {
      if (lease.endedAt === null && this.remaining(lease, now) <= 0) due.push(lease);
    }
    return due.sort((a, b) => this.remaining(a, now) - this.remaining(b, now) || a.incarnation - b.incarnation);
  }

  /** Leases that this node saw end at `time` or before. */
  endedBy(time: number): Lease[] {
    const ended: Lease[] = [];
    for (const lease of this.#leases.values()) {
      if (lease.endedAt !== null && lease.endedAt <= time) ended.push(lease);
    }
    return ended;
  }

  #open(agent: KeptAgent, isRunning: boolean, { now, heardAt, wallMs }: Parameters<LeaseTable["follow"]>[2]): void {
    this.#leases.set(agent.incarnation, {
      id: agent.id,
      incarnation: agent.incarnation,
      leaseMs: agent.record.leaseMs,
      renewedAt: heardAt,
      lastSeenMs: heardAt === null ? agent.changedAtMs : wallMs,
      endedAt: isRunning ? null : now,
      informedRevision: null,
    });
    if (isRunning) this.#running++;
  }

  #end(lease: Lease, now: number): void {
    if (lease.endedAt !== null) return;
    lease.endedAt = now;
    this.#running--;
  }

  #forget(incarnation: number): void {
    if (this.#leases.get(incarnation)?.endedAt === null) this.#running--;
    this.#leases.delete(incarnation);
  }
}

function renew(lease: Lease, at: number, wallMs: number): void {
  if (lease.renewedAt !== null && lease.renewedAt > at) return;
  lease.renewedAt = at;
  lease.lastSeenMs = Math.max(lease.lastSeenMs, wallMs);
}
