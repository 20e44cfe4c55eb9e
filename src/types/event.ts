/** What happened to agents and their dependencies: kept by the region for operators and audits (contract A11, B "Audit"). */

import type { JsonObject } from "./agent.ts";
import type { AgentId } from "./ids.ts";

export type RegistryEventType =
  | "register"
  | "unregister"
  | "unhealthy"
  | "rotate"
  | "dependency_resolved"
  | "dependency_unresolved";

/** Plain data, like the records it speaks of. */
export interface RegistryEvent {
  /** Orders the region's events; a later one is greater. */
  readonly sequence: number;
  /** Log index of the command that brought it. */
  readonly revision: number;
  readonly type: RegistryEventType;
  readonly agentId: AgentId;
  readonly agentName?: string;
  /** Of `dependency_*`: whose dependency it is. */
  readonly functionName?: string;
  /** Wall time, stamped by the proposer. */
  readonly atMs: number;
  readonly data: JsonObject;
}
