/** What a request itself can be wrong with, before the registry is asked. Codes are part of the API (docs/http-api.md). */

import { AtollError } from "../util/errors.ts";
import type { LoadClass } from "./load-guard.ts";

export type ApiErrorDetail =
  | { readonly code: "INVALID_JSON"; readonly field: "body"; readonly reason: string }
  | { readonly code: "INVALID_FIELD"; readonly field: string; readonly reason: string }
  | { readonly code: "BODY_TOO_LARGE"; readonly field: "body"; readonly bytesMax: number }
  | { readonly code: "UNSUPPORTED_MEDIA_TYPE"; readonly field: "content-type"; readonly reason: string }
  | { readonly code: "NOT_FOUND"; readonly path: string }
  | { readonly code: "OVERLOADED"; readonly watchersMax: number }
  /** The node has more to do than it can, and requests of this class wait least (P12). */
  | { readonly code: "OVERLOADED"; readonly shed: LoadClass }
  | { readonly code: "METHOD_NOT_ALLOWED"; readonly method: string; readonly allow: string };

export class ApiError extends AtollError<ApiErrorDetail> {
  constructor(detail: ApiErrorDetail) {
    super("field" in detail ? detail.field : detail.code, detail);
  }
}

/** A value that the schema lets through and that is wrong all the same. */
export function invalidField(field: string, reason: string): ApiError {
  return new ApiError({ code: "INVALID_FIELD", field, reason });
}
