/**
 * Catching up with a leader whose log no longer reaches back far enough (Ongaro 2014, §5).
 *
 * The core only decides; the driver streams, stores and installs. While a snapshot travels the peer gets heartbeats (R43).
 */

import type { NodeId } from "../../types/ids.ts";
import type { Membership } from "../../types/membership.ts";
import { becomeFollower, type RaftState, resetConfiguration } from "./state.ts";

/**
 * Whether a snapshot is worth installing. One that our log already contains only moves commit forward and keeps the tail;
 * one at or below commit says nothing new (R44).
 */
export function acceptsSnapshot(state: RaftState, lastIndex: number, lastTerm: number): boolean {
  if (lastIndex <= state.log.commit) return false;
  if (!state.log.has(lastIndex, lastTerm)) return true;
  state.log.commitTo(lastIndex);
  return false;
}

/** The driver has replaced state and log on disk. */
export function onSnapshotInstalled(
  state: RaftState,
  snapshot: { readonly lastIndex: number; readonly lastTerm: number; readonly membership: Membership },
): void {
  state.log.reset({ index: snapshot.lastIndex, term: snapshot.lastTerm });
  resetConfiguration(state, snapshot.lastIndex, snapshot.membership);
  state.outbox.entriesFrom = undefined;
  if (state.role !== "follower") becomeFollower(state, state.term, null);
}

/** A transfer ended. Well: the peer is probed at once. Badly: when it answers a heartbeat (R46). */
export function onSnapshotSent(state: RaftState, peer: NodeId, lastIndex: number, installed: boolean): void {
  const progress = state.progress.get(peer);
  if (progress?.state !== "snapshot") return;
  // Where to look, not what is held: a peer also says yes to what it knows committed and has yet to write (R32).
  if (installed) progress.becomeProbe(Math.min(lastIndex, state.log.lastIndex));
  else progress.becomeSilent();
}
