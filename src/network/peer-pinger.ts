/**
 * Asks every peer now and then whether it is there, on the stream that requests use.
 *
 * One question does four things: it measures the round trip, keeps idle streams from being closed, finds links that are
 * dead without having been closed (F14), and carries what both sides should know of each other: the cluster, once there is
 * one, and whether gossip is heard.
 *
 * Being asked proves a link as well as asking does, so whoever was asked waits as if it had asked: of two peers the one whose
 * chance comes first asks, and a quiet link costs one ping in `intervalMs`. A link that is new, or that something is wrong with,
 * is asked in quicker succession.
 *
 * A link is given up after several unanswered pings in a row, not after a time: a stall of our own process lets one ping
 * expire, whatever its length. That is 11 to 12 s after its last sign of life, with pings every 5 s.
 */

import { asClusterId, type ClusterId, type NodeId } from "../types/ids.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import type { Random } from "../util/random.ts";
import { asArray, asBoolean, asText } from "./codec.ts";
import { NetworkError, type PeerInfo, type RequestResponse } from "./interface.ts";
import type { Links } from "./links.ts";

export interface PeerPingerParts {
  readonly links: Links;
  readonly requests: RequestResponse;
  readonly clock: Clock;
  readonly random: Random;
  /** Between pings of a link that works, whoever asks; a fifth more at most. */
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
/** An answer that takes longer is none; also the time between pings of a link that is not known to work. */
const TIMEOUT_MS = 2_000;
/** Unanswered in a row. */
const MISSED_MAX = 3;
/** Good answers in a row after which a link is known to work, and its round trip to be more than one stall of ours. */
const PROVEN = 3;
/** Two peers that have heard of each other at the same time would for ever ask at the same time. */
const SPREAD = 0.2;

interface Pinged {
  isAsking: boolean;
  /** To be asked anew once the ping under way has ended. */
  isAskedAgain: boolean;
  missed: number;
  /** In a row: answers of a peer that hears our gossip. */
  good: number;
  cancel: CancelTimer;
}

export class PeerPinger {
  readonly #parts: PeerPingerParts;
  readonly #pinged = new Map<NodeId, Pinged>();
  #isStopped = false;

  constructor(parts: PeerPingerParts) {
    this.#parts = parts;
    parts.requests.handle(METHOD, async (from, payload) => this.#onPing(from, payload));
    parts.links.onLink({
      onUp: ({ nodeId }) => this.#onUp(nodeId),
      onDown: ({ nodeId }) => this.#onDown(nodeId),
    });
  }

  /** Makes something that changed known at once. */
  announce(): void {
    for (const [peer, pinged] of this.#pinged) {
      if (pinged.isAsking) pinged.isAskedAgain = true;
      else this.#ping(peer, pinged);
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const { cancel } of this.#pinged.values()) cancel();
  }

  #onUp(peer: NodeId): void {
    const pinged = { isAsking: false, isAskedAgain: false, missed: 0, good: 0, cancel: () => {} };
    this.#pinged.set(peer, pinged);
    this.#ping(peer, pinged);
  }

  #onDown(peer: NodeId): void {
    this.#pinged.get(peer)?.cancel();
    this.#pinged.delete(peer);
  }

  #ping(peer: NodeId, pinged: Pinged): void {
    const askedAtMs = this.#parts.clock.now();
    pinged.cancel();
    pinged.isAsking = true;
    // Rejects only on a bug of ours, which must not pass unseen.
    void this.#exchange(peer, pinged, askedAtMs)
      .catch((error) => this.#onFailed(peer, pinged, error))
      .then(() => {
        pinged.isAsking = false;
        this.#pingNext(peer, pinged, askedAtMs);
      });
  }

  async #exchange(peer: NodeId, pinged: Pinged, askedAtMs: number): Promise<void> {
    const { clock, requests, cluster, onPong } = this.#parts;
    const answer = await requests.request(peer, METHOD, [cluster()], { timeoutMs: TIMEOUT_MS });
    const ms = clock.now() - askedAtMs;
    const [theirs, heard] = asArray(answer, "pong", 2);
    const isHeard = asBoolean(heard, "heard");
    this.#learn(peer, theirs);
    pinged.missed = 0;
    pinged.good = isHeard ? pinged.good + 1 : 0;
    onPong(peer, ms, isHeard);
  }

  #pingNext(peer: NodeId, pinged: Pinged, askedAtMs: number): void {
    if (this.#isStopped || this.#pinged.get(peer) !== pinged) return;
    if (pinged.isAskedAgain) {
      pinged.isAskedAgain = false;
      return this.#ping(peer, pinged);
    }
    if (pinged.good >= PROVEN) return this.#pingIn(peer, pinged, this.#quietMs());
    this.#pingIn(peer, pinged, Math.max(0, askedAtMs + TIMEOUT_MS - this.#parts.clock.now()));
  }

  #pingIn(peer: NodeId, pinged: Pinged, delayMs: number): void {
    pinged.cancel();
    pinged.cancel = this.#parts.clock.schedule(delayMs, () => this.#ping(peer, pinged));
  }

  #quietMs(): number {
    const { intervalMs, random } = this.#parts;
    return intervalMs * (1 + SPREAD * random.next());
  }

  #onPing(from: PeerInfo, payload: unknown): readonly unknown[] {
    const [cluster] = asArray(payload, "ping", 1);
    this.#learn(from.nodeId, cluster);
    const pinged = this.#pinged.get(from.nodeId);
    const isQuiet = pinged !== undefined && !pinged.isAsking && pinged.good >= PROVEN;
    if (isQuiet) this.#pingIn(from.nodeId, pinged, this.#quietMs());
    return [this.#parts.cluster(), this.#parts.hears(from.nodeId)];
  }

  #learn(peer: NodeId, cluster: unknown): void {
    if (cluster !== null) this.#parts.learnCluster(peer, asClusterId(asText(cluster, "cluster", 128)));
  }

  #onFailed(peer: NodeId, pinged: Pinged, error: unknown): void {
    if (this.#pinged.get(peer) !== pinged) return;
    // Who says no is there.
    const isThere = error instanceof NetworkError && error.detail.code === "REMOTE";
    pinged.good = 0;
    pinged.missed = isThere ? 0 : pinged.missed + 1;
    if (pinged.missed >= MISSED_MAX) this.#parts.onSilent(peer);
  }
}
