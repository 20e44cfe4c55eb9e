/**
 * Who leads (Ongaro 2014, §3.4; pre-vote §9.6; stickiness and check-quorum §4.2.3, §6.2).
 *
 * A campaign is asked about before it is held: a member that could not win changes no term and disturbs nobody (F9).
 */

import type { NodeId } from "../../types/ids.ts";
import type { RaftMessage } from "../../types/raft.ts";
import { isQuorum, votersOf } from "./quorum.ts";
import { appendAsLeader, broadcastHeartbeat } from "./replication.ts";
import {
  becomeCandidate,
  becomeFollower,
  becomeLeader,
  becomePreCandidate,
  isVoter,
  mayStand,
  otherVoters,
  promise,
  type RaftState,
  redrawElectionDeadline,
  send,
  turnAfter,
  turnMs,
} from "./state.ts";

type VoteRequest = Extract<RaftMessage, { type: "vote" | "preVote" }>;
type TimeoutNow = Extract<RaftMessage, { type: "timeoutNow" }>;
type VoteResponse = Extract<RaftMessage, { type: "voteResponse" | "preVoteResponse" }>;

/** The election timeout passed without a leader. */
export function onElectionTimeout(state: RaftState): void {
  // A member whose own disk hangs could not lead, and one outside the configuration may not (R13, R14).
  if (!mayStand(state) || state.log.stable < state.log.lastIndex) return redrawElectionDeadline(state);
  noteLoss(state, "silent");
  becomePreCandidate(state);
  if (hasWon(state)) return campaign(state, false);
  const body = { type: "preVote", ...lastEntry(state), isTransfer: false } as const;
  for (const id of otherVoters(state)) send(state, body, id, state.term + 1);
}

/** Stands for election now: after a won pre-vote, or because the leader hands over. */
export function campaign(state: RaftState, isTransfer: boolean): void {
  becomeCandidate(state, isTransfer);
  const body = { type: "vote", ...lastEntry(state), isTransfer } as const;
  for (const id of otherVoters(state)) promise(state, body, id);
  // Its own vote counts like any other, once it is on disk: a single voter would otherwise lead a term that a restart
  // forgets, and lead it again with other entries (R1).
  promise(state, { type: "voteResponse", granted: true }, state.self);
}

/** Answers a candidate of the current term. The vote and its record are one step (R18). */
export function onVote(state: RaftState, request: VoteRequest): void {
  const isFree = state.votedFor === request.from || (state.votedFor === null && state.leader === null);
  const granted = isFree && state.log.isUpToDate(request.lastIndex, request.lastTerm);
  if (granted) {
    state.votedFor = request.from;
    // Only a grant restarts the timer, or a stale candidate could keep a healthy one from ever standing.
    redrawElectionDeadline(state);
  }
  promise(state, { type: "voteResponse", granted }, request.from);
}

/** Says how it would vote; no term, no vote and no timer changes (R20). */
export function onPreVote(state: RaftState, request: VoteRequest): void {
  const couldWin = request.term > state.term && state.log.isUpToDate(request.lastIndex, request.lastTerm);
  const granted = couldWin && !isSticky(state);
  // A refusal carries our own term, so that one who fell behind learns it (R21).
  send(state, { type: "preVoteResponse", granted }, request.from, granted ? request.term : state.term);
}

/** Whether a live leader was heard so lately that no election is due (R23). */
export function isSticky(state: RaftState): boolean {
  if (state.role === "leader") return true;
  return state.leader !== null && state.now - state.leaderHeardAt < state.options.electionMsMin;
}

export function onVoteResponse(state: RaftState, response: VoteResponse): void {
  const isForThisCampaign =
    (response.type === "voteResponse" && state.role === "candidate") ||
    (response.type === "preVoteResponse" && state.role === "pre-candidate");
  if (!isForThisCampaign || !votersOf(state.membership).includes(response.from)) return;
  if (!state.votes.has(response.from)) state.votes.set(response.from, response.granted);

  if (hasWon(state)) {
    if (state.role === "pre-candidate") campaign(state, false);
    else lead(state);
    return;
  }
  if (hasLost(state)) becomeFollower(state, state.term, null);
  if (!response.granted) tryAgainSoonIfLeaderIsGone(state);
}

/**
 * The process of a peer ended: its kernel closed the connection and refuses new ones. If it led, the members stand in
 * turn, a little apart, without waiting for the timeout; pre-vote keeps a mistake harmless.
 */
export function onPeerGone(state: RaftState, peer: NodeId): void {
  state.progress.get(peer)?.becomeSilent();
  if (state.leader !== peer || state.role === "leader") return;
  noteLoss(state, "closed");
  state.leader = null;
  state.leaderGoneUntil = state.now + state.options.electionMsMax;
  const turn = turnAfter(state, peer);
  if (turn === 0) return onElectionTimeout(state);
  state.electionDeadline = state.now + turn * (turnMs(state) / 2);
}

/** The leader asks us to take over: the term is its own, and nothing may have been appended since (R57). */
export function onTimeoutNow(state: RaftState, message: TimeoutNow): void {
  if (state.leader !== message.from || !isVoter(state) || state.log.lastIndex !== message.lastIndex) return;
  campaign(state, true);
}

function noteLoss({ leader, outbox, now, leaderHeardAt }: RaftState, why: "silent" | "closed"): void {
  if (leader !== null) outbox.leaderLosses.push({ leader, why, silentMs: now - leaderHeardAt });
}

/** Others may see the closed connection a moment later and refuse until then; the dead one will never answer. */
function tryAgainSoonIfLeaderIsGone(state: RaftState): void {
  if (state.now >= state.leaderGoneUntil) return;
  const soon = state.now + turnMs(state) * (0.25 + 0.5 * state.random.next());
  state.electionDeadline = Math.min(state.electionDeadline, soon);
}

function hasWon(state: RaftState): boolean {
  return isQuorum(state.membership, (id) => state.votes.get(id) === true);
}

function hasLost(state: RaftState): boolean {
  return !isQuorum(state.membership, (id) => state.votes.get(id) !== false);
}

function lead(state: RaftState): void {
  becomeLeader(state);
  // Without an entry of its own term a leader can neither commit what it inherited nor serve a read (R26).
  appendAsLeader(state, [{ kind: "empty", data: new Uint8Array(0) }]);
  broadcastHeartbeat(state);
}

function lastEntry(state: RaftState): { lastIndex: number; lastTerm: number } {
  return { lastIndex: state.log.lastIndex, lastTerm: state.log.lastTerm };
}
