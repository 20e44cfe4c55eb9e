/** What a member answers to a node that asks to join its region. */

import { asClusterId, asNodeId, type ClusterId, type NodeId } from "../types/ids.ts";

/** Asks for a place in the region for the node at the other end of the link. No payload: the link says who it is. */
export const JOIN_METHOD = "raft/join";

export type JoinAnswer =
  /** It is a member now, as a learner at first. Also to one that is a member already. */
  | { readonly type: "accepted"; readonly cluster: ClusterId }
  /** No member has its name: an operator must add it, and finds it among those that wait. */
  | { readonly type: "waiting" }
  /** A member of its name answers, or its identity left the region before. */
  | { readonly type: "refused"; readonly reason: "name-taken" | "removed" }
  /** Not now; `reason` is for people. */
  | { readonly type: "later"; readonly reason: string }
  /** Only a leader decides. Without a quorum in sight, none will be elected. */
  | { readonly type: "elsewhere"; readonly leader: NodeId | null; readonly seesQuorum: boolean };

const TEXT_LENGTH_MAX = 128;

/** Another node said it, so it is looked at before it is believed; null when it is no answer. */
export function asJoinAnswer(value: unknown): JoinAnswer | null {
  if (typeof value !== "object" || value === null) return null;
  const { type, cluster, reason, leader, seesQuorum } = value as Record<string, unknown>;
  switch (type) {
    case "accepted":
      return isText(cluster) ? { type, cluster: asClusterId(cluster) } : null;
    case "waiting":
      return { type };
    case "refused":
      return reason === "name-taken" || reason === "removed" ? { type, reason } : null;
    case "later":
      return isText(reason) ? { type, reason } : null;
    case "elsewhere":
      if (leader !== null && !isText(leader)) return null;
      return { type, leader: leader === null ? null : asNodeId(leader), seesQuorum: seesQuorum === true };
    default:
      return null;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= TEXT_LENGTH_MAX;
}
