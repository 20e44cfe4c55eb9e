/**
 * The network between simulated nodes: it loses, repeats, delays and reorders, clogs, and is cut in either direction.
 *
 * What crosses it: Raft messages, snapshots in chunks on streams that break, requests and their answers. That a process
 * ended is told to the others by its kernel, or not.
 */

import {
  NetworkError,
  type PeerDirectory,
  type PeerInfo,
  type RaftTransport,
  type RaftTransportListener,
  type RequestHandler,
  type RequestResponse,
} from "../../src/network/interface.ts";
import {
  decodeRaftMessage,
  decodeSnapshotHeader,
  encodeRaftMessage,
  encodeSnapshotHeader,
} from "../../src/network/raft-codec.ts";
import { asRegionId, type ClusterId, type NodeId, type NodeName } from "../../src/types/ids.ts";
import type { RaftMessage, SnapshotHeader } from "../../src/types/raft.ts";
import { sleep } from "../../src/util/clock.ts";
import { AtollError, messageOf } from "../../src/util/errors.ts";
import type { Random } from "../../src/util/random.ts";
import type { ProcessLoop } from "./node-sim-loop.ts";
import { packed, unpacked } from "./packed-payload.ts";
import type { NetworkPlan } from "./raft-sim-plan.ts";
import type { EventQueue } from "./raft-sim-queue.ts";

export const REGION = asRegionId("sim");

export interface NodeNetworkPlan extends NetworkPlan {
  /** What one node sends to another arrives in order, as on a stream. */
  readonly isOrdered: boolean;
  /** Bytes cross, not objects. */
  readonly isEncoded: boolean;
  readonly chunkMs: number;
  /** Chance that a snapshot's stream breaks at a chunk. */
  readonly streamLoss: number;
}

/** One direction between two nodes. */
export type LinkEnds = readonly [from: NodeId, to: NodeId];

/** The worst that may happen on a whole link: streams do none of it, Raft must bear all of it. */
type Fate = "delayed" | "lost" | "lost or repeated";

interface Link {
  /** How many faults cut it now. */
  cuts: number;
  /** How many hold it up, and what waits behind them. */
  clogs: number;
  readonly held: (() => void)[];
  lastArrival: number;
}

const LIMBO_MS = 5_000;

export class SimulatedNetwork {
  readonly queue: EventQueue;
  readonly plan: NodeNetworkPlan;
  readonly #random: Random;
  readonly #links = new Map<NodeId, Map<NodeId, Link>>();
  readonly #endpoints = new Map<NodeId, Endpoint>();
  readonly #transfers = new Set<Transfer>();
  /** It only delays. */
  #isCalm = true;
  /** How many cuts and clogs there are. */
  #faults = 0;
  #wholeSince = 0;

  constructor(queue: EventQueue, random: Random, plan: NodeNetworkPlan) {
    this.queue = queue;
    this.#random = random;
    this.plan = plan;
  }

  /** A process takes part from now on; one of the same id has left before. */
  join(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.id, endpoint);
  }

  /** @param isTold - chance that a peer's kernel tells it that the process is gone */
  leave(endpoint: Endpoint, isTold: number): void {
    this.#endpoints.delete(endpoint.id);
    this.#breakTransfers(({ from, to }) => from === endpoint || to === endpoint);
    for (const peer of this.#endpoints.values()) {
      if (this.#isCut(endpoint.id, peer.id) || this.#random.next() >= isTold) continue;
      this.queue.schedule(1 + 5 * this.#random.next(), () => peer.loop.receive(() => peer.onPeerGone(endpoint.id)));
    }
  }

  endpoint(id: NodeId): Endpoint | undefined {
    return this.#endpoints.get(id);
  }

  endpoints(): Iterable<Endpoint> {
    return this.#endpoints.values();
  }

  /** Since when nothing was lost, cut or held up on any link; Infinity while something may be. */
  get wholeSince(): number {
    const mayLose = this.plan.loss > 0 && !this.#isCalm;
    return mayLose || this.#faults > 0 ? Number.POSITIVE_INFINITY : this.#wholeSince;
  }

  /** Nothing crosses these any more. @returns mends them */
  cut(links: readonly LinkEnds[]): () => void {
    const cut = links.map(([from, to]) => this.#link(from, to));
    for (const link of cut) link.cuts++;
    this.#breakTransfers(({ from, to }) => this.#isCut(from.id, to.id) || this.#isCut(to.id, from.id));
    return this.#untilUndone(() => {
      for (const link of cut) link.cuts--;
      for (const [from, to] of links) this.connect(from, to);
    });
  }

  /** What enters these waits. @returns lets it go on */
  clog(links: readonly LinkEnds[]): () => void {
    const clogged = links.map(([from, to]) => this.#link(from, to));
    for (const link of clogged) link.clogs++;
    return this.#untilUndone(() => {
      for (const link of clogged) {
        if (--link.clogs > 0) continue;
        for (const go of link.held.splice(0)) go();
      }
    });
  }

  /** One dials the other, and both hear of it. */
  connect(a: NodeId, b: NodeId): void {
    if (this.#isCut(a, b) || this.#isCut(b, a)) return;
    this.carry(a, b, (peer) => peer.onPeerUp(a), "delayed");
    this.carry(b, a, (peer) => peer.onPeerUp(b), "delayed");
  }

  #untilUndone(undo: () => void): () => void {
    this.#faults++;
    return () => {
      undo();
      this.#faults--;
      this.#wholeSince = this.queue.now;
    };
  }

  /** From now on it loses, repeats and reorders, or only delays. */
  setCalm(isCalm: boolean): void {
    this.#isCalm = isCalm;
    this.#wholeSince = this.queue.now;
  }

  /**
   * Brings something to whoever has this id when it arrives.
   *
   * @param fate - the worst that may happen to it while the link is whole
   */
  carry(from: NodeId, to: NodeId, deliver: (peer: Endpoint) => void, fate: Fate): void {
    // A process that has just ended says no more.
    if (!this.#endpoints.has(from)) return;
    const link = this.#link(from, to);
    if (link.clogs > 0) {
      link.held.push(() => this.carry(from, to, deliver, fate));
      return;
    }
    if (link.cuts > 0) return;
    const random = this.#random;
    if (fate !== "delayed" && !this.#isCalm) {
      const { loss, duplicates, limbo } = this.plan;
      const mayRepeat = fate === "lost or repeated";
      if (limbo > 0 && mayRepeat && random.next() < limbo) this.#arrive(link, to, deliver, LIMBO_MS * random.next());
      if (loss > 0 && random.next() < loss) return;
      if (duplicates > 0 && mayRepeat && random.next() < duplicates) this.#arrive(link, to, deliver, this.#delayMs());
    }
    let delayMs = this.#delayMs();
    if (this.plan.isOrdered) {
      delayMs = Math.max(delayMs, link.lastArrival - this.queue.now);
      link.lastArrival = this.queue.now + delayMs;
    }
    this.#arrive(link, to, deliver, delayMs);
  }

  #arrive(link: Link, to: NodeId, deliver: (peer: Endpoint) => void, delayMs: number): void {
    this.queue.schedule(delayMs, () => {
      const peer = link.cuts > 0 ? undefined : this.#endpoints.get(to);
      peer?.loop.receive(() => deliver(peer));
    });
  }

  #delayMs(): number {
    const { delayMs, jitterMs } = this.plan;
    if (jitterMs === 0 || this.#isCalm) return delayMs;
    return delayMs - jitterMs * Math.log(1 - this.#random.next());
  }

  /** @throws NetworkError */
  async stream(from: Endpoint, to: NodeId, header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const receiver = this.#endpoints.get(to);
    if (receiver === undefined || this.#isCut(from.id, to) || this.#isCut(to, from.id)) {
      throw new NetworkError(`no connection to ${to}`, { code: "NOT_CONNECTED", peer: to });
    }
    const transfer = new Transfer(from, receiver);
    this.#transfers.add(transfer);
    try {
      const { chunkMs } = this.plan;
      transfer.begin(this.plan.isEncoded ? decodeSnapshotHeader(encodeSnapshotHeader(header), header.cluster) : header);
      for await (const chunk of chunks) {
        await Promise.race([sleep(from.loop, chunkMs), transfer.broken]);
        if (!this.#isCalm && this.#random.next() < this.plan.streamLoss) transfer.break();
        transfer.bring(Uint8Array.from(chunk));
      }
      transfer.finish();
      await Promise.race([transfer.answer, transfer.broken]);
    } finally {
      transfer.break();
      this.#transfers.delete(transfer);
    }
  }

  #breakTransfers(isHit: (transfer: Transfer) => boolean): void {
    for (const transfer of this.#transfers) {
      if (!isHit(transfer)) continue;
      transfer.break();
      this.#transfers.delete(transfer);
    }
  }

  #isCut(from: NodeId, to: NodeId): boolean {
    return this.#link(from, to).cuts > 0;
  }

  #link(from: NodeId, to: NodeId): Link {
    let links = this.#links.get(from);
    if (links === undefined) {
      links = new Map();
      this.#links.set(from, links);
    }
    let link = links.get(to);
    if (link === undefined) {
      link = { cuts: 0, clogs: 0, held: [], lastArrival: 0 };
      links.set(to, link);
    }
    return link;
  }
}

/** A snapshot on its way. Each end learns that the stream broke when its process next runs. */
class Transfer {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly #inbox = new Inbox();
  readonly #answer = Promise.withResolvers<void>();
  readonly #broken = Promise.withResolvers<never>();

  constructor(from: Endpoint, to: Endpoint) {
    this.from = from;
    this.to = to;
    // They may be settled while nobody waits for them.
    this.answer.catch(() => {});
    this.broken.catch(() => {});
  }

  /** What the receiver said in the end. */
  get answer(): Promise<void> {
    return this.#answer.promise;
  }

  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  begin(header: SnapshotHeader): void {
    const { from, to } = this;
    const settle = (run: () => void) => from.loop.receive(run);
    to.loop.receive(() => {
      to.onSnapshot(from.id, header, this.#inbox).then(
        () => settle(() => this.#answer.resolve()),
        (error: unknown) => settle(() => this.#answer.reject(remoteError(to.id, error))),
      );
    });
  }

  bring(chunk: Uint8Array): void {
    this.to.loop.receive(() => this.#inbox.push(chunk));
  }

  finish(): void {
    this.to.loop.receive(() => this.#inbox.end(null));
  }

  /** Does nothing to a receiver that has all of it already. */
  break(): void {
    const { from, to } = this;
    to.loop.receive(() => this.#inbox.end(new Error("the sender broke the snapshot off")));
    from.loop.receive(() =>
      this.#broken.reject(new NetworkError(`the link to ${to.id} broke`, { code: "PEER_LOST", peer: to.id })),
    );
  }
}

/** Chunks between the stream that brings them and the one reader that stores them. */
class Inbox implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  #end: { readonly error: Error | null } | null = null;
  #wake = () => {};

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#wake();
  }

  end(error: Error | null): void {
    this.#end ??= { error };
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) yield chunk;
      else if (this.#end === null) await this.#change();
      else if (this.#end.error === null) return;
      else throw this.#end.error;
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

type Settle = (outcome: { readonly value: unknown } | { readonly error: NetworkError }) => void;

/** One process's end of the network: the faces that `src/network` gives a real one. */
export class Endpoint implements RaftTransport, RequestResponse, PeerDirectory {
  readonly id: NodeId;
  readonly loop: ProcessLoop;
  readonly #network: SimulatedNetwork;
  /** As others see it. */
  info: PeerInfo;
  /** Sees each Raft message before it leaves. @returns whether the process lives to send it */
  readonly #onSend: (message: RaftMessage) => boolean;
  readonly #handlers = new Map<string, RequestHandler>();
  #listener: RaftTransportListener | null = null;

  constructor(
    network: SimulatedNetwork,
    self: { readonly id: NodeId; readonly name: NodeName },
    loop: ProcessLoop,
    onSend: (message: RaftMessage) => boolean,
  ) {
    this.#network = network;
    this.id = self.id;
    this.info = { nodeId: self.id, name: self.name, region: REGION, cluster: null, http: "", addresses: [] };
    this.loop = loop;
    this.#onSend = onSend;
  }

  // ------------------------------------------------------------------ Raft

  start(cluster: ClusterId, listener: RaftTransportListener): void {
    this.info = { ...this.info, cluster };
    this.#listener = listener;
    for (const peer of this.#network.endpoints()) if (peer !== this) this.#network.connect(this.id, peer.id);
  }

  send(message: RaftMessage): void {
    if (!this.#onSend(message)) return;
    const { from, to } = message;
    const bytes = this.#network.plan.isEncoded ? encodeRaftMessage(message) : null;
    const deliver = (peer: Endpoint) =>
      peer.#listener?.onMessage(from, bytes === null ? message : decodeRaftMessage(bytes, from, to));
    this.#network.carry(from, to, deliver, fateOf(message));
  }

  sendSnapshot(to: NodeId, header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#network.stream(this, to, header, chunks);
  }

  onSnapshot(from: NodeId, header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#listener === null) return Promise.reject(new Error("no Raft here yet"));
    return this.#listener.onSnapshot(from, header, chunks);
  }

  onPeerUp(peer: NodeId): void {
    this.#listener?.onPeerUp(peer);
  }

  onPeerGone(peer: NodeId): void {
    this.#listener?.onPeerGone(peer);
  }

  // ------------------------------------------------------------------ requests

  handle(method: string, handler: RequestHandler): void {
    this.#handlers.set(method, handler);
  }

  async request(to: NodeId, method: string, payload: unknown, { timeoutMs }: { timeoutMs: number }): Promise<unknown> {
    if (this.get(to) === undefined) throw new NetworkError("not connected", { code: "NOT_CONNECTED", peer: to });
    const read = this.#network.plan.isEncoded ? encoded(payload) : () => payload;
    return new Promise((resolve, reject) => {
      const cancelTimeout = this.loop.schedule(timeoutMs, () =>
        reject(new NetworkError("timed out", { code: "TIMEOUT", peer: to, timeoutMs })),
      );
      const settle: Settle = (outcome) => {
        cancelTimeout();
        if ("value" in outcome) resolve(outcome.value);
        else reject(outcome.error);
      };
      this.#network.carry(this.id, to, (peer) => peer.#serve(this, method, read, settle), "lost");
    });
  }

  #serve(from: Endpoint, method: string, read: () => unknown, settle: Settle): void {
    // Another process of the same id by now would not know the question.
    const reply = (outcome: Parameters<Settle>[0]) => {
      const deliver = (peer: Endpoint) => (peer === from ? settle(outcome) : undefined);
      this.#network.carry(this.id, from.id, deliver, "lost");
    };
    this.#answer(from, method, read).then(
      (value) => reply({ value }),
      (error: unknown) => reply({ error: remoteError(this.id, error) }),
    );
  }

  async #answer(from: Endpoint, method: string, read: () => unknown): Promise<unknown> {
    const handler = this.#handlers.get(method);
    if (handler === undefined) {
      throw new NetworkError(method, { code: "REMOTE", peer: this.id, remoteCode: "UNKNOWN_METHOD" });
    }
    return handler(from.info, read());
  }

  // ------------------------------------------------------------------ who is there

  peers(): readonly PeerInfo[] {
    return [...this.#network.endpoints()].filter((peer) => peer !== this).map((peer) => peer.info);
  }

  get(nodeId: NodeId): PeerInfo | undefined {
    const peer = this.#network.endpoint(nodeId);
    return peer === this ? undefined : peer?.info;
  }

  roundTripMs(): undefined {
    return undefined;
  }

  onChange(): () => void {
    return () => {};
  }

  learn(): void {}
}

function fateOf({ type }: RaftMessage): Fate {
  switch (type) {
    // Said once for each connection.
    case "removed":
      return "delayed";
    // Each refusal is counted against what was sent.
    case "propose":
    case "proposeRefused":
      return "lost";
    default:
      return "lost or repeated";
  }
}

/** What a receiver finds in the bytes that a value was written as. */
function encoded(value: unknown): () => unknown {
  const bytes = packed(value);
  return () => unpacked(bytes);
}

function remoteError(peer: NodeId, error: unknown): NetworkError {
  const remoteCode = error instanceof AtollError ? error.detail.code : "INTERNAL";
  return new NetworkError(messageOf(error), { code: "REMOTE", peer, remoteCode }, { cause: error });
}
