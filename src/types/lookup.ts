/** A question for agents, and what each region answered. */

import type { Dependency, FoundAgent, JsonObject, TagConstraint } from "./agent.ts";
import type { AgentId, RegionId } from "./ids.ts";

/** What is asked of one region; the same on every node, so it is also what travels abroad. */
export interface RegionQuery {
  readonly capability: string;
  readonly tags: readonly TagConstraint[];
  /** A version constraint in Masterminds syntax; empty means any. */
  readonly version: string;
  readonly namespace?: string;
  /** What the schema of the capability must be compatible with (contract A9). */
  readonly schema?: ExpectedSchema;
  readonly health: "healthy" | "any";
  /** Most agents to answer with, 1 to 1,000. */
  readonly limit: number;
  /** Continue after this agent in the order of `compareFound`. */
  readonly after?: SortKey;
}

export type ExpectedSchema = Pick<Dependency, "matchMode" | "expectedSchemaHash" | "expectedSchemaCanonical">;

/** The place of an agent in an answer: score descending, version descending, agent id, function name, region ascending. */
export interface SortKey {
  readonly score: number;
  readonly version: string;
  readonly id: string;
  readonly functionName: string;
  readonly region: string;
}

export interface LookupQuery extends Omit<RegionQuery, "after"> {
  /** `region`: only this node's region. */
  readonly scope: "region" | "federation";
  /** Only this region. */
  readonly region?: RegionId;
  readonly consistency: "stale" | "linearizable";
  /** Data older than this is fetched anew, or refused with a label; absent means any age will do. */
  readonly maxStalenessMs?: number;
  /** Where the asker is, in place of where this node is. */
  readonly zone?: string;
  /** Continue behind this place. */
  readonly place?: PagePlace;
  /** Also tell how the answer came about. */
  readonly explain?: boolean;
}

/**
 * Who comes first among equally good agents. All pages of one answer are in one order, whatever becomes nearer meanwhile:
 * so it is a part of every place in it.
 */
export interface Nearness {
  /** In the home region those of this zone, which is a part of that region; null where none was named. */
  readonly zone: string | null;
  /** After the home region these, the nearest first; then all others by name. */
  readonly regions: readonly string[];
}

/** Where a page ended, in the order that its answer is in. */
export interface PagePlace {
  readonly at: SortKey;
  /** The agent there is of the home region and of `nearness.zone`. */
  readonly isInZone: boolean;
  readonly nearness: Nearness;
}

/** Where a region's part of the answer came from, or why there is none (P9). */
export interface RegionAnswer {
  readonly region: RegionId;
  /** `local`: this node's own region. `live`: asked now. `cached`: kept, vouched for by the summary. `none`: see `error`, or nothing matches by its summary. */
  readonly source: "local" | "live" | "cached" | "none";
  /** The revision of the region that the answer shows. */
  readonly revision: number;
  /** Upper bound, in milliseconds, of how old the data may be. */
  readonly stalenessMs: number;
  readonly agents: readonly FoundAgent[];
  /** More agents match than were answered. */
  readonly hasMore: boolean;
  /** Round trip to the nearest node of the region, in milliseconds; absent at home, where none was measured, and where nothing is sorted by it. */
  readonly distanceMs?: number;
  /** Why this region's agents are missing. Absent together with `source: "none"` means its fresh summary shows no match. */
  readonly error?: { readonly code: string; readonly message: string };
  /** How this part came about; only where the query asks for it. */
  readonly trace?: RegionTrace;
}

export interface RegionTrace {
  /**
   * `read`: this node's own state. `asked`: a node of the region answered now. `kept`: an earlier answer, vouched for by the
   * summary. `ruled-out`: the fresh summary shows no match. `kept-unconfirmed`: an earlier answer, as the region gave none
   * now. `breaker-open`: not asked, as lookups there kept failing. `failed`: see the error.
   */
  readonly did: "read" | "asked" | "kept" | "ruled-out" | "kept-unconfirmed" | "breaker-open" | "failed";
  /** Who answered, of how many nodes that were asked. */
  readonly asked?: { readonly node: string; readonly requests: number; readonly tookMs: number };
  /** What is known of the region without asking: up to which revision, how old that is, and when the capability last changed. */
  readonly summary?: { readonly revision: number; readonly ageMs: number; readonly changedRevision?: number };
  readonly breaker?: "closed" | "half-open" | "open";
}

/** Why an agent stands where it does. */
export interface PlaceTrace {
  readonly id: AgentId;
  readonly functionName: string;
  readonly region: RegionId;
  readonly score: number;
  readonly version: string;
  readonly isInZone: boolean;
  /** 0 at home; absent where nothing was measured. */
  readonly distanceMs?: number;
  /** What put it behind the one before it; absent of the first. */
  readonly behindBy?: "score" | "version" | "zone" | "region" | "distance" | "name";
}

/** What one stage did to the offers of this region that came to it. */
export interface StageTrace {
  readonly stage: "namespace" | "health" | "tags" | "version" | "schema";
  readonly kept: number;
  readonly dropped: number;
  /** A few of those that were dropped, as `agent:function`, and why. */
  readonly listed: readonly { readonly id: string; readonly reason: string; readonly details: JsonObject }[];
}

export interface LookupExplanation {
  /** Where the asker was taken to be. */
  readonly zone: string | null;
  readonly places: readonly PlaceTrace[];
  /** Of this region's offers of the capability, `lookedAt` of `offers` went through the stages. */
  readonly matching?: { readonly offers: number; readonly lookedAt: number; readonly stages: readonly StageTrace[] };
  /** Agents that a region answered and that live elsewhere by now: how many, and a few of them. */
  readonly moved: {
    readonly count: number;
    readonly listed: readonly { readonly id: AgentId; readonly region: RegionId }[];
  };
}

/** What can be said of a region without asking it. */
export interface KnownAnswer {
  readonly region: RegionId;
  /** Its agents that match; null when it may have some and would have to be asked. */
  readonly agents: readonly FoundAgent[] | null;
}

export interface LookupAnswer {
  readonly agents: readonly FoundAgent[];
  /** False when a region that may have matching agents did not answer. */
  readonly complete: boolean;
  readonly regions: readonly RegionAnswer[];
  readonly next?: PagePlace;
  readonly explanation?: LookupExplanation;
}
