/**
 * What is true of each simulated region, at every revision and at every moment: what answers and summaries elsewhere are
 * held against.
 *
 * A region that was recovered by force has several epochs, which count other changes with the same revisions.
 */

import { CapabilitySummary, type Hash64 } from "../../src/federation/capability-summary.ts";
import { boundedEntry } from "../../src/federation/wire.ts";
import { decodeCommand } from "../../src/registry/commands.ts";
import { compileExport, EXPORT_ALL, type ExportTest } from "../../src/registry/export-policy.ts";
import { RegistryStateMachine } from "../../src/registry/registry-state-machine.ts";
import type { FoundAgent } from "../../src/types/agent.ts";
import type { ClusterId, RegionId } from "../../src/types/ids.ts";
import type { RegionQuery } from "../../src/types/lookup.ts";
import type { SummaryEntry, SummaryHeader } from "../../src/types/summary.ts";
import { check } from "./raft-invariants.ts";

/** Half the lease of the simulated agents: who was told so lately that it holds its lease does not lose it. */
const HEARD_MS = 1_500;

/** A capability as it was from one change to the next. */
interface Version {
  readonly revision: number;
  until: number;
  /** As other regions may see it. */
  readonly entry: SummaryEntry | undefined;
  /** Whoever offers it, of any health. */
  readonly agents: readonly FoundAgent[];
  /** Those of them that other regions may see. */
  readonly exported: readonly FoundAgent[];
}

/** What some answer claims of one capability. */
export interface Claim {
  readonly query: RegionQuery;
  readonly revision: number;
  readonly agents: readonly FoundAgent[];
  readonly hasMore: boolean;
  /** Told by a node of another region. */
  readonly isAbroad: boolean;
  /** It was so at this moment, or later. */
  readonly notBefore: number;
}

/** Where a claim is found in the truth: the epoch, and how often the capability had changed by then. */
export interface Place {
  readonly epoch: number;
  readonly version: number;
}

export class RegionTruth {
  readonly region: RegionId;
  readonly epochs: Epoch[] = [];
  readonly #hash64: Hash64;

  constructor(region: RegionId, hash64: Hash64) {
    this.region = region;
    this.#hash64 = hash64;
  }

  get now(): Epoch {
    return this.epochs.at(-1)!;
  }

  begin(cluster: ClusterId, now: number): Epoch {
    this.epochs.at(-1)?.end(now);
    const epoch = new Epoch(this.region, cluster, this.#hash64);
    this.epochs.push(epoch);
    return epoch;
  }

  /** Whether it has said farewell, now or before it was founded anew. */
  get hasSaidFarewell(): boolean {
    return this.epochs.some(({ machine }) => machine.farewell !== undefined);
  }

  /** Whether the region ever had exactly this entry. */
  had(entry: SummaryEntry): boolean {
    return this.epochs.some((epoch) => epoch.had(entry));
  }

  stated(header: SummaryHeader): boolean {
    return this.epochs.some(
      ({ cluster, roots }) => cluster === header.cluster && roots[header.revision] === header.rootDigest,
    );
  }

  /** The newest place that explains a claim, or null when it is a lie, or is older than it says. */
  explain(claim: Claim): Place | null {
    for (let epoch = this.epochs.length - 1; epoch >= 0; epoch--) {
      const version = this.epochs[epoch]!.explain(claim);
      if (version !== null) return { epoch, version };
    }
    return null;
  }
}

export class Epoch {
  readonly cluster: ClusterId;
  readonly machine: RegistryStateMachine;
  /** The root digest of the summary as of each revision. */
  readonly roots: string[];
  readonly #summary: CapabilitySummary;
  /** How many leases ran out. */
  expired = 0;
  /** When the holder of each lease was last told that it holds it. */
  readonly #heard = new Map<number, number>();
  readonly #versions = new Map<string, Version[]>();
  #until = Number.POSITIVE_INFINITY;

  constructor(region: RegionId, cluster: ClusterId, hash64: Hash64) {
    this.cluster = cluster;
    this.machine = new RegistryStateMachine(region);
    this.#summary = new CapabilitySummary(hash64);
    this.roots = [this.#summary.root()];
  }

  get revision(): number {
    return this.roots.length - 1;
  }

  get root(): string {
    return this.#summary.root();
  }

  /** A renewal of that lease was acknowledged. */
  heardOf(incarnation: number, now: number): void {
    this.#heard.set(incarnation, now);
  }

  commit(command: Uint8Array, index: number, now: number): void {
    this.#checkExpiry(command, now);
    const changed = new Set<string>();
    const stop = this.machine.observe({
      applied: (names) => {
        for (const name of names) changed.add(name);
      },
    });
    this.machine.apply(command, index);
    stop();
    for (const name of changed) this.#change(name, index, now);
    this.roots[index] = this.#summary.root();
  }

  #checkExpiry(command: Uint8Array, now: number): void {
    const read = decodeCommand(command);
    if (read?.kind !== "expire") return;
    this.expired += read.leases.length;
    for (const [id, incarnation] of read.leases) {
      const heardMs = now - (this.#heard.get(incarnation) ?? Number.NEGATIVE_INFINITY);
      check(heardMs >= HEARD_MS, `P7: the lease of ${id} ends ${heardMs} ms after it was renewed`);
    }
  }

  end(now: number): void {
    this.#until = now;
    for (const versions of this.#versions.values()) versions.at(-1)!.until = Math.min(versions.at(-1)!.until, now);
  }

  /** Whether other regions may see the agent now. */
  shows({ namespace }: FoundAgent): boolean {
    return this.#exportTest()?.(namespace) ?? true;
  }

  had(entry: SummaryEntry): boolean {
    const told = JSON.stringify(entry);
    return this.versions(entry.name).some((version) => JSON.stringify(version.entry) === told);
  }

  /** The capability as of a revision. */
  at(name: string, revision: number): Version {
    return this.versions(name).findLast((version) => version.revision <= revision)!;
  }

  /** Oldest first; there always is one. */
  versions(name: string): readonly Version[] {
    return this.#versions.get(name) ?? [this.#nothing()];
  }

  explain({ query, revision, agents, hasMore, isAbroad, notBefore }: Claim): number | null {
    if (revision > this.revision) return null;
    const versions = this.versions(query.capability);
    const number = versions.findLastIndex((version) => version.revision <= revision);
    const version = versions[number]!;
    if (version.until < notBefore) return null;
    const visible = isAbroad ? version.exported : version.agents;
    const all = new Set(visible.filter((agent) => matches(agent, query)).map(describe));
    const isTrue = agents.every((agent) => all.has(describe(agent)));
    const isWhole = hasMore ? agents.length < all.size : agents.length === all.size;
    return isTrue && isWhole ? number : null;
  }

  #change(name: string, revision: number, now: number): void {
    const { index } = this.machine;
    const isExported = this.#exportTest();
    const offered = isExported === null ? index.capability(name) : index.capabilityIn(isExported, name);
    const entry = offered && boundedEntry(offered);
    this.#summary.set(entry ?? { name, healthy: 0, total: 0, versions: [], tags: [], revision });
    const versions = this.#versions.get(name) ?? [this.#nothing()];
    versions.at(-1)!.until = now;
    const agents = index.offers(name).map(({ found }) => found);
    versions.push({
      revision,
      until: this.#until,
      entry,
      agents,
      exported: agents.filter((agent) => this.shows(agent)),
    });
    this.#versions.set(name, versions);
  }

  #nothing(): Version {
    return { revision: 0, until: this.#until, entry: undefined, agents: [], exported: [] };
  }

  #exportTest(): ExportTest {
    return compileExport(this.machine.exportPolicy ?? EXPORT_ALL);
  }
}

/** Only what the simulated queries ask for. */
export function matches(agent: FoundAgent, { health, tags }: RegionQuery): boolean {
  return (health === "any" || agent.health === "healthy") && tags.every((tag) => agent.tags.includes(tag as string));
}

/** All that tells two answers about an agent apart. */
export function describe({ id, region, endpoint, version, tags, health, registeredAtMs }: FoundAgent): string {
  return JSON.stringify([id, region, endpoint, version, tags, health, registeredAtMs]);
}
