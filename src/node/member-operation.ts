/** What operators ask for, on its way from the node that was asked to the leader, and what becomes of it. */

import type { ClusterErrorDetail } from "../api/cluster-error.ts";
import type { MemberStatus, MembersStatus } from "../api/ports.ts";

/** Asks the leader how its members are; answered nil by any other node. */
export const MEMBERS_METHOD = "raft/members";
/** Asks the leader for one attempt at an operation. */
export const CHANGE_METHOD = "raft/change-members";

export type MemberOperation =
  | { readonly type: "add"; readonly name: string; readonly becomes: MemberStatus["becomes"] }
  /** By name or node id, here and below. */
  | { readonly type: "remove" | "promote"; readonly member: string }
  | { readonly type: "transfer"; readonly to: string | null };

/** The question to the leader. */
export interface OperationRequest {
  readonly operation: MemberOperation;
  /** An earlier attempt may have succeeded without anybody hearing of it. */
  readonly mayBeDone: boolean;
  readonly timeoutMs: number;
}

/** How one attempt ended. */
export type Attempt =
  | { readonly type: "done" }
  /** For good. */
  | { readonly type: "refused"; readonly error: ClusterErrorDetail }
  /** For now: it may be tried again; `error` says what is in the way. */
  | { readonly type: "again"; readonly error: ClusterErrorDetail };

const TEXT_LENGTH_MAX = 512;
const MEMBERS_MAX = 256;
const TIMEOUT_MS_MAX = 60_000;

/** Another node said it, so it is looked at before it is done; null when it is no question. */
export function asOperationRequest(value: unknown): OperationRequest | null {
  const { operation, mayBeDone, timeoutMs } = fieldsOf(value);
  const asked = asOperation(operation);
  if (asked === null || typeof timeoutMs !== "number" || !(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) return null;
  return { operation: asked, mayBeDone: mayBeDone === true, timeoutMs };
}

function asOperation(value: unknown): MemberOperation | null {
  const { type, name, becomes, member, to } = fieldsOf(value);
  switch (type) {
    case "add":
      return isName(name) && isAim(becomes) ? { type, name, becomes } : null;
    case "remove":
    case "promote":
      return isName(member) ? { type, member } : null;
    case "transfer":
      return to === null || isName(to) ? { type, to } : null;
    default:
      return null;
  }
}

/** Likewise for the answer. */
export function asAttempt(value: unknown): Attempt | null {
  const { type, error } = fieldsOf(value);
  if (type === "done") return { type };
  const detail = asErrorDetail(error);
  return (type === "refused" || type === "again") && detail !== null ? { type, error: detail } : null;
}

function asErrorDetail(value: unknown): ClusterErrorDetail | null {
  const { code, member, lagEntries, answering, needed, to, waitedMs } = fieldsOf(value);
  switch (code) {
    case "NO_LEADER":
    case "OUTCOME_UNKNOWN":
      return isCount(waitedMs) ? { code, waitedMs } : null;
    case "CHANGE_PENDING":
      return { code };
    case "NOT_CAUGHT_UP":
      return isName(member) && isCount(lagEntries) ? { code, member, lagEntries } : null;
    case "QUORUM_AT_RISK":
      return isCount(answering) && isCount(needed) ? { code, answering, needed } : null;
    case "NOT_TRANSFERRED":
      return to === null || isName(to) ? { code, to } : null;
    case "MEMBER_UNKNOWN":
    case "MEMBER_NOT_WAITING":
    case "MEMBER_EXISTS":
    case "MEMBER_REMOVED":
    case "NAME_TAKEN":
    case "NOT_A_LEARNER":
    case "NOT_A_VOTER":
    case "LAST_VOTER":
    case "TOO_MANY_MEMBERS":
      return isName(member) ? { code, member } : null;
    default:
      return null;
  }
}

/** The leader's view of its members; null when it is none. */
export function asMembersStatus(value: unknown): MembersStatus | null {
  const { region, leader, term, isChanging, members, waiting } = fieldsOf(value);
  if (!isName(region) || !(leader === null || isName(leader)) || !isCount(term)) return null;
  if (!isList(members) || !members.every(isMemberStatus) || !isList(waiting) || !waiting.every(isNode)) return null;
  return { region, leader, term, isChanging: isChanging === true, members, waiting };
}

function isMemberStatus(value: unknown): value is MemberStatus {
  const { role, becomes, replaces, link, lagEntries, silentMs } = fieldsOf(value);
  return (
    isNode(value) &&
    (role === "leader" || role === "voter" || role === "learner" || role === "leaving") &&
    isAim(becomes) &&
    (replaces === null || isName(replaces)) &&
    (link === "self" || link === "connected" || link === "away") &&
    (lagEntries === null || isCount(lagEntries)) &&
    (silentMs === null || isCount(silentMs))
  );
}

function isNode(value: unknown): value is { readonly name: string; readonly nodeId: string; readonly http: string } {
  const { name, nodeId, http } = fieldsOf(value);
  return isName(name) && isName(nodeId) && typeof http === "string" && http.length <= TEXT_LENGTH_MAX;
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= 128;
}

function isAim(value: unknown): value is MemberStatus["becomes"] {
  return value === "voter" || value === "learner";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length <= MEMBERS_MAX;
}
