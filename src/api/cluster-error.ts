/** Why a change of the region's members, of its leader, or of what it says to other regions was not made, or no backup begun. */

import { AtollError } from "../util/errors.ts";

export type ClusterErrorDetail =
  /** Nothing was changed. */
  | { readonly code: "NO_LEADER"; readonly waitedMs: number }
  /** Proposed, then the wait ended. */
  | { readonly code: "OUTCOME_UNKNOWN"; readonly waitedMs: number }
  /** No member has this name or id; for an addition, no node of this name asks to join. */
  | { readonly code: "MEMBER_UNKNOWN" | "MEMBER_NOT_WAITING"; readonly member: string }
  | { readonly code: "MEMBER_EXISTS" | "MEMBER_REMOVED" | "NAME_TAKEN"; readonly member: string }
  | { readonly code: "NOT_A_LEARNER" | "NOT_A_VOTER"; readonly member: string }
  | { readonly code: "NOT_CAUGHT_UP"; readonly member: string; readonly lagEntries: number }
  /** Another change is under way. */
  | { readonly code: "CHANGE_PENDING" }
  | { readonly code: "LAST_VOTER" | "TOO_MANY_MEMBERS"; readonly member: string }
  /** Of those who would vote afterwards, too few answer the leader now. */
  | { readonly code: "QUORUM_AT_RISK"; readonly answering: number; readonly needed: number }
  | { readonly code: "NOT_TRANSFERRED"; readonly to: string | null }
  /** The region has no signing key that this node can read. */
  | { readonly code: "REGION_KEY_MISSING" }
  /** Somebody else replaced it at the same time. */
  | { readonly code: "REGION_KEY_CHANGED" }
  /** It has said farewell; it is this node's own; nothing of that name is forgotten. */
  | { readonly code: "REGION_RETIRED" | "REGION_IS_OWN" | "REGION_NOT_RETIRED"; readonly region: string }
  /** This node sends as many as it may. */
  | { readonly code: "TOO_MANY_BACKUPS"; readonly backupsMax: number }
  /** What was acknowledged is not on this node's own disk yet. */
  | { readonly code: "BACKUP_LAGS"; readonly waitedMs: number };

export class ClusterError extends AtollError<ClusterErrorDetail> {}
