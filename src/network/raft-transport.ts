/**
 * Raft messages between the members of a region: one outbound stream per peer, and one more for each snapshot.
 *
 * The first frame of a stream is its preamble: protocol version, cluster, sender, receiver. It must name the cluster this
 * node belongs to, the PeerId that Noise authenticated, and this node; after that no message repeats them (R60).
 * What is wrong on the wire resets its stream and is counted; Raft repeats what matters.
 */

import type { ClusterId, NodeId } from "../types/ids.ts";
import type { RaftMessage, SnapshotHeader } from "../types/raft.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { invariant, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { jitter, type Random } from "../util/random.ts";
import { asArray, DecodeError, pack, unpack } from "./codec.ts";
import { type ByteStream, FrameChannel, type Priority } from "./frame-channel.ts";
import { NetworkError, type RaftTransport, type RaftTransportListener } from "./interface.ts";
import type { Links } from "./links.ts";
import type { LogLimiter } from "./log-limiter.ts";
import type { DropKind, NetworkMetrics } from "./metrics.ts";
import { RAFT_FRAME_BYTES_MAX, RAFT_PROTOCOL, SNAPSHOT_PROTOCOL } from "./protocols.ts";
import { decodeRaftMessage, encodeRaftMessage } from "./raft-codec.ts";
import { receiveSnapshot, sendSnapshot } from "./snapshot-stream.ts";

export interface RaftTransportParts {
  readonly links: Links;
  readonly region: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly logLimiter: LogLimiter;
  readonly metrics: NetworkMetrics;
  /** Most bytes of appends and proposals that wait for one peer. */
  readonly queueBytesMax: number;
}

/** The sending side of one peer. */
interface Sender {
  channel: FrameChannel | null;
  isOpening: boolean;
  /** Encoded while the stream is being opened. */
  waiting: { readonly frame: Uint8Array; readonly priority: Priority }[];
  waitingBytes: number;
  /** Pending while the last attempt to open failed a moment ago. */
  cancelRetry: CancelTimer | null;
}

const REOPEN_MS = 200;

export class Libp2pRaftTransport implements RaftTransport {
  readonly #parts: RaftTransportParts;
  readonly #senders = new Map<NodeId, Sender>();
  #started: { readonly cluster: ClusterId; readonly listener: RaftTransportListener } | null = null;

  constructor(parts: RaftTransportParts) {
    this.#parts = parts;
    const { links } = parts;
    links.serve(RAFT_PROTOCOL, (stream, from) => this.#accept(stream, from));
    links.serve(SNAPSHOT_PROTOCOL, (stream, from) => this.#acceptSnapshot(stream, from));
    links.onLink({
      onUp: ({ nodeId, region }) => {
        if (region === parts.region) this.#onPeerUp(nodeId);
      },
      onDown: ({ nodeId }) => this.#dropSender(nodeId),
    });
  }

  start(cluster: ClusterId, listener: RaftTransportListener): void {
    this.#started = { cluster, listener };
    // Not from within the call: the listener may not be ready before it returns.
    queueMicrotask(() => {
      for (const { nodeId, region } of this.#parts.links.peers()) {
        if (region === this.#parts.region) this.#onPeerUp(nodeId);
      }
    });
  }

  /** Called by who watches connections; see `RaftTransportListener.onPeerGone`. */
  peerGone(nodeId: NodeId): void {
    this.#started?.listener.onPeerGone(nodeId);
  }

  send(message: RaftMessage): void {
    const { links, metrics, logger, logLimiter, queueBytesMax } = this.#parts;
    invariant(message.from === links.self, "a Raft message is sent by its sender");
    if (links.get(message.to) === undefined) return metrics.dropped("raft-not-connected");
    const frame = encodeRaftMessage(message);
    if (frame.length > RAFT_FRAME_BYTES_MAX) {
      const facts = { type: message.type, bytes: frame.length, bytesMax: RAFT_FRAME_BYTES_MAX };
      if (logLimiter.mayLog("raft too large")) logger.error({ code: "RAFT_MESSAGE_TOO_LARGE", ...facts }, "not sent");
      return metrics.dropped("raft-too-large");
    }
    const sender = this.#senderTo(message.to);
    const priority = priorityOf(message);
    if (sender.channel !== null) return this.#count(sender.channel.send(frame, priority), "raft-queue-full");
    if (sender.cancelRetry !== null) return metrics.dropped("raft-not-connected");
    if (sender.waitingBytes + frame.length > queueBytesMax) return metrics.dropped("raft-queue-full");
    sender.waiting.push({ frame, priority });
    sender.waitingBytes += frame.length;
    this.#open(message.to, sender);
  }

  async sendSnapshot(to: NodeId, header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { links, clock, metrics } = this.#parts;
    if (links.get(to) === undefined)
      throw new NetworkError(`no connection to ${to}`, { code: "NOT_CONNECTED", peer: to });
    const preamble = this.#preamble(to);
    await sendSnapshot({ open: () => links.open(to, SNAPSHOT_PROTOCOL), to, clock, metrics }, preamble, header, chunks);
  }

  stop(): void {
    this.#started = null;
    for (const nodeId of [...this.#senders.keys()]) this.#dropSender(nodeId);
  }

  #onPeerUp(nodeId: NodeId): void {
    if (this.#started === null) return;
    this.#open(nodeId, this.#senderTo(nodeId));
    this.#started.listener.onPeerUp(nodeId);
  }

  #senderTo(nodeId: NodeId): Sender {
    const known = this.#senders.get(nodeId);
    if (known !== undefined) return known;
    const sender: Sender = { channel: null, isOpening: false, waiting: [], waitingBytes: 0, cancelRetry: null };
    this.#senders.set(nodeId, sender);
    return sender;
  }

  #dropSender(nodeId: NodeId): void {
    const sender = this.#senders.get(nodeId);
    if (sender === undefined) return;
    this.#senders.delete(nodeId);
    sender.cancelRetry?.();
    sender.channel?.reset(new Error("the link is down"));
  }

  #open(nodeId: NodeId, sender: Sender): void {
    if (this.#started === null || sender.channel !== null || sender.isOpening || sender.cancelRetry !== null) return;
    sender.isOpening = true;
    const preamble = this.#preamble(nodeId);
    this.#parts.links.open(nodeId, RAFT_PROTOCOL).then(
      (stream) => {
        sender.isOpening = false;
        if (this.#senders.get(nodeId) !== sender) return stream.abort(new Error("the link is down"));
        this.#use(nodeId, sender, stream, preamble);
      },
      () => {
        sender.isOpening = false;
        this.#onBroken(nodeId, sender);
      },
    );
  }

  #use(nodeId: NodeId, sender: Sender, stream: ByteStream, preamble: Uint8Array): void {
    const { queueBytesMax, metrics } = this.#parts;
    const channel = new FrameChannel(stream, {
      frameBytesMax: 0,
      queueBytesMax,
      onFrame: () => {
        throw new DecodeError("nothing is answered on this stream");
      },
      onClose: () => {
        sender.channel = null;
        this.#onBroken(nodeId, sender);
      },
      onBytes: (direction, bytes) => metrics.bytes(direction, "raft", bytes),
    });
    sender.channel = channel;
    channel.send(preamble);
    for (const { frame, priority } of sender.waiting) this.#count(channel.send(frame, priority), "raft-queue-full");
    sender.waiting = [];
    sender.waitingBytes = 0;
  }

  /** The peer may not have founded its region yet, or refused a frame; it is tried again while the link holds. */
  #onBroken(nodeId: NodeId, sender: Sender): void {
    for (const _ of sender.waiting) this.#parts.metrics.dropped("raft-not-connected");
    sender.waiting = [];
    sender.waitingBytes = 0;
    if (this.#senders.get(nodeId) !== sender || sender.cancelRetry !== null) return;
    const { clock, random } = this.#parts;
    sender.cancelRetry = clock.schedule(jitter(random, REOPEN_MS, 0.5), () => {
      sender.cancelRetry = null;
      this.#open(nodeId, sender);
    });
  }

  #count(isTaken: boolean, otherwise: DropKind): void {
    if (!isTaken) this.#parts.metrics.dropped(otherwise);
  }

  #preamble(to: NodeId): Uint8Array {
    invariant(this.#started !== null, "the transport was not started");
    const { links } = this.#parts;
    return pack([links.versionWith(to) ?? null, this.#started.cluster, links.self, to]);
  }

  /** @throws DecodeError when the stream is not from `from`, for this node and its cluster */
  #checkPreamble(bytes: Uint8Array, from: NodeId, cluster: ClusterId): void {
    const [version, group, sender, receiver] = asArray(unpack(bytes), "preamble", 4);
    const agreed = this.#parts.links.versionWith(from);
    if (version !== agreed) throw new DecodeError(`protocol version ${version} instead of the agreed ${agreed}`);
    if (group !== cluster) throw new DecodeError("the stream is for another cluster");
    if (sender !== from) throw new DecodeError("the stream names another sender than the connection");
    if (receiver !== this.#parts.links.self) throw new DecodeError("the stream is for another node");
  }

  #accept(stream: ByteStream, from: NodeId): void {
    const started = this.#started;
    if (started === null || !this.#isOfRegion(from)) return stream.abort(new Error("no Raft here for this peer"));
    const { links, metrics } = this.#parts;
    let isOpened = false;
    new FrameChannel(stream, {
      frameBytesMax: RAFT_FRAME_BYTES_MAX,
      queueBytesMax: 0,
      onFrame: (payload) => {
        if (isOpened) return this.#started?.listener.onMessage(from, decodeRaftMessage(payload, from, links.self));
        this.#checkPreamble(payload, from, started.cluster);
        isOpened = true;
      },
      onClose: (error) => this.#onInboundClose("raft", from, error),
      onBytes: (direction, bytes) => metrics.bytes(direction, "raft", bytes),
    });
  }

  #acceptSnapshot(stream: ByteStream, from: NodeId): void {
    const started = this.#started;
    if (started === null || !this.#isOfRegion(from)) return stream.abort(new Error("no Raft here for this peer"));
    const { clock, metrics } = this.#parts;
    const checkPreamble = (bytes: Uint8Array) => this.#checkPreamble(bytes, from, started.cluster);
    receiveSnapshot(stream, { cluster: started.cluster, clock, metrics, checkPreamble }, (header, chunks) =>
      started.listener.onSnapshot(from, header, chunks),
    ).catch((error) => this.#onInboundClose("snapshot", from, error));
  }

  #isOfRegion(nodeId: NodeId): boolean {
    return this.#parts.links.get(nodeId)?.region === this.#parts.region;
  }

  #onInboundClose(protocol: "raft" | "snapshot", from: NodeId, error: unknown): void {
    if (!(error instanceof DecodeError)) return;
    const { metrics, logger, logLimiter } = this.#parts;
    metrics.badFrame(protocol);
    if (!logLimiter.mayLog(`${protocol} ${from}`)) return;
    logger.warn({ code: "BAD_FRAME", protocol, peer: from, reason: messageOf(error) }, "a peer's stream was reset");
  }
}

/**
 * What carries data waits behind what keeps the group alive. All appends keep their order, those that only bring the commit
 * index too: one that came before the entries it follows would be refused, and all that is under way sent again.
 */
function priorityOf({ type }: RaftMessage): Priority {
  return type === "append" || type === "propose" ? "bulk" : "control";
}
