/** What the network counts. Method calls instead of a metrics library, so that tests can look and the simulator can ignore. */

/** Why a connection was not admitted. */
export type RefusalCode =
  | "WRONG_KEY"
  | "WRONG_FEDERATION"
  /** Same federation and region, but founded apart (F17). */
  | "WRONG_CLUSTER"
  | "PROTOCOL_VERSION"
  | "MALFORMED"
  | "TIMEOUT"
  | "NOT_ALLOWED"
  /** More connections wait for admission than are allowed. */
  | "TOO_MANY_PENDING";

export type DropKind =
  /** A Raft message without a link to its receiver. */
  | "raft-not-connected"
  | "raft-queue-full"
  | "raft-too-large"
  | "summary-too-large"
  | "summary-not-sent"
  /** A peer sent more gossip, or more refused gossip, than its share. */
  | "summary-budget"
  | "summary-rejected"
  | "request-overloaded";

export type Protocol = "raft" | "snapshot" | "request" | "summary";

export interface NetworkMetrics {
  refused(code: RefusalCode): void;
  dropped(kind: DropKind): void;
  /** Bytes that broke a rule of the protocol; the stream was reset. */
  badFrame(protocol: Protocol): void;
  bytes(direction: "in" | "out", protocol: Protocol, bytes: number): void;
}

export const noNetworkMetrics: NetworkMetrics = {
  refused() {},
  dropped() {},
  badFrame() {},
  bytes() {},
};
