/**
 * An agent as the registry keeps it. What a field means to real agents: contract sections A2 to A9.
 *
 * Plain data: every value here crosses the log, the disk and the wire as msgpack maps, and no field is a class instance.
 */

import type { AgentId, RegionId } from "./ids.ts";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export type AgentType = "mcp_agent" | "api" | "a2a" | "mesh_tool" | "decorator_agent";
export type AgentRuntime = "python" | "typescript" | "java";

/** `t` required, `+t` preferred, `-t` forbidden; a nested list is an OR group (contract A6.2). */
export type TagConstraint = string | readonly string[];

/** What a capability needs of others to do its work. */
export interface Dependency {
  readonly capability: string;
  readonly tags: readonly TagConstraint[];
  /** A version constraint in Masterminds syntax; empty means any. */
  readonly version: string;
  readonly namespace?: string;
  readonly required: boolean;
  readonly expectedSchemaCanonical?: JsonObject;
  readonly expectedSchemaHash?: string;
  readonly matchMode?: "subset" | "strict";
}

export interface Capability {
  /** What lookups ask for; case-sensitive. */
  readonly name: string;
  /** What is called; unique within the agent in practice, not by rule. */
  readonly functionName: string;
  readonly version: string;
  readonly tags: readonly string[];
  readonly description?: string;
  readonly dependencies: readonly Dependency[];
  readonly inputSchema?: JsonObject;
  readonly outputSchema?: JsonObject;
  readonly inputSchemaCanonical?: JsonObject;
  readonly inputSchemaHash?: string;
  readonly outputSchemaCanonical?: JsonObject;
  readonly outputSchemaHash?: string;
  readonly schemaWarnings?: readonly string[];
  readonly llmFilter?: JsonObject;
  readonly llmProvider?: JsonObject;
  readonly kwargs?: JsonObject;
}

/** A path under which an agent answers to the A2A protocol (contract C). */
export interface Surface {
  readonly path: string;
  readonly skillId: string;
  readonly name?: string;
  readonly description?: string;
  readonly inputModes?: readonly string[];
  readonly outputModes?: readonly string[];
  readonly tags?: readonly string[];
}

/** What a registration says about an agent; a later registration replaces it whole. */
export interface AgentRecord {
  readonly name: string;
  readonly namespace: string;
  readonly type: AgentType;
  readonly runtime: AgentRuntime;
  readonly version: string;
  readonly endpoint: string;
  readonly description?: string;
  readonly zone?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly metadata: JsonObject;
  readonly capabilities: readonly Capability[];
  /** How long the agent stays healthy without a sign of life, in milliseconds. */
  readonly leaseMs: number;
  readonly a2aProducer?: boolean;
  readonly a2aConsumer?: boolean;
  readonly surfaces?: readonly Surface[];
}

/** `deregistered` agents stay listed until the retention ends (contract A4); native DELETE removes at once. */
export type Health = "healthy" | "unhealthy";
export type UnhealthyReason = "lease-expired" | "deregistered";

/** A record with what the log made of it. Every replica of a region holds the same. */
export interface StoredAgent {
  readonly id: AgentId;
  readonly record: AgentRecord;
  /**
   * Names one lease: the log index of the registration that opened it. A renewal that names an older one is told to
   * register again, never revived (F21).
   */
  readonly incarnation: number;
  readonly health: Health;
  readonly unhealthyReason?: UnhealthyReason;
  /** Log index of the command that last changed anything here. */
  readonly revision: number;
  /** Wall time of the first registration, stamped by its proposer. */
  readonly registeredAtMs: number;
  /** Wall time of the last change, stamped by its proposer. */
  readonly changedAtMs: number;
  /** What the certificate of whoever registered it first proved; nobody else may change it. */
  readonly entity?: string;
}

/** One capability of one agent, as a lookup finds it. */
export interface FoundAgent {
  readonly id: AgentId;
  readonly name: string;
  readonly namespace: string;
  readonly type: AgentType;
  readonly runtime: AgentRuntime;
  readonly endpoint: string;
  readonly zone?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly metadata: JsonObject;
  readonly region: RegionId;
  readonly capability: string;
  readonly functionName: string;
  readonly version: string;
  readonly tags: readonly string[];
  readonly description?: string;
  readonly kwargs?: JsonObject;
  readonly health: Health;
  readonly revision: number;
  /** Wall time at which its current incarnation began: of two regions that hold one agent, it lives in the later one (F11). */
  readonly registeredAtMs: number;
  /** How well the tags fit (contract A6.2); equal agents are ordered by version, then id. */
  readonly score: number;
}
