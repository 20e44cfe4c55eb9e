/**
 * The file of tokens that a node is configured with (`ATOLL_TOKENS`), in YAML or JSON:
 *
 *     tokens:
 *       - id: payments            # its name in answers, logs and the audit trail
 *         sha256: 9f86d0...       # of the token, 64 hex digits; or `token:` and the token itself
 *         role: agent             # reader, agent or operator
 *         namespaces: [payments]  # whose agents it may change; absent means all
 *         expires: 2027-01-31T00:00:00Z   # absent means never
 */

import { parse } from "yaml";
import {
  type KeptToken,
  ROLES,
  type Role,
  TOKEN_DESCRIPTION_LENGTH_MAX,
  TOKEN_NAMESPACES_MAX,
  TOKENS_MAX,
} from "../types/token.ts";
import { AtollError, messageOf } from "../util/errors.ts";
import { hashToken } from "./token.ts";

/** What is wrong with the file, and where. No secret is in it. */
export class TokenFileError extends AtollError<{ readonly code: "TOKENS_UNREADABLE"; readonly reason: string }> {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, { code: "TOKENS_UNREADABLE", reason }, options);
  }
}

const TOKEN_ID_PATTERN = "^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$";
const FILE_CHARACTERS_MAX = 1024 * 1024;
const TOKEN_LENGTH = { min: 8, max: 256 };
const FIELDS = ["id", "token", "sha256", "role", "namespaces", "expires", "description"];

/** @throws TokenFileError */
export function parseTokenFile(text: string): KeptToken[] {
  if (text.length > FILE_CHARACTERS_MAX) throw new TokenFileError(`it has more than ${FILE_CHARACTERS_MAX} characters`);
  const list = tokensIn(text);
  if (!Array.isArray(list)) throw new TokenFileError("it should hold a list: tokens: [{ id, sha256, role }]");
  if (list.length > TOKENS_MAX)
    throw new TokenFileError(`it holds ${list.length} tokens; at most ${TOKENS_MAX} may be`);
  const tokens = list.map((entry, i) => readToken(entry, `tokens[${i}]`));
  const twice = tokens.find(({ id, sha256 }, i) =>
    tokens.slice(0, i).some((other) => other.id === id || other.sha256 === sha256),
  );
  if (twice !== undefined) throw new TokenFileError(`${twice.id} is there twice, as an id or as a token`);
  return tokens;
}

function tokensIn(text: string): unknown {
  try {
    const content: unknown = parse(text);
    return isMapping(content) ? content.tokens : content;
  } catch (error) {
    throw new TokenFileError("it is neither YAML nor JSON", { cause: messageOf(error).split("\n")[0] });
  }
}

function readToken(entry: unknown, at: string): KeptToken {
  const refuse = (field: string, expected: string): never => {
    throw new TokenFileError(`${at}.${field} should be ${expected}`);
  };
  if (!isMapping(entry)) throw new TokenFileError(`${at} should be { id, sha256, role }`);
  const strange = Object.keys(entry).find((field) => !FIELDS.includes(field));
  if (strange !== undefined) throw new TokenFileError(`${at} has a field ${strange}; there is ${FIELDS.join(", ")}`);
  const { id, token, sha256, role, namespaces = null, expires = null, description = "" } = entry;
  if (typeof id !== "string" || !new RegExp(TOKEN_ID_PATTERN).test(id)) {
    return refuse("id", "1 to 63 lower-case letters, digits, dots, hyphens and underscores");
  }
  if ((token === undefined) === (sha256 === undefined)) return refuse("sha256", "there, or else token, but not both");
  if (!isRole(role)) return refuse("role", `one of ${ROLES.join(", ")}`);
  if (namespaces !== null && !isNamespaces(namespaces)) {
    return refuse("namespaces", `a list of 1 to ${TOKEN_NAMESPACES_MAX} names, or absent for all`);
  }
  if (namespaces !== null && role !== "agent") return refuse("namespaces", "absent: they limit agents only");
  const expiresAtMs =
    expires === null ? null : Date.parse(expires instanceof Date ? expires.toISOString() : `${expires}`);
  if (Number.isNaN(expiresAtMs)) return refuse("expires", "a time such as 2027-01-31T00:00:00Z");
  if (typeof description !== "string" || description.length > TOKEN_DESCRIPTION_LENGTH_MAX) {
    return refuse("description", `at most ${TOKEN_DESCRIPTION_LENGTH_MAX} characters`);
  }
  const kept = { id, role, namespaces, expiresAtMs, description, createdBy: "configuration" };
  return { ...kept, sha256: digestOf(token, sha256, refuse), createdAtMs: 0, revokedAtMs: null };
}

function digestOf(token: unknown, sha256: unknown, refuse: (field: string, expected: string) => never): string {
  if (token === undefined) {
    return typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256)
      ? sha256
      : refuse("sha256", "64 lower-case hex digits");
  }
  const isToken = typeof token === "string" && token.length >= TOKEN_LENGTH.min && token.length <= TOKEN_LENGTH.max;
  return isToken ? hashToken(token) : refuse("token", `text of ${TOKEN_LENGTH.min} to ${TOKEN_LENGTH.max} characters`);
}

function isRole(value: unknown): value is Role {
  return ROLES.some((role) => role === value);
}

function isNamespaces(value: unknown): value is string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= TOKEN_NAMESPACES_MAX &&
    value.every((name) => typeof name === "string" && name !== "" && name.length <= 63)
  );
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
