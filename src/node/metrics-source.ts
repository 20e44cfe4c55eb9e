/** Reads the numbers of all parts for the metrics, at each scrape. */

import type { Federation } from "../federation/federation.ts";
import type { MetricsSource } from "../metrics/source.ts";
import type { PeerDirectory } from "../network/interface.ts";
import type { ConsensusGroup } from "../raft/index.ts";
import type { RegistryService } from "../registry/registry-service.ts";
import type { RegionId } from "../types/ids.ts";
import type { Counters } from "./counters.ts";

export interface MetricsSourceParts {
  readonly group: ConsensusGroup;
  readonly registry: RegistryService;
  readonly region: RegionId;
  readonly counters: Counters;
  readonly directory: () => PeerDirectory | undefined;
  readonly federation: () => Federation | undefined;
}

export function metricsSource(parts: MetricsSourceParts): MetricsSource {
  const { group, registry, region, counters } = parts;
  return {
    raft() {
      const status = group.status();
      return {
        role: status.role,
        term: status.term,
        hasLeader: status.leader !== null,
        commitIndex: status.commitIndex,
        appliedIndex: status.appliedIndex,
        logEntries: status.lastIndex - status.logStartIndex,
        voters: status.membership.voters.length,
        stalenessMs: status.stalenessMs,
        sinceLeaderMs: status.sinceLeaderMs,
        electionsTotal: counters.elections,
        leaderChangesTotal: counters.leaderChanges,
        refusedMessagesTotal: status.refusedMessages,
      };
    },
    registry() {
      const { healthy, unhealthy, capabilities } = registry.countAgents();
      return {
        healthyAgents: healthy,
        unhealthyAgents: unhealthy,
        capabilities,
        leases: healthy,
        leasesExpiredTotal: counters.leasesExpired,
      };
    },
    network() {
      const peers = parts.directory()?.peers() ?? [];
      const peersInRegion = peers.filter((peer) => peer.region === region).length;
      return {
        peersInRegion,
        peersAbroad: peers.length - peersInRegion,
        handshakesRefusedTotal: counters.refused,
        droppedTotal: counters.dropped,
        badFramesTotal: counters.badFrames,
        bytesSentTotal: counters.bytesOut,
        bytesReceivedTotal: counters.bytesIn,
      };
    },
    federation() {
      const regions = (parts.federation()?.status() ?? []).map((status) => ({
        region: status.region,
        isConnected: status.link === "connected",
        isInSync: status.inSync,
        summaryAgeMs: status.summaryAgeMs,
        revision: status.revision,
        agents: status.agents,
        ...(status.roundTripMs !== undefined && { roundTripMs: status.roundTripMs }),
      }));
      const { federation } = counters;
      return {
        regions,
        summariesPublishedTotal: federation.summariesPublishedTotal,
        bytesPublishedTotal: federation.bytesPublishedTotal,
        gossipAcceptedTotal: federation.gossipAcceptedTotal,
        refusedTotal: federation.refusedTotal,
        gapsTotal: federation.gapsTotal,
        pullsTotal: federation.pullsTotal,
        pullRoundsTotal: federation.pullRoundsTotal,
        pullBucketsTotal: federation.pullBucketsTotal,
      };
    },
  };
}
