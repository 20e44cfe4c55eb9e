/**
 * Holds what nodes of the simulated federation say against what is true.
 *
 * P9: every region is named, and what is said of it was so no longer ago than is said. P10: what a node has shown gone or
 * changed, it does not show again. P11: nothing that the region did not say is believed. F11: of one agent in two regions
 * the newer registration is shown. F26: whatever is down, an answer comes within its deadline.
 */

import { isDeepStrictEqual } from "node:util";
import type { FoundAgent } from "../../src/types/agent.ts";
import type { RegionId } from "../../src/types/ids.ts";
import type { LookupAnswer, LookupQuery, RegionAnswer } from "../../src/types/lookup.ts";
import type { SummaryEntry, SummaryNode } from "../../src/types/summary.ts";
import type { FederationProcess } from "./federation-sim-process.ts";
import { describe, matches, type Place, type RegionTruth } from "./federation-sim-truth.ts";
import { check } from "./raft-invariants.ts";

const ROUNDING_MS = 1e-3;

/** What one process has shown so far. */
export class ShownMemory {
  /** Regions that it named in an answer, and when it first did. */
  readonly named = new Map<RegionId, number>();
  /** How far each capability of each region had come in its answers, and when it said so. */
  readonly places = new Map<string, { readonly at: number; readonly place: Place }[]>();
  /** Revisions of the entries of its summaries. */
  readonly revisions = new Map<string, number>();
  #pulseLateMs = 0;
  readonly #late = new Map<RegionId, number>();

  /** Operators had it forget these: what it showed of them it may show anew, or leave out. */
  forget(retired: readonly { readonly region: RegionId }[]): void {
    for (const { region } of retired) {
      this.named.delete(region);
      for (const key of this.revisions.keys()) if (key.startsWith(`${region} `)) this.revisions.delete(key);
    }
  }

  /** Gossip that it took as news of the region, and as a proof from when it came, was that old. */
  tookLate(region: RegionId, ms: number): void {
    this.#late.set(region, Math.max(ms, this.lateMs(region)));
  }

  /** A sign of life, of whichever region, took so much longer than gossip. */
  heardPulse(lateMs: number): void {
    this.#pulseLateMs = Math.max(lateMs, this.#pulseLateMs);
  }

  /** By how much the region's age may be told too small for that. */
  lateMs(region: RegionId): number {
    return Math.max(this.#late.get(region) ?? 0, this.#pulseLateMs);
  }
}

export interface OracleOptions {
  readonly now: () => number;
  readonly truthOf: (region: RegionId) => RegionTruth;
  /** All that there ever were. */
  readonly regions: () => readonly RegionId[];
  /** Those that are to be known in the end. */
  readonly dueRegions: () => readonly RegionId[];
  readonly nodesOf: (region: RegionId) => readonly SummaryNode[];
  /** By how much an age may be told too small: the way of the gossip that proved it. */
  readonly unseenMs: number;
  readonly lookupDeadlineMs: number;
  /** The share by which a node's clock may run too slow or too fast: so much of any duration it may tell wrong. */
  readonly drift: number;
}

export class Oracle {
  checks = 0;
  readonly #options: OracleOptions;

  constructor(options: OracleOptions) {
    this.#options = options;
  }

  /** An entry that a node's summaries show from now on; `total` 0: do not show any more. */
  onEntry(process: FederationProcess, region: RegionId, entry: SummaryEntry): void {
    const { name, memory, federation } = process;
    const truth = this.#options.truthOf(region);
    const told = `${name} shows of ${region} ${JSON.stringify(entry)}`;
    const header = federation.headerOf(region);
    const isGone = entry.total === 0;
    if (header === undefined) {
      this.#check(isGone && this.#mayForget(process, region), () => `P9: ${told} after it forgot the region`);
      memory.forget([{ region }]);
      return;
    }
    const { cluster } = header;
    const epoch = truth.epochs.find((candidate) => candidate.cluster === cluster);
    this.#check(epoch !== undefined, () => `P11: ${told} of the foreign cluster ${cluster}`);
    if (!isGone) this.#check(epoch!.had(entry), () => `P11: ${told}, which it never had`);
    // A new epoch drops what the last one had, also what it will show again.
    const isDropped = isGone && truth.epochs.length > 1;
    const isTrulyGone = isGone && epoch!.at(entry.name, entry.revision).entry === undefined;
    if (isGone && !isDropped) this.#check(isTrulyGone, () => `P11: ${told}, which was there`);
    if (isGone && !isTrulyGone) return;
    const key = `${region} ${cluster} ${entry.name}`;
    const before = memory.revisions.get(key) ?? -1;
    this.#check(entry.revision > before, () => `P10: ${told} after it had shown revision ${before}`);
    memory.revisions.set(key, entry.revision);
  }

  /** A node's answer to a lookup, at the moment it was given. */
  onAnswer(process: FederationProcess, query: LookupQuery, askedAt: number, answer: LookupAnswer): void {
    const { now, regions, lookupDeadlineMs, drift } = this.#options;
    const { memory } = process;
    const named = answer.regions.map(({ region }) => region);
    this.#check(new Set(named).size === named.length, () => `P9: ${process.name} names a region twice: ${named}`);
    if (query.region === undefined) {
      const due = [...memory.named].filter(([, at]) => at <= askedAt).map(([region]) => region);
      const missing = due.filter((region) => !named.includes(region));
      const missed = missing.filter((region) => !this.#mayForget(process, region));
      this.#check(missed.length === 0, () => `P9: ${process.name} leaves out ${missed}`);
      this.#checkForgotten(process, named, missing);
      const { name: home } = process.machine.region;
      // One that it only ever was linked with is met anew; and it may have forgotten one while it waited for another.
      const isMet = (region: RegionId) => region === home || process.federation.headerOf(region) !== undefined;
      for (const region of named.filter(isMet)) memory.named.set(region, memory.named.get(region) ?? now());
    }
    const strangers = named.filter((region) => !regions().includes(region));
    this.#check(strangers.length === 0, () => `P11: ${process.name} names ${strangers}`);
    const isComplete = answer.regions.every(({ error }) => error === undefined);
    this.#check(answer.complete === isComplete, () => `P9: ${process.name} says complete: ${answer.complete}`);
    if (query.consistency === "stale" && query.maxStalenessMs === undefined) {
      const tookMs = now() - askedAt;
      const longestMs = lookupDeadlineMs / (1 - drift) + ROUNDING_MS;
      this.#check(tookMs <= longestMs, () => `F26: ${process.name} took ${tookMs} ms`);
    }
    for (const part of answer.regions) this.#checkPart(process, query, askedAt, part);
    this.#checkMerged(process, answer);
    for (const { region } of answer.regions) this.checkHeader(process, region);
  }

  /** What a node holds of a region was once said by it. */
  checkHeader({ name, machine, federation }: FederationProcess, region: RegionId): void {
    const header = federation.headerOf(region);
    if (header === undefined || region === machine.region.name) return;
    const { cluster, revision } = header;
    this.#check(
      this.#options.truthOf(region).stated(header),
      () => `P11: ${name} holds a header of ${cluster} at ${revision}`,
    );
  }

  /** Nodes that do not hold exactly what the regions hold, in words; empty once all have converged (P8). */
  differences(processes: readonly FederationProcess[]): string[] {
    const found: string[] = [];
    for (const { name, machine, federation } of processes) {
      const due = this.#options.dueRegions();
      for (const { region } of federation.status()) {
        if (!due.includes(region)) found.push(`${name} still names ${region}`);
      }
      for (const region of due) {
        if (region === machine.region.name) continue;
        const { cluster, revision, root } = this.#options.truthOf(region).now;
        const header = federation.headerOf(region);
        const isEqual = header?.cluster === cluster && header.revision === revision && header.rootDigest === root;
        const status = federation.status().find((each) => each.region === region);
        const isMet = sameNodes(status?.nodes ?? [], this.#options.nodesOf(region));
        if (isEqual && isMet && status?.inSync === true) continue;
        found.push(`${name} of ${region}: ${JSON.stringify(status)}, is at ${revision} of ${cluster}`);
      }
    }
    return found;
  }

  /** Whether an answer is what all regions together hold now (P8). */
  checkUnion(process: FederationProcess, query: LookupQuery, answer: LookupAnswer): void {
    const home = process.machine.region.name;
    const all = this.#options
      .dueRegions()
      .flatMap((region) => {
        const { now } = this.#options.truthOf(region);
        const offered = now.machine.index.offers(query.capability).map(({ found }) => found);
        return region === home ? offered : offered.filter((agent) => now.shows(agent));
      })
      .filter((agent) => matches(agent, query));
    const due = all.filter((agent) => isOwner(agent, all, home) && !hasMoved(process, agent)).map(describe);
    const shown = answer.agents.map(describe);
    this.#check(
      due.length === shown.length && due.every((agent) => shown.includes(agent)),
      () => `P8: ${process.name} finds of ${query.capability} ${shown.join(" ")}; there are ${due.join(" ")}`,
    );
  }

  /** A region may be left out that its own operators, or those of the node's region, retired. */
  #mayForget({ stateMachine }: FederationProcess, region: RegionId): boolean {
    return (
      this.#options.truthOf(region).hasSaidFarewell || stateMachine.retirements.some((gone) => gone.region === region)
    );
  }

  /** What said farewell, and was forgotten for it, never comes back: not by gossip, not by introductions, not by a restart. */
  #checkForgotten(
    { name, machine, memory }: FederationProcess,
    named: readonly RegionId[],
    missing: readonly RegionId[],
  ): void {
    for (const region of missing) {
      memory.named.delete(region);
      if (this.#options.truthOf(region).hasSaidFarewell) machine.forgotten.add(region);
    }
    const isGone = (region: RegionId) => this.#options.truthOf(region).now.machine.farewell !== undefined;
    const back = named.filter((region) => machine.forgotten.has(region) && isGone(region));
    this.#check(back.length === 0, () => `P10: ${name} names ${back}, which it had forgotten for good`);
  }

  #checkPart(
    { name, machine, memory }: FederationProcess,
    query: LookupQuery,
    askedAt: number,
    part: RegionAnswer,
  ): void {
    const { now, truthOf, unseenMs, drift } = this.#options;
    const { region, source, revision, stalenessMs, agents, hasMore, error } = part;
    const told = () => `${name} says of ${region} at ${askedAt}: ${JSON.stringify({ ...part, query })}`;
    if (source === "none" && error !== undefined) {
      this.#check(agents.length === 0 && error.code !== "", () => `P9: ${told()}`);
      return;
    }
    // A node judges its own state when it is asked; what others are waited for makes it no less true.
    const waitedMs = source === "local" ? (now() - askedAt) * (1 + drift) : 0;
    const isFresh = stalenessMs - waitedMs <= (query.maxStalenessMs ?? Number.POSITIVE_INFINITY) + ROUNDING_MS;
    this.#check(isFresh, () => `P9: older than asked for: ${told()}`);
    const truth = truthOf(region);
    const isProven = source === "live" || source === "local";
    const sinceMs = now() - stalenessMs / (1 - drift) - ROUNDING_MS - (isProven ? 0 : unseenMs + memory.lateMs(region));
    const isExact = query.consistency === "linearizable" && error === undefined;
    const notBefore = isExact ? Math.max(sinceMs, askedAt - ROUNDING_MS) : sinceMs;
    const isAbroad = region !== machine.region.name;
    const claim = { query, revision, agents, hasMore, isAbroad, notBefore };
    const place = truth.explain(claim);
    if (place === null) {
      const wasTrue = truth.explain({ ...claim, notBefore: Number.NEGATIVE_INFINITY }) !== null;
      this.#check(false, () => (wasTrue ? `P9: older than it says: ${told()}` : `P11: never so: ${told()}`));
    }
    const key = `${region} ${query.capability}`;
    const shown = memory.places.get(key) ?? [];
    const before = shown.findLast(({ at }) => at <= askedAt)?.place;
    this.#check(before === undefined || !isAfter(before, place!), () => `P10: had shown a later state: ${told()}`);
    const newest = shown.at(-1)?.place;
    if (newest === undefined || isAfter(place!, newest)) {
      memory.places.set(key, [...shown, { at: now(), place: place! }]);
    }
  }

  #checkMerged(process: FederationProcess, { agents, regions }: LookupAnswer): void {
    const home = process.machine.region.name;
    const all = regions.flatMap((part) => part.agents);
    const ids = agents.map(({ id }) => id);
    this.#check(new Set(ids).size === ids.length, () => `F11: ${process.name} shows an agent twice: ${ids}`);
    for (const agent of agents) {
      this.#check(isOwner(agent, all, home), () => `F11: ${process.name} shows ${describe(agent)}, which has moved`);
    }
  }

  #check(holds: boolean, what: () => string): void {
    this.checks++;
    if (!holds) check(false, what());
  }
}

/** Healthy before unhealthy, then the newest registration, then the home region, then by name. */
function isOwner(agent: FoundAgent, all: readonly FoundAgent[], home: RegionId): boolean {
  const rank = ({ health, registeredAtMs, region }: FoundAgent) =>
    [health === "healthy" ? 0 : 1, -registeredAtMs, region === home ? 0 : 1, region] as const;
  return all.every((other) => {
    if (other.id !== agent.id) return true;
    const [mine, its] = [rank(agent), rank(other)];
    const differing = mine.findIndex((value, i) => value !== its[i]);
    return differing === -1 || mine[differing]! < its[differing]!;
  });
}

function hasMoved({ stateMachine, machine }: FederationProcess, { id, region, registeredAtMs }: FoundAgent): boolean {
  if (region === machine.region.name) return false;
  const held = stateMachine.index.get(id);
  return held?.health === "healthy" && held.incarnatedAtMs > registeredAtMs;
}

function sameNodes(told: readonly SummaryNode[], all: readonly SummaryNode[]): boolean {
  return told.length === all.length && all.every((node) => told.some((each) => isDeepStrictEqual(each, node)));
}

function isAfter(a: Place, b: Place): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.version > b.version);
}
