/** Who is connected now, and how far away. */

import type { NodeId, RegionId } from "../types/ids.ts";
import type { PeerChange, PeerDirectory, PeerInfo, Unsubscribe } from "./interface.ts";
import type { Links } from "./links.ts";

/** Weight of the newest measurement. */
const SMOOTHING = 0.2;

export class LinkPeerDirectory implements PeerDirectory {
  readonly #links: Links;
  readonly #learn: (region: RegionId, addresses: readonly string[]) => void;
  readonly #roundTripMs = new Map<NodeId, number>();
  readonly #listeners = new Set<(change: PeerChange) => void>();

  constructor(links: Links, learn: (region: RegionId, addresses: readonly string[]) => void) {
    this.#links = links;
    this.#learn = learn;
    links.onLink({
      onUp: (peer) => this.#tell({ type: "up", peer }),
      onDown: (peer) => {
        this.#roundTripMs.delete(peer.nodeId);
        this.#tell({ type: "down", peer });
      },
    });
  }

  peers(): readonly PeerInfo[] {
    return this.#links.peers();
  }

  get(nodeId: NodeId): PeerInfo | undefined {
    return this.#links.get(nodeId);
  }

  roundTripMs(nodeId: NodeId): number | undefined {
    return this.#roundTripMs.get(nodeId);
  }

  onChange(listener: (change: PeerChange) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  learn(region: RegionId, addresses: readonly string[]): void {
    this.#learn(region, addresses);
  }

  /** Takes one measured round trip into the average. */
  measured(nodeId: NodeId, ms: number): void {
    if (this.#links.get(nodeId) === undefined) return;
    const before = this.#roundTripMs.get(nodeId) ?? ms;
    this.#roundTripMs.set(nodeId, before + SMOOTHING * (ms - before));
  }

  #tell(change: PeerChange): void {
    for (const listener of [...this.#listeners]) listener(change);
  }
}
