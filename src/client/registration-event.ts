/** What a registration tells of itself. Nothing of it asks the agent to act: the registration does that by itself. */

import type { AtollClientError } from "./client-error.ts";

export type RegistrationEvent =
  /** A region took the agent in, for the first time or anew. */
  | { readonly type: "registered"; readonly node: string; readonly region: string; readonly incarnation: number }
  | { readonly type: "renewed"; readonly node: string; readonly region: string; readonly renewInMs: number }
  /** Another node holds the lease from now on; of another region when `fromRegion` and `region` differ. */
  | {
      readonly type: "moved";
      readonly from: string;
      readonly fromRegion: string;
      readonly node: string;
      readonly region: string;
    }
  /** One try failed; the next one follows by itself. */
  | { readonly type: "failed"; readonly node: string; readonly error: AtollClientError }
  /** The region said that it does not hold the lease, or nobody acknowledged it for as long as it runs. */
  | { readonly type: "lost"; readonly reason: "refused" | "expired" }
  /** Acknowledged again after it was lost. */
  | { readonly type: "recovered"; readonly node: string; readonly region: string; readonly lostForMs: number }
  | { readonly type: "closed" };

export type RegistrationListener = (event: RegistrationEvent) => void;
