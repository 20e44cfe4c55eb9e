/** Reads the numbers of all parts for the metrics, at each scrape. */

import type { LoadGuard } from "../api/load-guard.ts";
import type { PortSockets } from "../api/sockets.ts";
import type { Federation } from "../federation/federation.ts";
import type { MetricsSource } from "../metrics/source.ts";
import type { PeerDirectory } from "../network/interface.ts";
import type { ConsensusGroup } from "../raft/index.ts";
import type { RaftGroup } from "../raft/raft-group.ts";
import type { LeaseKeeper } from "../registry/lease-keeper.ts";
import type { RegistryService } from "../registry/registry-service.ts";
import type { NodeId, RegionId } from "../types/ids.ts";
import type { Member } from "../types/membership.ts";
import type { CollectedHeap } from "./collected-heap.ts";
import type { Counters } from "./counters.ts";
import type { DiskGuard } from "./disk-guard.ts";
import type { HeapGuard } from "./heap-guard.ts";
import type { HttpTls } from "./http-tls.ts";
import type { Readiness } from "./readiness.ts";

export interface MetricsSourceParts {
  readonly group: ConsensusGroup;
  /** Undefined until the region is founded. */
  readonly raft: () => Pick<RaftGroup, "progress" | "backlog"> | undefined;
  readonly keeper: Pick<LeaseKeeper, "isBrakeEngaged">;
  readonly readiness: () => Readiness;
  readonly load: Pick<LoadGuard, "pressure" | "shedTotal" | "underWay">;
  readonly heap: Pick<HeapGuard, "share">;
  readonly collected: Pick<CollectedHeap, "liveBytes">;
  readonly disk: Pick<DiskGuard, "disk">;
  readonly tls: Pick<HttpTls, "ends"> | undefined;
  readonly sockets: readonly PortSockets[];
  readonly registry: RegistryService;
  readonly region: RegionId;
  readonly counters: Counters;
  readonly directory: () => PeerDirectory | undefined;
  readonly federation: () => Federation | undefined;
}

export function metricsSource(parts: MetricsSourceParts): MetricsSource {
  const { group, registry, region, counters, keeper } = parts;
  return {
    node() {
      const { ready, degraded } = parts.readiness();
      return { isReady: ready, degraded: degraded.map(({ code }) => code) };
    },
    load() {
      const { pressure, shedTotal, underWay } = parts.load;
      return { pressure, shedTotal, underWay, heapShare: parts.heap.share, heapLiveBytes: parts.collected.liveBytes };
    },
    disk: () => parts.disk.disk,
    certificates: () => parts.tls?.ends ?? [],
    connections: () => parts.sockets,
    raft() {
      const status = group.status();
      const { voters, learners } = status.membership;
      const isHere = ({ id }: Member) => id === group.self || parts.directory()?.get(id) !== undefined;
      const nameOf = (id: NodeId) => [...voters, ...learners].find((member) => member.id === id)?.name ?? id;
      const { waitingBytes, uncommittedBytes } = parts.raft()?.backlog() ?? { waitingBytes: 0, uncommittedBytes: 0 };
      return {
        role: status.role,
        term: status.term,
        hasLeader: status.leader !== null,
        commitIndex: status.commitIndex,
        appliedIndex: status.appliedIndex,
        logEntries: status.lastIndex - status.logStartIndex,
        voters: voters.length,
        votersConnected: voters.filter(isHere).length,
        followers: (parts.raft()?.progress() ?? []).map(({ id, matchIndex, silentMs }) => ({
          name: nameOf(id),
          lagEntries: Math.max(0, status.lastIndex - matchIndex),
          silentMs,
        })),
        leaderlessMs: counters.leaderlessMs,
        // A leader's own proposals are in both.
        waitingBytes: Math.max(waitingBytes, uncommittedBytes),
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
        quickReturnsTotal: counters.quickReturns,
        isBrakeEngaged: keeper.isBrakeEngaged,
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
        isBreakerOpen: status.breaker === "open",
        isDistrusted: status.distrust !== undefined,
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
