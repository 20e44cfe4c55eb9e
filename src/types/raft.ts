/**
 * The messages of a Raft group (Ongaro 2014; names as in the paper and etcd-io/raft).
 *
 * Indexes and terms are integers, 0 to 2^53 - 1. The codec refuses anything else at the door (R15).
 */

import type { ClusterId, NodeId } from "./ids.ts";
import type { Membership } from "./membership.ts";

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

/** What an entry carries: nothing (opens a term), a command for the state machine, or a new configuration. */
export type EntryKind = "empty" | "command" | "membership";

export interface LogEntry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What must be on disk before anything that depends on it leaves (R1). */
export interface HardState {
  readonly term: number;
  readonly votedFor: NodeId | null;
  readonly commit: number;
}

/** Identifies a command of one proposer, so that a retry is applied once (Ongaro 2014, §6.3). */
export interface ProposalId {
  readonly session: string;
  readonly sequence: number;
}

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: number;
}

export type RaftMessage = Envelope &
  (
    | {
        readonly type: "preVote" | "vote";
        readonly lastIndex: number;
        readonly lastTerm: number;
        readonly isTransfer: boolean;
      }
    | { readonly type: "preVoteResponse" | "voteResponse"; readonly granted: boolean }
    | {
        readonly type: "append";
        readonly prevIndex: number;
        readonly prevTerm: number;
        readonly commit: number;
        readonly entries: readonly LogEntry[];
      }
    | {
        readonly type: "appendResponse";
        readonly accepted: boolean;
        /** Accepted: the last index proved to match. Rejected: the `prevIndex` that was refused. */
        readonly index: number;
        /** Rejected: the follower's best guess where the logs may agree (R33). */
        readonly hintIndex: number;
        readonly hintTerm: number;
      }
    | {
        readonly type: "heartbeat";
        /** Never above what this follower is known to hold (R30). */
        readonly commit: number;
        /** All that the leader knows committed: tells how stale the follower is, never what it may apply. */
        readonly leaderCommit: number;
        /** How old the newest heartbeats are that a quorum answered, in whole milliseconds: no follower is fresher than that. */
        readonly sinceQuorumMs: number;
        /** To be sent back: when this left, by a count that only the leader can read. */
        readonly sentAt: number;
        /** The `sentAt` of the follower's newest answer, 0 before there is one. */
        readonly echo: number;
        /** How long ago the leader heard that answer, in whole milliseconds. */
        readonly echoHeldMs: number;
        /** Counts read rounds; 0 when no read waits (R54). */
        readonly readRound: number;
      }
    | {
        readonly type: "heartbeatResponse";
        readonly readRound: number;
        /** To be sent back: when this left, by a count that only the follower can read. */
        readonly sentAt: number;
        /** The `sentAt` of the heartbeat that this answers. */
        readonly echo: number;
      }
    | {
        readonly type: "propose";
        readonly entries: readonly Uint8Array[];
        /** Of each entry the trace that it is part of, as a traceparent; absent where none is traced. */
        readonly traces?: readonly (string | null)[];
      }
    | {
        readonly type: "proposeRefused";
        readonly reason: "not-leader" | "overloaded";
        readonly leader: NodeId | null;
        readonly proposals: readonly ProposalId[];
      }
    | { readonly type: "readIndex"; readonly requests: readonly number[] }
    | {
        readonly type: "readIndexResponse";
        readonly requests: readonly number[];
        readonly index: number;
        readonly refused: boolean;
      }
    | { readonly type: "timeoutNow"; readonly lastIndex: number }
    /** To one that left the group and may not know it: its id never returns (R51). */
    | { readonly type: "removed" }
  );

/** Travels before the chunks of a snapshot. */
export interface SnapshotHeader {
  readonly cluster: ClusterId;
  /** The leader's term. */
  readonly term: number;
  /** The state shows all entries up to this one. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** The configuration in force at `lastIndex`. */
  readonly membership: Membership;
}
