/** What the federation refuses a peer with, and why a region's part of an answer is missing. */

import type { RegionId } from "../types/ids.ts";
import { AtollError } from "../util/errors.ts";

export type FederationErrorDetail =
  /** The region has no signing key yet: ask again shortly. */
  | { readonly code: "NOT_READY"; readonly region: RegionId }
  /** A message, request or answer that does not have its form, or is over a bound. */
  | { readonly code: "MALFORMED"; readonly reason: string }
  /** This peer asked too often, or too much is being answered already. */
  | { readonly code: "RATE_LIMITED"; readonly retryAfterMs: number }
  | { readonly code: "STOPPING"; readonly region: RegionId }
  /** What was answered in the region's name is not proven, or breaks a bound. */
  | { readonly code: "INVALID_ANSWER"; readonly region: RegionId; readonly reason: string }
  /** The region's key or cluster is not the pinned one. */
  | { readonly code: "DISTRUSTED"; readonly region: RegionId; readonly reason: string }
  | { readonly code: "TOO_MANY_REGIONS"; readonly regionsMax: number }
  /** The shared key does not open the region's wrapped key, or the wrapped key is damaged. */
  | { readonly code: "KEY_UNREADABLE"; readonly reason: string }
  /** No node of the region is linked. */
  | { readonly code: "NO_LINK"; readonly region: RegionId }
  /** Linked, but its summary has not arrived yet, so its members are not known. */
  | { readonly code: "NO_SUMMARY"; readonly region: RegionId }
  /** The last lookups there failed; it is tried again within `retryAfterMs`. */
  | { readonly code: "REGION_FAILING"; readonly region: RegionId; readonly retryAfterMs: number }
  /** Its nodes are behind what this node has shown of it already. */
  | { readonly code: "BEHIND"; readonly region: RegionId; readonly revision: number; readonly sinceRevision: number }
  | { readonly code: "DEADLINE"; readonly region: RegionId; readonly deadlineMs: number }
  | {
      readonly code: "TOO_STALE";
      readonly region: RegionId;
      readonly stalenessMs: number;
      readonly maxStalenessMs: number;
    };

export class FederationError extends AtollError<FederationErrorDetail> {}
