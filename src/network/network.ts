/** Puts the parts of the network together: one host, and on it everything `interface.ts` promises. */

import { isIP } from "node:net";
import type { ClusterId, FederationId, NodeId, NodeName, RegionId } from "../types/ids.ts";
import type { Tracing } from "../types/tracing.ts";
import { type Clock, sleep } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import type { Random } from "../util/random.ts";
import {
  NetworkError,
  type PeerDialler,
  type PeerDirectory,
  type PeerInfo,
  type RaftTransport,
  type RequestResponse,
  type SummaryChannel,
} from "./interface.ts";
import { LanNodes } from "./lan-nodes.ts";
import { Libp2pHost } from "./libp2p-host.ts";
import { LogLimiter } from "./log-limiter.ts";
import { mdnsService } from "./mdns.ts";
import { type NetworkMetrics, noNetworkMetrics } from "./metrics.ts";
import { type Names, worldNames } from "./names.ts";
import { LinkPeerDirectory } from "./peer-directory.ts";
import { PeerPinger } from "./peer-pinger.ts";
import { PROTOCOL_VERSIONS, type VersionRange } from "./protocols.ts";
import { Libp2pRaftTransport } from "./raft-transport.ts";
import { Redialer } from "./redial.ts";
import { Libp2pRequestResponse } from "./request-response.ts";
import { GossipSummaryChannel } from "./summary-channel.ts";

export interface NetworkOptions {
  /** The node's identity, from `generateNodeKey`. */
  readonly key: Uint8Array;
  readonly federation: FederationId;
  readonly region: RegionId;
  readonly name: NodeName;
  /** Null until the region is founded. */
  readonly cluster: ClusterId | null;
  /** Where agents reach this node, told to peers. */
  readonly http: string;
  /** Name or address of the interface to listen on. */
  readonly listenHost: string;
  /** 0 takes any free port. */
  readonly listenPort: number;
  /** Where other nodes may dial this one, `host:port`, told to peers; at most 16. */
  readonly advertise: readonly string[];
  /** Members of this region, `host:port`. This node's own address may be among them. */
  readonly memberTargets: readonly string[];
  /** Nodes of other regions (`types/peer-name.ts`). */
  readonly peerTargets: readonly string[];
  /** The shared key of the federation; may be empty. */
  readonly psk: Uint8Array;
  /** Shared keys that are accepted beside it, while it is replaced. */
  readonly alsoAccepted?: readonly Uint8Array[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly counters?: NetworkMetrics;
  /** Where the names of other nodes lead; what the system says when absent. */
  readonly names?: Names;
  /** Announces this node on the local network, and dials those of its federation that announce themselves. */
  readonly mdns?: boolean;
  /** Only these may connect; absent means whoever passes the hello. */
  readonly allowedPeers?: ReadonlySet<NodeId>;
  readonly versions?: VersionRange;
  readonly pingIntervalMs?: number;
  readonly refusalBackoffMs?: number;
  readonly helloMs?: number;
  /** Most bytes of appends and proposals that wait for one peer. */
  readonly raftQueueBytesMax?: number;
  /** Absent on nodes that export no traces. */
  readonly tracing?: Tracing | undefined;
}

export interface Network {
  readonly nodeId: NodeId;
  readonly directory: PeerDirectory;
  readonly dialler: PeerDialler;
  readonly raft: RaftTransport;
  readonly requests: RequestResponse;
  readonly summaries: SummaryChannel;
  readonly listenPort: number;
  /** Makes the region's cluster id known to peers, now and in later hellos. */
  setCluster(cluster: ClusterId): void;
  /** Closes all connections and the listener. */
  stop(): Promise<void>;
}

const DEFAULTS = {
  pingIntervalMs: 5_000,
  /** Short: a region of three that lost a node waits this long, without a leader, for another that was started with a wrong key. */
  refusalBackoffMs: 3_000,
  helloMs: 5_000,
  raftQueueBytesMax: 16 * 1024 * 1024,
  servedMax: 1_000,
};

/** A dying process closes its sockets one by one: its listener may outlive the connection for a moment. */
const GONE_CHECKS_MS = [0, 20, 50, 100, 200, 400];

/** Listens, and starts to dial. @throws NetworkError LISTEN_FAILED */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { clock, random, logger, federation, region } = options;
  const metrics = options.counters ?? noNetworkMetrics;
  const names = options.names ?? worldNames([]);
  const logLimiter = new LogLimiter(clock);
  const common = { clock, random, logger, logLimiter, metrics };

  const gossip = new GossipSummaryChannel({ ...common, federation });
  const heard: LanNodes["heard"] = (nodeId, addresses) => lanNodes.heard(nodeId, addresses);
  const host = new Libp2pHost({
    ...common,
    key: options.key,
    identity: {
      federation,
      region,
      name: options.name,
      cluster: options.cluster,
      http: options.http,
      addresses: options.advertise,
    },
    versions: options.versions ?? PROTOCOL_VERSIONS,
    psk: options.psk,
    ...(options.alsoAccepted !== undefined && { alsoAccepted: options.alsoAccepted }),
    listenIp: await listenIp(options),
    listenPort: options.listenPort,
    helloMs: options.helloMs ?? DEFAULTS.helloMs,
    refusalBackoffMs: options.refusalBackoffMs ?? DEFAULTS.refusalBackoffMs,
    gossip,
    ...(options.mdns && { discovery: (components) => mdnsService(components, { ...common, federation, heard }) }),
    ...(options.allowedPeers === undefined ? {} : { allowedPeers: options.allowedPeers }),
  });
  const redialer = new Redialer({
    ...common,
    names,
    dial: (address) => host.dial(address),
    isConnected: (nodeId) => host.get(nodeId) !== undefined,
  });
  const lanNodes = new LanNodes({
    self: host.self,
    clock,
    isConnected: (nodeId) => host.get(nodeId) !== undefined,
    dial: (addresses) => redialer.announced(addresses),
  });
  const requests = new Libp2pRequestResponse({
    ...common,
    links: host,
    servedMax: DEFAULTS.servedMax,
    tracing: options.tracing,
  });
  const queueBytesMax = options.raftQueueBytesMax ?? DEFAULTS.raftQueueBytesMax;
  const raft = new Libp2pRaftTransport({ ...common, links: host, region, queueBytesMax });
  const directory = new LinkPeerDirectory(host, (ofRegion, addresses) => redialer.learn(ofRegion, addresses));
  const pinger = new PeerPinger({
    links: host,
    requests,
    clock,
    random,
    intervalMs: options.pingIntervalMs ?? DEFAULTS.pingIntervalMs,
    cluster: () => host.cluster,
    learnCluster: (peer, cluster) => host.learnCluster(peer, cluster),
    hears: (peer) => gossip.hears(peer),
    onPong(peer, ms, isHeard) {
      directory.measured(peer, ms);
      gossipWatch.onPong(peer, isHeard && gossip.speaksTo(peer));
    },
    onSilent(peer) {
      logger.warn({ code: "PEER_SILENT", peer }, "a node does not answer; its connection is closed");
      host.disconnect(peer, "silent");
    },
  });
  const gossipWatch = new GossipWatch((peer) => gossip.restart(peer));
  const stopping = new AbortController();

  host.onLink({
    onUp: ({ nodeId }) => gossip.attach(nodeId),
    onDown(peer, { isOurs, livedMs }) {
      gossip.detach(peer.nodeId);
      gossipWatch.forget(peer.nodeId);
      redialer.onDown(peer.nodeId, livedMs);
      if (!isOurs) void checkGone(peer);
    },
  });

  /** Tells Raft when the kernel behind a closed connection refuses a new one. Never rejects. */
  async function checkGone(peer: PeerInfo): Promise<void> {
    for (const delayMs of GONE_CHECKS_MS) {
      if (delayMs > 0) await sleep(clock, delayMs, stopping.signal).catch(() => {});
      if (stopping.signal.aborted || host.get(peer.nodeId) !== undefined) return;
      const found = await redialer.reach(peer.nodeId, peer.addresses);
      if (found === "up") return;
      if (found === "closed") return raft.peerGone(peer.nodeId);
    }
  }

  const { port } = await host.start();
  gossip.start();
  lanNodes.start();
  redialer.start([...options.memberTargets, ...options.peerTargets]);

  return {
    nodeId: host.self,
    directory,
    dialler: redialer,
    raft,
    requests,
    summaries: gossip,
    listenPort: port,
    setCluster(cluster) {
      host.setCluster(cluster);
      pinger.announce();
    },
    async stop() {
      stopping.abort();
      lanNodes.stop();
      redialer.stop();
      pinger.stop();
      raft.stop();
      requests.stop();
      await host.stop();
    },
  };
}

/** Starts a peer's gossip anew when two pings in a row found it broken; one is normal while streams are being opened. */
class GossipWatch {
  readonly #restart: (peer: NodeId) => void;
  readonly #broken = new Set<NodeId>();

  constructor(restart: (peer: NodeId) => void) {
    this.#restart = restart;
  }

  onPong(peer: NodeId, isWorking: boolean): void {
    if (isWorking) {
      this.#broken.delete(peer);
    } else if (this.#broken.has(peer)) {
      this.#broken.delete(peer);
      this.#restart(peer);
    } else {
      this.#broken.add(peer);
    }
  }

  forget(peer: NodeId): void {
    this.#broken.delete(peer);
  }
}

async function listenIp({ listenHost, listenPort }: NetworkOptions): Promise<string> {
  if (isIP(listenHost) !== 0) return listenHost;
  const fail = (reason: string, cause?: unknown) => {
    const detail = { code: "LISTEN_FAILED", address: `${listenHost}:${listenPort}`, reason } as const;
    return new NetworkError(`can not listen for other nodes on ${detail.address}: ${reason}`, detail, { cause });
  };
  const addresses = await worldNames([])
    .addresses(listenHost)
    .catch((error) => {
      throw fail(`the name has no address: ${messageOf(error)}`, error);
    });
  const [first] = addresses;
  if (first === undefined) throw fail("the name has no address");
  return first;
}
