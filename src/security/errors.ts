/** Why a request is not served. Codes are part of the API (docs/errors.md); no detail holds a secret. */

import type { Role } from "../types/token.ts";
import { AtollError } from "../util/errors.ts";

export type AccessErrorDetail =
  | { readonly code: "TOKEN_MISSING"; readonly needed: Role }
  /** `token` is the id, where what was sent names one. */
  | { readonly code: "TOKEN_UNKNOWN"; readonly token?: string }
  /** Nobody knows yet: this node has not caught up with its region since it started. */
  | { readonly code: "TOKEN_NOT_KNOWN_YET" }
  | { readonly code: "TOKEN_REVOKED"; readonly token: string }
  | { readonly code: "TOKEN_EXPIRED"; readonly token: string; readonly expiredAtMs: number }
  | { readonly code: "ROLE_MISSING"; readonly token: string; readonly role: Role; readonly needed: Role }
  | { readonly code: "CERTIFICATE_REQUIRED"; readonly reason: string }
  | { readonly code: "TLS_REQUIRED" }
  | { readonly code: "ADDRESS_NOT_ALLOWED"; readonly address: string }
  /** `of` is the token's id or the address whose budget is spent. */
  | { readonly code: "RATE_LIMITED"; readonly of: string; readonly perSecond: number }
  /** From the first token on, everybody is asked for one. */
  | { readonly code: "FIRST_TOKEN_NOT_OPERATORS" }
  | { readonly code: "LAST_OPERATOR_TOKEN"; readonly token: string };

export class AccessError extends AtollError<AccessErrorDetail> {}

export function accessError(detail: AccessErrorDetail): AccessError {
  return new AccessError("the request is not served", detail);
}
