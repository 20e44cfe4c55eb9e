/**
 * The public face of a region's consensus group.
 *
 * Who uses it sees commands go in and applied results come out; terms, logs and messages stay inside.
 */

import type { StateRecord, StateWrite } from "../storage/interface.ts";
import type { NodeId } from "../types/ids.ts";
import type { Membership, MembershipChange, MembershipRefusal } from "../types/membership.ts";
import type { Role } from "../types/raft.ts";
import { AtollError } from "../util/errors.ts";

/** The replicated state. Deterministic: two replicas that apply the same commands hold the same state. */
export interface StateMachine {
  /**
   * Applies one committed command. Synchronous; no clock, no random source.
   *
   * @param index - log index of the command; becomes the revision of what it changes
   * @returns `result` for the proposer (a msgpack value, kept for retries: small), and the records that changed
   */
  apply(command: Uint8Array, index: number): { readonly result: unknown; readonly writes: readonly StateWrite[] };
  /** Forgets everything and takes these records instead: at start, and when a snapshot arrives. */
  restore(records: AsyncIterable<readonly StateRecord[]>): Promise<void>;
}

export interface GroupStatus {
  readonly role: Role;
  readonly term: number;
  /** Null while no leader of the current term is known. */
  readonly leader: NodeId | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  /** Where the log begins: entries up to here live only in the state. */
  readonly logStartIndex: number;
  readonly membership: Membership;
  /** The change that `membership` is part of is not committed, or is joint and not left yet. */
  readonly isChanging: boolean;
  /**
   * Upper bound, in milliseconds, of how far the applied state may lag behind the region: time since this node last
   * proved that it had applied all that a leader knew committed, plus what the leader's word took to get here. Grows while
   * the leader is away.
   */
  readonly stalenessMs: number;
  /** Milliseconds since the last sign of a leader; 0 on a leader that hears a quorum; Infinity before the first one. */
  readonly sinceLeaderMs: number;
  /** Messages of former members that were not heeded, since this node started. */
  readonly refusedMessages: number;
}

export interface ConsensusGroup {
  readonly self: NodeId;
  /**
   * Proposes a command on whichever node leads, and resolves once this node has applied it; so whatever is read here
   * afterwards shows it (P3). Retried through leader changes and applied exactly once.
   *
   * @param options.timeoutMs - how long to wait in all
   * @throws RaftError
   *   NO_LEADER         nothing was proposed; retry after the election
   *   OUTCOME_UNKNOWN   proposed, then the wait ended; the command may still be applied
   *   COMMAND_TOO_LARGE, OVERLOADED, STOPPED   nothing was proposed
   */
  propose(command: Uint8Array, options: { timeoutMs: number }): Promise<{ index: number; result: unknown }>;
  /**
   * Resolves once this node has applied everything that was committed when it was called (ReadIndex; Ongaro 2014, §6.4).
   *
   * @throws RaftError NO_LEADER, STOPPED
   */
  readBarrier(options: { timeoutMs: number }): Promise<void>;
  /**
   * Proves by a quorum round that this node leads now, in the returned term.
   *
   * @throws RaftError NO_LEADER when it does not lead or could not prove it in time
   */
  confirmLeadership(options: { timeoutMs: number }): Promise<{ term: number }>;
  status(): GroupStatus;
  /** Called after role, term or leader changed. */
  onStatusChange(listener: (status: GroupStatus) => void): () => void;
}

/** How far one peer is, as its leader knows it. */
export interface PeerProgress {
  readonly id: NodeId;
  /** Last index that it is proven to hold. */
  readonly matchIndex: number;
  /** Milliseconds since it last answered. */
  readonly silentMs: number;
}

/** What operators, and nodes that join, ask of a group beside what the registry asks. */
export interface GroupMembership {
  /**
   * Changes who belongs to the group; only on the leader. Resolves once the change is committed: a joint configuration is
   * then left, and a learner promoted, by the group itself.
   *
   * @throws MembershipError when nothing was proposed
   * @throws RaftError OUTCOME_UNKNOWN when it was, but leadership was lost or the wait ended; STOPPED
   */
  changeMembership(change: MembershipChange, options: { timeoutMs: number }): Promise<{ index: number }>;
  /** All peers of this leader; empty on any other node. */
  progress(): readonly PeerProgress[];
  /**
   * Hands leadership to `target`, or to the voter that is furthest along.
   *
   * @returns whether another member leads now; false when this node did not lead, or nobody took over in time
   */
  transferLeadership(target?: NodeId | null): Promise<boolean>;
}

export type RaftErrorDetail =
  | { readonly code: "NO_LEADER"; readonly waitedMs: number }
  | { readonly code: "OUTCOME_UNKNOWN"; readonly waitedMs: number }
  | { readonly code: "COMMAND_TOO_LARGE"; readonly bytes: number; readonly bytesMax: number }
  | { readonly code: "OVERLOADED"; readonly waitingBytes: number; readonly waitingBytesMax: number }
  | { readonly code: "STOPPED" };

export class RaftError extends AtollError<RaftErrorDetail> {}

/** A change of the members was not begun. */
export class MembershipError extends AtollError<{
  readonly code: "MEMBERSHIP_REFUSED";
  readonly reason: MembershipRefusal;
}> {}
