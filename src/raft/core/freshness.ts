/**
 * How old what a member knows may be, without comparing clocks (P9, F2).
 *
 * Heartbeats and their answers carry a stamp of who sends them, which the other side sends back. So each side learns of a
 * message that it was sent after another one of its own: a heartbeat after the answer that it echoes, and as much later as
 * the leader held that; an answer after the heartbeat that it echoes. Counting from when a message arrived instead would
 * leave out its way, and that may be as long as the receiver stood still.
 */

import type { NodeId } from "../../types/ids.ts";
import type { RaftMessage } from "../../types/raft.ts";
import type { Progress } from "./progress.ts";
import { quorumReaches } from "./quorum.ts";
import type { RaftState } from "./state.ts";

type Heartbeat = Extract<RaftMessage, { type: "heartbeat" }>;
type HeartbeatResponse = Extract<RaftMessage, { type: "heartbeatResponse" }>;

/** The age of what no quorum has confirmed to this leader yet: numbers on the wire are finite. */
export const UNCONFIRMED = Number.MAX_SAFE_INTEGER;

/** This moment, for others to send back: whole milliseconds of a count that means nothing to them; never 0. */
export function stamp(state: RaftState): number {
  return state.stampOrigin + Math.floor(state.now);
}

/** What a heartbeat to this peer says, so that it learns how long ago that left. */
export function echoTo(
  state: RaftState,
  { heardStamp: heard }: Progress,
): Pick<Heartbeat, "sentAt" | "echo" | "echoHeldMs"> {
  const echoHeldMs = heard === undefined ? 0 : Math.floor(state.now - heard.heardAt);
  return { sentAt: stamp(state), echo: heard?.stamp ?? 0, echoHeldMs };
}

/** When a heartbeat left its leader at the latest and what it knew was confirmed, on this member's clock; minus infinity when that is not known. */
export function heartbeatAsOf(state: RaftState, { echo, echoHeldMs, sinceQuorumMs }: Heartbeat): number {
  const leftAt = timeOf(state, echo) + echoHeldMs;
  const isKnown = leftAt <= state.now && sinceQuorumMs < UNCONFIRMED;
  return isKnown ? leftAt - sinceQuorumMs : Number.NEGATIVE_INFINITY;
}

/** The leader hears an answer: it proves that the peer followed when the heartbeat was sent. */
export function noteAnswer(state: RaftState, progress: Progress, { sentAt, echo }: HeartbeatResponse): void {
  progress.answered({ stamp: sentAt, heardAt: state.now }, timeOf(state, echo));
}

/** How long ago the heartbeats left that a quorum has answered to this leader, in milliseconds; infinity before that. */
export function sinceConfirmedMs({ self, membership, progress }: RaftState, now: number): number {
  const confirmedAt = (id: NodeId) => progress.get(id)?.confirmedAt ?? Number.NEGATIVE_INFINITY;
  return now - quorumReaches(membership, (id) => (id === self ? now : confirmedAt(id)));
}

/** Minus infinity for a stamp that this process did not make. */
function timeOf(state: RaftState, stamped: number): number {
  const at = stamped - state.stampOrigin;
  return at < 0 || at > state.now ? Number.NEGATIVE_INFINITY : at;
}
