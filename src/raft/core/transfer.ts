/**
 * Handing leadership over on purpose (Ongaro 2014, §3.10).
 *
 * Proposals rest until it is done or given up; a successor that has everything is told to stand at once (R57).
 */

import type { NodeId } from "../../types/ids.ts";
import { isVoter, otherVoters, type RaftState, send } from "./state.ts";

/** Begins to hand over to `target`, or to the voter that is furthest along. Does nothing when nobody else can lead. */
export function transferLeadership(state: RaftState, target: NodeId | null): void {
  if (state.role !== "leader" || state.transfer !== null) return;
  const successor = target ?? furthestVoter(state);
  if (successor === undefined || successor === state.self || !state.progress.has(successor)) return;
  if (!isVoter(state, successor)) return;
  state.transfer = { target: successor, deadline: state.now + state.options.electionMsMax };
  advanceTransfer(state, successor);
}

/** Tells the successor to stand once it has the whole log. */
export function advanceTransfer(state: RaftState, peer: NodeId): void {
  if (state.transfer?.target !== peer) return;
  const { lastIndex } = state.log;
  if (state.progress.get(peer)!.match === lastIndex) send(state, { type: "timeoutNow", lastIndex }, peer);
}

function furthestVoter(state: RaftState): NodeId | undefined {
  const isRecent = (id: NodeId) => state.now - state.progress.get(id)!.heardAt < state.options.electionMsMin;
  const candidates = otherVoters(state).filter(isRecent);
  const matchOf = (id: NodeId) => state.progress.get(id)!.match;
  return candidates.sort((a, b) => matchOf(b) - matchOf(a))[0];
}
