/** Admitted peers in memory: what `Libp2pHost` gives the protocols, without libp2p. */

import type { ByteStream } from "../../src/network/frame-channel.ts";
import type { PeerInfo, Unsubscribe } from "../../src/network/interface.ts";
import type { LinkListener, Links } from "../../src/network/links.ts";
import { asNodeId, asNodeName, asRegionId, type NodeId } from "../../src/types/ids.ts";
import { FakeStream } from "./fake-stream.ts";

export function peerInfo(name: string, region = "us-east"): PeerInfo {
  return {
    nodeId: asNodeId(`id-of-${name}`),
    name: asNodeName(name),
    region: asRegionId(region),
    cluster: null,
    http: `http://${name}:8000`,
    addresses: [],
  };
}

export class FakeLinks implements Links {
  readonly info: PeerInfo;
  /** This side's end of each stream it opened, in order. */
  readonly opened: { readonly protocol: string; readonly stream: FakeStream }[] = [];
  /** Bytes a stream takes before it wants a drain. */
  windowBytes = Number.POSITIVE_INFINITY;
  refusesToOpen = false;
  readonly #peers = new Map<NodeId, FakeLinks>();
  readonly #listeners = new Set<LinkListener>();
  readonly #served = new Map<string, (stream: ByteStream, from: NodeId) => void>();

  constructor(info: PeerInfo) {
    this.info = info;
  }

  get self(): NodeId {
    return this.info.nodeId;
  }

  static connect(a: FakeLinks, b: FakeLinks): void {
    a.#peers.set(b.self, b);
    b.#peers.set(a.self, a);
    a.#tell((listener) => listener.onUp(b.info));
    b.#tell((listener) => listener.onUp(a.info));
  }

  static disconnect(a: FakeLinks, b: FakeLinks): void {
    a.#peers.delete(b.self);
    b.#peers.delete(a.self);
    a.#tell((listener) => listener.onDown(b.info, { isOurs: false, livedMs: 10_000 }));
    b.#tell((listener) => listener.onDown(a.info, { isOurs: false, livedMs: 10_000 }));
  }

  peers(): readonly PeerInfo[] {
    return [...this.#peers.values()].map(({ info }) => info);
  }

  get(nodeId: NodeId): PeerInfo | undefined {
    return this.#peers.get(nodeId)?.info;
  }

  versionWith(nodeId: NodeId): number | undefined {
    return this.#peers.has(nodeId) ? 1 : undefined;
  }

  onLink(listener: LinkListener): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async open(to: NodeId, protocol: string): Promise<ByteStream> {
    const peer = this.#peers.get(to);
    const accept = peer === undefined ? undefined : peer.#served.get(protocol);
    if (accept === undefined || this.refusesToOpen) throw new Error("no such stream");
    const [ours, theirs] = FakeStream.pair(this.windowBytes);
    this.opened.push({ protocol, stream: ours });
    accept(theirs.asStream, this.self);
    return ours.asStream;
  }

  /** A stream as a hostile peer opens it, without our code on its side. */
  openRaw(from: NodeId, protocol: string): FakeStream {
    const [theirs, ours] = FakeStream.pair();
    this.#served.get(protocol)?.(ours.asStream, from);
    return theirs;
  }

  serve(protocol: string, accept: (stream: ByteStream, from: NodeId) => void): void {
    this.#served.set(protocol, accept);
  }

  #tell(event: (listener: LinkListener) => void): void {
    for (const listener of [...this.#listeners]) event(listener);
  }
}
