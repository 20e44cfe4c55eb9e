/**
 * The follower's side of replication (Ongaro 2014, §3.5).
 *
 * No entry is acknowledged before it is on disk: every answer to an append is a promise (R2). A heartbeat's answer claims
 * nothing but the term, and leaves at once where that is on disk already: a slow disk deposes nobody.
 */

import type { RaftMessage } from "../../types/raft.ts";
import { stamp } from "./freshness.ts";
import { adoptConfigurations, dropConfigurationsFrom, promise, type RaftState, send } from "./state.ts";

type Append = Extract<RaftMessage, { type: "append" }>;
type Heartbeat = Extract<RaftMessage, { type: "heartbeat" }>;

/** Takes over the leader's entries, or says where the logs may agree. The sender is the leader of our term. */
export function onAppend(state: RaftState, message: Append): void {
  const { log } = state;
  const { from, prevIndex, prevTerm } = message;
  if (prevIndex < log.commit) {
    // What is committed agrees with every leader, so it counts as matched although it may be compacted (R31).
    return promise(
      state,
      { type: "appendResponse", accepted: true, index: log.commit, hintIndex: 0, hintTerm: 0 },
      from,
    );
  }
  if (!log.has(prevIndex, prevTerm)) {
    const hint = log.hintBelow(prevIndex, prevTerm);
    const body = { type: "appendResponse", accepted: false, index: prevIndex } as const;
    return promise(state, { ...body, hintIndex: hint.index, hintTerm: hint.term }, from);
  }
  const written = log.merge(message.entries);
  if (written !== undefined) {
    dropConfigurationsFrom(state, written);
    adoptConfigurations(
      state,
      message.entries.filter(({ index }) => index >= written),
    );
    state.outbox.entriesFrom = Math.min(state.outbox.entriesFrom ?? written, written);
  }
  const proven = prevIndex + message.entries.length;
  // Only what this message proved is the leader's for certain; our tail behind it may be another's (R30).
  log.commitTo(Math.min(message.commit, proven));
  promise(state, { type: "appendResponse", accepted: true, index: proven, hintIndex: 0, hintTerm: 0 }, from);
}

/** A sign of life, with as much of the commit index as the leader knows us to hold. */
export function onHeartbeat(state: RaftState, message: Heartbeat): void {
  const { log, term } = state;
  log.commitTo(Math.min(message.commit, log.lastIndex));
  const { readRound, sentAt: echo } = message;
  const answer = { type: "heartbeatResponse", readRound, sentAt: stamp(state), echo } as const;
  // An entry of this term on disk lies there with the term itself, or after it (R1).
  const isTermDurable = log.termAt(log.stable) === term;
  if (isTermDurable) send(state, answer, message.from);
  else promise(state, answer, message.from);
}
