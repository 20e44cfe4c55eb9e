/** Counts what network, federation, elections and leases report, in plain numbers that metrics read at a scrape. */

import { FederationCounters } from "../federation/counters.ts";
import type { NetworkMetrics } from "../network/metrics.ts";
import type { GroupStatus } from "../raft/index.ts";
import type { StateObserver } from "../registry/registry-state-machine.ts";
import type { NodeId } from "../types/ids.ts";
import type { Clock } from "../util/clock.ts";
import { increment } from "../util/counts.ts";

export class Counters {
  readonly refused = new Map<string, number>();
  readonly dropped = new Map<string, number>();
  readonly badFrames = new Map<string, number>();
  bytesIn = 0;
  bytesOut = 0;
  elections = 0;
  leaderChanges = 0;
  leasesExpired = 0;
  quickReturns = 0;
  readonly #clock: Clock;
  #leaderlessMs = 0;
  /** Since when no leader is known; null while one is. */
  #leaderlessSince: number | null;
  #campaignTerm = 0;
  #leader: NodeId | null = null;

  readonly network: NetworkMetrics = {
    refused: (code) => increment(this.refused, code),
    dropped: (kind) => increment(this.dropped, kind),
    badFrame: (protocol) => increment(this.badFrames, protocol),
    bytes: (direction, _protocol, bytes) => {
      if (direction === "in") this.bytesIn += bytes;
      else this.bytesOut += bytes;
    },
  };

  readonly federation = new FederationCounters();

  /** Follows what commands do to agents. */
  readonly registry: StateObserver = {
    agentChanged: (before, after) => {
      if (before?.health === "healthy" && after?.unhealthyReason === "lease-expired") this.leasesExpired++;
      const isBack = before?.unhealthyReason === "lease-expired" && after?.health === "healthy";
      if (isBack && after.changedAtMs - before.changedAtMs < before.record.leaseMs) this.quickReturns++;
    },
  };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#leaderlessSince = clock.now();
  }

  /** Time in which no leader was known, since the process started, in milliseconds. */
  get leaderlessMs(): number {
    const since = this.#leaderlessSince;
    return this.#leaderlessMs + (since === null ? 0 : this.#clock.now() - since);
  }

  /** Follows the group's role and leader. */
  follow({ role, term, leader }: GroupStatus): void {
    if ((role === "candidate" || role === "leader") && term > this.#campaignTerm) {
      this.#campaignTerm = term;
      this.elections++;
    }
    if (leader === null) {
      this.#leaderlessSince ??= this.#clock.now();
    } else {
      this.#leaderlessMs = this.leaderlessMs;
      this.#leaderlessSince = null;
    }
    if (leader !== null && leader !== this.#leader) {
      this.#leader = leader;
      this.leaderChanges++;
    }
  }
}
