/** What the page reads of the API, as far as it shows it; `/openapi.json` has the whole. */

export interface ClusterAnswer {
  readonly federation: string;
  readonly region: string;
  readonly node: string;
  readonly role: string;
  readonly leader: string | null;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly stalenessMs: number;
  readonly members: readonly { readonly name: string; readonly nodeId: string; readonly votes: boolean }[];
  readonly agents: { readonly healthy: number; readonly unhealthy: number };
}

export interface RegionAnswer {
  readonly region: string;
  readonly link: "self" | "connected" | "away";
  readonly leader: string | null;
  readonly term?: number;
  readonly revision: number;
  readonly lagRevisions: number;
  readonly stalenessMs: number;
  readonly inSync: boolean;
  readonly agents: number;
  readonly capabilities: number;
  readonly nodes: readonly { readonly name: string; readonly nodeId: string; readonly http: string }[];
  readonly silentMs?: number;
  readonly roundTripMs?: number;
  readonly breaker?: "closed" | "half-open" | "open";
  readonly distrust?: string;
}

export interface NodeAnswer {
  readonly name: string;
  readonly nodeId: string;
  readonly region: string;
  readonly role: string;
  readonly link: "self" | "connected" | "away";
  readonly http: string;
  readonly version?: string;
  readonly roundTripMs?: number;
}

export interface ReadyAnswer {
  readonly status: string;
  readonly reasons: readonly string[];
  /** What the node does without while it serves the rest; absent from older nodes. */
  readonly degraded?: readonly { readonly code: string; readonly message: string }[];
}

export interface TrendSample {
  readonly atMs: number;
  readonly agents: number;
  readonly healthyAgents: number;
  readonly lookupsPerSecond: number;
  readonly renewalsPerSecond: number;
  readonly writesPerSecond: number;
  readonly p99Ms: number | null;
  readonly term: number;
  readonly hasLeader: boolean;
  readonly lagRevisions: number;
}

export interface TrendAnswer {
  readonly intervalMs: number;
  readonly samplesMax: number;
  readonly samples: readonly TrendSample[];
}

export interface AgentAnswer {
  readonly id: string;
  readonly region: string;
  readonly name: string;
  readonly namespace: string;
  readonly type: string;
  readonly runtime: string;
  readonly version: string;
  readonly endpoint: string;
  readonly description?: string;
  readonly zone?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly capabilities: readonly {
    readonly name: string;
    readonly functionName: string;
    readonly version: string;
    readonly tags: readonly string[];
    readonly description?: string;
  }[];
  readonly leaseMs: number;
  readonly health: "healthy" | "unhealthy";
  readonly unhealthyReason?: string;
  readonly incarnation: number;
  readonly revision: number;
  readonly registeredAtMs: number;
  readonly changedAtMs: number;
  readonly lastSeenMs: number;
}

export interface RelationsAnswer {
  readonly dependsOn: readonly {
    readonly functionName: string;
    readonly capability: string;
    readonly version: string;
    readonly tags: readonly (string | readonly string[])[];
    readonly required: boolean;
    readonly provider?: {
      readonly id: string;
      readonly name: string;
      readonly region: string;
      readonly version: string;
    };
  }[];
  readonly dependents: readonly {
    readonly id: string;
    readonly name: string;
    readonly health: "healthy" | "unhealthy";
    readonly capability: string;
    readonly required: boolean;
    readonly isServed: boolean;
  }[];
  readonly hasMoreDependents: boolean;
  readonly events: readonly { readonly type: string; readonly atMs: number; readonly functionName?: string }[];
}

export interface CapabilityAnswer {
  readonly name: string;
  readonly healthy: number;
  readonly total: number;
  readonly versions: readonly string[];
  readonly tags: readonly string[];
}

export interface LookupAnswer {
  readonly complete: boolean;
  readonly agents: readonly {
    readonly id: string;
    readonly name: string;
    readonly region: string;
    readonly version: string;
    readonly tags: readonly string[];
    readonly health: "healthy" | "unhealthy";
    readonly endpoint: string;
  }[];
  readonly regions: readonly {
    readonly region: string;
    readonly source: string;
    readonly stalenessMs: number;
    readonly agents: number;
    readonly error?: { readonly code: string; readonly message: string };
  }[];
}

/** One event of `/v1/activity`, or what the page itself did. */
export interface Told {
  readonly kind: string;
  readonly id: string;
  readonly atMs: number;
  readonly region?: string;
  readonly node?: string;
  readonly leader?: string | null;
  readonly term?: number;
  readonly change?: string;
  readonly link?: string;
  readonly reason?: string;
  readonly ready?: boolean;
  readonly reasons?: readonly string[];
  readonly count?: number;
  readonly ids?: readonly string[];
  readonly from?: string;
  readonly to?: string;
}
