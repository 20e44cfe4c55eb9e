/**
 * One Atoll node, put together: builds bottom-up, starts in order, stops in reverse.
 *
 *   store -> identity -> registry -> HTTP -> network -> founding or joining -> Raft group -> federation
 *
 * HTTP comes early, so that a node which waits for its place in a region is alive, says what it waits for, and takes
 * requests that can wait as well. This is the only file that names implementations; it joins the ports that the folders
 * declare and holds no logic of its own.
 */

import { join } from "node:path";
import { agentCaller } from "../api/mesh/call-agent.ts";
import { DEFAULT_HTTP_LIMITS, type FaceOptions, PROXY_DEFAULTS } from "../api/modules.ts";
import { buildAdminServer, buildMetricsServer, buildServer } from "../api/server.ts";
import { CONNECTIONS_MAX_APART, LISTENING_SOCKETS, type Port, PortSockets, SOCKET_TIMES } from "../api/sockets.ts";
import { frameRenderer } from "../api/v1/watch-frames.ts";
import { formatAddress } from "../config/format-value.ts";
import type { Config } from "../config/schema.ts";
import { splitKeys } from "../config/secrets.ts";
import { Federation } from "../federation/federation.ts";
import { loadHash64 } from "../federation/hash64.ts";
import { createMetrics, type Metrics } from "../metrics/metrics.ts";
import type { MetricsSource } from "../metrics/source.ts";
import { Trend } from "../metrics/trend.ts";
import { nodeIdOf } from "../network/libp2p-host.ts";
import { worldNames } from "../network/names.ts";
import { createNetwork, type Network } from "../network/network.ts";
import { Admission } from "../raft/admission.ts";
import { type Founding, readFounding } from "../raft/bootstrap.ts";
import { RAFT_DEFAULTS, RaftGroup, type RaftGroupOptions } from "../raft/raft-group.ts";
import { type CapabilityAbroad, ChangeFeed } from "../registry/change-feed.ts";
import { EXPORT_ALL } from "../registry/export-policy.ts";
import type { RemoteRegions } from "../registry/interface.ts";
import { LeaseKeeper, RENEWALS_METHOD } from "../registry/lease-keeper.ts";
import { RegistryService } from "../registry/registry-service.ts";
import { RegistryStateMachine } from "../registry/registry-state-machine.ts";
import { Authenticator } from "../security/authenticator.ts";
import { RequestLimits } from "../security/request-limits.ts";
import type { KeyValueStore, NodeFacts } from "../storage/interface.ts";
import { LevelStore } from "../storage/level-store.ts";
import { NodeFactsStore } from "../storage/node-facts.ts";
import { RaftStore } from "../storage/raft-store.ts";
import type { OpenTracing } from "../tracing/interface.ts";
import { openTracing } from "../tracing/tracing.ts";
import { originOf } from "../types/cluster-id.ts";
import { asFederationId, asNodeName, asRegionId, type NodeName } from "../types/ids.ts";
import type { Member } from "../types/membership.ts";
import type { SummaryNode } from "../types/summary.ts";
import { AddressList } from "../util/address-list.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { invariant } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { type Random, systemRandom } from "../util/random.ts";
import { ActivityLog } from "./activity-log.ts";
import { ActivityObserver } from "./activity-observer.ts";
import { AuditFiles } from "./audit-files.ts";
import { Backups } from "./backups.ts";
import { NodeClusterView } from "./cluster-view.ts";
import { ConfiguredMembers } from "./configured-members.ts";
import { ConfiguredTokenSource } from "./configured-tokens.ts";
import { Counters } from "./counters.ts";
import { EpochTransport } from "./epoch-transport.ts";
import { ExportKeeper } from "./export-keeper.ts";
import { NodeFederationAdmin } from "./federation-admin.ts";
import { GroupInWaiting } from "./group-in-waiting.ts";
import { Guards } from "./guards.ts";
import { HttpTls } from "./http-tls.ts";
import { Introductions } from "./introductions.ts";
import { localRegion } from "./local-region.ts";
import { metricsSource } from "./metrics-source.ts";
import { nodeKey } from "./node-key.ts";
import { type Readiness, ReadinessLog, readinessOf } from "./readiness.ts";
import { RegionAdmin } from "./region-admin.ts";
import { RegionKeyKeeper } from "./region-key-keeper.ts";
import { RegionMates } from "./region-mates.ts";
import { RegionMembers } from "./region-members.ts";
import { RegionPeers } from "./region-peers.ts";
import { RegionPlace } from "./region-place.ts";
import { startOnSoundStore } from "./sound-store.ts";
import { trendNumbers } from "./trend-numbers.ts";

/** A leader must have been heard of within this many election timeouts for renewals to be acknowledged. */
const LIVE_PATH_ELECTIONS = 1;

type HttpServer = Awaited<ReturnType<typeof buildServer>>;

export interface RegistryNodeOptions {
  readonly config: Config;
  readonly version: string;
  readonly logger: Logger;
  /** The node can not go on: its disk failed, or one of its own rules was broken. The process must end. */
  readonly onFatal: (error: unknown) => void;
  /** The node left its region for good, and its disk says so. The process must end, in order. */
  readonly onRemoved: () => void;
}

/** What is there before the node is. */
interface OpenedParts {
  readonly store: KeyValueStore;
  readonly facts: NodeFacts;
  readonly key: Uint8Array;
  readonly tracing: OpenTracing | undefined;
}

export class RegistryNode {
  readonly #options: RegistryNodeOptions;
  readonly #clock: Clock = systemClock;
  readonly #random: Random = systemRandom;
  readonly #stopping = new AbortController();
  readonly #counters = new Counters(this.#clock);
  readonly #metrics: Metrics;
  /** Undefined on a node that exports no traces. */
  readonly #tracing: OpenTracing | undefined;
  readonly #store: KeyValueStore;
  readonly #facts: NodeFacts;
  readonly #self: Member;
  readonly #key: Uint8Array;
  readonly #groupInWaiting: GroupInWaiting;
  readonly #stateMachine: RegistryStateMachine;
  readonly #feed: ChangeFeed;
  readonly #keeper: LeaseKeeper;
  readonly #registry: RegistryService;
  readonly #admin: RegionAdmin;
  readonly #peers: RegionPeers;
  readonly #tokens: ConfiguredTokenSource;
  /** Undefined where no trail is kept. */
  readonly #audit: AuditFiles | undefined;
  /** Undefined where HTTP is served in the clear. */
  readonly #tls: HttpTls | undefined;
  readonly #guards: Guards;
  readonly #readinessLog: ReadinessLog;
  #address: SummaryNode;
  readonly #http: HttpServer[] = [];
  readonly #sockets: PortSockets[] = [];
  #network: Network | undefined;
  #place: RegionPlace | undefined;
  #mates: RegionMates | undefined;
  #members: RegionMembers | undefined;
  #configuredMembers: ConfiguredMembers | undefined;
  #founding: Founding | undefined;
  #caughtUp = false;
  #group: RaftGroup | undefined;
  #regionStore: RaftStore | undefined;
  #admission: Admission | undefined;
  #keyKeeper: RegionKeyKeeper | undefined;
  #exportKeeper: ExportKeeper | undefined;
  #federation: Federation | undefined;
  #introductions: Introductions | undefined;
  #trend: Trend | undefined;
  #observer: ActivityObserver | undefined;
  #entering: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  #stopWaitsFor: string | null = "its start";

  /**
   * Opens the data folder, serves HTTP, and takes part in its region as soon as that is founded.
   *
   * @throws StorageError STORE_LOCKED, STORE_UNAVAILABLE, CORRUPT; BootstrapError; NetworkError LISTEN_FAILED; and the
   *   system's error when the HTTP port is taken. Nothing is left running then
   */
  static start(options: RegistryNodeOptions): Promise<RegistryNode> {
    const { config, logger } = options;
    const path = join(config.node.dataDir, "store");
    const hasOthers = config.node.members.some(({ name }) => name !== config.node.name);
    return startOnSoundStore({ path, hasOthers, logger }, (mayFound) => RegistryNode.#open(path, options, mayFound));
  }

  static async #open(path: string, options: RegistryNodeOptions, mayFound: boolean): Promise<RegistryNode> {
    const { config, version, logger } = options;
    const { federation, region, name } = config.node;
    const store = await LevelStore.open(path, logger);
    let tracing: OpenTracing | undefined;
    let node: RegistryNode | undefined;
    try {
      tracing = await openTracing({ config: config.tracing, node: { federation, region, name, version }, logger });
      const facts = new NodeFactsStore(store);
      node = new RegistryNode(options, { store, facts, key: await nodeKey(facts), tracing });
      await node.#begin(mayFound);
      return node;
    } catch (error) {
      if (node !== undefined) await node.stop();
      else {
        await store.close();
        await tracing?.close();
      }
      throw error;
    }
  }

  private constructor(options: RegistryNodeOptions, { store, facts, key, tracing }: OpenedParts) {
    const { config, logger, onFatal } = options;
    const region = asRegionId(config.node.region);
    this.#options = options;
    this.#tracing = tracing;
    this.#store = store;
    this.#facts = facts;
    this.#key = key;
    this.#self = { id: nodeIdOf(key), name: asNodeName(config.node.name) };
    this.#address = {
      name: this.#self.name,
      nodeId: this.#self.id,
      addresses: (config.network.advertise ?? []).map(formatAddress),
      http: "",
    };
    const group = new GroupInWaiting(this.#self.id, this.#clock);
    this.#groupInWaiting = group;
    this.#stateMachine = new RegistryStateMachine(region);
    this.#stateMachine.observe(this.#counters.registry);
    this.#feed = new ChangeFeed({
      revision: () => this.#group?.status().appliedIndex ?? null,
      renderer: frameRenderer(region, () => this.#cluster()),
      abroad: { list: (names) => this.#capabilitiesAbroad(names) },
      clock: this.#clock,
      bounds: { eventsMax: config.http.watchEventsMax, bytesMax: config.http.watchBytesMax },
    });
    this.#stateMachine.observe(this.#feed);
    this.#guards = new Guards({
      dataDir: config.node.dataDir,
      diskReserveBytes: config.node.diskReserve,
      lagMsMax: config.http.lagMsMax,
      slowMs: config.raft.electionMsMin,
      writingMs: () => this.#group?.writingMs ?? 0,
      isLeader: () => group.status().role === "leader",
      handOver: async () => (await this.#group?.transferLeadership()) ?? false,
      clock: this.#clock,
      logger,
    });
    const parts = { group, stateMachine: this.#stateMachine, clock: this.#clock };
    this.#keeper = new LeaseKeeper({
      ...parts,
      broadcast: { send: (method, payload) => this.#members?.send(method, payload) },
      logger,
      onFatal,
      options: {
        renewalBatchMs: config.registry.renewalBatchMs,
        expiryCheckMs: config.registry.expiryCheckMs,
        leaseGraceMs: 2 * config.raft.heartbeatMs,
        livePathMs: this.#livePathMs,
        retentionMs: config.registry.retentionMs,
        brakeShare: config.registry.brakeShare,
        eventsMax: config.registry.eventsMax,
      },
    });
    const remote: RemoteRegions = {
      lookup: async (query, asked) => (await this.#federation?.lookup(query, asked)) ?? [],
      knows: (other) => this.#federation?.knows(other) ?? false,
      known: (query) => this.#federation?.known(query) ?? [],
      changes: () => this.#federation?.changes() ?? 0,
    };
    this.#registry = new RegistryService({
      ...parts,
      region,
      keeper: this.#keeper,
      remote,
      random: this.#random,
      refusesRegistration: (isNew) => this.#guards.conditions.refusesRegistration(isNew),
      limits: {
        recordBytesMax: config.registry.recordBytesMax,
        capabilitiesMax: config.registry.capabilitiesMax,
        agentsMax: config.registry.agentsMax,
      },
      timeouts: { writeMs: config.raft.proposeTimeoutMs, livePathMs: this.#livePathMs },
      options: {
        eventsMax: config.registry.eventsMax,
        isolatesNamespaces: config.registry.namespaces === "isolated",
        handBackMs: config.registry.handBackMs,
        export: config.federation.export ?? EXPORT_ALL,
        ...(config.node.zone !== undefined && { zone: config.node.zone }),
        ...(config.security.servedNamespaces !== undefined && { served: config.security.servedNamespaces }),
      },
      logger,
    });
    this.#admin = new RegionAdmin({
      region,
      self: this.#self.id,
      status: () => group.status(),
      group: () => this.#group,
      network: () => this.#network,
      nodes: () => this.#memberNodes(),
      waiting: () => this.#admission?.waiting() ?? [],
      clock: this.#clock,
      timeoutMs: config.raft.proposeTimeoutMs,
      answeringMs: config.raft.electionMsMax,
    });
    this.#peers = new RegionPeers({
      region,
      configured: config.network.peers,
      hasSharedKey: config.network.encryptionKey !== undefined,
      facts,
      membership: () => group.status().membership,
      clock: this.#clock,
      logger,
      onFatal,
    });
    this.#metrics = createMetrics({
      source: this.#metricsSource(),
      clock: this.#clock,
      node: { region: config.node.region, name: config.node.name, version: options.version },
      includeProcess: true,
    });
    this.#tokens = new ConfiguredTokenSource(config.security, this.#clock, logger);
    const { auditBytesMax: bytesMax } = config.security;
    const auditDir = join(config.node.dataDir, "audit");
    this.#audit = bytesMax === 0 ? undefined : new AuditFiles({ dir: auditDir, bytesMax, clock: this.#clock, logger });
    this.#tls = config.http.tlsMode === "off" ? undefined : new HttpTls(config.http, this.#clock, logger);
    this.#readinessLog = new ReadinessLog(this.#clock, logger, () => this.#readiness());
  }

  /** Where agents reach this node. */
  get httpUrl(): string {
    return this.#address.http;
  }

  get #livePathMs(): number {
    return LIVE_PATH_ELECTIONS * this.#options.config.raft.electionMsMax;
  }

  async #begin(mayFound: boolean): Promise<void> {
    const { config, logger, onFatal, onRemoved } = this.#options;
    this.#founding = readFounding({ ...this.#region(), facts: this.#facts, self: this.#self }) ?? undefined;
    await this.#guards.start();
    await this.#serveHttp();
    const network = await this.#connect();
    this.#network = network;
    const { directory, requests } = network;
    const common = { directory, requests, facts: this.#facts, clock: this.#clock, logger, onFatal };
    const membership = () => this.#groupInWaiting.status().membership;
    const { region } = this.#region();
    const mates = new RegionMates({ ...common, self: this.#self.id, region, membership });
    mates.start();
    this.#mates = mates;
    this.#peers.start(network);
    const lastKnown = mates.lastKnown.bind(mates);
    this.#members = new RegionMembers({ ...common, self: this.#address, membership, lastKnown });
    this.#admin.serve(requests);
    requests.handle(RENEWALS_METHOD, async (from, payload) => {
      this.#keeper.receive(payload, from.nodeId);
      return null;
    });
    const place = new RegionPlace({
      ...common,
      ...this.#region(),
      self: this.#self,
      names: memberNames(config),
      mayFound,
      stopping: this.#stopping.signal,
      onRemoved,
    });
    this.#place = place;
    this.#readinessLog.start();
    logger.info({ code: "NODE_STARTED", http: this.httpUrl, nodeId: this.#self.id, region }, "node started");
    if (this.#founding === undefined) {
      // Others may be hours away; this node is up meanwhile, and /ready says what it waits for.
      this.#entering = place.enter((founding) => {
        network.setCluster(founding.cluster);
        return this.#join(network, place, founding);
      });
    } else {
      place.answerNewcomers();
      await this.#join(network, place, this.#founding);
    }
  }

  #region() {
    const { federation, region } = this.#options.config.node;
    return { federation: asFederationId(federation), region: asRegionId(region) };
  }

  /** Takes part in a founded region. */
  async #join(network: Network, place: RegionPlace, founding: Founding): Promise<void> {
    const { config, logger, onFatal } = this.#options;
    const storage = new RaftStore(this.#store, logger);
    const group = await RaftGroup.start(
      {
        self: this.#self.id,
        cluster: originOf(founding.cluster),
        storage,
        founding: founding.membership,
        transport: new EpochTransport(network.raft, founding.cluster),
        stateMachine: this.#stateMachine,
        clock: this.#clock,
        random: this.#random,
        logger,
        onFatal,
        onRemoved: () => place.leave(),
        isDiskFull: () => this.#guards.conditions.isDiskFull,
        metrics: this.#metrics.raft,
        tracing: this.#tracing,
      },
      raftOptions(config),
    );
    this.#group = group;
    this.#regionStore = storage;
    this.#founding = founding;
    group.onStatusChange((status) => this.#counters.follow(status));
    group.onStatusChange(() => this.#observer?.follow());
    this.#groupInWaiting.attach(group);
    this.#feed.settle();
    this.#admission = new Admission({
      region: this.#region().region,
      cluster: founding.cluster,
      group,
      requests: network.requests,
      directory: network.directory,
      logger,
    });
    place.confirm(() => group.status().membership);
    this.#configuredMembers = new ConfiguredMembers(memberNames(config), () => group.status(), this.#clock, logger);
    this.#keeper.start();
    this.#federation = await this.#federate(network, founding, group);
  }

  async #federate(network: Network, founding: Founding, group: RaftGroup): Promise<Federation> {
    const { config, logger } = this.#options;
    const { federation: federationId, region } = this.#region();
    const clock = this.#clock;
    const registry = this.#registry;
    const keyKeeper = new RegionKeyKeeper({
      registry,
      group,
      ...this.#keys(),
      scope: { federation: federationId, region, cluster: founding.cluster },
      clock,
      logger,
    });
    this.#keyKeeper = keyKeeper;
    keyKeeper.start();
    this.#exportKeeper = new ExportKeeper({
      registry,
      group,
      configured: config.federation.export ?? EXPORT_ALL,
      clock,
      logger,
    });
    // Without a shared key there are no other regions.
    if (this.#keys().psk.length > 0) this.#exportKeeper.start();
    const federation = new Federation({
      local: localRegion({
        registry,
        stateMachine: this.#stateMachine,
        group,
        nodes: () => this.#memberNodes(),
        signingKey: () => keyKeeper.pair(),
      }),
      federation: federationId,
      cluster: founding.cluster,
      directory: network.directory,
      requests: network.requests,
      summaries: network.summaries,
      facts: this.#facts,
      hash64: await loadHash64(),
      clock,
      random: this.#random,
      logger,
      config: config.federation,
      metrics: this.#counters.federation,
    });
    federation.onCapability((region, entry) => this.#feed.capabilityChanged({ region, ...entry }));
    federation.start();
    this.#introductions = new Introductions({
      region,
      known: () => federation.heard(),
      directory: network.directory,
      requests: network.requests,
      clock,
      random: this.#random,
      logger,
    });
    this.#introductions.start();
    return federation;
  }

  async #serveHttp(): Promise<void> {
    const { config, logger, version } = this.#options;
    const view = new NodeClusterView({
      federationId: config.node.federation,
      self: () => this.#address,
      version,
      registry: this.#registry,
      exportConfigured: config.federation.export ?? EXPORT_ALL,
      group: this.#groupInWaiting,
      readiness: () => this.#readiness(),
      directory: () => this.#network?.directory,
      founding: () => this.#founding,
      federation: () => this.#federation,
      members: () => this.#memberNodes(),
    });
    const metrics = this.#metrics;
    const source = this.#metricsSource();
    const trend = new Trend({ clock: this.#clock, read: () => trendNumbers(source, metrics) });
    const activity = new ActivityLog(this.#clock);
    this.#follow(trend, new ActivityObserver({ view, log: activity, clock: this.#clock }));
    const { trustedProxies, networkWhitelist } = config.security;
    const tls = this.#tls;
    const { host, port, metricsPort, adminPort, publicUrl, publicUrlPrefix = "", bodyBytesMax } = config.http;
    const options: FaceOptions = {
      registry: this.#registry,
      view,
      admin: this.#admin,
      peers: this.#peers,
      federation: new NodeFederationAdmin({
        region: this.#region().region,
        registry: this.#registry,
        stateMachine: this.#stateMachine,
        keyKeeper: () => this.#keyKeeper,
        federation: () => this.#federation,
      }),
      backups: this.#backups(),
      metrics,
      trend,
      activity,
      logger,
      clock: this.#clock,
      limits: { ...DEFAULT_HTTP_LIMITS, bodyBytesMax },
      leases: {
        meshMs: config.registry.meshLeaseMs,
        seedMs: config.registry.seedLeaseMs,
        nativeMs: config.registry.nativeLeaseMs,
      },
      mesh: { isAdminApart: adminPort !== 0, publicUrlPrefix: publicUrlPrefix.replace(/\/+$/, "") },
      proxy: {
        ...PROXY_DEFAULTS,
        timeoutMs: config.http.proxyTimeoutMs,
        propagateHeaders: config.http.propagateHeaders ?? [],
        callsMax: config.http.proxyCallsMax,
        ...(tls !== undefined && { callAgent: agentCaller(() => tls.clientOptions()) }),
      },
      watch: {
        feed: this.#feed,
        cluster: () => this.#cluster(),
        random: this.#random,
        limits: { watchersMax: config.http.watchersMax },
      },
      ...(tls !== undefined && { tls: tls.serverOptions() }),
      ...(trustedProxies !== undefined && { trustedProxies }),
      security: {
        authenticator: this.#authenticator(),
        limits: new RequestLimits({ clock: this.#clock, ...config.security }),
        requiresTls: config.security.requireTls,
        ...(this.#audit !== undefined && { audit: this.#audit }),
        ...(tls !== undefined && { certificates: tls }),
        ...(networkWhitelist !== undefined && { networks: new AddressList(networkWhitelist) }),
      },
      load: this.#guards.load,
      isShuttingDown: () => this.#stopping.signal.aborted,
      tracing: this.#tracing,
    };
    this.#tokens.start();
    tls?.start();
    const { connectionsMax } = config.http;
    const main = this.#socketsOf("main", connectionsMax);
    const server = await buildServer({ ...options, sockets: main });
    await this.#listen(server, main, port);
    this.#address = {
      ...this.#address,
      http:
        publicUrl ?? `${tls === undefined ? "http" : "https"}://${formatAddress({ host, port: boundPort(server) })}`,
    };
    // What operators need while the main port is full has places of its own.
    if (metricsPort !== 0) {
      const sockets = this.#socketsOf("metrics", CONNECTIONS_MAX_APART);
      await this.#listen(await buildMetricsServer({ ...options, sockets }), sockets, metricsPort);
    }
    if (adminPort !== 0) {
      const sockets = this.#socketsOf("admin", CONNECTIONS_MAX_APART);
      await this.#listen(await buildAdminServer({ ...options, sockets }), sockets, adminPort);
    }
  }

  #socketsOf(port: Port, connectionsMax: number): PortSockets {
    const { config, logger } = this.#options;
    const times = { ...SOCKET_TIMES, requestMs: config.http.requestTimeoutMs };
    const sockets = new PortSockets({
      port,
      connectionsMax,
      listening: port === "main" && process.platform === "linux" ? LISTENING_SOCKETS : 1,
      times,
      clock: this.#clock,
      logger,
      follow: (server) => this.#tls?.follow(server),
    });
    this.#sockets.push(sockets);
    return sockets;
  }

  /** From now on these look at the node, until it stops. */
  #follow(trend: Trend, observer: ActivityObserver): void {
    this.#stateMachine.observe(observer.registry);
    observer.start();
    trend.start();
    this.#observer = observer;
    this.#trend = trend;
  }

  async #listen(server: HttpServer, sockets: PortSockets, port: number): Promise<void> {
    this.#http.push(server);
    await sockets.listen(server, { host: this.#options.config.http.host, port });
  }

  #connect(): Promise<Network> {
    const { config, logger } = this.#options;
    const { host, port, peers, mdns, dnsServers = [], encryptionKey } = config.network;
    const { psk, formerPsks } = this.#keys();
    // Without a shared key nobody could prove to belong here: such a node is alone by configuration, and stays so (P11).
    const allowedPeers = config.network.allowedPeers ?? (encryptionKey === undefined ? [] : undefined);
    return createNetwork({
      ...this.#region(),
      key: this.#key,
      name: this.#self.name,
      cluster: this.#founding?.cluster ?? null,
      http: this.#address.http,
      listenHost: host,
      listenPort: port,
      advertise: this.#address.addresses,
      memberTargets: config.node.members.filter(({ name }) => name !== this.#self.name).map(formatAddress),
      peerTargets: peers,
      mdns,
      names: worldNames(dnsServers.map(formatAddress)),
      psk,
      alsoAccepted: formerPsks,
      clock: this.#clock,
      random: this.#random,
      logger,
      counters: this.#counters.network,
      tracing: this.#tracing,
      ...(allowedPeers !== undefined && { allowedPeers: new Set(allowedPeers as Member["id"][]) }),
    });
  }

  /** What a stop waits for, for who has to say why it takes so long; null once it is over. */
  get stopWaitsFor(): string | null {
    return this.#stopWaitsFor;
  }

  /**
   * Stops for good: hands leadership over, serves what was asked already, leaves the disk whole. Safe to call at any time.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new Error("this node is stopping"));
    await this.#entering;
    await this.#stopsWith("another leader", this.#group?.transferLeadership());
    const drained = this.#sockets.map((sockets) => sockets.close());
    const closed = this.#http.map((server) => server.close());
    await this.#stopsWith("requests under way", Promise.all([...drained, ...closed]));
    this.#guards.stop();
    this.#readinessLog.stop();
    this.#observer?.stop();
    this.#trend?.stop();
    this.#tokens.stop();
    this.#tls?.stop();
    await this.#stopsWith("its audit trail", this.#audit?.flush());
    this.#configuredMembers?.stop();
    this.#mates?.stop();
    await this.#stopsWith("questions of other regions", this.#peers.stop());
    this.#registry.stop();
    await this.#stopsWith("its leases", this.#keeper.stop());
    this.#introductions?.stop();
    this.#federation?.stop();
    this.#keyKeeper?.stop();
    this.#exportKeeper?.stop();
    await this.#stopsWith("the region's log", this.#group?.stop());
    await this.#stopsWith("its links", this.#network?.stop());
    await this.#stopsWith("its disk", this.#store.close());
    await this.#stopsWith("traces to be sent", this.#tracing?.close());
    this.#stopWaitsFor = null;
  }

  async #stopsWith(waitsFor: string, step: Promise<unknown> | undefined): Promise<void> {
    this.#stopWaitsFor = waitsFor;
    await step;
  }

  #readiness(): Readiness {
    return readinessOf({
      self: this.#self.id,
      status: () => this.#groupInWaiting.status(),
      isLinked: (id) => this.#network?.directory.get(id) !== undefined,
      waitsFor: () => (this.#place === undefined ? "this node is starting" : this.#place.waitsFor),
      isShuttingDown: () => this.#stopping.signal.aborted,
      conditions: () => this.#guards.conditions.current(),
      livePathMs: this.#livePathMs,
    });
  }

  /** Whether it has ever shown, since it started, what a leader of its region had committed by then. */
  #hasCaughtUp(): boolean {
    this.#caughtUp ||= this.#groupInWaiting.status().stalenessMs !== Number.POSITIVE_INFINITY;
    return this.#caughtUp;
  }

  #authenticator(): Authenticator {
    const { anonymousRole } = this.#options.config.security;
    return new Authenticator({
      configured: () => this.#tokens.current(),
      kept: () => this.#registry.tokens(),
      isCaughtUp: () => this.#hasCaughtUp(),
      anonymousRole: anonymousRole === "none" ? null : anonymousRole,
      clock: this.#clock,
    });
  }

  #backups(): Backups {
    const { config, version, logger } = this.#options;
    const { federation, region, name } = config.node;
    return new Backups({
      region: () => {
        const [storage, founding] = [this.#regionStore, this.#founding];
        return storage === undefined || founding === undefined ? null : { cluster: founding.cluster, storage };
      },
      appliedIndex: () => this.#groupInWaiting.status().appliedIndex,
      place: { federation, region, node: name, version },
      sharedKey: this.#keys().psk,
      clock: this.#clock,
      logger,
      timeoutMs: config.raft.proposeTimeoutMs,
    });
  }

  #memberNodes(): readonly SummaryNode[] {
    return this.#members?.nodes() ?? [this.#address];
  }

  *#capabilitiesAbroad(names: readonly string[] | null): Iterable<CapabilityAbroad> {
    for (const [region, entry] of this.#federation?.capabilities(names) ?? []) yield { region, ...entry };
  }

  /** Empty until the region is founded. */
  #cluster(): string {
    return this.#founding?.cluster ?? "";
  }

  /** The shared keys: what is proved, and what is accepted beside it while it is replaced. */
  #keys(): { readonly psk: Uint8Array; readonly formerPsks: readonly Uint8Array[] } {
    const [psk = Buffer.alloc(0), ...formerPsks] = splitKeys(this.#options.config.network.encryptionKey);
    return { psk, formerPsks };
  }

  #metricsSource(): MetricsSource {
    return metricsSource({
      group: this.#groupInWaiting,
      raft: () => this.#group,
      registry: this.#registry,
      keeper: this.#keeper,
      readiness: () => this.#readiness(),
      ...this.#guards,
      tls: this.#tls,
      sockets: this.#sockets,
      region: this.#region().region,
      counters: this.#counters,
      directory: () => this.#network?.directory,
      federation: () => this.#federation,
    });
  }
}

/** The names that the region was configured with. */
function memberNames({ node }: Config): NodeName[] {
  const names = node.members.length === 0 ? [node.name] : node.members.map(({ name }) => name);
  return names.map(asNodeName);
}

function raftOptions({ raft }: Config): RaftGroupOptions {
  return {
    ...RAFT_DEFAULTS,
    heartbeatMs: raft.heartbeatMs,
    electionMsMin: raft.electionMsMin,
    electionMsMax: raft.electionMsMax,
    appendBytesMax: raft.appendBytesMax,
    window: { messagesMax: raft.inflightMax, bytesMax: raft.inflightBytesMax },
    waitingBytesMax: raft.waitingBytesMax,
    logEntriesMax: raft.logEntriesMax,
    logTailEntries: raft.logTailEntries,
    logBytesMax: raft.logBytesMax,
  };
}

/** The port that was asked for, or the one that the system chose for 0. */
function boundPort(server: HttpServer): number {
  const address = server.server.address();
  invariant(typeof address === "object" && address !== null, "a server that listens has a port");
  return address.port;
}
