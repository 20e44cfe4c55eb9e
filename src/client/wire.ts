/** What travels between the client and a node, as `/openapi.json` has it. */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

export type AgentType = "mcp_agent" | "api" | "a2a" | "mesh_tool" | "decorator_agent";
export type AgentRuntime = "python" | "typescript" | "java";
export type Health = "healthy" | "unhealthy";

export interface DependencyDescription {
  readonly capability: string;
  /** `t` required, `+t` preferred, `-t` forbidden; a nested list is an OR group. */
  readonly tags?: readonly (string | readonly string[])[];
  /** A constraint such as `^1.2`; any version when absent. */
  readonly version?: string;
  readonly required?: boolean;
}

export interface CapabilityDescription {
  /** What lookups ask for; case-sensitive. */
  readonly name: string;
  /** What is called; the capability's name when absent. */
  readonly functionName?: string;
  /** `1.0.0` when absent. */
  readonly version?: string;
  readonly tags?: readonly string[];
  readonly description?: string;
  readonly dependencies?: readonly DependencyDescription[];
  readonly inputSchema?: JsonObject;
  readonly outputSchema?: JsonObject;
  readonly kwargs?: JsonObject;
}

/** What an agent says of itself. Bounds are in docs/http-api.md; a node names the field that is over one. */
export interface AgentDescription {
  /** Letters, digits, and `.` `_` `-` inside; an agent that comes back under its id is the same agent. */
  readonly id: string;
  /** An absolute URL under which others reach the agent. */
  readonly endpoint: string;
  readonly capabilities: readonly (string | CapabilityDescription)[];
  /** The id when absent. */
  readonly name?: string;
  readonly namespace?: string;
  readonly type?: AgentType;
  /** `typescript` when absent. */
  readonly runtime?: AgentRuntime;
  readonly version?: string;
  readonly description?: string;
  readonly zone?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly metadata?: JsonObject;
  /** Lifetime without renewal, in milliseconds, 1,000 to 86,400,000; 30,000 when absent. */
  readonly leaseMs?: number;
}

/** One capability of one agent, as a lookup finds it. */
export interface FoundAgent {
  readonly id: string;
  readonly name: string;
  readonly endpoint: string;
  readonly region: string;
  readonly capability: string;
  readonly functionName: string;
  readonly version: string;
  readonly tags: readonly string[];
  readonly health: Health;
  readonly revision: number;
  readonly namespace: string;
  readonly type: AgentType;
  readonly runtime: AgentRuntime;
  readonly zone?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly metadata: JsonObject;
  readonly description?: string;
  readonly kwargs?: JsonObject;
  readonly registeredAtMs: number;
  /** How well the tags fit; the best come first. */
  readonly score: number;
}

/** Where a region's part of an answer came from, or why there is none. */
export interface RegionReport {
  readonly region: string;
  /** `none` without an error: the region is known to have no match. */
  readonly source: "local" | "live" | "cached" | "none";
  readonly revision: number;
  /** Upper bound of the age of the data, in milliseconds. */
  readonly stalenessMs: number;
  readonly agents: number;
  readonly error?: { readonly code: string; readonly message: string };
  /** With `explain` only. */
  readonly trace?: RegionTrace;
}

/** How a region's part of an answer came about. */
export interface RegionTrace {
  /** `kept`: an earlier answer that the region's summary vouches for. `ruled-out`: its fresh summary shows no match. */
  readonly did: "read" | "asked" | "kept" | "ruled-out" | "kept-unconfirmed" | "breaker-open" | "failed";
  readonly asked?: { readonly node: string; readonly requests: number; readonly tookMs: number };
  /** What is known of the region without asking. */
  readonly summary?: { readonly revision: number; readonly ageMs: number; readonly changedRevision?: number };
  readonly breaker?: "closed" | "half-open" | "open";
  /** Round trip to its nearest node. */
  readonly distanceMs?: number;
}

/** How an answer came about. */
export interface LookupExplanation {
  /** Where you were taken to be. */
  readonly zone: string | null;
  /** Of each agent answered, in order, why it stands where it does. */
  readonly places: readonly {
    readonly id: string;
    readonly functionName: string;
    readonly region: string;
    readonly score: number;
    readonly version: string;
    readonly isInZone: boolean;
    readonly distanceMs?: number;
    /** What put it behind the one before it. */
    readonly behindBy?: "score" | "version" | "zone" | "region" | "distance" | "name";
  }[];
  /** What was dropped of the node's own region, and why. */
  readonly matching?: {
    readonly offers: number;
    readonly lookedAt: number;
    readonly stages: readonly {
      readonly stage: "namespace" | "health" | "tags" | "version" | "schema";
      readonly kept: number;
      readonly dropped: number;
      readonly listed: readonly { readonly id: string; readonly reason: string; readonly details: JsonObject }[];
    }[];
  };
  /** Agents that a region showed and that live elsewhere by now. */
  readonly moved: {
    readonly count: number;
    readonly listed: readonly { readonly id: string; readonly region: string }[];
  };
}

export interface LookupAnswer {
  readonly agents: readonly FoundAgent[];
  /** False when a region that may have matching agents did not answer: no agents does then not mean that there are none. */
  readonly complete: boolean;
  readonly regions: readonly RegionReport[];
  readonly nextCursor?: string;
  readonly explanation?: LookupExplanation;
}

export interface NodeView {
  readonly name: string;
  readonly nodeId: string;
  readonly region: string;
  readonly role: string;
  readonly link: "self" | "connected" | "away";
  readonly http: string;
}

/** A registration or a renewal, acknowledged. */
export interface LeaseAnswer {
  readonly region: string;
  readonly incarnation: number;
  readonly leaseMs: number;
  readonly renewInMs: number;
}

/** An agent as a watcher is told of it. */
export interface WatchedAgent {
  readonly id: string;
  readonly region: string;
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
  readonly capabilities: readonly (CapabilityDescription & {
    readonly functionName: string;
    readonly version: string;
    readonly tags: readonly string[];
  })[];
  readonly leaseMs: number;
  readonly health: Health;
  readonly unhealthyReason?: "lease-expired" | "deregistered";
  readonly incarnation: number;
  readonly revision: number;
  readonly registeredAtMs: number;
  readonly changedAtMs: number;
}

/** What a watcher is told. */
export type WatchEvent = {
  /** Names the place after this event: a watch can go on from there, on any node of the region. */
  readonly id?: string;
} & (
  | {
      readonly type: "registered" | "updated" | "unhealthy" | "recovered" | "removed";
      readonly revision: number;
      /** As it is after the change; as it last was, when it was removed. */
      readonly agent: WatchedAgent;
    }
  /** What another region offers under one name; `total` 0 when nobody does any more. */
  | {
      readonly type: "capability";
      readonly region: string;
      readonly name: string;
      readonly healthy: number;
      readonly total: number;
      readonly revision: number;
    }
  /** All that there was has been told; what follows happens from now on. */
  | { readonly type: "ready"; readonly region: string; readonly revision: number }
  /** Something was lost: forget what you know. With `initial` all that there is follows, without it ask for what you need. */
  | { readonly type: "resync"; readonly from: number; readonly reason: string }
);
