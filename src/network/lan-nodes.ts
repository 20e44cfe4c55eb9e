/**
 * Nodes that announce themselves on the local network, as far as they are worth dialling.
 *
 * Anybody on the network can announce anything, so this is a hint where to dial and nothing else, and bounded: 32 nodes of 4
 * addresses; what a node announces is taken anew every 30 s at most; one that falls silent is forgotten after 60 s unless it
 * is linked. So a flood of announcements costs 128 addresses to redial, some 25 attempts a second, and may keep further nodes
 * from being found here: name one of them, and it leads to all.
 */

import type { NodeId } from "../types/ids.ts";
import { type Clock, repeat } from "../util/clock.ts";

const NODES_MAX = 32;
const ADDRESSES_PER_NODE_MAX = 4;
const RENEW_MS = 30_000;
const FORGET_MS = 60_000;
/** What was announced meanwhile is dialled together, and what fell silent is forgotten. */
const REVIEW_MS = 1_000;

interface LanNode {
  readonly addresses: readonly string[];
  readonly takenAtMs: number;
  heardAtMs: number;
}

export interface LanNodesParts {
  readonly self: NodeId;
  readonly clock: Clock;
  isConnected(nodeId: NodeId): boolean;
  /** All addresses that are to be dialled, `host:port`, when they changed. */
  dial(addresses: readonly string[]): void;
}

export class LanNodes {
  readonly #parts: LanNodesParts;
  readonly #nodes = new Map<NodeId, LanNode>();
  #cancel = () => {};
  #dialled = "";

  constructor(parts: LanNodesParts) {
    this.#parts = parts;
  }

  /** Has those that announce themselves dialled, until stopped. */
  start(): void {
    this.#cancel = repeat(this.#parts.clock, REVIEW_MS, () => this.#review());
  }

  stop(): void {
    this.#cancel();
  }

  /** A node said that it can be dialled at these addresses. */
  heard(nodeId: NodeId, addresses: readonly string[]): void {
    const { self, clock } = this.#parts;
    if (nodeId === self || addresses.length === 0) return;
    const now = clock.now();
    const known = this.#nodes.get(nodeId);
    if (known === undefined ? this.#nodes.size < NODES_MAX : now - known.takenAtMs >= RENEW_MS) {
      const taken = addresses.slice(0, ADDRESSES_PER_NODE_MAX);
      this.#nodes.set(nodeId, { addresses: taken, takenAtMs: now, heardAtMs: now });
    } else if (known !== undefined) {
      known.heardAtMs = now;
    }
  }

  #review(): void {
    const { clock, isConnected, dial } = this.#parts;
    const forgottenBefore = clock.now() - FORGET_MS;
    for (const [nodeId, { heardAtMs }] of this.#nodes) {
      if (heardAtMs <= forgottenBefore && !isConnected(nodeId)) this.#nodes.delete(nodeId);
    }
    const addresses = [...new Set([...this.#nodes.values()].flatMap((node) => node.addresses))];
    const text = addresses.join();
    if (text === this.#dialled) return;
    this.#dialled = text;
    dial(addresses);
  }
}
