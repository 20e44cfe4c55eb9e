/**
 * The libp2p node: listens, dials, and lets nobody in before the hello (`hello.ts`) admitted the connection.
 *
 * What libp2p does by default and must not do here:
 *   - its connection monitor aborts a connection after one late ping: off, `peer-pinger.ts` decides instead;
 *   - it does not redial for ever: `redial.ts` does;
 *   - it accepts five connections a second from one host, and all nodes of a machine are one host: raised;
 *   - `registrar.use()` middleware grows with each stream and runs handlers twice (3.3): not used, the handlers themselves
 *     are wrapped.
 *
 * Two nodes that dial each other at once end with two connections. Both are kept: each side opens its streams on the newest
 * it has, which needs no agreement, and the peer is down only when both are gone.
 */

import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { privateKeyFromRaw } from "@libp2p/crypto/keys";
import type { GossipSub, GossipSubComponents } from "@libp2p/gossipsub";
import { type Identify, identify } from "@libp2p/identify";
import type { Connection, Libp2p, PeerId, PrivateKey, Startable, Stream } from "@libp2p/interface";
import type { MulticastDNSComponents } from "@libp2p/mdns";
import { noise } from "@libp2p/noise";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { LRUCache } from "lru-cache";
import { asNodeId, type ClusterId, type NodeId } from "../types/ids.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { DecodeError } from "./codec.ts";
import { type ByteStream, FrameChannel } from "./frame-channel.ts";
import { dialerHello, encodeRefusal, type Hello, type HelloIdentity, misfit, responderHello } from "./hello.ts";
import { NetworkError, type PeerInfo, type Unsubscribe } from "./interface.ts";
import { lazyWindows } from "./lazy-windows.ts";
import type { LinkListener, Links } from "./links.ts";
import type { LogLimiter } from "./log-limiter.ts";
import type { NetworkMetrics, RefusalCode } from "./metrics.ts";
import type { SocketAddress } from "./names.ts";
import { noiseCrypto } from "./noise-crypto.ts";
import { HELLO_FRAME_BYTES_MAX, HELLO_PROTOCOL, type VersionRange } from "./protocols.ts";
import type { DialOutcome } from "./redial.ts";
import { wholePackets } from "./whole-packets.ts";

export interface Libp2pHostOptions {
  /** Ed25519 seed, 32 bytes. */
  readonly key: Uint8Array;
  readonly identity: HelloIdentity;
  readonly versions: VersionRange;
  readonly psk: Uint8Array;
  readonly alsoAccepted?: readonly Uint8Array[];
  /** Numeric address to listen on. */
  readonly listenIp: string;
  /** 0 takes any free port. */
  readonly listenPort: number;
  /** Only these may connect; absent means whoever passes the hello. */
  readonly allowedPeers?: ReadonlySet<NodeId>;
  /** Time for the hello. */
  readonly helloMs: number;
  /** How long a refused peer is not talked to. */
  readonly refusalBackoffMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logLimiter: LogLimiter;
  readonly metrics: NetworkMetrics;
  /** Makes the gossip service; it sees only admitted connections. */
  readonly gossip: GossipFactory;
  /** Makes the service that announces this node and hears others; none when absent. */
  readonly discovery?: (components: DiscoveryComponents) => Startable;
}

export type DiscoveryComponents = MulticastDNSComponents;

export interface GossipFactory {
  create(components: GossipSubComponents, admission: Admission): GossipSub;
}

/** What decides whether a connection may be used, for services of libp2p that open and accept streams on their own. */
export interface Admission {
  isAdmitted(connection: Connection): boolean;
  /** The newest admitted connection. */
  connectionTo(nodeId: NodeId): Connection | undefined;
}

type Services = { identify: Identify; gossip: GossipSub; discovery: Startable };

interface Admitted {
  info: PeerInfo;
  /** As agreed in the newest hello: a peer that was upgraded meanwhile may speak a higher one than before. */
  readonly version: number;
  readonly sinceMs: number;
  /** Oldest first. */
  connections: readonly Connection[];
}

interface Pending {
  readonly cancelDeadline: CancelTimer;
  readonly settled: Promise<DialOutcome>;
  readonly settle: (outcome: DialOutcome) => void;
  hasHello: boolean;
}

const NO_SERVICE: Startable = { start() {}, stop() {} };

/** Connections that may wait for admission at one time. */
const PENDING_MAX = 64;
const INBOUND_PER_HOST_AND_SECOND_MAX = 200;
const CONNECTIONS_MAX = 1_000;
const DIAL_TIMEOUT_MS = 5_000;
/** Per connection and protocol. One is in use; others are being replaced. */
const STREAMS_MAX = 4;
const BACKED_OFF_PEERS_MAX = 10_000;
/** Far above what one stream can have in flight, so that pausing a stream holds the sender up instead of resetting it. */
const STREAM_READ_BYTES_MAX = 16 * 1024 * 1024;
const STREAM_WINDOW_BYTES_MAX = 8 * 1024 * 1024;
const KEY_BYTES = 32;

/** A new identity: keep it, and keep it secret. */
export function generateNodeKey(): Uint8Array {
  return new Uint8Array(randomBytes(KEY_BYTES));
}

/** The PeerId that belongs to a key of `generateNodeKey`. */
export function nodeIdOf(key: Uint8Array): NodeId {
  return asNodeId(peerIdFromPrivateKey(privateKeyOf(key)).toString());
}

export class Libp2pHost implements Links {
  readonly self: NodeId;
  readonly #options: Libp2pHostOptions;
  readonly #admitted = new Map<NodeId, Admitted>();
  readonly #pending = new Map<Connection, Pending>();
  readonly #closedByUs = new WeakSet<Connection>();
  readonly #backedOffUntil = new LRUCache<NodeId, number>({ max: BACKED_OFF_PEERS_MAX });
  readonly #listeners = new Set<LinkListener>();
  readonly #served = new Map<string, (stream: ByteStream, from: NodeId) => void>();
  #identity: HelloIdentity;
  #libp2p: Libp2p<Services> | null = null;
  #isStopping = false;

  constructor(options: Libp2pHostOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.self = nodeIdOf(options.key);
  }

  /** @throws NetworkError LISTEN_FAILED */
  async start(): Promise<{ readonly port: number; readonly gossip: GossipSub }> {
    const { listenIp, listenPort } = this.#options;
    const listen = ipMultiaddr({ ip: listenIp, port: listenPort }).toString();
    const libp2p = await this.#createLibp2p(listen);
    this.#libp2p = libp2p;
    libp2p.addEventListener("connection:open", ({ detail }) => this.#onOpen(detail));
    const limits = { maxInboundStreams: STREAMS_MAX, maxOutboundStreams: STREAMS_MAX };
    await libp2p.handle(HELLO_PROTOCOL, (stream, connection) => this.#onHello(stream, connection), limits);
    for (const [protocol, accept] of this.#served) {
      await libp2p.handle(protocol, (stream, connection) => this.#onStream(stream, connection, accept), limits);
    }
    try {
      await libp2p.start();
    } catch (error) {
      const detail = {
        code: "LISTEN_FAILED",
        address: `${listenIp}:${listenPort}`,
        reason: listenReason(error),
      } as const;
      throw new NetworkError(`can not listen for other nodes on ${detail.address}: ${detail.reason}`, detail, {
        cause: error,
      });
    }
    const [bound] = libp2p.getMultiaddrs();
    const port = bound?.getComponents().find(({ name }) => name === "tcp")?.value;
    return { port: Number(port ?? listenPort), gossip: libp2p.services.gossip };
  }

  #createLibp2p(listen: string): Promise<Libp2p<Services>> {
    const admission: Admission = {
      isAdmitted: (connection) => this.#isAdmitted(connection),
      connectionTo: (nodeId) => this.#admitted.get(nodeId)?.connections.at(-1),
    };
    return createLibp2p({
      start: false,
      privateKey: privateKeyOf(this.#options.key),
      addresses: { listen: [listen] },
      transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true, keepAlive: true } })],
      connectionEncrypters: [wholePackets(noise({ crypto: noiseCrypto }))],
      streamMuxers: [
        lazyWindows(
          yamux({
            streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES_MAX, maxReadBufferLength: STREAM_READ_BYTES_MAX },
          }),
        ),
      ],
      connectionMonitor: { enabled: false },
      connectionManager: {
        maxConnections: CONNECTIONS_MAX,
        inboundConnectionThreshold: INBOUND_PER_HOST_AND_SECOND_MAX,
        maxIncomingPendingConnections: PENDING_MAX,
        dialTimeout: DIAL_TIMEOUT_MS,
        addressDialTimeout: DIAL_TIMEOUT_MS,
        inboundUpgradeTimeout: DIAL_TIMEOUT_MS,
        outboundStreamProtocolNegotiationTimeout: DIAL_TIMEOUT_MS,
        inboundStreamProtocolNegotiationTimeout: DIAL_TIMEOUT_MS,
      },
      connectionGater: {
        denyInboundConnection: () => this.#isCrowded(),
        denyInboundEncryptedConnection: (peer) => this.#isBarred(peer),
        denyOutboundEncryptedConnection: (peer) => this.#isBarred(peer),
      },
      services: {
        // Gossipsub declares that it needs identify. It is told of peers by us, so identify never asks, and answers only
        // the admitted: its answer names our addresses and software.
        identify: (components) => {
          const registrar = admittedRegistrar(components.registrar, admission);
          return identify({ runOnConnectionOpen: false })(overlay(components, { registrar }));
        },
        gossip: (components) => this.#options.gossip.create(components, admission),
        discovery: (components) => this.#options.discovery?.(components) ?? NO_SERVICE,
      },
    });
  }

  peers(): readonly PeerInfo[] {
    return [...this.#admitted.values()].map(({ info }) => info);
  }

  get(nodeId: NodeId): PeerInfo | undefined {
    return this.#admitted.get(nodeId)?.info;
  }

  versionWith(nodeId: NodeId): number | undefined {
    return this.#admitted.get(nodeId)?.version;
  }

  onLink(listener: LinkListener): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  serve(protocol: string, accept: (stream: ByteStream, from: NodeId) => void): void {
    this.#served.set(protocol, accept);
  }

  async open(to: NodeId, protocol: string): Promise<ByteStream> {
    const connection = this.#admitted.get(to)?.connections.at(-1);
    if (connection === undefined) throw new NetworkError(`no connection to ${to}`, { code: "NOT_CONNECTED", peer: to });
    return connection.newStream(protocol);
  }

  /** Dials an address without knowing who is there, and says hello. Never rejects. */
  async dial(address: SocketAddress): Promise<DialOutcome> {
    const libp2p = this.#libp2p;
    if (libp2p === null || this.#isStopping) return { type: "failed", reason: "this node is stopping" };
    let connection: Connection;
    try {
      connection = await libp2p.dial(ipMultiaddr(address));
    } catch (error) {
      return dialFailure(error);
    }
    const nodeId = asNodeId(connection.remotePeer.toString());
    const pending = this.#pending.get(connection);
    if (pending !== undefined) return pending.settled;
    if (!this.#admitted.has(nodeId)) return { type: "failed", reason: "the connection closed at once" };
    if (!this.#isAdmitted(connection)) this.#close(connection);
    return { type: "up", nodeId };
  }

  /** Carried by later hellos; peers that do not fit any more are dropped. */
  setCluster(cluster: ClusterId): void {
    this.#identity = { ...this.#identity, cluster };
    for (const { info } of this.#admitted.values()) this.#checkFit(info);
  }

  get cluster(): ClusterId | null {
    return this.#identity.cluster;
  }

  /** A peer told its cluster after it was admitted without one. */
  learnCluster(nodeId: NodeId, cluster: ClusterId): void {
    const admitted = this.#admitted.get(nodeId);
    if (admitted === undefined || admitted.info.cluster === cluster) return;
    admitted.info = { ...admitted.info, cluster };
    this.#checkFit(admitted.info);
  }

  /** Ends all connections to a peer; the redialer may come back. */
  disconnect(nodeId: NodeId, reason: string): void {
    const admitted = this.#admitted.get(nodeId);
    for (const connection of admitted?.connections ?? []) {
      this.#closedByUs.add(connection);
      connection.abort(new Error(reason));
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const { cancelDeadline } of this.#pending.values()) cancelDeadline();
    for (const { connections } of this.#admitted.values()) for (const one of connections) this.#closedByUs.add(one);
    await this.#libp2p?.stop();
  }

  #checkFit(peer: PeerInfo): void {
    const code = misfit(this.#identity, { ...peer, federation: this.#identity.federation });
    if (code === null) return;
    this.#report(peer.nodeId, code, "us", peer.name);
    this.#backOff(peer.nodeId);
    this.disconnect(peer.nodeId, code);
  }

  #isAdmitted(connection: Connection): boolean {
    const nodeId = asNodeId(connection.remotePeer.toString());
    return this.#admitted.get(nodeId)?.connections.includes(connection) ?? false;
  }

  #isCrowded(): boolean {
    if (this.#isStopping) return true;
    if (this.#pending.size < PENDING_MAX) return false;
    this.#options.metrics.refused("TOO_MANY_PENDING");
    return true;
  }

  #isBarred(peer: PeerId): boolean {
    const nodeId = asNodeId(peer.toString());
    const { allowedPeers, clock, metrics } = this.#options;
    if (allowedPeers !== undefined && !allowedPeers.has(nodeId)) {
      metrics.refused("NOT_ALLOWED");
      return true;
    }
    const until = this.#backedOffUntil.get(nodeId);
    return until !== undefined && clock.now() < until;
  }

  #backOff(nodeId: NodeId): void {
    this.#backedOffUntil.set(nodeId, this.#options.clock.now() + this.#options.refusalBackoffMs);
  }

  #onOpen(connection: Connection): void {
    connection.addEventListener("close", () => this.#onClose(connection), { once: true });
    if (connection.status !== "open") return;
    const isSurplus =
      connection.direction === "outbound" && this.#admitted.has(asNodeId(connection.remotePeer.toString()));
    // `dial` closes it: what it wanted to reach is reached.
    if (isSurplus) return;
    const { promise, resolve } = Promise.withResolvers<DialOutcome>();
    const { clock, helloMs } = this.#options;
    const cancelDeadline = clock.schedule(helloMs, () => this.#refuse(connection, "TIMEOUT", "us"));
    this.#pending.set(connection, { cancelDeadline, settled: promise, settle: resolve, hasHello: false });
    if (connection.direction === "outbound") void this.#sayHello(connection);
  }

  #onClose(connection: Connection): void {
    this.#settle(connection, { type: "failed", reason: "the connection closed during the hello" });
    const nodeId = asNodeId(connection.remotePeer.toString());
    const admitted = this.#admitted.get(nodeId);
    if (admitted === undefined || !admitted.connections.includes(connection))
      return this.#forget(connection.remotePeer);
    admitted.connections = admitted.connections.filter((one) => one !== connection);
    if (admitted.connections.length > 0) return;
    this.#admitted.delete(nodeId);
    this.#forget(connection.remotePeer);
    const end = { isOurs: this.#closedByUs.has(connection), livedMs: this.#options.clock.now() - admitted.sinceMs };
    for (const listener of [...this.#listeners]) listener.onDown(admitted.info, end);
  }

  /** libp2p remembers whoever connected; strangers may come with a new PeerId each time. */
  #forget(peer: PeerId): void {
    if (this.#isStopping || this.#admitted.has(asNodeId(peer.toString()))) return;
    this.#libp2p?.peerStore.delete(peer).catch((error) => {
      this.#options.logger.debug(
        { code: "PEER_NOT_FORGOTTEN", peer: peer.toString(), reason: messageOf(error) },
        "left in the peer store",
      );
    });
  }

  async #sayHello(connection: Connection): Promise<void> {
    try {
      const stream = await connection.newStream(HELLO_PROTOCOL);
      this.#runHello(connection, stream, dialerHello(this.#terms(connection)));
    } catch (error) {
      this.#settle(connection, { type: "failed", reason: messageOf(error) });
      this.#close(connection);
    }
  }

  #onHello(stream: Stream, connection: Connection): void {
    const pending = this.#pending.get(connection);
    if (pending === undefined || pending.hasHello || connection.direction !== "inbound") {
      return stream.abort(new Error("one hello per connection, by who dialled"));
    }
    pending.hasHello = true;
    this.#runHello(connection, stream, responderHello(this.#terms(connection)));
  }

  #terms(connection: Connection) {
    const peer = asNodeId(connection.remotePeer.toString());
    const { versions, psk, alsoAccepted = [] } = this.#options;
    const nonce = new Uint8Array(randomBytes(32));
    return { self: this.self, peer, identity: this.#identity, versions, psk, alsoAccepted, nonce };
  }

  /** Synchronous from a message to its effect: streams that the other side opens after it was admitted find it admitted. */
  #runHello(connection: Connection, stream: Stream, hello: Hello): void {
    const channel = new FrameChannel(stream, {
      frameBytesMax: HELLO_FRAME_BYTES_MAX,
      queueBytesMax: HELLO_FRAME_BYTES_MAX,
      onFrame: (message) => {
        if (this.#pending.has(connection)) this.#onHelloMessage(connection, channel, hello, message);
      },
      onClose: (error) => {
        if (!this.#pending.has(connection)) return;
        if (error instanceof DecodeError) return this.#refuse(connection, "MALFORMED", "us");
        this.#settle(connection, { type: "failed", reason: "the hello was broken off" });
        this.#close(connection);
      },
    });
    if (hello.opening !== null) channel.send(hello.opening);
  }

  #onHelloMessage(connection: Connection, channel: FrameChannel, hello: Hello, message: Uint8Array): void {
    let step: ReturnType<Hello["receive"]>;
    try {
      step = hello.receive(message);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      channel.send(encodeRefusal("MALFORMED"));
      return this.#refuse(connection, "MALFORMED", "us", channel);
    }
    // Before the admission: what its listeners send must come after it.
    if (step.send !== null) channel.send(step.send);
    if (step.outcome === null) return;
    if (step.outcome.type === "refused") return this.#refuse(connection, step.outcome.code, step.outcome.by, channel);
    this.#admit(connection, step.outcome.identity, step.outcome.version);
    void channel.end();
  }

  #admit(connection: Connection, identity: HelloIdentity, version: number): void {
    const { clock, logger } = this.#options;
    const nodeId = asNodeId(connection.remotePeer.toString());
    const { name, region, cluster, http, addresses } = identity;
    const info: PeerInfo = { nodeId, name, region, cluster, http, addresses };
    const before = this.#admitted.get(nodeId);
    const connections = [...(before?.connections ?? []), connection];
    this.#admitted.set(nodeId, { info, version, sinceMs: before?.sinceMs ?? clock.now(), connections });
    this.#settle(connection, { type: "up", nodeId });
    if (before !== undefined) return;
    logger.debug({ code: "PEER_UP", peer: nodeId, name, region }, "a node is connected");
    for (const listener of [...this.#listeners]) listener.onUp(info);
  }

  /** Counts and tells it, and ends the connection once `channel` has said why. */
  #refuse(connection: Connection, code: RefusalCode, by: "us" | "them", channel?: FrameChannel): void {
    const nodeId = asNodeId(connection.remotePeer.toString());
    this.#settle(connection, { type: "failed", reason: `refused by ${by}: ${code}` });
    this.#report(nodeId, code, by, connection.remoteAddr.toString());
    // Late is not wrong: a peer that was only slow may come back at once.
    if (code !== "TIMEOUT") this.#backOff(nodeId);
    const said = channel === undefined ? Promise.resolve() : channel.end();
    void said.then(() => this.#close(connection));
  }

  #report(peer: NodeId, code: RefusalCode, by: "us" | "them", where: string): void {
    const { metrics, logger, logLimiter } = this.#options;
    metrics.refused(code);
    if (!logLimiter.mayLog(`refused ${peer}`)) return;
    logger.warn({ code: "PEER_REFUSED", reason: code, by, peer, where }, "a connection was refused");
  }

  #settle(connection: Connection, outcome: DialOutcome): void {
    const pending = this.#pending.get(connection);
    if (pending === undefined) return;
    this.#pending.delete(connection);
    pending.cancelDeadline();
    pending.settle(outcome);
  }

  #close(connection: Connection): void {
    this.#closedByUs.add(connection);
    connection.close().catch((error) => connection.abort(error));
  }

  #onStream(stream: Stream, connection: Connection, accept: (stream: ByteStream, from: NodeId) => void): void {
    if (!this.#isAdmitted(connection)) return stream.abort(new Error("not admitted"));
    accept(stream, asNodeId(connection.remotePeer.toString()));
  }
}

/** The registrar, but inbound streams of connections that are not admitted are reset. */
export function admittedRegistrar(
  registrar: GossipSubComponents["registrar"],
  admission: Admission,
): GossipSubComponents["registrar"] {
  const handle: typeof registrar.handle = (protocol, handler, options) =>
    registrar.handle(
      protocol,
      (stream, connection) =>
        admission.isAdmitted(connection) ? handler(stream, connection) : stream.abort(new Error("not admitted")),
      options,
    );
  return overlay(registrar, { handle });
}

/** `base` with some properties replaced. Not a copy: libp2p's components appear in it one after the other. */
export function overlay<Base extends object>(base: Base, replaced: Partial<Base>): Base {
  return new Proxy(base, {
    get(target, key) {
      const value = Reflect.get(key in replaced ? replaced : target, key);
      return typeof value === "function" && !(key in replaced) ? value.bind(target) : value;
    },
  });
}

/** PKCS #8 around an Ed25519 seed (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

function privateKeyOf(seed: Uint8Array): PrivateKey {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
  const { x } = createPublicKey(key).export({ format: "jwk" });
  return privateKeyFromRaw(Buffer.concat([seed, Buffer.from(x!, "base64url")]));
}

function ipMultiaddr({ ip, port }: SocketAddress): Multiaddr {
  return multiaddr(`/${ip.includes(":") ? "ip6" : "ip4"}/${ip}/tcp/${port}`);
}

function dialFailure(error: unknown): DialOutcome {
  const all = [error, ...(error instanceof AggregateError ? error.errors : [])] as { name?: string; code?: string }[];
  if (all.some(({ name }) => name === "InvalidPeerIdError")) return { type: "self" };
  if (all.some(({ code }) => code === "ECONNREFUSED")) return { type: "closed" };
  return { type: "failed", reason: messageOf(error) };
}

const LISTEN_REASONS: readonly (readonly [string, string])[] = [
  ["EADDRINUSE", "the port is in use by another process"],
  ["EACCES", "this user may not listen on that port"],
  ["EADDRNOTAVAIL", "no interface of this machine has that address"],
];

/** libp2p joins the errors of all listeners to one text. */
function listenReason(error: unknown): string {
  const text = messageOf(error);
  return LISTEN_REASONS.find(([code]) => text.includes(code))?.[1] ?? text;
}
