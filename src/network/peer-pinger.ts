/**
 * Asks every peer every few seconds whether it is there, on the stream that requests use.
 *
 * One question does four things: it measures the round trip, keeps idle streams from being closed, finds links that are
 * dead without having been closed (F14), and carries what both sides should know of each other: the cluster, once there is
 * one, and whether gossip is heard.
 *
 * A link is given up after several unanswered pings in a row, not after a time: a stall of our own process lets one ping
 * expire, whatever its length.
 */

import { asClusterId, type ClusterId, type NodeId } from "../types/ids.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import { asArray, asBoolean, asText } from "./codec.ts";
import { NetworkError, type PeerInfo, type RequestResponse } from "./interface.ts";
import type { Links } from "./links.ts";

export interface PeerPingerParts {
  readonly links: Links;
  readonly requests: RequestResponse;
  readonly clock: Clock;
  readonly intervalMs: number;
  /** Our own, null until the region is founded. */
  cluster(): ClusterId | null;
  learnCluster(peer: NodeId, cluster: ClusterId): void;
  /** Whether this peer's gossip arrives here. */
  hears(peer: NodeId): boolean;
  /** The peer answered after `ms`; `isHeard` says whether our gossip arrives there. */
  onPong(peer: NodeId, ms: number, isHeard: boolean): void;
  /** The peer stopped answering. */
  onSilent(peer: NodeId): void;
}

const METHOD = "net.ping";
const TIMEOUT_MS = 5_000;
/** Unanswered in a row. */
const MISSED_MAX = 3;

export class PeerPinger {
  readonly #parts: PeerPingerParts;
  readonly #missed = new Map<NodeId, number>();
  readonly #asking = new Set<NodeId>();
  /** To be asked anew once the ping under way has ended. */
  readonly #askAgain = new Set<NodeId>();
  #cancel: CancelTimer = () => {};

  constructor(parts: PeerPingerParts) {
    this.#parts = parts;
    parts.requests.handle(METHOD, async (from, payload) => this.#onPing(from, payload));
    parts.links.onLink({
      onUp: ({ nodeId }) => this.#ping(nodeId),
      onDown: ({ nodeId }) => this.#missed.delete(nodeId),
    });
  }

  start(): void {
    this.#cancel = repeat(this.#parts.clock, this.#parts.intervalMs, () => this.#pingAll());
  }

  /** Makes something that changed known at once. */
  announce(): void {
    for (const nodeId of this.#asking) this.#askAgain.add(nodeId);
    this.#pingAll();
  }

  stop(): void {
    this.#cancel();
  }

  #pingAll(): void {
    for (const { nodeId } of this.#parts.links.peers()) this.#ping(nodeId);
  }

  #ping(peer: NodeId): void {
    if (this.#asking.has(peer)) return;
    this.#asking.add(peer);
    this.#exchange(peer)
      .then(
        () => this.#missed.delete(peer),
        (error) => this.#onFailed(peer, error),
      )
      .finally(() => {
        this.#asking.delete(peer);
        if (this.#askAgain.delete(peer) && this.#parts.links.get(peer) !== undefined) this.#ping(peer);
      });
  }

  async #exchange(peer: NodeId): Promise<void> {
    const { clock, requests, cluster, onPong } = this.#parts;
    const askedAt = clock.now();
    const answer = await requests.request(peer, METHOD, [cluster()], { timeoutMs: TIMEOUT_MS });
    const ms = clock.now() - askedAt;
    const [theirs, isHeard] = asArray(answer, "pong", 2);
    this.#learn(peer, theirs);
    onPong(peer, ms, asBoolean(isHeard, "heard"));
  }

  #onPing(from: PeerInfo, payload: unknown): readonly unknown[] {
    const [cluster] = asArray(payload, "ping", 1);
    this.#learn(from.nodeId, cluster);
    return [this.#parts.cluster(), this.#parts.hears(from.nodeId)];
  }

  #learn(peer: NodeId, cluster: unknown): void {
    if (cluster !== null) this.#parts.learnCluster(peer, asClusterId(asText(cluster, "cluster", 128)));
  }

  #onFailed(peer: NodeId, error: unknown): void {
    if (this.#parts.links.get(peer) === undefined) return;
    // It said no, so it is there.
    if (error instanceof NetworkError && error.detail.code === "REMOTE") return void this.#missed.delete(peer);
    const missed = (this.#missed.get(peer) ?? 0) + 1;
    this.#missed.set(peer, missed);
    if (missed >= MISSED_MAX) this.#parts.onSilent(peer);
  }
}
