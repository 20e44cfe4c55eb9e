/**
 * Reads that show every write acknowledged before they began, without a log entry (Ongaro 2014, §6.4).
 *
 * The leader notes its commit index, proves by a round of heartbeats that it still leads, and only then lets the reader
 * read at that index. Rounds are counted by the leader itself, so nothing a client sends can confirm one (R54); reads that
 * arrive during a round share the next.
 */

import type { NodeId } from "../../types/ids.ts";
import type { RaftMessage } from "../../types/raft.ts";
import { isQuorum } from "./quorum.ts";
import { broadcastHeartbeat } from "./replication.ts";
import { type RaftState, type ReadRequest, refuseRead, send } from "./state.ts";

/** Reads asked for by this node or, through a message, by another member. */
export function requestReads(state: RaftState, requests: readonly ReadRequest[]): void {
  if (state.role === "leader") {
    state.waitingReads.push(...requests);
    return startReadRound(state);
  }
  const own = requests.filter((read) => read.from === state.self);
  const ids = own.map((read) => read.request);
  if (state.leader !== null && ids.length > 0) send(state, { type: "readIndex", requests: ids }, state.leader);
  else for (const read of own) refuseRead(state, read);
  for (const read of requests) if (read.from !== state.self) refuseRead(state, read);
}

/**
 * Starts the next round if none is under way and an entry of this term is committed (R53). One that waited for a voter which
 * has left meanwhile may need nobody any more.
 */
export function startReadRound(state: RaftState): void {
  if (state.activeRead !== null && !finishReadRound(state)) return;
  if (state.waitingReads.length === 0) return;
  if (state.log.commit < state.termStartIndex) return;
  state.readRound += 1;
  state.activeRead = { round: state.readRound, index: state.log.commit, requests: state.waitingReads };
  state.waitingReads = [];
  if (!finishReadRound(state)) broadcastHeartbeat(state);
}

/** A peer answered a heartbeat that was sent after round `readRound` began. */
export function onReadAnswer(state: RaftState, from: NodeId, readRound: number): void {
  const progress = state.progress.get(from);
  if (progress === undefined || state.activeRead === null) return;
  progress.readRound = Math.max(progress.readRound, readRound);
  if (finishReadRound(state)) startReadRound(state);
}

function finishReadRound(state: RaftState): boolean {
  const read = state.activeRead;
  if (read === null) return false;
  const confirms = (id: NodeId) => id === state.self || (state.progress.get(id)?.readRound ?? 0) >= read.round;
  if (!isQuorum(state.membership, confirms)) return false;
  state.activeRead = null;
  for (const { from, request } of read.requests) {
    if (from === state.self) state.outbox.readsReady.push({ request, index: read.index });
    else send(state, { type: "readIndexResponse", requests: [request], index: read.index, refused: false }, from);
  }
  return true;
}

export function onReadIndexResponse(
  state: RaftState,
  message: Extract<RaftMessage, { type: "readIndexResponse" }>,
): void {
  if (message.from !== state.leader) return;
  for (const request of message.requests) {
    if (message.refused) state.outbox.readsFailed.push(request);
    else state.outbox.readsReady.push({ request, index: message.index });
  }
}
