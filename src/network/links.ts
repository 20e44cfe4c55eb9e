/** What the protocols of this folder ask of the host: admitted peers, and streams to and from them. */

import type { NodeId } from "../types/ids.ts";
import type { ByteStream } from "./frame-channel.ts";
import type { PeerInfo, Unsubscribe } from "./interface.ts";

export interface LinkListener {
  /** The first connection to a peer was admitted. */
  onUp(peer: PeerInfo): void;
  /** The last connection to a peer ended. */
  onDown(peer: PeerInfo, end: LinkEnd): void;
}

export interface LinkEnd {
  /** This node ended it. */
  readonly isOurs: boolean;
  readonly livedMs: number;
}

export interface Links {
  readonly self: NodeId;
  peers(): readonly PeerInfo[];
  get(nodeId: NodeId): PeerInfo | undefined;
  /** The protocol version that was agreed with an admitted peer; undefined when there is none. */
  versionWith(nodeId: NodeId): number | undefined;
  /** Listeners are called in the order they were added. */
  onLink(listener: LinkListener): Unsubscribe;
  /**
   * Opens a stream on the newest connection to an admitted peer.
   *
   * @throws Error when there is none, or the stream can not be opened
   */
  open(to: NodeId, protocol: string): Promise<ByteStream>;
  /** Hands streams that admitted peers open to `accept`. Called before the host starts, once for each protocol. */
  serve(protocol: string, accept: (stream: ByteStream, from: NodeId) => void): void;
}
