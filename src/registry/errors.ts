/** What a registration, renewal or lookup can be refused with. The HTTP faces turn codes into status codes. */

import type { AgentId, RegionId } from "../types/ids.ts";
import { AtollError } from "../util/errors.ts";

export type RegistryErrorDetail =
  /** No leader within the wait: nothing was written. Another region may take the agent. */
  | { readonly code: "NO_LEADER"; readonly region: RegionId; readonly waitedMs: number }
  /** Proposed, then the wait ended: it may still be applied. Registering again is safe. */
  | { readonly code: "OUTCOME_UNKNOWN"; readonly region: RegionId; readonly waitedMs: number }
  | { readonly code: "OVERLOADED"; readonly region: RegionId }
  | { readonly code: "STOPPING"; readonly region: RegionId }
  /** This node has no room for a registration: nothing was written. Another node may have. */
  | { readonly code: "MEMORY_LOW" | "DISK_LOW"; readonly region: RegionId }
  /** Known to be absent, never said in doubt (F18). */
  | { readonly code: "UNKNOWN_AGENT"; readonly agentId: AgentId }
  /** The lease ended or another one began: register again (F21). */
  | { readonly code: "LEASE_LOST"; readonly agentId: AgentId; readonly incarnation: number | null }
  | { readonly code: "RECORD_TOO_LARGE"; readonly field: string; readonly bytes: number; readonly bytesMax: number }
  /** A field is over a limit that only the registry knows, or does not fit another field. */
  | { readonly code: "INVALID_RECORD"; readonly field: string; readonly reason: string }
  /** Each of these capabilities would need the next one to work; the first and the last are the same (contract A8). */
  | { readonly code: "DEPENDENCY_CYCLE"; readonly cycle: readonly string[] }
  | { readonly code: "TOO_MANY_AGENTS"; readonly agents: number; readonly agentsMax: number }
  | { readonly code: "UNKNOWN_REGION"; readonly region: RegionId }
  | { readonly code: "TOKEN_NOT_FOUND"; readonly token: string }
  | { readonly code: "TOO_MANY_TOKENS"; readonly tokens: number; readonly tokensMax: number }
  /** This node is there for other namespaces; others of the region may serve it. */
  | { readonly code: "NAMESPACE_NOT_SERVED"; readonly namespace: string; readonly served: readonly string[] }
  /** The caller's token does not reach that namespace, or the one the agent is in now. */
  | {
      readonly code: "NAMESPACE_NOT_ALLOWED";
      readonly token: string;
      readonly agentId: AgentId;
      readonly namespace: string;
    }
  /** The agent belongs to the entity that registered it first. */
  | { readonly code: "ENTITY_MISMATCH"; readonly agentId: AgentId; readonly entity: string }
  /** `max_staleness_ms` can not be kept, or a linearizable answer can not be had, for this node's own region. */
  | {
      readonly code: "TOO_STALE";
      readonly region: RegionId;
      readonly stalenessMs: number;
      readonly maxStalenessMs: number;
    };

export class RegistryError extends AtollError<RegistryErrorDetail> {}
