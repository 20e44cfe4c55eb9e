/** Who changed what, and who was refused: what an audit trail is told, and what it shows. */

export const AUDIT_KINDS = ["change", "refusal"] as const;
export type AuditKind = (typeof AUDIT_KINDS)[number];

export interface AuditNote {
  readonly kind: AuditKind;
  /** The token's id, `entity:<name>`, or `anonymous`. */
  readonly caller: string;
  readonly address: string;
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly status: number;
  /** Why it was refused. */
  readonly code?: string;
  /** What it was about, where the path does not say: an agent's id, and what happened to it. */
  readonly what?: string;
  /** Revision that the node showed when it answered. */
  readonly revision: number;
}

export interface AuditEntry extends AuditNote {
  /** Counts the entries of one kind on one node, from 1. */
  readonly sequence: number;
  /** RFC 3339, by this node's clock. */
  readonly at: string;
  /** Refusals before this one that were too many to be kept. */
  readonly suppressed?: number;
}

export interface AuditTrail {
  /** Keeps an entry. Takes no time, and never fails: a disk that does not take it is said to the log. */
  note(note: AuditNote): void;
  /** Newest first, at most `limit`, beginning below the sequence `before`. */
  list(kind: AuditKind, page: { readonly limit: number; readonly before?: number }): Promise<readonly AuditEntry[]>;
}
