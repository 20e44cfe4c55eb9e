/**
 * Looks for agents in all other regions: each answers from its summary, from a kept answer, or is asked; and each is
 * reported, also when it could not be asked (P9).
 *
 * A summary that is fresh and complete here stands for a question: it rules out a region without a match, and vouches for a
 * kept answer that is newer than the capability's last change. Where no node is linked, nothing is vouched for: a kept
 * answer may still be given, labelled as not confirmed.
 *
 * Elsewhere: how one region is asked (`region-client.ts`), what the summary shows (`summary-table.ts`).
 */

import { NetworkError } from "../network/interface.ts";
import type { RegionId } from "../types/ids.ts";
import type { KnownAnswer, RegionAnswer, RegionQuery } from "../types/lookup.ts";
import type { Clock } from "../util/clock.ts";
import { compareText } from "../util/compare.ts";
import { AtollError } from "../util/errors.ts";
import type { FederationConfig, RemoteLookup, RemoteLookupOptions } from "./interface.ts";
import { type CachedAnswer, LookupCache } from "./lookup-cache.ts";
import { traceRegion } from "./lookup-trace.ts";
import type { RegionClient } from "./region-client.ts";
import { ShownRevisions } from "./shown-revisions.ts";
import type { SummaryTable } from "./summary-table.ts";

export interface FederatedLookupOptions {
  /** Every other region that may hold agents. */
  readonly regions: () => readonly RegionId[];
  readonly clientOf: (region: RegionId) => RegionClient;
  readonly table: SummaryTable;
  readonly clock: Clock;
  readonly config: Pick<FederationConfig, "summaryFreshMs" | "cacheEntriesMax">;
}

export class FederatedLookup implements RemoteLookup {
  readonly #options: FederatedLookupOptions;
  readonly #cache: LookupCache;
  readonly #shown = new ShownRevisions();
  #keptChanges = 0;

  constructor(options: FederatedLookupOptions) {
    this.#options = options;
    this.#cache = new LookupCache(options.config.cacheEntriesMax);
  }

  knows(region: RegionId): boolean {
    return this.#options.regions().includes(region);
  }

  async lookup(query: RegionQuery, options: RemoteLookupOptions): Promise<readonly RegionAnswer[]> {
    const { clock } = this.#options;
    const { only, afterIn } = options;
    const regions = this.#options.regions().filter((region) => only === undefined || region === only);
    const asked = regions.map(async (region) => {
      const asksFor = afterIn === undefined ? query : { ...query, after: afterIn(region) };
      const answer = await this.#lookupIn(region, asksFor, options);
      return { answer, asksFor, answeredAtMs: clock.now() };
    });
    const answered = await Promise.all(asked);
    const answers = answered.map(({ answer, asksFor, answeredAtMs }) =>
      this.#withDistance(this.#aged(answer, clock.now() - answeredAtMs, asksFor, options), options),
    );
    return options.explain === true ? answers.map((answer) => this.#explained(answer, query)) : answers;
  }

  known(query: RegionQuery): readonly KnownAnswer[] {
    const { regions, clientOf } = this.#options;
    const distanceOf = (region: RegionId) => clientOf(region).roundTripMs() ?? Number.POSITIVE_INFINITY;
    return regions()
      .map((region) => ({ region, distance: distanceOf(region), agents: this.#knownIn(region, query) }))
      .sort((a, b) => (a.distance === b.distance ? compareText(a.region, b.region) : a.distance - b.distance))
      .map(({ region, agents }) => ({ region, agents }));
  }

  changes(): number {
    return this.#options.table.changes + this.#keptChanges;
  }

  /** As far as the summary goes, however old: what it rules out is not asked for, and what it shows no change of is kept. */
  #knownIn(region: RegionId, query: RegionQuery): KnownAnswer["agents"] {
    const { table, clientOf } = this.#options;
    if (table.isCertain(region, query.capability) && !table.mayMatch(region, query)) return [];
    const client = clientOf(region);
    const isAway = client.linked().length === 0 || client.breaker === "open";
    const kept = this.#cache.get(this.#sourceOf(region), query);
    if (kept !== undefined && (isAway || this.#isCurrent(region, query, kept))) return kept.agents;
    return isAway ? [] : null;
  }

  /** Of agents that are sorted by it, on a first page, and of all that is explained: others cost no look at every link. */
  #withDistance(answer: RegionAnswer, { explain, afterIn }: RemoteLookupOptions): RegionAnswer {
    const isSorted = answer.agents.length > 0 && afterIn === undefined;
    if (!isSorted && explain !== true) return answer;
    const distanceMs = this.#options.clientOf(answer.region).roundTripMs();
    return distanceMs === undefined ? answer : { ...answer, distanceMs };
  }

  #explained(answer: RegionAnswer, query: RegionQuery): RegionAnswer {
    const { table, clientOf } = this.#options;
    const { breaker } = clientOf(answer.region);
    return { ...answer, trace: traceRegion(answer, query.capability, table, breaker) };
  }

  async #lookupIn(region: RegionId, query: RegionQuery, options: RemoteLookupOptions): Promise<RegionAnswer> {
    const vouched = options.consistency === "stale" ? this.#answerBySummary(region, query, options) : undefined;
    return vouched ?? this.#answerByAsking(region, query, options);
  }

  /** What one region said has grown older while another was waited for, perhaps too old for who asked. */
  #aged(answer: RegionAnswer, waitedMs: number, query: RegionQuery, options: RemoteLookupOptions): RegionAnswer {
    const { region, revision } = answer;
    const { consistency, maxStalenessMs = Number.POSITIVE_INFINITY } = options;
    const stalenessMs = answer.stalenessMs + waitedMs;
    const isRefused = answer.source === "none" && answer.error !== undefined;
    if (isRefused || stalenessMs <= maxStalenessMs) return { ...answer, stalenessMs };
    const vouched = consistency === "stale" ? this.#answerBySummary(region, query, options) : undefined;
    if (vouched !== undefined) return vouched;
    const message = `what ${region} answered grew ${Math.ceil(stalenessMs)} ms old while other regions were waited for`;
    const error = { code: "TOO_STALE", message };
    return { region, source: "none", revision, stalenessMs, agents: [], hasMore: false, error };
  }

  /** What the summary alone can say; undefined when the region must be asked. */
  #answerBySummary(region: RegionId, query: RegionQuery, options: RemoteLookupOptions): RegionAnswer | undefined {
    const { table, clientOf, config } = this.#options;
    const ageMs = table.ageMs(region);
    const isFresh = ageMs < config.summaryFreshMs && ageMs <= (options.maxStalenessMs ?? Number.POSITIVE_INFINITY);
    if (!isFresh || !table.isCertain(region, query.capability) || clientOf(region).linked().length === 0)
      return undefined;
    const revision = table.headerOf(region)?.revision ?? 0;
    const source = this.#sourceOf(region);
    if (!table.mayMatch(region, query)) {
      if (!this.#shown.note(source, query.capability, revision)) return undefined;
      return { region, source: "none", revision, stalenessMs: ageMs, agents: [], hasMore: false };
    }
    const kept = this.#cache.get(source, query);
    const mayShow =
      kept !== undefined &&
      this.#isCurrent(region, query, kept) &&
      this.#shown.note(source, query.capability, Math.max(kept.revision, revision));
    return mayShow ? cachedAnswer(region, kept, ageMs) : undefined;
  }

  /** A region that was recovered by force gives its revisions to other changes: what it answered before vouches for nothing. */
  #sourceOf(region: RegionId): string {
    return `${region} ${this.#options.table.headerOf(region)?.cluster ?? ""}`;
  }

  async #answerByAsking(region: RegionId, query: RegionQuery, options: RemoteLookupOptions): Promise<RegionAnswer> {
    const { consistency, maxStalenessMs } = options;
    // The region may be recovered by force meanwhile: the answer is still one of the epoch that was asked.
    const source = this.#sourceOf(region);
    const { table, clientOf } = this.#options;
    const sinceRevision = this.#shown.of(source, query.capability);
    const changedRevision = table.entry(region, query.capability)?.revision ?? 0;
    try {
      const needs = { maxStalenessMs, sinceRevision, changedRevision };
      const live = await clientOf(region).ask({ query, consistency }, needs);
      const { revision, hasMore, agents, stalenessMs, arrivedAtMs, asked } = live;
      this.#keptChanges++;
      this.#cache.put(source, query, { revision, hasMore, agents, asOfMs: arrivedAtMs - stalenessMs });
      this.#shown.note(source, query.capability, revision);
      const trace = options.explain === true ? { trace: { did: "asked", asked } as const } : {};
      return { region, source: "live", revision, stalenessMs, agents, hasMore, ...trace };
    } catch (error) {
      // A bug must not pass as a region that did not answer.
      if (!(error instanceof AtollError)) throw error;
      return this.#answerWithout(region, query, options, { code: codeOf(error), message: error.message });
    }
  }

  /** The region did not answer: a kept answer with its true age where that may do, or nothing; and always the reason. */
  #answerWithout(
    region: RegionId,
    query: RegionQuery,
    { consistency, maxStalenessMs }: RemoteLookupOptions,
    error: NonNullable<RegionAnswer["error"]>,
  ): RegionAnswer {
    const { table } = this.#options;
    const source = this.#sourceOf(region);
    const kept = consistency === "stale" ? this.#cache.get(source, query) : undefined;
    if (kept !== undefined) {
      const stalenessMs = this.#stalenessOf(region, query, kept);
      const isFresh = stalenessMs <= (maxStalenessMs ?? Number.POSITIVE_INFINITY);
      if (isFresh && this.#shown.note(source, query.capability, this.#provenRevision(region, query, kept))) {
        return { ...cachedAnswer(region, kept, stalenessMs), error };
      }
    }
    const revision = table.headerOf(region)?.revision ?? 0;
    return { region, source: "none", revision, stalenessMs: table.ageMs(region), agents: [], hasMore: false, error };
  }

  /** The summary shows no change of the capability after the state that the answer shows. */
  #isCurrent(region: RegionId, query: RegionQuery, kept: CachedAnswer): boolean {
    const { table } = this.#options;
    const entry = table.entry(region, query.capability);
    return entry !== undefined && entry.revision <= kept.revision && table.isCertain(region, query.capability);
  }

  /** Up to where the kept answer is known to show the capability as it is. */
  #provenRevision(region: RegionId, query: RegionQuery, kept: CachedAnswer): number {
    const revision = this.#options.table.headerOf(region)?.revision ?? 0;
    return this.#isCurrent(region, query, kept) ? Math.max(kept.revision, revision) : kept.revision;
  }

  #stalenessOf(region: RegionId, query: RegionQuery, kept: CachedAnswer): number {
    const { table, clock } = this.#options;
    const provenAtMs = this.#isCurrent(region, query, kept) ? table.provenAtMs(region) : kept.asOfMs;
    return Math.max(0, clock.now() - Math.max(kept.asOfMs, provenAtMs));
  }
}

function cachedAnswer(
  region: RegionId,
  { revision, agents, hasMore }: CachedAnswer,
  stalenessMs: number,
): RegionAnswer {
  return { region, source: "cached", revision, stalenessMs, agents, hasMore };
}

/** What the other side answered says more than that it answered with an error. */
function codeOf(error: AtollError<{ readonly code: string }>): string {
  return error instanceof NetworkError && error.detail.code === "REMOTE" ? error.detail.remoteCode : error.detail.code;
}
