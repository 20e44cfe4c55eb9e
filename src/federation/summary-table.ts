/**
 * The newest summary of every other region, how old it is, and what may be concluded from it.
 *
 * Speed comes by gossip, truth by pulls; both end here, after the region's pinned key was found under them. A region's
 * summary vouches for something only as far as it is proven: an absence means something when all changes up to the newest
 * signed header are known, and is as old as the last proof (P9).
 *
 * Ages count from when a proof arrived, or was asked for, plus what its signer said of its own lag.
 *
 * Elsewhere: order and deletion of entries (`summary-replica.ts`), keys (`region-trust.ts`), asking (`summary-pull.ts`).
 */

import type { PeerDirectory } from "../network/interface.ts";
import { succeeds } from "../types/cluster-id.ts";
import type { FederationId, RegionId } from "../types/ids.ts";
import type { RegionQuery } from "../types/lookup.ts";
import type { SummaryEntry, SummaryHeader, SummaryNode } from "../types/summary.ts";
import type { Clock } from "../util/clock.ts";
import type { Hash64 } from "./capability-summary.ts";
import { FederationError } from "./errors.ts";
import type { FederationMetrics, Refusal } from "./interface.ts";
import type { RegionSigner } from "./region-key.ts";
import type { RegionTrust } from "./region-trust.ts";
import { SummaryReplica } from "./summary-replica.ts";
import {
  ANY,
  CAPABILITIES_MAX,
  type Envelope,
  GOSSIP_BYTES_MAX,
  GOSSIP_CONTEXT,
  type GossipBody,
  readEnvelope,
  readGossipBody,
} from "./wire.ts";

type Verdict = "accept" | "ignore" | "reject";

type EntryListener = (region: RegionId, entry: SummaryEntry) => void;

interface RemoteSummary {
  header: SummaryHeader;
  /** As the last answer to a pull named them. */
  nodes: readonly SummaryNode[];
  nodesDigest: string;
  /** The digest of others that a node which is up to date answered to, once: they may differ on each other's addresses for a while. */
  nodesAsked: string;
  readonly replica: SummaryReplica;
  /** When the state that `header` shows was last proven to be the region's, on the clock. */
  provenAtMs: number;
  /** When anything new was last said in the region's name, on the clock. */
  heardAtMs: number;
  /** Of the newest gossip message. A message at or before it proves nothing about now. */
  term: number;
  sequence: number;
}

/** What a pull brought, after every proof in it was checked. */
export interface PulledState {
  readonly header: SummaryHeader;
  readonly nodes: readonly SummaryNode[];
  readonly provenAtMs: number;
  readonly digests: BigUint64Array;
  readonly buckets: readonly { readonly bucket: number; readonly entries: readonly SummaryEntry[] }[];
}

/** Of one moment: later changes do not show in it. */
export interface HeldDigests {
  readonly root: string;
  readonly buckets: BigUint64Array;
}

export interface SummaryTableOptions {
  readonly region: RegionId;
  readonly federation: FederationId;
  readonly trust: RegionTrust;
  readonly signer: RegionSigner;
  readonly directory: PeerDirectory;
  readonly hash64: Hash64;
  readonly clock: Clock;
  readonly metrics: FederationMetrics;
}

export class SummaryTable {
  readonly #options: SummaryTableOptions;
  readonly #startedAtMs: number;
  readonly #regions = new Map<RegionId, RemoteSummary>();
  readonly #gapListeners = new Set<(region: RegionId) => void>();
  readonly #unsettledListeners = new Set<(region: RegionId) => void>();
  readonly #entryListeners = new Set<EntryListener>();
  #changes = 0;

  constructor(options: SummaryTableOptions) {
    this.#options = options;
    this.#startedAtMs = options.clock.now();
  }

  /** Calls back when a region's newest header shows that something of its summary is missing here. */
  onGap(listener: (region: RegionId) => void): () => void {
    this.#gapListeners.add(listener);
    return () => this.#gapListeners.delete(listener);
  }

  /** Calls back when asking the region is the way to know more: its pinned key did not sign, it said farewell, or its nodes changed. */
  onUnsettled(listener: (region: RegionId) => void): () => void {
    this.#unsettledListeners.add(listener);
    return () => this.#unsettledListeners.delete(listener);
  }

  /** Calls back with each entry that came or changed, and one of `total` 0 for each that is gone. */
  onEntry(listener: EntryListener): () => void {
    this.#entryListeners.add(listener);
    return () => this.#entryListeners.delete(listener);
  }

  /** Grows whenever an entry may have changed. */
  get changes(): number {
    return this.#changes;
  }

  regions(): RegionId[] {
    return [...this.#regions.keys()];
  }

  headerOf(region: RegionId): SummaryHeader | undefined {
    return this.#regions.get(region)?.header;
  }

  /** Those that answer for the region; none before the first pull. */
  nodesOf(region: RegionId): readonly SummaryNode[] {
    return this.#regions.get(region)?.nodes ?? [];
  }

  capabilities(region: RegionId): number {
    return this.#regions.get(region)?.replica.size ?? 0;
  }

  /** When the region's summary was last proven; for a region never heard of, when this node began to listen. */
  provenAtMs(region: RegionId): number {
    return this.#regions.get(region)?.provenAtMs ?? this.#startedAtMs;
  }

  /** When anything new was last said in the region's name, by gossip or in answer to a pull; undefined when nothing ever was. */
  heardAtMs(region: RegionId): number | undefined {
    return this.#regions.get(region)?.heardAtMs;
  }

  /** How many revisions of the region happened after the last one as of which all is known here. */
  lagRevisions(region: RegionId): number {
    const held = this.#regions.get(region);
    return held === undefined ? 0 : Math.max(0, held.header.revision - held.replica.knownRevision);
  }

  ageMs(region: RegionId): number {
    return Math.max(0, this.#options.clock.now() - this.provenAtMs(region));
  }

  /** The digests held equal those of the newest signed header. */
  isInSync(region: RegionId): boolean {
    const held = this.#regions.get(region);
    return held !== undefined && held.replica.root() === held.header.rootDigest;
  }

  /** What is held now, to be compared with the region's; undefined when nothing is. */
  digestsOf(region: RegionId): HeldDigests | undefined {
    const replica = this.#regions.get(region)?.replica;
    return replica && { root: replica.root(), buckets: replica.bucketDigests() };
  }

  /** True when all that happened to the capability up to the newest header is known here. */
  isCertain(region: RegionId, capability: string): boolean {
    const held = this.#regions.get(region);
    return held?.replica.isKnownAsOf(capability, held.header.revision) ?? false;
  }

  entries(region: RegionId): Iterable<SummaryEntry> {
    return this.#regions.get(region)?.replica.entries() ?? [];
  }

  entry(region: RegionId, capability: string): SummaryEntry | undefined {
    return this.#regions.get(region)?.replica.find(capability);
  }

  /** False only when it is certain that no agent of the region matches. Says nothing about the age of that certainty. */
  mayMatch(region: RegionId, query: RegionQuery): boolean {
    if (!this.isCertain(region, query.capability)) return true;
    const entry = this.entry(region, query.capability);
    return entry !== undefined && entryMayMatch(entry, query);
  }

  /** Takes a gossiped message, from whomever it came. The answer tells the network whether to pass it on. */
  onGossip(message: Uint8Array): Verdict {
    if (message.length > GOSSIP_BYTES_MAX) return this.#refused("oversized", "reject");
    try {
      return this.#onEnvelope(readEnvelope(message));
    } catch (error) {
      if (error instanceof FederationError) return this.#refused("malformed", "reject");
      throw error;
    }
  }

  /**
   * Takes a pulled state of a region.
   *
   * @returns the buckets to fetch next: those that differ and are not yet known as of the answer's revision
   */
  applyPull({ header, nodes, provenAtMs, digests, buckets }: PulledState): number[] {
    const held = this.#held(header);
    held.heardAtMs = this.#options.clock.now();
    this.#options.metrics.fetched(buckets.length);
    for (const { bucket, entries } of buckets) this.#replaceBucket(held, bucket, entries, header.revision);
    this.#changes += buckets.length;
    const toFetch = held.replica.reconcile(digests, header.revision);
    if (header.revision >= held.header.revision) {
      held.provenAtMs = Math.max(held.provenAtMs, provenAtMs);
      if (held.header.nodesDigest !== held.nodesDigest) held.nodesAsked = held.header.nodesDigest;
      this.#takeNodes(held, header, nodes);
      this.#takeHeader(held, header);
    }
    return toFetch;
  }

  #onEnvelope({ region, body: bytes, signature }: Envelope): Verdict {
    const { trust, federation } = this.#options;
    // This region's own messages are passed on, not taken in: the log tells us more.
    if (region === this.#options.region) return this.#onOwn(bytes, signature);
    const cluster = trust.clusterOf(region);
    if (cluster === undefined) {
      // Gossip pins nothing; a pull from an admitted peer does.
      this.#reportGap(region);
      return this.#refused(trust.isRetiredName(region) ? "retired" : "unpinned", "ignore");
    }
    if (!trust.verifies(region, GOSSIP_CONTEXT, bytes, signature)) {
      // Forged, or the region has replaced its key: a pull tells which.
      this.#reportUnsettled(region);
      return this.#refused("bad-signature", "reject");
    }
    const body = readGossipBody(bytes);
    const { header, entries } = body;
    if (header.region !== region) return this.#refused("malformed", "reject");
    if (header.federation !== federation) return this.#refused("foreign", "reject");
    if (succeeds(header.cluster, cluster)) {
      // Recovered by force: the pin moves with a pull, too.
      this.#reportGap(region);
      return this.#refused("unpinned", "ignore");
    }
    if (header.cluster !== cluster) return this.#refused("cluster-mismatch", "reject");
    if (entries.some((entry) => entry.revision > header.revision)) return this.#refused("malformed", "reject");
    if (header.retired) this.#reportUnsettled(region);
    if (!this.#isNews(region, body)) return this.#refused("stale", "ignore");
    return this.#merge(body);
  }

  /** The region is gone for good: what was known of it is told to be gone, too. */
  forget(region: RegionId): void {
    const held = this.#regions.get(region);
    if (held === undefined) return;
    this.#regions.delete(region);
    this.#changes++;
    for (const entry of held.replica.entries()) this.#tell(region, gone(entry, held.header.revision));
  }

  #onOwn(body: Uint8Array, signature: Uint8Array): Verdict {
    const { signer, region, federation } = this.#options;
    if (signer.publicKey() === undefined) return "ignore";
    if (!signer.verifies(GOSSIP_CONTEXT, body, signature)) return this.#refused("bad-signature", "reject");
    const { header } = readGossipBody(body);
    if (header.region !== region) return this.#refused("malformed", "reject");
    return header.federation === federation ? "accept" : this.#refused("foreign", "reject");
  }

  /** False for what was played back, or came after a newer message had said the same. */
  #isNews(region: RegionId, { header, sequence, entries }: GossipBody): boolean {
    const held = this.#regions.get(region);
    if (held === undefined || isLater(header.term, sequence, held)) return true;
    if (header.revision > held.header.revision) return true;
    return entries.some(({ name, revision }) => !held.replica.isKnownAsOf(name, revision));
  }

  #merge(body: GossipBody): Verdict {
    const { header, sequence, stalenessMs, entries } = body;
    const held = this.#held(header);
    if (held.replica.size + entries.length > CAPABILITIES_MAX) return this.#refused("too-many", "ignore");
    held.heardAtMs = this.#options.clock.now();
    for (const entry of entries) {
      if (held.replica.merge(entry)) this.#tell(header.region, entry);
    }
    this.#changes += entries.length;
    if (isLater(header.term, sequence, held)) {
      held.term = header.term;
      held.sequence = sequence;
      // An older state proves nothing about the newer one held: a new leader may not have applied it yet.
      if (header.revision >= held.header.revision) {
        held.provenAtMs = Math.max(held.provenAtMs, this.#options.clock.now() - stalenessMs);
      }
    }
    if (header.revision >= held.header.revision) this.#takeHeader(held, header);
    else this.#compare(held);
    this.#options.metrics.accepted();
    return "accept";
  }

  /** The region's summary, begun now if this is its first proof, or the first since it was recovered by force. */
  #held(header: SummaryHeader): RemoteSummary {
    const held = this.#regions.get(header.region);
    // A later epoch may lack what the last one had, and gives its revisions to other changes.
    if (held !== undefined && !succeeds(header.cluster, held.header.cluster)) return held;
    const begun: RemoteSummary = {
      header,
      nodes: [],
      nodesDigest: "",
      nodesAsked: "",
      replica: new SummaryReplica(this.#options.hash64),
      provenAtMs: Number.NEGATIVE_INFINITY,
      heardAtMs: this.#options.clock.now(),
      term: 0,
      sequence: 0,
    };
    this.#regions.set(header.region, begun);
    for (const entry of held?.replica.entries() ?? []) this.#tell(header.region, gone(entry, header.revision));
    return begun;
  }

  #replaceBucket(held: RemoteSummary, bucket: number, entries: readonly SummaryEntry[], revision: number): void {
    const { header, replica } = held;
    const before = new Map(replica.bucket(bucket).map((entry) => [entry.name, entry]));
    if (!replica.replaceBucket(bucket, entries, revision)) return;
    for (const entry of replica.bucket(bucket)) {
      if (before.get(entry.name)?.revision !== entry.revision) this.#tell(header.region, entry);
      before.delete(entry.name);
    }
    for (const entry of before.values()) this.#tell(header.region, gone(entry, revision));
  }

  #tell(region: RegionId, entry: SummaryEntry): void {
    for (const listener of this.#entryListeners) listener(region, entry);
  }

  #takeHeader(held: RemoteSummary, header: SummaryHeader): void {
    const isSameState = header.revision === held.header.revision;
    if (isSameState && header.rootDigest !== held.header.rootDigest) this.#options.metrics.refused("contradiction");
    // Terms only grow, also when a member that knows only an older one answers for the same state.
    const term = Math.max(header.term, held.header.term);
    held.header = { ...header, term };
    this.#askForNodes(held);
    this.#compare(held);
  }

  /** With each header anew, until it is answered: who was asked may have lagged behind, or have been lost. */
  #askForNodes({ header: { region, nodesDigest }, nodesDigest: held, nodesAsked }: RemoteSummary): void {
    if (nodesDigest !== held && nodesDigest !== nodesAsked) this.#reportUnsettled(region);
  }

  /** Signed addresses are dialled beside the configured names (F15). */
  #takeNodes(held: RemoteSummary, { region, nodesDigest }: SummaryHeader, nodes: readonly SummaryNode[]): void {
    if (held.nodesDigest === nodesDigest) return;
    held.nodes = nodes;
    held.nodesDigest = nodesDigest;
    this.#options.directory.learn(
      region,
      nodes.flatMap((node) => node.addresses),
    );
  }

  #compare(held: RemoteSummary): void {
    const { region, revision, rootDigest } = held.header;
    if (held.replica.root() === rootDigest) held.replica.confirmAll(revision);
    else this.#reportGap(region);
  }

  #reportGap(region: RegionId): void {
    for (const listener of this.#gapListeners) listener(region);
  }

  #reportUnsettled(region: RegionId): void {
    for (const listener of this.#unsettledListeners) listener(region);
  }

  #refused(reason: Refusal, verdict: Verdict): Verdict {
    this.#options.metrics.refused(reason);
    return verdict;
  }
}

/** Only what is certain rules an entry out: version constraints are left to the region that is asked. */
export function entryMayMatch(entry: SummaryEntry, query: RegionQuery): boolean {
  if (query.health === "any") return entry.total > 0;
  if (entry.healthy === 0) return false;
  if (entry.tags.includes(ANY)) return true;
  return query.tags.every((tag) => !isRequired(tag) || entry.tags.includes(tag));
}

/** `t` is required; `+t`, `-t`, an empty tag and OR groups are not, or not as simply (contract A6.2). */
function isRequired(tag: RegionQuery["tags"][number]): tag is string {
  return typeof tag === "string" && tag !== "" && !tag.startsWith("+") && !tag.startsWith("-");
}

function gone({ name }: SummaryEntry, revision: number): SummaryEntry {
  return { name, healthy: 0, total: 0, versions: [], tags: [], revision };
}

function isLater(term: number, sequence: number, than: { readonly term: number; readonly sequence: number }): boolean {
  return term > than.term || (term === than.term && sequence > than.sequence);
}
