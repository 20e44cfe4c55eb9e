/**
 * The network between simulated regions: three faces for each node, on virtual time, with everything that a WAN does to them.
 *
 * Nodes of two regions link when one of them knows where the other is: by a configured name, which is resolved anew each time,
 * or by an address that it learned; a link that stands needs neither. What is blocked is said by rules, each lifted by itself: whole links (both sides are told), or frames, gossip and requests
 * one way, of which nobody is told. Gossip is delivered to whoever is linked, some of it once more through a third node, as
 * a mesh does. Requests of one node to another arrive in order, as on a stream; payloads cross as msgpack.
 */

import { PULSE_METHOD } from "../../src/federation/wire.ts";
import {
  NetworkError,
  type PeerChange,
  type PeerDirectory,
  type PeerInfo,
  type RequestHandler,
  type RequestResponse,
  type SummaryChannel,
} from "../../src/network/interface.ts";
import type { NodeId, RegionId } from "../../src/types/ids.ts";
import { AtollError } from "../../src/util/errors.ts";
import type { Random } from "../../src/util/random.ts";
import type { ProcessLoop } from "./node-sim-loop.ts";
import { packed, unpacked } from "./packed-payload.ts";
import type { EventQueue } from "./raft-sim-queue.ts";

const SIGNATURE_BYTES = 64;
const LOCAL_DELAY_MS = 0.5;
/** Published messages that can be heard again later. */
const HEARD_MAX = 256;

export interface WanPlan {
  /** One way between two regions, drawn anew for each pair. */
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** Added to each frame, evenly spread. */
  readonly jitterMs: number;
  /** The same for gossip, so that messages overtake each other. */
  readonly gossipJitterMs: number;
  readonly gossipLoss: number;
  /** Chance that an accepted message is passed on to one more node, which may have had it. */
  readonly gossipRelay: number;
}

/** A message as it was published. */
export interface Heard {
  readonly region: RegionId;
  readonly message: Uint8Array;
  readonly at: number;
}

/**
 * `link`: both sides know that it is gone. Anything else vanishes while the directory still shows the peer: `gossip` and the
 * `pulses` beside it, `requests` of all kinds, or `frames` of both.
 */
export type Blocked = "link" | "frames" | "gossip" | "pulses" | "requests";
type Frame = "gossip" | "pulse" | "request";
const BLOCKS: Readonly<Record<Frame, readonly Blocked[]>> = {
  gossip: ["frames", "gossip"],
  pulse: ["frames", "requests", "pulses"],
  request: ["frames", "requests"],
};

export interface Rule {
  readonly what: Blocked;
  /** One way; a link is down when either way is. */
  readonly holds: (from: PeerInfo, to: PeerInfo) => boolean;
}

export type Verdict = "accept" | "ignore" | "reject";
type Listener = (message: Uint8Array) => Verdict;
type Outcome = { readonly value: unknown } | { readonly error: NetworkError };

export class FederationNetwork {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly heard: Heard[] = [];
  readonly #wan: WanPlan;
  readonly #count: (what: string) => void;
  readonly #endpoints = new Map<NodeId, Endpoint>();
  readonly #rules = new Set<Rule>();
  readonly #delays = new Map<string, number>();
  /** When each message was first told, by its signature. */
  readonly #toldAt = new Map<string, number>();

  constructor(queue: EventQueue, random: Random, wan: WanPlan, count: (what: string) => void) {
    this.queue = queue;
    this.random = random;
    this.#wan = wan;
    this.#count = count;
  }

  /** The longest that a gossip message takes, one hop more included: by so much an age may be told too small. */
  get gossipMsMax(): number {
    const { delayMsMax, gossipJitterMs, jitterMs } = this.#wan;
    return 2 * (delayMsMax + gossipJitterMs + jitterMs + LOCAL_DELAY_MS);
  }

  /** @param names - whether the node is configured with names of that region's nodes */
  join(self: PeerInfo, loop: ProcessLoop, names: (region: RegionId) => boolean): Endpoint {
    const endpoint = new Endpoint(this, self, loop, names);
    this.#endpoints.set(self.nodeId, endpoint);
    this.#relink();
    return endpoint;
  }

  leave(endpoint: Endpoint): void {
    this.#endpoints.delete(endpoint.self.nodeId);
    this.#relink();
  }

  /** Somebody learned where others are. */
  dial(from: Endpoint): void {
    const isNew = ({ self }: Endpoint) => !from.isLinkedTo(self.nodeId) && from.mayDial(self);
    if ([...this.#endpoints.values()].some((other) => other !== from && isNew(other))) this.#relink();
  }

  /** @returns lifts the rule */
  block(rule: Rule): () => void {
    this.#rules.add(rule);
    if (rule.what === "link") this.#relink();
    return () => {
      this.#rules.delete(rule);
      if (rule.what === "link") this.#relink();
    };
  }

  endpoint(nodeId: NodeId): Endpoint | undefined {
    return this.#endpoints.get(nodeId);
  }

  roundTripMs(a: PeerInfo, b: PeerInfo): number {
    return 2 * this.#delayBetween(a.region, b.region);
  }

  /** Somebody tells this for the first time, or passes it on. @returns how long ago it was first told */
  told(by: RegionId, message: Uint8Array): number {
    const key = Buffer.from(message.subarray(0, SIGNATURE_BYTES)).toString("latin1");
    const at = this.#toldAt.get(key);
    if (at !== undefined) return this.queue.now - at;
    this.#toldAt.set(key, this.queue.now);
    this.heard.push({ region: by, message, at: this.queue.now });
    if (this.heard.length > HEARD_MAX) this.heard.shift();
    return 0;
  }

  publish(from: Endpoint, message: Uint8Array): void {
    this.told(from.self.region, message);
    for (const peer of from.peers()) this.#gossip(from, this.#endpoints.get(peer.nodeId)!, message);
  }

  /** Runs `deliver` in the other process after the way there, unless it is gone by then or the way is blocked. */
  carry(from: Endpoint, to: Endpoint, what: Frame, deliver: () => void): void {
    const { jitterMs, gossipJitterMs } = this.#wan;
    const jitter = this.random.next() * (what === "gossip" ? gossipJitterMs : jitterMs);
    const wayMs = this.#delayBetween(from.self.region, to.self.region) + jitter;
    const delayMs = what === "gossip" ? wayMs : from.inOrder(to.self.nodeId, wayMs + this.#slowMs(from, to));
    this.queue.schedule(delayMs, () => {
      const isThere = this.#endpoints.get(to.self.nodeId) === to && from.isLinkedTo(to.self.nodeId);
      if (!isThere) return;
      if (this.#isBlocked(from, to, what)) this.#count(`lost: ${what}`);
      else to.loop.receive(deliver);
    });
  }

  /** Who is slow to its mates is slow to its leader, and acknowledges no renewals: a matter for the simulator of regions. */
  #slowMs(from: Endpoint, to: Endpoint): number {
    return from.self.region === to.self.region ? 0 : from.slowMs + to.slowMs;
  }

  #gossip(from: Endpoint, to: Endpoint, message: Uint8Array): void {
    const { gossipLoss, gossipRelay } = this.#wan;
    if (this.random.next() < gossipLoss) return this.#count("lost: gossip");
    this.carry(from, to, "gossip", () => {
      const verdict = to.hear(message);
      if (verdict !== "accept" || this.random.next() >= gossipRelay) return;
      const peers = to.peers();
      if (peers.length === 0) return;
      const next = this.#endpoints.get(peers[Math.floor(this.random.next() * peers.length)]!.nodeId)!;
      this.#count("gossip relayed");
      this.carry(to, next, "gossip", () => next.hear(message));
    });
  }

  #isBlocked(from: Endpoint, to: Endpoint, frame: Frame): boolean {
    for (const { what, holds } of this.#rules) {
      if (BLOCKS[frame].includes(what) && holds(from.self, to.self)) return true;
    }
    return false;
  }

  #delayBetween(a: RegionId, b: RegionId): number {
    if (a === b) return LOCAL_DELAY_MS;
    const pair = [a, b].sort().join(" ");
    const { delayMsMin, delayMsMax } = this.#wan;
    const known = this.#delays.get(pair) ?? delayMsMin + (delayMsMax - delayMsMin) * this.random.next();
    this.#delays.set(pair, known);
    return known;
  }

  #isOpen(one: Endpoint, other: Endpoint): boolean {
    const [a, b] = [one.self, other.self];
    for (const { what, holds } of this.#rules) {
      if (what === "link" && (holds(a, b) || holds(b, a))) return false;
    }
    return one.isLinkedTo(b.nodeId) || one.mayDial(b) || other.mayDial(a);
  }

  #relink(): void {
    const all = [...this.#endpoints.values()];
    const links = all.map((endpoint) => {
      const open = all.filter((other) => other !== endpoint && this.#isOpen(endpoint, other));
      return [endpoint, open.map(({ self }) => self)] as const;
    });
    const changes = links.flatMap(([endpoint, peers]) => endpoint.relinked(peers));
    // After all directories show the new links.
    for (const tell of changes) tell();
  }
}

/** One node's end of the network, for the length of a process. */
export class Endpoint implements PeerDirectory, RequestResponse {
  readonly self: PeerInfo;
  readonly loop: ProcessLoop;
  readonly summaries: SummaryChannel;
  /** Requests that this node served, by method. */
  readonly served = new Map<string, number>();
  /** Added to each way of its requests between regions. */
  slowMs = 0;
  /** Hears how old each sign of life was that came in a request: a slow node on its way holds it back. */
  onPulse: (ageMs: number) => void = () => {};
  /** What this node makes of its honest answers. */
  lie: ((method: string, answer: unknown) => unknown) | null = null;
  readonly #network: FederationNetwork;
  readonly #handlers = new Map<string, RequestHandler>();
  readonly #peerListeners = new Set<(change: PeerChange) => void>();
  readonly #listeners = new Set<Listener>();
  readonly #pending = new Set<{ readonly to: NodeId; readonly settle: (outcome: Outcome) => void }>();
  readonly #arrivals = new Map<NodeId, number>();
  readonly #names: (region: RegionId) => boolean;
  /** Addresses, by the region that they are said to be of. */
  readonly learned = new Map<RegionId, readonly string[]>();
  #peers: readonly PeerInfo[] = [];
  #linked = new Set<NodeId>();

  constructor(network: FederationNetwork, self: PeerInfo, loop: ProcessLoop, names: (region: RegionId) => boolean) {
    this.#names = names;
    this.self = self;
    this.loop = loop;
    this.#network = network;
    this.summaries = {
      publish: (message) => network.publish(this, Uint8Array.from(message)),
      subscribe: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }

  peers(): readonly PeerInfo[] {
    return this.#peers;
  }

  isLinkedTo(nodeId: NodeId): boolean {
    return this.#linked.has(nodeId);
  }

  get(nodeId: NodeId): PeerInfo | undefined {
    return this.#peers.find((peer) => peer.nodeId === nodeId);
  }

  roundTripMs(nodeId: NodeId): number | undefined {
    const peer = this.get(nodeId);
    return peer && this.#network.roundTripMs(this.self, peer);
  }

  onChange(listener: (change: PeerChange) => void): () => void {
    this.#peerListeners.add(listener);
    return () => this.#peerListeners.delete(listener);
  }

  learn(region: RegionId, addresses: readonly string[]): void {
    this.learned.set(region, addresses);
    this.#network.dial(this);
  }

  /** Whether this node knows where a peer is. */
  mayDial({ region, addresses }: PeerInfo): boolean {
    if (region === this.self.region || this.#names(region)) return true;
    return [...this.learned.values()].some((known) => known.some((address) => addresses.includes(address)));
  }

  /** A message reaches this node, whoever sent it. */
  hear(message: Uint8Array): Verdict {
    let verdict: Verdict = "ignore";
    for (const listener of this.#listeners) verdict = listener(Uint8Array.from(message));
    return verdict;
  }

  /** @returns what its listeners are to be told */
  relinked(peers: readonly PeerInfo[]): (() => void)[] {
    const before = this.#peers;
    this.#peers = peers;
    this.#linked = new Set(peers.map(({ nodeId }) => nodeId));
    const down = before.filter((peer) => !peers.includes(peer)).map((peer) => ({ type: "down", peer }) as const);
    const up = peers.filter((peer) => !before.includes(peer)).map((peer) => ({ type: "up", peer }) as const);
    return [...down, ...up].map((change) => () => this.loop.receive(() => this.#onPeer(change)));
  }

  /** How long a frame takes that may not overtake the one before it. */
  inOrder(to: NodeId, delayMs: number): number {
    const { now } = this.#network.queue;
    const arrival = Math.max(now + delayMs, this.#arrivals.get(to) ?? 0);
    this.#arrivals.set(to, arrival);
    return arrival - now;
  }

  handle(method: string, handler: RequestHandler): void {
    this.#handlers.set(method, handler);
  }

  async request(to: NodeId, method: string, payload: unknown, options: { timeoutMs: number }): Promise<unknown> {
    const peer = this.#network.endpoint(to);
    if (peer === undefined || !this.isLinkedTo(to)) {
      throw new NetworkError("not connected", { code: "NOT_CONNECTED", peer: to });
    }
    const bytes = packed(payload);
    const { timeoutMs } = options;
    return new Promise((resolve, reject) => {
      const settle = (outcome: Outcome) => {
        cancelTimeout();
        this.#pending.delete(pending);
        if ("value" in outcome) resolve(outcome.value);
        else reject(outcome.error);
      };
      const pending = { to, settle };
      const cancelTimeout = this.loop.schedule(timeoutMs, () => {
        settle({ error: new NetworkError("timed out", { code: "TIMEOUT", peer: to, timeoutMs }) });
      });
      this.#pending.add(pending);
      const frame = method === PULSE_METHOD ? "pulse" : "request";
      if (frame === "pulse") this.#network.told(this.self.region, payload as Uint8Array);
      this.#network.carry(this, peer, frame, () => peer.#serve(this, method, bytes, settle));
    });
  }

  #onPeer(change: PeerChange): void {
    if (change.type === "down") this.#onLost(change.peer.nodeId);
    for (const listener of this.#peerListeners) listener(change);
  }

  #onLost(peer: NodeId): void {
    for (const { to, settle } of [...this.#pending]) {
      if (to === peer) settle({ error: new NetworkError("peer lost", { code: "PEER_LOST", peer }) });
    }
  }

  #serve(from: Endpoint, method: string, bytes: Uint8Array, settle: (outcome: Outcome) => void): void {
    const peer = this.self.nodeId;
    this.served.set(method, (this.served.get(method) ?? 0) + 1);
    if (method === PULSE_METHOD) this.onPulse(this.#network.told(from.self.region, unpacked(bytes) as Uint8Array));
    const answer = async () => {
      const handler = this.#handlers.get(method);
      if (handler === undefined) throw new NetworkError(method, { code: "REMOTE", peer, remoteCode: "UNKNOWN_METHOD" });
      const honest = await handler(from.self, unpacked(bytes));
      return packed(this.lie === null ? honest : this.lie(method, honest));
    };
    const reply = (outcome: Outcome) => this.#network.carry(this, from, "request", () => settle(outcome));
    void answer().then(
      (value) => reply({ value: unpacked(value) }),
      (error: unknown) => {
        if (!(error instanceof AtollError)) throw error;
        const remoteCode = error.detail.code;
        reply({ error: new NetworkError(String(error), { code: "REMOTE", peer, remoteCode }) });
      },
    );
  }
}
