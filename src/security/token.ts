/**
 * What a token looks like, and what is kept of it.
 *
 * `atoll_<id>_<secret>`: the id names it to people and in logs, the secret has 256 bits from a cryptographic source. That much
 * can not be guessed, so one SHA-256 is enough to keep it by, and checking one costs a microsecond. Tokens that people
 * chose (`AUTH_TOKEN`) may look like anything, and are never kept on disk.
 */

import { hash, randomBytes } from "node:crypto";

const PREFIX = "atoll_";
const ID_BYTES = 6;
const SECRET_BYTES = 32;
const FORM = /^atoll_([0-9a-z]{4,32})_[A-Za-z0-9_-]{43}$/;

export interface NewToken {
  readonly id: string;
  /** Shown once, to whoever asked for it. */
  readonly token: string;
  readonly sha256: string;
}

export function generateToken(): NewToken {
  const id = randomBytes(ID_BYTES).toString("hex");
  const token = `${PREFIX}${id}_${randomBytes(SECRET_BYTES).toString("base64url")}`;
  return { id, token, sha256: hashToken(token) };
}

/** 64 hex digits. */
export function hashToken(token: string): string {
  return hash("sha256", token, "hex");
}

/** The id in a token that has our form; undefined for others. */
export function tokenIdIn(token: string): string | undefined {
  return FORM.exec(token)?.[1];
}
