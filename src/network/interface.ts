/**
 * What the node asks of its network. `libp2p-host.ts` and its neighbours implement it; the simulator has its own.
 *
 * Every peer named here is admitted: it proved the shared key, and its federation, cluster and protocol version fit.
 */

import type { ClusterId, NodeId, NodeName, RegionId } from "../types/ids.ts";
import type { RaftMessage, SnapshotHeader } from "../types/raft.ts";
import { AtollError } from "../util/errors.ts";

export interface PeerInfo {
  readonly nodeId: NodeId;
  readonly name: NodeName;
  readonly region: RegionId;
  /** Null until its region is founded. */
  readonly cluster: ClusterId | null;
  /** Where agents reach it. */
  readonly http: string;
  /** Where nodes may dial it, `host:port`; empty when it wants only configured names to be dialled. */
  readonly addresses: readonly string[];
}

export type PeerChange = { readonly type: "up" | "down"; readonly peer: PeerInfo };
export type Unsubscribe = () => void;

/** Who is connected now. */
export interface PeerDirectory {
  peers(): readonly PeerInfo[];
  get(nodeId: NodeId): PeerInfo | undefined;
  /** Smoothed round trip in milliseconds, undefined before the first measurement. */
  roundTripMs(nodeId: NodeId): number | undefined;
  onChange(listener: (change: PeerChange) => void): Unsubscribe;
  /** Addresses learned from the federation, dialled beside the configured names (F15). Replaces those learned of `region`. */
  learn(region: RegionId, addresses: readonly string[]): void;
}

/** What the last attempts to reach a named peer came to. */
export interface DialState {
  /** Who was found there. */
  readonly found: readonly NodeId[];
  /** Why not all of it is reached; null while it is, and before the first attempt ended. */
  readonly problem: string | null;
}

/** Peers that are named while the node runs (`types/peer-name.ts`). */
export interface PeerDialler {
  /** Dials these from now on, beside those of the configuration, and those that it dialled by an earlier call no more. */
  namePeers(names: readonly string[]): void;
  /** Undefined for a name that is not dialled. */
  dialState(name: string): DialState | undefined;
}

export interface RaftTransportListener {
  /** `from` is the authenticated sender, already checked against the message. */
  onMessage(from: NodeId, message: RaftMessage): void;
  /** The sender waits for the promise; a rejection tells it that the snapshot was not installed. */
  onSnapshot(from: NodeId, header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** The peer's kernel closed the connection and refused a new one: its process is gone, not slow. */
  onPeerGone(nodeId: NodeId): void;
  onPeerUp(nodeId: NodeId): void;
}

/** One long-lived stream per peer and direction; another one for snapshots, so that bulk never delays a heartbeat. */
export interface RaftTransport {
  /** Begins to accept and open streams for the region founded as `cluster`. */
  start(cluster: ClusterId, listener: RaftTransportListener): void;
  /** Queues and returns. Dropped when there is no link or the peer's queue is full: Raft repeats what matters. */
  send(message: RaftMessage): void;
  /** Resolves when the peer has installed it. @throws NetworkError */
  sendSnapshot(to: NodeId, header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}

export type RequestHandler = (from: PeerInfo, payload: unknown) => Promise<unknown>;

/** Requests and answers, pipelined on one long-lived stream per peer. Payloads are msgpack values of at most 1 MiB. */
export interface RequestResponse {
  /**
   * @throws NetworkError NOT_CONNECTED, OVERLOADED, TOO_LARGE (nothing was sent), TIMEOUT, PEER_LOST (the request may have been
   *   served), or REMOTE with the code the other side answered
   */
  request(to: NodeId, method: string, payload: unknown, options: { timeoutMs: number }): Promise<unknown>;
  /**
   * Serves a method; replaces the handler it had. One that throws an AtollError is answered with its code; anything else
   * with INTERNAL, and logged.
   */
  handle(method: string, handler: RequestHandler): void;
}

/** Best-effort broadcast between all nodes of the federation. The payload proves its own origin. */
export interface SummaryChannel {
  publish(message: Uint8Array): void;
  /** `reject` stops the message here and counts against the sender; `ignore` only stops it. */
  subscribe(listener: (message: Uint8Array) => "accept" | "ignore" | "reject"): Unsubscribe;
}

export type NetworkErrorDetail =
  | { readonly code: "NOT_CONNECTED"; readonly peer: NodeId }
  | { readonly code: "TIMEOUT"; readonly peer: NodeId; readonly timeoutMs: number }
  | { readonly code: "PEER_LOST"; readonly peer: NodeId }
  | { readonly code: "OVERLOADED"; readonly peer: NodeId }
  | { readonly code: "TOO_LARGE"; readonly bytes: number; readonly bytesMax: number }
  | { readonly code: "REMOTE"; readonly peer: NodeId; readonly remoteCode: string }
  | { readonly code: "LISTEN_FAILED"; readonly address: string; readonly reason: string };

export class NetworkError extends AtollError<NetworkErrorDetail> {}
