/**
 * The Raft transport of a region that may have been recovered by force.
 *
 * On disks, and in the snapshots that are made of them, everything is bound to the id that the region was founded with;
 * peers compare the id of the epoch. Here one is exchanged for the other.
 */

import type { RaftTransport, RaftTransportListener } from "../network/interface.ts";
import type { ClusterId, NodeId } from "../types/ids.ts";
import type { RaftMessage, SnapshotHeader } from "../types/raft.ts";

export class EpochTransport implements RaftTransport {
  readonly #transport: RaftTransport;
  readonly #epoch: ClusterId;

  constructor(transport: RaftTransport, epoch: ClusterId) {
    this.#transport = transport;
    this.#epoch = epoch;
  }

  start(origin: ClusterId, listener: RaftTransportListener): void {
    this.#transport.start(this.#epoch, {
      onMessage: (from, message) => listener.onMessage(from, message),
      onSnapshot: (from, header, chunks) => listener.onSnapshot(from, { ...header, cluster: origin }, chunks),
      onPeerGone: (nodeId) => listener.onPeerGone(nodeId),
      onPeerUp: (nodeId) => listener.onPeerUp(nodeId),
    });
  }

  send(message: RaftMessage): void {
    this.#transport.send(message);
  }

  sendSnapshot(to: NodeId, header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#transport.sendSnapshot(to, { ...header, cluster: this.#epoch }, chunks);
  }
}
