/** A node's HTTP faces over a real registry, on virtual time and without a socket. */

import type { FastifyInstance } from "fastify";
import { DEFAULT_HTTP_LIMITS, MESH_DEFAULTS, PROXY_DEFAULTS } from "../../src/api/modules.ts";
import type { ClusterStatus, ClusterView, NodeStatus, RegionStatus } from "../../src/api/ports.ts";
import { buildServer, type ServerOptions } from "../../src/api/server.ts";
import { CONNECTIONS_MAX_APART, PortSockets, SOCKET_TIMES } from "../../src/api/sockets.ts";
import { frameRenderer } from "../../src/api/v1/watch-frames.ts";
import { createMetrics, type Metrics } from "../../src/metrics/metrics.ts";
import type { MetricsSource } from "../../src/metrics/source.ts";
import { Trend } from "../../src/metrics/trend.ts";
import { ActivityLog } from "../../src/node/activity-log.ts";
import { trendNumbers } from "../../src/node/trend-numbers.ts";
import { type CapabilityAbroad, ChangeFeed, type FeedBounds } from "../../src/registry/change-feed.ts";
import type { LogEvent, Logger } from "../../src/util/logger.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { seededRandom } from "../../src/util/random.ts";
import { HOME, type TestNode, TestRegion } from "../unit/registry/fixtures.ts";
import { checkedSend, type Send } from "./api-openapi.ts";
import { FakeClusterAdmin } from "./fake-admin.ts";
import { FakeBackups } from "./fake-backups.ts";
import { FakeFederationAdmin } from "./fake-federation-admin.ts";
import { FakePeerAdmin } from "./fake-peers.ts";

export const OTHER_REGION_HTTP = "http://us-west-1:8000";
export const CLUSTER = "c0ffee";

/** Shows a cluster of one node, over what the node's group really applied. */
export class FakeClusterView implements ClusterView {
  reasons: string[] = [];
  degraded: { code: string; message: string }[] = [];
  readonly #node: TestNode;

  constructor(node: TestNode) {
    this.#node = node;
  }

  applied() {
    const { appliedIndex, stalenessMs } = this.#node.group.status();
    return { revision: appliedIndex, stalenessMs };
  }

  node(): NodeStatus {
    return {
      name: "us-east-1",
      nodeId: this.#node.group.self,
      region: HOME,
      role: this.#node.group.status().role,
      link: "self",
      http: "http://us-east-1:8000",
      addresses: ["us-east-1:4001"],
      version: "1.2.3",
    };
  }

  nodes(): NodeStatus[] {
    const { version: _, ...self } = this.node();
    const abroad = { name: "us-west-1", nodeId: "west", region: "us-west", role: "unknown", link: "away" } as const;
    return [self, { ...abroad, http: OTHER_REGION_HTTP, addresses: [], roundTripMs: 61.5 }];
  }

  regions(): RegionStatus[] {
    const own = this.applied();
    return [
      {
        region: HOME,
        link: "self",
        cluster: "c0ffee",
        leader: "us-east-1",
        ...own,
        lagRevisions: 0,
        inSync: true,
        agents: 0,
        capabilities: 0,
        nodes: [],
      },
      {
        region: "us-west",
        link: "away",
        cluster: "",
        leader: null,
        revision: 0,
        lagRevisions: 0,
        stalenessMs: Number.POSITIVE_INFINITY,
        silentMs: 4_100.2,
        inSync: false,
        agents: 0,
        capabilities: 0,
        nodes: [{ name: "us-west-1", nodeId: "west", http: OTHER_REGION_HTTP }],
        breaker: "open",
      },
    ];
  }

  cluster(): ClusterStatus {
    const { role, term, commitIndex, appliedIndex, lastIndex, logStartIndex, stalenessMs, sinceLeaderMs } =
      this.#node.group.status();
    return {
      federation: "test",
      region: HOME,
      cluster: "c0ffee",
      node: "us-east-1",
      role,
      leader: role === "leader" ? "us-east-1" : null,
      ...{ term, commitIndex, appliedIndex, lastIndex, logStartIndex, stalenessMs, sinceLeaderMs },
      members: [{ name: "us-east-1", nodeId: this.#node.group.self, votes: true }],
      agents: { healthy: 0, unhealthy: 0 },
      export: { policy: ["*"], configured: ["*"] },
    };
  }

  readiness() {
    return { ready: this.reasons.length === 0, reasons: this.reasons, degraded: this.degraded };
  }

  federationHint() {
    return [OTHER_REGION_HTTP];
  }
}

export interface TestApp {
  readonly app: FastifyInstance;
  /** What the app was built with. */
  readonly options: ServerOptions;
  /** Sends a request; a JSON answer that the OpenAPI document does not describe fails the test. */
  readonly send: Send;
  readonly region: TestRegion;
  readonly node: TestNode;
  readonly view: FakeClusterView;
  readonly admin: FakeClusterAdmin;
  readonly peers: FakePeerAdmin;
  readonly federation: FakeFederationAdmin;
  readonly metrics: Metrics;
  /** What was said to the log as an error. */
  readonly errors: LogEvent[];
  isShuttingDown: boolean;
}

/** @param place - how many nodes the region has, and which of them serves; the first one leads */
export async function createTestApp(
  overrides: Partial<ServerOptions> = {},
  place = { nodes: 1, serving: 0 },
): Promise<TestApp> {
  const region = new TestRegion(place.nodes);
  const node = region.nodes[place.serving]!;
  const view = new FakeClusterView(node);
  const admin = new FakeClusterAdmin();
  const peers = new FakePeerAdmin();
  const federation = new FakeFederationAdmin();
  const metrics = createMetrics({
    source: metricsSource(node),
    clock: region.clock,
    node: { region: HOME, name: "us-east-1", version: "1.2.3" },
    includeProcess: false,
  });
  const errors: LogEvent[] = [];
  const logger: Logger = { ...silentLogger, error: (event) => void errors.push(event) };
  const state = { isShuttingDown: false };
  const options: ServerOptions = {
    registry: node.service,
    view,
    admin,
    federation,
    peers,
    backups: new FakeBackups(),
    metrics,
    trend: new Trend({ clock: region.clock, read: () => trendNumbers(metricsSource(node), metrics) }),
    activity: new ActivityLog(region.clock),
    logger,
    clock: region.clock,
    limits: DEFAULT_HTTP_LIMITS,
    leases: { meshMs: 20_000, seedMs: 60_000, nativeMs: 30_000 },
    mesh: MESH_DEFAULTS,
    proxy: PROXY_DEFAULTS,
    watch: { feed: watchedFeed(region, node), cluster: () => CLUSTER, random: seededRandom(1) },
    isShuttingDown: () => state.isShuttingDown,
    sockets: new PortSockets({
      port: "main",
      connectionsMax: CONNECTIONS_MAX_APART,
      listening: 1,
      times: SOCKET_TIMES,
      clock: region.clock,
      logger,
    }),
    ...overrides,
  };
  const app = await buildServer(options);
  return Object.assign(state, {
    app,
    options,
    send: checkedSend(app),
    region,
    node,
    view,
    admin,
    federation,
    peers,
    metrics,
    errors,
  });
}

/** A feed of what a node applies from now on. */
export function watchedFeed(
  region: TestRegion,
  node: TestNode,
  { bounds = {}, abroad = [] }: { bounds?: Partial<FeedBounds>; abroad?: readonly CapabilityAbroad[] } = {},
): ChangeFeed {
  const feed = new ChangeFeed({
    revision: () => node.group.status().appliedIndex,
    renderer: frameRenderer(HOME, () => CLUSTER),
    abroad: { list: (names) => abroad.filter(({ name }) => names === null || names.includes(name)) },
    clock: region.clock,
    bounds,
  });
  node.stateMachine.observe(feed);
  feed.settle();
  return feed;
}

export function metricsSource(node: TestNode): MetricsSource {
  return {
    node: () => ({ isReady: true, degraded: ["DISK_LOW"] }),
    load: () => ({
      pressure: 1.5,
      shedTotal: new Map([["watch", 4]]),
      underWay: new Map([["lookup", 2]]),
      heapShare: 0.25,
      heapLiveBytes: 64 * 2 ** 20,
    }),
    disk: () => ({ freeBytes: 3_000, sizeBytes: 9_000 }),
    connections: () => [{ port: "main", open: 3, connectionsMax: 100, droppedTotal: 2, shedTotal: 3 }],
    certificates: () => [{ use: "entity", entity: "acme", notAfterMs: 1_800_000_000_000 }],
    raft() {
      const { role, term, leader, commitIndex, appliedIndex, lastIndex, stalenessMs, sinceLeaderMs } =
        node.group.status();
      return {
        ...{ role, term, commitIndex, appliedIndex, stalenessMs, sinceLeaderMs },
        hasLeader: leader !== null,
        logEntries: lastIndex,
        voters: 1,
        votersConnected: 1,
        followers: [{ name: "us-east-2", lagEntries: 12, silentMs: 250 }],
        leaderlessMs: 1_500,
        waitingBytes: 640,
        electionsTotal: 1,
        leaderChangesTotal: 1,
        refusedMessagesTotal: 0,
      };
    },
    registry() {
      const { healthy, unhealthy, capabilities } = node.service.countAgents();
      return {
        healthyAgents: healthy,
        unhealthyAgents: unhealthy,
        capabilities,
        leases: healthy,
        leasesExpiredTotal: 3,
        quickReturnsTotal: 2,
        isBrakeEngaged: false,
      };
    },
    network: () => ({
      peersInRegion: 2,
      peersAbroad: 3,
      handshakesRefusedTotal: new Map([["WRONG_KEY", 4]]),
      droppedTotal: new Map([["raft-queue-full", 5]]),
      badFramesTotal: new Map([["request", 7]]),
      bytesSentTotal: 10,
      bytesReceivedTotal: 20,
    }),
    federation: () => ({
      regions: [
        {
          region: "us-west",
          isConnected: true,
          isInSync: false,
          summaryAgeMs: 1_500,
          revision: 7,
          agents: 5,
          roundTripMs: 60,
          isBreakerOpen: true,
          isDistrusted: false,
        },
        {
          region: "eu-west",
          isConnected: false,
          isInSync: false,
          summaryAgeMs: Number.POSITIVE_INFINITY,
          revision: 0,
          agents: 0,
          isBreakerOpen: false,
          isDistrusted: true,
        },
      ],
      summariesPublishedTotal: 1,
      bytesPublishedTotal: 1_000,
      gossipAcceptedTotal: 2,
      refusedTotal: new Map([["bad-signature", 6]]),
      gapsTotal: 3,
      pullsTotal: new Map([["repaired", 4]]),
      pullRoundsTotal: 8,
      pullBucketsTotal: 9,
    }),
  };
}
