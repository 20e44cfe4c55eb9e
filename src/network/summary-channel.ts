/**
 * Broadcast to all nodes that this one is linked with, on one gossipsub topic.
 *
 * Every admitted peer is a direct peer: it gets each message, whatever the mesh thinks of it, so pruning and the 60 s
 * back-off after a restart can not silence a link (F13). Nobody repeats what was broadcast: among n nodes that are all linked
 * with each other that would be (n - 1)² copies of it.
 * Gossipsub loses a peer's streams in some failures without noticing (one frame over its limit is enough): peers tell each
 * other with their pings whether they hear each other, and `restart` opens a new stream.
 *
 * Best effort. What is lost here is found by the pull of digests; what is sent here proves its own origin.
 */

import { hash, randomBytes } from "node:crypto";
import {
  type GossipSub,
  type GossipSubComponents,
  gossipsub,
  StrictNoSign,
  TopicValidatorResult,
} from "@libp2p/gossipsub";
import type { Connection, Topology } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { asNodeId, type FederationId, type NodeId } from "../types/ids.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { TokenBuckets } from "../util/token-buckets.ts";
import type { SummaryChannel, Unsubscribe } from "./interface.ts";
import { type Admission, admittedRegistrar, type GossipFactory, overlay } from "./libp2p-host.ts";
import type { LogLimiter } from "./log-limiter.ts";
import type { NetworkMetrics } from "./metrics.ts";
import { SUMMARY_BYTES_MAX, summaryTopic } from "./protocols.ts";

export interface GossipChannelParts {
  readonly federation: FederationId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logLimiter: LogLimiter;
  readonly metrics: NetworkMetrics;
}

type Verdict = "accept" | "ignore" | "reject";
type SummaryListener = (message: Uint8Array) => Verdict;

/** Makes each publication unique: gossip drops what it has seen, and a region may have nothing new to say for hours. */
const SERIAL_BYTES = 12;
const MESSAGE_ID_BYTES = 20;
/** Several messages may share one frame of gossipsub. */
const RPC_BYTES_MAX = 1024 * 1024;
const OUTBOUND_BYTES_MAX = 4 * 1024 * 1024;
/** Messages a second that one peer may pass on, and how many at once. A refused one costs as much as a hundred. */
const MESSAGES_PER_SECOND_MAX = 500;
const MESSAGES_BURST_MAX = 2_000;
const REJECTED_COST = 100;

/** Public in gossipsub's class, not in its interface; a test in test/integration notices if they go. */
interface GossipInternals {
  readonly direct: Set<string>;
  readonly streamsOutbound: ReadonlyMap<string, unknown>;
}

export class GossipSummaryChannel implements SummaryChannel, GossipFactory {
  readonly #parts: GossipChannelParts;
  readonly #topic: string;
  readonly #budget: TokenBuckets;
  readonly #listeners = new Set<SummaryListener>();
  readonly #serial = Buffer.concat([randomBytes(SERIAL_BYTES - 4), Buffer.alloc(4)]);
  #gossip: (GossipSub & GossipInternals) | null = null;
  #topology: Topology | null = null;
  #admission: Admission | null = null;
  #published = 0;

  constructor(parts: GossipChannelParts) {
    this.#parts = parts;
    this.#topic = summaryTopic(parts.federation);
    this.#budget = new TokenBuckets({
      clock: parts.clock,
      perSecond: MESSAGES_PER_SECOND_MAX,
      burst: MESSAGES_BURST_MAX,
    });
  }

  create(components: GossipSubComponents, admission: Admission): GossipSub {
    const { peerId: self } = components;
    const registrar = overlay(admittedRegistrar(components.registrar, admission), {
      // Kept to ourselves: libp2p would announce peers before they are admitted.
      register: async (_protocol, topology) => {
        this.#topology = topology;
        return self.toString();
      },
      unregister: () => {},
      getTopologies: () => (this.#topology === null ? [] : [this.#topology]),
    });
    const connectionManager = overlay(components.connectionManager, {
      // Dialling is the redialer's; gossipsub may use what is there.
      openConnection: async (peer) => {
        const connection = admission.connectionTo(asNodeId(String(peer)));
        if (connection === undefined) throw new Error("not connected");
        return connection;
      },
    });
    const create = gossipsub({
      globalSignaturePolicy: StrictNoSign,
      msgIdFn: ({ data }) => hash("sha256", data, "buffer").subarray(0, MESSAGE_ID_BYTES),
      allowedTopics: [this.#topic],
      fallbackToFloodsub: false,
      floodPublish: true,
      allowPublishToZeroTopicPeers: true,
      ignoreDuplicatePublishError: true,
      tagMeshPeers: false,
      doPX: false,
      maxInboundDataLength: RPC_BYTES_MAX,
      maxOutboundBufferSize: OUTBOUND_BYTES_MAX,
      maxInboundStreams: 4,
      maxOutboundStreams: 4,
      maxTopicBytesPerPeer: 16 * 1024,
    });
    this.#admission = admission;
    this.#gossip = create(overlay(components, { registrar, connectionManager })) as GossipSub & GossipInternals;
    return this.#gossip;
  }

  /** Joins the topic. Called once libp2p has started. */
  start(): void {
    const gossip = this.#started();
    gossip.topicValidators.set(this.#topic, (from, { data }) => this.#onMessage(asNodeId(from.toString()), data));
    gossip.subscribe(this.#topic);
  }

  /** Begins to gossip with an admitted peer. */
  attach(nodeId: NodeId): void {
    const connection = this.#admission?.connectionTo(nodeId);
    if (connection === undefined) return;
    this.#started().direct.add(nodeId);
    this.#announce(nodeId, connection);
  }

  detach(nodeId: NodeId): void {
    this.#gossip?.direct.delete(nodeId);
    this.#run(() => this.#topology?.onDisconnect?.(peerIdFromString(nodeId)));
  }

  /** The peer told us, on a stream that still works, that it listens. */
  hears(nodeId: NodeId): boolean {
    return this.#started()
      .getSubscribers(this.#topic)
      .some((peer) => peer.toString() === nodeId);
  }

  /** Whether this node has a stream to send on. */
  speaksTo(nodeId: NodeId): boolean {
    return this.#started().streamsOutbound.has(nodeId);
  }

  /** Forgets a peer's streams and opens new ones. */
  restart(nodeId: NodeId): void {
    this.detach(nodeId);
    this.attach(nodeId);
  }

  publish(message: Uint8Array): void {
    const { metrics, logger, logLimiter } = this.#parts;
    if (message.length > SUMMARY_BYTES_MAX) {
      metrics.dropped("summary-too-large");
      const facts = { bytes: message.length, bytesMax: SUMMARY_BYTES_MAX };
      logger.error(
        { code: "SUMMARY_TOO_LARGE", ...facts },
        "a summary is too large for gossip; peers will have to pull it",
      );
      return;
    }
    this.#serial.writeUInt32BE(this.#published++ >>> 0, SERIAL_BYTES - 4);
    metrics.bytes("out", "summary", message.length);
    this.#started()
      .publish(this.#topic, Buffer.concat([this.#serial, message]))
      .catch((error) => {
        metrics.dropped("summary-not-sent");
        if (!logLimiter.mayLog("summary not sent")) return;
        logger.warn({ code: "SUMMARY_NOT_SENT", reason: messageOf(error) }, "a summary was not gossiped");
      });
  }

  subscribe(listener: SummaryListener): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #started(): GossipSub & GossipInternals {
    if (this.#gossip === null) throw new Error("the host has not been started");
    return this.#gossip;
  }

  #announce(nodeId: NodeId, connection: Connection): void {
    this.#run(() => this.#topology?.onConnect?.(peerIdFromString(nodeId), connection));
  }

  /** A topology's callbacks may or may not return a promise. */
  #run(act: () => void | Promise<void>): void {
    Promise.resolve()
      .then(act)
      .catch((error) => {
        this.#parts.logger.warn(
          { code: "GOSSIP_FAILED", reason: messageOf(error) },
          "gossipsub could not follow a peer",
        );
      });
  }

  #onMessage(from: NodeId, data: Uint8Array): TopicValidatorResult {
    const { metrics } = this.#parts;
    if (!this.#budget.take(from, 1)) {
      metrics.dropped("summary-budget");
      return TopicValidatorResult.Ignore;
    }
    const isFit = data.length >= SERIAL_BYTES && data.length <= SERIAL_BYTES + SUMMARY_BYTES_MAX;
    const verdict = isFit ? this.#judge(data.subarray(SERIAL_BYTES)) : "reject";
    metrics.bytes("in", "summary", data.length);
    // Never accepted, since gossipsub would repeat it to everybody.
    if (verdict !== "reject") return TopicValidatorResult.Ignore;
    this.#onReject(from);
    return TopicValidatorResult.Reject;
  }

  /** One rejection is enough; otherwise one acceptance is. */
  #judge(message: Uint8Array): Verdict {
    const verdicts = [...this.#listeners].map((listener) => this.#ask(listener, message));
    if (verdicts.includes("reject")) return "reject";
    return verdicts.includes("accept") ? "accept" : "ignore";
  }

  /** Gossipsub would swallow what a listener throws. */
  #ask(listener: SummaryListener, message: Uint8Array): Verdict {
    try {
      return listener(message);
    } catch (error) {
      this.#parts.logger.error({ code: "SUMMARY_FAILED", reason: messageOf(error) }, "a summary could not be taken in");
      return "ignore";
    }
  }

  /** The link stays, since Raft may run on it; its gossip is heard less and less. */
  #onReject(from: NodeId): void {
    const { metrics, logger, logLimiter } = this.#parts;
    this.#budget.take(from, REJECTED_COST);
    metrics.dropped("summary-rejected");
    if (!logLimiter.mayLog(`summary ${from}`)) return;
    logger.warn({ code: "SUMMARY_REJECTED", peer: from }, "a peer passed on a summary that is not valid");
  }
}
