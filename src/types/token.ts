/** Tokens: who may ask a node for what, and change whose agents. */

/** Each role may do what the ones before it may. */
export const ROLES = ["reader", "agent", "operator"] as const;

/** `reader` looks things up, `agent` also registers, renews, ends registrations and calls agents, `operator` does everything. */
export type Role = (typeof ROLES)[number];

/** Most tokens of a region, and of a file. */
export const TOKENS_MAX = 1_000;
/** Most namespaces of a token. */
export const TOKEN_NAMESPACES_MAX = 64;
export const TOKEN_DESCRIPTION_LENGTH_MAX = 256;

/** A token as it is kept: what was handed out can not be had back from it. */
export interface KeptToken {
  /** Public: told in answers, logs and the audit trail. */
  readonly id: string;
  /** SHA-256 of the token, 64 hex digits. */
  readonly sha256: string;
  readonly role: Role;
  /** Namespaces whose agents it may change; null means all. */
  readonly namespaces: readonly string[] | null;
  /** For people. */
  readonly description: string;
  /** Wall times; null where that never happens, or did not. */
  readonly expiresAtMs: number | null;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly revokedAtMs: number | null;
}

/** Whose agents a caller may change. Absent means whoever's, but for agents that belong to an entity. */
export interface ChangeGuard {
  /** Who asks, for messages. */
  readonly token: string;
  /** Null means all. */
  readonly namespaces: readonly string[] | null;
  /** What the caller's certificate proved it to be; null without one. An agent stays the entity's that first registered it. */
  readonly entity: string | null;
  /** An operator: entities do not bind. */
  readonly overrides: boolean;
}
