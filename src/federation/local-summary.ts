/**
 * This region's own summary, kept on every one of its nodes, and what may be stated about it under the region's key.
 *
 * The leader gossips it (`summary-publisher.ts`), every node answers pulls from it (`summary-pull.ts`).
 */

import type { ClusterId, FederationId } from "../types/ids.ts";
import type { SummaryEntry, SummaryHeader, SummaryNode } from "../types/summary.ts";
import { CapabilitySummary, type Hash64, nodesDigest } from "./capability-summary.ts";
import type { LocalRegion } from "./interface.ts";
import { boundedEntry, SUMMARY_NODES_MAX, tellableMs } from "./wire.ts";

export interface LocalSummaryOptions {
  readonly local: LocalRegion;
  readonly federation: FederationId;
  readonly cluster: ClusterId;
  readonly hash64: Hash64;
}

export class LocalSummary {
  readonly #local: LocalRegion;
  readonly #federation: FederationId;
  readonly #cluster: ClusterId;
  readonly #hash64: Hash64;
  readonly #content: CapabilitySummary;
  readonly #listeners = new Set<(names: ReadonlySet<string>) => void>();

  constructor({ local, federation, cluster, hash64 }: LocalSummaryOptions) {
    this.#local = local;
    this.#federation = federation;
    this.#cluster = cluster;
    this.#hash64 = hash64;
    this.#content = new CapabilitySummary(hash64);
  }

  /** Reads the region's state as it is now, and follows its changes until the returned function is called. */
  start(): () => void {
    for (const entry of this.#local.entries()) this.#content.set(boundedEntry(entry));
    return this.#local.onChange((changed) => {
      const names = new Set<string>();
      // What was never shown to other regions is not named to them when it changes, or goes.
      for (const name of changed) if (this.#take(name)) names.add(name);
      for (const listener of this.#listeners) listener(names);
    });
  }

  /** Calls back after the summary shows a change. */
  onChange(listener: (names: ReadonlySet<string>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  header(): SummaryHeader {
    return {
      federation: this.#federation,
      region: this.#local.region,
      cluster: this.#cluster,
      term: this.#local.term(),
      revision: this.#local.revision(),
      rootDigest: this.#content.root(),
      capabilities: this.#content.size,
      agents: this.#local.agents(),
      nodesDigest: nodesDigest(this.#hash64, this.nodes()),
      ...(this.#local.farewell() !== undefined && { retired: true as const }),
    };
  }

  /** Those that answer for the region: only they are believed, and dialled where they say. */
  nodes(): readonly SummaryNode[] {
    return this.#local.nodes().slice(0, SUMMARY_NODES_MAX);
  }

  stalenessMs(): number {
    return tellableMs(this.#local.stalenessMs());
  }

  /** The entry of a name now; one with `total` 0, as of now, when nobody offers it. */
  current(name: string): SummaryEntry {
    const gone = { name, healthy: 0, total: 0, versions: [], tags: [], revision: this.#local.revision() };
    return this.#content.get(name) ?? gone;
  }

  bucketDigests(): BigUint64Array {
    return this.#content.bucketDigests();
  }

  bucket(number: number): SummaryEntry[] {
    return this.#content.bucket(number);
  }

  /** @returns whether it was or is shown */
  #take(name: string): boolean {
    const entry = this.#local.entry(name);
    const wasShown = this.#content.get(name) !== undefined;
    if (entry === undefined) this.#content.remove(name);
    else this.#content.set(boundedEntry(entry));
    return wasShown || entry !== undefined;
  }
}
