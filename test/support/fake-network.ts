/**
 * A network of nodes in one process, on a clock that is passed in: delay, loss, duplication, cuts, half-open links.
 *
 * Each node that joins gets the three faces that `src/network` gives a real one. Payloads cross as msgpack, so nothing is
 * shared between nodes by reference and what can not be encoded does not arrive.
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
import type { Clock } from "../../src/util/clock.ts";
import { AtollError } from "../../src/util/errors.ts";
import type { Random } from "../../src/util/random.ts";
import { packed, unpacked } from "./packed-payload.ts";

export interface FakeNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** One way, for every message. */
  readonly delayMs?: number;
}

/** `silent`: frames vanish while both sides still believe in the link, until `heal`. */
type CutMode = "closed" | "silent";

export class FakeNetwork {
  readonly clock: Clock;
  readonly #random: Random;
  readonly #nodes = new Map<NodeId, FakeNode>();
  readonly #cuts = new Map<string, CutMode>();
  /** Added one way to messages between two nodes. */
  delayMs: number;
  /** Share of gossip messages that are lost, and that arrive twice, per receiver. */
  gossipLoss = 0;
  gossipDuplication = 0;
  /** Gossip is delayed by up to this much more, so that messages overtake each other. */
  gossipJitterMs = 0;
  /** Every message as it was published: gossip, and a pulse for each region that is told. */
  readonly published: Uint8Array[] = [];

  constructor({ clock, random, delayMs = 5 }: FakeNetworkOptions) {
    this.clock = clock;
    this.#random = random;
    this.delayMs = delayMs;
  }

  /** Starts a node and links it with every other one. A node of the same id must have left before. */
  join(self: PeerInfo): FakeNode {
    const node = new FakeNode(this, self);
    this.#nodes.set(self.nodeId, node);
    for (const other of this.#nodes.values()) this.#announce(node, other, "up");
    return node;
  }

  /** Ends a node as a crash does: its links close, and it hears nothing any more. */
  leave(nodeId: NodeId): void {
    const node = this.#nodes.get(nodeId);
    if (node === undefined) return;
    this.#nodes.delete(nodeId);
    for (const other of this.#nodes.values()) {
      if (this.#modeBetween(node, other) !== "closed") other.onPeer({ type: "down", peer: node.self });
    }
  }

  /** Cuts all links between two regions. */
  cut(a: RegionId, b: RegionId, mode: CutMode = "closed"): void {
    for (const [left, right] of this.#pairs(a, b)) {
      this.#cuts.set(linkOf(left, right), mode);
      if (mode === "closed") this.#tell(left, right, "down");
    }
  }

  heal(a: RegionId, b: RegionId): void {
    for (const [left, right] of this.#pairs(a, b)) {
      const mode = this.#modeBetween(left, right);
      this.#cuts.delete(linkOf(left, right));
      if (mode === "closed") this.#tell(left, right, "up");
    }
  }

  isLinked(a: FakeNode, b: FakeNode): boolean {
    return this.#nodes.get(b.self.nodeId) === b && this.#modeBetween(a, b) !== "closed";
  }

  node(nodeId: NodeId): FakeNode | undefined {
    return this.#nodes.get(nodeId);
  }

  linkedTo(node: FakeNode): FakeNode[] {
    return [...this.#nodes.values()].filter((other) => other !== node && this.isLinked(node, other));
  }

  /** Runs `deliver` at the other side after the delay, unless the frame is lost on the way. */
  carry(from: FakeNode, to: FakeNode, deliver: () => void, extraDelayMs = 0): void {
    this.clock.schedule(this.delayMs + extraDelayMs, () => {
      const isThere = this.#nodes.get(to.self.nodeId) === to && this.#nodes.get(from.self.nodeId) === from;
      if (isThere && this.#modeBetween(from, to) === undefined) deliver();
    });
  }

  gossip(from: FakeNode, message: Uint8Array): void {
    this.published.push(message);
    for (const to of this.linkedTo(from)) {
      const copies = this.#chance(this.gossipLoss) ? 0 : this.#chance(this.gossipDuplication) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        const copied = Uint8Array.from(message);
        this.carry(from, to, () => to.onGossip(copied), this.#random.next() * this.gossipJitterMs);
      }
    }
  }

  /** @returns false when it is lost, as gossip may be */
  pulse(from: FakeNode, to: FakeNode, message: Uint8Array): boolean {
    if (from.self.region !== to.self.region) this.published.push(message);
    return !this.#chance(this.gossipLoss);
  }

  #chance(share: number): boolean {
    return this.#random.next() < share;
  }

  #announce(node: FakeNode, other: FakeNode, type: PeerChange["type"]): void {
    if (node !== other && this.#modeBetween(node, other) !== "closed") this.#tell(node, other, type);
  }

  #tell(a: FakeNode, b: FakeNode, type: PeerChange["type"]): void {
    a.onPeer({ type, peer: b.self });
    b.onPeer({ type, peer: a.self });
  }

  #modeBetween(a: FakeNode, b: FakeNode): CutMode | undefined {
    return this.#cuts.get(linkOf(a, b));
  }

  #pairs(a: RegionId, b: RegionId): [FakeNode, FakeNode][] {
    const nodes = [...this.#nodes.values()];
    const left = nodes.filter((node) => node.self.region === a);
    const right = nodes.filter((node) => node.self.region === b);
    return left.flatMap((one) => right.map((other): [FakeNode, FakeNode] => [one, other]));
  }
}

function linkOf(a: FakeNode, b: FakeNode): string {
  return [a.self.nodeId, b.self.nodeId].sort().join(" ");
}

/** One node's end of the network. */
export class FakeNode {
  readonly self: PeerInfo;
  readonly directory: FakeDirectory;
  readonly requests: FakeRequests;
  readonly summaries: SummaryChannel;
  /** What this node's listener said of the messages it got, in order. */
  readonly verdicts: string[] = [];
  readonly #listeners = new Set<Parameters<SummaryChannel["subscribe"]>[0]>();

  constructor(network: FakeNetwork, self: PeerInfo) {
    this.self = self;
    this.directory = new FakeDirectory(network, this);
    this.requests = new FakeRequests(network, this);
    this.summaries = {
      publish: (message) => network.gossip(this, message),
      subscribe: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }

  /** Hands a message to this node as if a peer had sent it. */
  onGossip(message: Uint8Array): void {
    for (const listener of this.#listeners) this.verdicts.push(listener(message));
  }

  onPeer(change: PeerChange): void {
    if (change.type === "down") this.requests.onLost(change.peer.nodeId);
    this.directory.onPeer(change);
  }
}

class FakeDirectory implements PeerDirectory {
  readonly #network: FakeNetwork;
  readonly #node: FakeNode;
  readonly #listeners = new Set<(change: PeerChange) => void>();
  readonly learned = new Map<RegionId, readonly string[]>();
  /** Overrides twice the network's delay, per peer. */
  readonly roundTrips = new Map<NodeId, number>();

  constructor(network: FakeNetwork, node: FakeNode) {
    this.#network = network;
    this.#node = node;
  }

  peers(): readonly PeerInfo[] {
    return this.#network.linkedTo(this.#node).map((node) => node.self);
  }

  get(nodeId: NodeId): PeerInfo | undefined {
    return this.peers().find((peer) => peer.nodeId === nodeId);
  }

  roundTripMs(nodeId: NodeId): number | undefined {
    if (this.get(nodeId) === undefined) return undefined;
    return this.roundTrips.get(nodeId) ?? 2 * this.#network.delayMs;
  }

  onChange(listener: (change: PeerChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  learn(region: RegionId, addresses: readonly string[]): void {
    this.learned.set(region, addresses);
  }

  onPeer(change: PeerChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

interface Pending {
  readonly to: NodeId;
  readonly settle: (outcome: { readonly value: unknown } | { readonly error: NetworkError }) => void;
}

class FakeRequests implements RequestResponse {
  readonly #network: FakeNetwork;
  readonly #node: FakeNode;
  readonly #handlers = new Map<string, RequestHandler>();
  readonly #pending = new Set<Pending>();
  /** Requests that were sent from here, by method. */
  readonly sent = new Map<string, number>();

  constructor(network: FakeNetwork, node: FakeNode) {
    this.#network = network;
    this.#node = node;
  }

  handle(method: string, handler: RequestHandler): void {
    this.#handlers.set(method, handler);
  }

  /** Lets this node lie: what it answers to `method` passes through `change` first. */
  alter(method: string, change: (answer: unknown) => unknown): void {
    const honest = this.#handlers.get(method);
    if (honest === undefined) throw new Error(`${method} is not served`);
    this.#handlers.set(method, async (from, payload) => change(await honest(from, payload)));
  }

  async request(to: NodeId, method: string, payload: unknown, options: { timeoutMs: number }): Promise<unknown> {
    const peer = this.#network.node(to);
    if (peer === undefined || !this.#network.isLinked(this.#node, peer)) {
      throw new NetworkError("not connected", { code: "NOT_CONNECTED", peer: to });
    }
    const bytes = packed(payload);
    if (method === PULSE_METHOD && !this.#network.pulse(this.#node, peer, payload as Uint8Array)) {
      throw new NetworkError("lost", { code: "PEER_LOST", peer: to });
    }
    this.sent.set(method, (this.sent.get(method) ?? 0) + 1);
    const { timeoutMs } = options;
    return new Promise((resolve, reject) => {
      const settle: Pending["settle"] = (outcome) => {
        cancelTimeout();
        this.#pending.delete(pending);
        if ("value" in outcome) resolve(outcome.value);
        else reject(outcome.error);
      };
      const pending: Pending = { to, settle };
      const cancelTimeout = this.#network.clock.schedule(timeoutMs, () => {
        settle({ error: new NetworkError("timed out", { code: "TIMEOUT", peer: to, timeoutMs }) });
      });
      this.#pending.add(pending);
      this.#network.carry(this.#node, peer, () => peer.requests.#serve(this.#node, method, bytes, settle));
    });
  }

  onLost(peer: NodeId): void {
    for (const pending of [...this.#pending]) {
      if (pending.to === peer) pending.settle({ error: new NetworkError("peer lost", { code: "PEER_LOST", peer }) });
    }
  }

  #serve(from: FakeNode, method: string, bytes: Uint8Array, settle: Pending["settle"]): void {
    const peer = this.#node.self.nodeId;
    const handler = this.#handlers.get(method);
    const answer = async () => {
      if (handler === undefined) throw new NetworkError(method, { code: "REMOTE", peer, remoteCode: "UNKNOWN_METHOD" });
      return packed(await handler(from.self, unpacked(bytes)));
    };
    const reply = (outcome: Parameters<Pending["settle"]>[0]) =>
      this.#network.carry(this.#node, from, () => settle(outcome));
    void answer().then(
      (value) => reply({ value: unpacked(value) }),
      (error: unknown) => {
        const remoteCode = error instanceof AtollError ? error.detail.code : "INTERNAL";
        reply({ error: new NetworkError(String(error), { code: "REMOTE", peer, remoteCode }) });
      },
    );
  }
}
