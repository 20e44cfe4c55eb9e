/** Counts what network, federation, elections and leases report, in plain numbers that metrics read at a scrape. */

import { FederationCounters } from "../federation/counters.ts";
import type { NetworkMetrics } from "../network/metrics.ts";
import type { GroupStatus } from "../raft/index.ts";
import type { StateObserver } from "../registry/registry-state-machine.ts";
import type { NodeId } from "../types/ids.ts";
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
    },
  };

  /** Follows the group's role and leader. */
  follow({ role, term, leader }: GroupStatus): void {
    if ((role === "candidate" || role === "leader") && term > this.#campaignTerm) {
      this.#campaignTerm = term;
      this.elections++;
    }
    if (leader !== null && leader !== this.#leader) {
      this.#leader = leader;
      this.leaderChanges++;
    }
  }
}
