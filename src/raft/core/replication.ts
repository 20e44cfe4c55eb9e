/**
 * The leader's side of replication (Ongaro 2014, §3.5, §3.6; pipelining §10.2).
 *
 * The leader's own disk write runs beside the sends, and counts for the quorum only when it is done (R3).
 */

import type { NodeId } from "../../types/ids.ts";
import type { EntryKind, LogEntry, RaftMessage } from "../../types/raft.ts";
import { echoTo, noteAnswer, sinceConfirmedMs, UNCONFIRMED } from "./freshness.ts";
import { entryBytes } from "./log.ts";
import type { Progress } from "./progress.ts";
import { isQuorum, quorumReaches } from "./quorum.ts";
import {
  adoptConfigurations,
  becomeFollower,
  isConfigurationCommitted,
  isVoter,
  otherVoters,
  type RaftState,
  send,
} from "./state.ts";
import { advanceTransfer } from "./transfer.ts";

type HeartbeatResponse = Extract<RaftMessage, { type: "heartbeatResponse" }>;
type AppendResponse = Extract<RaftMessage, { type: "appendResponse" }>;

/** Appends to the leader's log; what peers are sent of it leaves with the rest of the turn (`replicate`). */
export function appendAsLeader(
  state: RaftState,
  proposals: readonly { readonly kind: EntryKind; readonly data: Uint8Array }[],
): void {
  if (proposals.length === 0) return;
  const { log, term } = state;
  const first = log.lastIndex + 1;
  const entries = proposals.map(({ kind, data }, i): LogEntry => ({ index: first + i, term, kind, data }));
  log.append(entries);
  adoptConfigurations(state, entries);
  for (const entry of entries) state.uncommittedBytes += entryBytes(entry);
  if (state.unstableSince === 0) state.unstableSince = state.now;
  state.outbox.entriesFrom = Math.min(state.outbox.entriesFrom ?? first, first);
}

/**
 * Sends every peer what its window takes of the log, and how far that is committed. Once for all events of a turn: one
 * append then carries what ten proposals brought, and the commit index that the answers of the turn moved.
 */
export function replicate(state: RaftState): void {
  for (const [id, progress] of state.progress) sendAppends(state, id, progress);
}

/** Sends all that the peer's window takes. A peer that needs compacted entries gets a snapshot instead. */
function sendAppends(state: RaftState, id: NodeId, progress: Progress): void {
  while (!progress.isPaused) {
    const hasEntries = progress.next <= state.log.lastIndex;
    const isCommitNews = progress.commitSent < Math.min(state.log.commit, state.log.lastIndex);
    const isProbe = progress.state === "probe";
    if (!hasEntries && !isCommitNews && !isProbe) return;
    sendAppend(state, id, progress);
    if (!hasEntries) return;
  }
}

function sendAppend(state: RaftState, id: NodeId, progress: Progress): void {
  const { log } = state;
  const prevIndex = progress.next - 1;
  const prevTerm = log.termAt(prevIndex);
  if (prevTerm === undefined) {
    progress.becomeSnapshot();
    state.outbox.snapshotsFor.add(id);
    return;
  }
  const entries = log.slice(progress.next, state.options.appendBytesMax);
  const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  send(state, { type: "append", prevIndex, prevTerm, commit: log.commit, entries }, id);
  progress.commitSent = Math.min(log.commit, prevIndex + entries.length);
  progress.sent(prevIndex + entries.length, entries.length, bytes);
}

export function onAppendResponse(state: RaftState, response: AppendResponse): void {
  const progress = state.progress.get(response.from);
  if (progress === undefined) return;
  progress.heard(state.now);
  if (response.accepted) {
    // An acknowledgement of what we never sent would be another leader's (R32).
    if (response.index > state.log.lastIndex) return;
    if (progress.accepted(response.index)) {
      advanceCommit(state);
      advanceTransfer(state, response.from);
    }
  } else {
    const hint = state.log.hintBelow(response.hintIndex, response.hintTerm);
    progress.rejected(response.index, hint.index);
  }
  progress.followRound(state.now, state.log.lastIndex);
}

/** This member's disk holds everything up to an entry. */
export function onPersisted(state: RaftState, index: number, term: number): void {
  state.log.stableTo(index, term);
  if (state.role !== "leader") return;
  state.unstableSince = state.log.stable >= state.log.lastIndex ? 0 : state.now;
  advanceCommit(state);
}

/** Commits what a quorum holds, if it is of this leader's own term (§3.6.2, R27). */
function advanceCommit(state: RaftState): void {
  const { log } = state;
  const matchOf = (id: NodeId) => (id === state.self ? log.stable : (state.progress.get(id)?.match ?? 0));
  const index = quorumReaches(state.membership, matchOf);
  if (index <= log.commit || log.termAt(index) !== state.term) return;
  const before = log.commit;
  log.commitTo(index);
  state.uncommittedBytes = Math.max(0, state.uncommittedBytes - log.bytesBetween(before, index));
}

export function broadcastHeartbeat(state: RaftState): void {
  state.heartbeatDue = state.now + state.options.heartbeatMs;
  const { commit } = state.log;
  const readRound = state.activeRead?.round ?? 0;
  // What former leaders committed is known once an entry of this term is (§6.4): until then the commit index may lie below it.
  const isCurrent = commit >= state.termStartIndex;
  const age = isCurrent ? Math.min(Math.ceil(sinceConfirmedMs(state, state.now)), UNCONFIRMED) : UNCONFIRMED;
  for (const [id, progress] of state.progress) {
    const body = { type: "heartbeat", leaderCommit: commit, sinceQuorumMs: age, readRound } as const;
    send(state, { ...body, commit: Math.min(commit, progress.match), ...echoTo(state, progress) }, id);
  }
}

/** How long ago the slowest member of the fastest quorum answered this leader, in milliseconds. */
export function sinceQuorumMs({ self, membership, progress }: RaftState, now: number): number {
  return now - quorumReaches(membership, (id) => (id === self ? now : (progress.get(id)?.heardAt ?? 0)));
}

export function onHeartbeatResponse(state: RaftState, response: HeartbeatResponse): void {
  const { from } = response;
  const progress = state.progress.get(from);
  if (progress === undefined) return;
  progress.heard(state.now);
  noteAnswer(state, progress, response);
  progress.followRound(state.now, state.log.lastIndex);
  progress.reopen();
  const { lastIndex } = state.log;
  const isAllSent = progress.next > lastIndex && !progress.isPaused;
  // The last of it may be lost: an empty append finds out (R35).
  if (isAllSent && progress.match < lastIndex) sendAppend(state, from, progress);
}

/**
 * A leader that a quorum no longer answers, or whose own disk hangs, leads nobody (R14, R22, R24). Nor does one that left
 * the group, once that is committed and nobody took over (R51).
 */
export function stepDownIfPowerless(state: RaftState): void {
  const { electionMsMax } = state.options;
  const isHeard = (id: NodeId) => {
    if (id === state.self) return true;
    const progress = state.progress.get(id);
    return progress !== undefined && progress.silentMs(state.now) < electionMsMax;
  };
  const isStalled = state.unstableSince > 0 && state.now - state.unstableSince > 2 * electionMsMax;
  // Where every disk hangs, as on a machine they share, nobody could do better.
  const isBehind = otherVoters(state).some((id) => (state.progress.get(id)?.match ?? 0) > state.log.stable);
  const hasStalledDisk = isStalled && isBehind;
  const hasLeft = !isVoter(state) && isConfigurationCommitted(state) && state.transfer === null;
  const isPowerless = !isQuorum(state.membership, isHeard);
  if (!isPowerless && !hasStalledDisk && !hasLeft) return;
  const why = isPowerless ? "powerless" : hasStalledDisk ? "stalled" : "left";
  state.outbox.leaderLosses.push({ leader: state.self, why, silentMs: sinceQuorumMs(state, state.now) });
  becomeFollower(state, state.term, null);
}
