/**
 * One event in, one changed state out: the whole of a member's behaviour, in the manner of etcd-io/raft.
 *
 * What there is to do afterwards is taken with `takeReady`; the driver (`../raft-group.ts`) does it.
 */

import type { NodeId } from "../../types/ids.ts";
import type { Membership, MembershipChange } from "../../types/membership.ts";
import type { HardState, LogEntry, RaftMessage } from "../../types/raft.ts";
import { invariant } from "../../util/errors.ts";
import { onAppend, onHeartbeat } from "./append-entries.ts";
import {
  isSticky,
  onElectionTimeout,
  onPeerGone,
  onPreVote,
  onTimeoutNow,
  onVote,
  onVoteResponse,
} from "./election.ts";
import { changeMembership, promoteCaughtUp, settleMembership } from "./membership.ts";
import { onReadAnswer, onReadIndexResponse, requestReads, startReadRound } from "./read-index.ts";
import {
  appendAsLeader,
  broadcastHeartbeat,
  onAppendResponse,
  onHeartbeatResponse,
  onPersisted,
  replicate,
  stepDownIfPowerless,
} from "./replication.ts";
import { onSnapshotInstalled, onSnapshotSent } from "./snapshot.ts";
import { awaitLeader, becomeFollower, emptyOutbox, type LeaderLoss, type RaftState, send } from "./state.ts";
import { transferLeadership } from "./transfer.ts";

export type RaftEvent = { readonly now: number } & (
  | {
      readonly type: "tick";
      /** How much of the time since the last tick this process itself was stalled; no peer is blamed for it (R59). */
      readonly ownLagMs: number;
    }
  | { readonly type: "message"; readonly message: RaftMessage }
  | { readonly type: "propose"; readonly commands: readonly Uint8Array[] }
  | { readonly type: "persisted"; readonly index: number; readonly term: number }
  | { readonly type: "read"; readonly requests: readonly number[] }
  | { readonly type: "transfer"; readonly target: NodeId | null }
  | { readonly type: "changeMembership"; readonly change: MembershipChange }
  | { readonly type: "peerGone"; readonly peer: NodeId }
  | { readonly type: "snapshotSent"; readonly peer: NodeId; readonly lastIndex: number; readonly installed: boolean }
  | {
      readonly type: "snapshotInstalled";
      readonly lastIndex: number;
      readonly lastTerm: number;
      readonly membership: Membership;
    }
);

/** What an event left to do, in the order the driver must do it. */
export interface Ready {
  /** Leave at once. */
  readonly messages: readonly RaftMessage[];
  /** To persist together with `entries`; null when neither term nor vote changed and there are no entries. */
  readonly hardState: HardState | null;
  /** To append to the log on disk, replacing its tail from the first one's index on. */
  readonly entries: readonly LogEntry[];
  /** Leave when all of the above, and all of earlier ones, is on disk. */
  readonly promises: readonly RaftMessage[];
  /** To apply, in order. */
  readonly committed: readonly LogEntry[];
  /** Peers that need a snapshot; each is answered with `snapshotSent`. */
  readonly snapshotsFor: readonly NodeId[];
  /** Reads that may be served once `index` is applied. */
  readonly readsReady: readonly { readonly request: number; readonly index: number }[];
  readonly readsFailed: readonly number[];
  /** For the log: each says once how this member came to be without a leader. */
  readonly leaderLosses: readonly LeaderLoss[];
}

export function step(state: RaftState, event: RaftEvent): void {
  state.now = event.now;
  switch (event.type) {
    case "tick":
      return onTick(state, event.ownLagMs);
    case "message":
      return onMessage(state, event.message);
    case "propose":
      return appendAsLeader(
        state,
        event.commands.map((data) => ({ kind: "command", data })),
      );
    case "persisted":
      onPersisted(state, event.index, event.term);
      settleMembership(state);
      return startReadRound(state);
    case "read":
      return requestReads(
        state,
        event.requests.map((request) => ({ from: state.self, request })),
      );
    case "transfer":
      return transferLeadership(state, event.target);
    case "changeMembership":
      return changeMembership(state, event.change);
    case "peerGone":
      return onPeerGone(state, event.peer);
    case "snapshotSent":
      return onSnapshotSent(state, event.peer, event.lastIndex, event.installed);
    case "snapshotInstalled":
      return onSnapshotInstalled(state, event);
  }
}

/** Whether a proposal made now would enter the log. */
export function acceptsProposals(state: RaftState): boolean {
  return state.role === "leader" && state.transfer === null;
}

function onTick(state: RaftState, ownLagMs: number): void {
  // What arrived while we stalled is handled before this event, so only silence of our own making is forgiven, and at most
  // one election period of it (R59, R60).
  const forgiven = Math.min(ownLagMs, state.options.electionMsMax);
  state.electionDeadline += forgiven;
  if (state.role !== "leader") {
    if (state.now >= state.electionDeadline) onElectionTimeout(state);
    return;
  }
  for (const progress of state.progress.values()) progress.forgive(state.now, forgiven);
  if (state.transfer !== null && state.now >= state.transfer.deadline) state.transfer = null;
  promoteCaughtUp(state);
  if (state.now >= state.heartbeatDue) broadcastHeartbeat(state);
  stepDownIfPowerless(state);
}

function onMessage(state: RaftState, message: RaftMessage): void {
  if (message.type === "preVote") return onPreVote(state, message);
  if (message.term > state.term) {
    // Someone who can not reach a live leader must not depose it, except when that leader asked for it (R23).
    if (message.type === "vote" && !message.isTransfer && isSticky(state)) return;
    // A granted pre-vote carries the term that is not yet, to be compared with our campaign's.
    const isPreVoteGrant = message.type === "preVoteResponse" && message.granted;
    if (!isPreVoteGrant) becomeFollower(state, message.term, isFromLeader(message) ? message.from : null);
  } else if (message.term < state.term) {
    // A leader or candidate of the past learns our term from the answer, or it would go on for ever (R21).
    if (isFromLeader(message)) {
      send(state, { type: "appendResponse", accepted: false, index: 0, hintIndex: 0, hintTerm: 0 }, message.from);
    }
    return;
  }
  dispatch(state, message);
}

function isFromLeader(message: RaftMessage): boolean {
  return message.type === "append" || message.type === "heartbeat" || message.type === "timeoutNow";
}

function dispatch(state: RaftState, message: RaftMessage): void {
  switch (message.type) {
    case "vote":
      return onVote(state, message);
    case "preVoteResponse":
      if (message.granted && message.term !== state.term + 1) return;
      return onVoteResponse(state, message);
    case "voteResponse":
      return onVoteResponse(state, message);
    case "append":
      followLeader(state, message.from);
      return onAppend(state, message);
    case "heartbeat":
      followLeader(state, message.from);
      return onHeartbeat(state, message);
    case "appendResponse":
      if (state.role !== "leader") return;
      onAppendResponse(state, message);
      settleMembership(state);
      return startReadRound(state);
    case "heartbeatResponse":
      if (state.role !== "leader") return;
      onHeartbeatResponse(state, message);
      return onReadAnswer(state, message.from, message.readRound);
    case "readIndex":
      return requestReads(
        state,
        message.requests.map((request) => ({ from: message.from, request })),
      );
    case "readIndexResponse":
      return onReadIndexResponse(state, message);
    case "timeoutNow":
      return onTimeoutNow(state, message);
    // The driver's own: it answers them before they reach the core.
    case "preVote":
    case "propose":
    case "proposeRefused":
    case "removed":
      return;
  }
}

/** A message of the current term proves its sender leads it. */
function followLeader(state: RaftState, leader: NodeId): void {
  invariant(state.role !== "leader", `two leaders in term ${state.term}: ${state.self} and ${leader}`);
  if (state.role !== "follower") becomeFollower(state, state.term, leader);
  state.leader = leader;
  state.leaderHeardAt = state.now;
  state.leaderGoneUntil = Number.NEGATIVE_INFINITY;
  awaitLeader(state);
}

/** Takes what is to be done; the next call gives only what came since. */
export function takeReady(state: RaftState): Ready {
  replicate(state);
  const { outbox, log } = state;
  state.outbox = emptyOutbox();
  const hardState: HardState = { term: state.term, votedFor: state.votedFor, commit: log.commit };
  const before = state.persistedHardState;
  const hasChanged = hardState.term !== before.term || hardState.votedFor !== before.votedFor;
  const entries = outbox.entriesFrom === undefined ? [] : log.slice(outbox.entriesFrom, Number.POSITIVE_INFINITY);
  if (hasChanged || entries.length > 0) state.persistedHardState = hardState;
  return {
    messages: outbox.messages,
    hardState: hasChanged || entries.length > 0 ? hardState : null,
    entries,
    promises: outbox.promises,
    committed: log.takeCommitted(state.options.committedPage),
    snapshotsFor: [...outbox.snapshotsFor],
    readsReady: outbox.readsReady,
    readsFailed: outbox.readsFailed,
    leaderLosses: outbox.leaderLosses,
  };
}
