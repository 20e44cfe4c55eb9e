/**
 * The federation as one node takes part in it: says what its own region holds, keeps what the others say, and asks them.
 *
 * Joins the parts of this folder and nothing else. A node starts it once its region is founded.
 */

import type { PeerDirectory, PeerInfo, RequestHandler, RequestResponse, SummaryChannel } from "../network/interface.ts";
import type { NodeFacts } from "../storage/interface.ts";
import { asRegionId, type ClusterId, type FederationId, type NodeId, type RegionId } from "../types/ids.ts";
import type { KnownAnswer, RegionAnswer, RegionQuery } from "../types/lookup.ts";
import type { Retirement } from "../types/region-standing.ts";
import type { SummaryEntry, SummaryHeader, SummaryNode } from "../types/summary.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import type { Random } from "../util/random.ts";
import type { Hash64 } from "./capability-summary.ts";
import { FederationError } from "./errors.ts";
import { FarewellTeller } from "./farewell-teller.ts";
import { FederatedLookup } from "./federated-lookup.ts";
import type {
  FederationConfig,
  FederationMetrics,
  LocalRegion,
  RemoteLookup,
  RemoteLookupOptions,
  RemoteRegionStatus,
} from "./interface.ts";
import { LocalSummary } from "./local-summary.ts";
import { LookupAnswers } from "./lookup-answers.ts";
import { PeerBudgets } from "./peer-budgets.ts";
import { RegionClient } from "./region-client.ts";
import { RegionSigner } from "./region-key.ts";
import { RegionTrust } from "./region-trust.ts";
import { Retirements } from "./retirements.ts";
import { SummaryAnswers } from "./summary-answers.ts";
import { SummaryPublisher } from "./summary-publisher.ts";
import { SummaryPull } from "./summary-pull.ts";
import { SummaryPulse } from "./summary-pulse.ts";
import { SummaryTable } from "./summary-table.ts";
import {
  BUCKETS_METHOD,
  DIGESTS_METHOD,
  FAREWELLS_METHOD,
  LOOKUP_METHOD,
  PULSE_METHOD,
  readToldFarewells,
} from "./wire.ts";

/** Pulls that one peer may make: a whole large summary at once, then a few a second. */
const PULL_BUDGET = { capacity: 64, perSecond: 16 };
/** Lookups that one peer may make, plain ones: far more than kept answers leave to ask, and half of what a core can do. */
const LOOKUP_BUDGET = { capacity: 10_000, perSecond: 5_000 };

export interface FederationOptions {
  readonly local: LocalRegion;
  readonly federation: FederationId;
  /** Of this node's own region. */
  readonly cluster: ClusterId;
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly summaries: SummaryChannel;
  readonly facts: NodeFacts;
  /** From `loadHash64`: the same on all nodes of the federation. */
  readonly hash64: Hash64;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly config: FederationConfig;
  readonly metrics: FederationMetrics;
}

export class Federation implements RemoteLookup {
  readonly #options: FederationOptions;
  readonly #trust: RegionTrust;
  readonly #summary: LocalSummary;
  readonly #table: SummaryTable;
  readonly #publisher: SummaryPublisher;
  readonly #pull: SummaryPull;
  readonly #summaryAnswers: SummaryAnswers;
  readonly #lookupAnswers: LookupAnswers;
  readonly #lookup: FederatedLookup;
  readonly #teller: FarewellTeller;
  readonly #clients = new Map<RegionId, RegionClient>();
  readonly #budgets: PeerBudgets;
  readonly #lookupBudgets: PeerBudgets;
  readonly #stops: (() => void)[] = [];
  #linkChanges = 0;
  #isRunning = false;

  constructor(options: FederationOptions) {
    const { local, summaries: channel, clock } = options;
    const { region } = local;
    this.#options = options;
    this.#budgets = new PeerBudgets(clock, PULL_BUDGET);
    this.#lookupBudgets = new PeerBudgets(clock, LOOKUP_BUDGET);
    const signer = new RegionSigner(() => local.signingKey());
    const retirements = new Retirements(options.facts, local);
    this.#trust = new RegionTrust({ ...options, pins: options.config.pins, retirements });
    this.#summary = new LocalSummary(options);
    const trust = this.#trust;
    const summary = this.#summary;
    this.#table = new SummaryTable({ ...options, region, trust, signer });
    const table = this.#table;
    const pulse = new SummaryPulse({ ...options, region, table, trust, budgets: this.#lookupBudgets });
    this.#publisher = new SummaryPublisher({ ...options, summary, signer, trust, channel, pulse });
    this.#pull = new SummaryPull({ ...options, region, table, trust });
    this.#summaryAnswers = new SummaryAnswers({ local, summary, signer, retirements, budgets: this.#budgets });
    this.#lookupAnswers = new LookupAnswers({ local, budgets: this.#lookupBudgets });
    const regions = () => this.#regions();
    const clientOf = (other: RegionId) => this.#clientOf(other);
    this.#lookup = new FederatedLookup({ ...options, regions, clientOf, table });
    this.#serve(DIGESTS_METHOD, async (from, payload) => this.#summaryAnswers.answer(from, payload));
    this.#serve(BUCKETS_METHOD, async (from, payload) => this.#summaryAnswers.answer(from, payload));
    this.#serve(PULSE_METHOD, (from, payload) => pulse.answer(from, payload));
    this.#teller = new FarewellTeller({ ...options, retirements });
    this.#serve(FAREWELLS_METHOD, async (from, payload) => this.#hear(from, payload));
    this.#serve(LOOKUP_METHOD, (from, payload) => this.#lookupAnswers.answer(from, payload));
  }

  /** Begins to publish, to listen, to pull and to answer. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const { directory, summaries } = this.#options;
    this.#stops.push(
      this.#summary.start(),
      this.#trust.onRetired((region) => {
        this.#drop(region);
        this.#teller.tellAll();
      }),
      this.#followRetirements(),
      summaries.subscribe((message) => this.#table.onGossip(message)),
      directory.onChange(({ type, peer }) => {
        this.#linkChanges++;
        if (type === "up") this.#clients.get(peer.region)?.onLinked();
        else this.#forget(peer.nodeId);
      }),
      this.#pull.start(),
      this.#publisher.start(),
      this.#teller.start(),
    );
  }

  /** What this region would have to forget, to forget another one; undefined when there is no such region. */
  standingOf(region: RegionId): { readonly cluster: string; readonly publicKey: string } | undefined {
    const linked = this.#trust.standing(this.#options.directory.peers()).find((peer) => peer.region === region);
    const pin = this.#trust.pinOf(region);
    const cluster = pin?.cluster || linked?.cluster;
    return pin === undefined && !cluster ? undefined : { cluster: cluster ?? "", publicKey: pin?.publicKey ?? "" };
  }

  /** Falls silent; peers that ask are told STOPPING. Lookups under way end by their own deadline. */
  stop(): void {
    this.#isRunning = false;
    for (const stop of this.#stops.splice(0).reverse()) stop();
  }

  lookup(query: RegionQuery, options: RemoteLookupOptions): Promise<readonly RegionAnswer[]> {
    return this.#lookup.lookup(query, options);
  }

  knows(region: RegionId): boolean {
    return this.#lookup.knows(region);
  }

  known(query: RegionQuery): readonly KnownAnswer[] {
    return this.#lookup.known(query);
  }

  changes(): number {
    return this.#lookup.changes() + this.#linkChanges;
  }

  /** What the other regions offer, as their summaries say: all of it, or what they offer under these names. */
  *capabilities(names: readonly string[] | null): Iterable<readonly [RegionId, SummaryEntry]> {
    for (const region of this.#table.regions()) {
      const entries = names?.map((name) => this.#table.entry(region, name)) ?? this.#table.entries(region);
      for (const entry of entries) if (entry !== undefined) yield [region, entry];
    }
  }

  /** Calls back with each of them that came or changed, and one of `total` 0 for each that is gone. */
  onCapability(listener: (region: RegionId, entry: SummaryEntry) => void): () => void {
    return this.#table.onEntry(listener);
  }

  /** The newest signed header of another region, or this region's own. */
  headerOf(region: RegionId): SummaryHeader | undefined {
    return region === this.#options.local.region ? this.#summary.header() : this.#table.headerOf(region);
  }

  /** Other regions whose signed header is held, with the nodes that it names, in order of name. */
  heard(): { readonly region: RegionId; readonly nodes: readonly SummaryNode[] }[] {
    const heard = this.#regions().filter((region) => (this.#table.headerOf(region)?.revision ?? 0) > 0);
    return heard.map((region) => ({ region, nodes: this.#table.nodesOf(region) }));
  }

  /** Every other region that may hold agents, in order of name. */
  status(): RemoteRegionStatus[] {
    return this.#regions().map((region) => this.#statusOf(region));
  }

  #statusOf(region: RegionId): RemoteRegionStatus {
    const header = this.#table.headerOf(region);
    const client = this.#clientOf(region);
    const roundTripMs = client.roundTripMs();
    const distrust = this.#trust.distrustOf(region);
    const heardAtMs = Math.max(
      this.#table.heardAtMs(region) ?? Number.NEGATIVE_INFINITY,
      client.answeredAtMs ?? Number.NEGATIVE_INFINITY,
    );
    return {
      region,
      cluster: this.#trust.clusterOf(region) ?? "",
      link: client.linked().length > 0 ? "connected" : "away",
      revision: header?.revision ?? 0,
      ...(header !== undefined && { term: header.term }),
      lagRevisions: this.#table.lagRevisions(region),
      summaryAgeMs: this.#table.ageMs(region),
      inSync: this.#table.isInSync(region),
      capabilities: this.#table.capabilities(region),
      agents: header?.agents ?? 0,
      nodes: this.#table.nodesOf(region),
      breaker: client.breaker,
      ...(Number.isFinite(heardAtMs) && { silentMs: Math.max(0, this.#options.clock.now() - heardAtMs) }),
      ...(roundTripMs !== undefined && { roundTripMs }),
      ...(distrust !== undefined && { distrust }),
    };
  }

  /** Pinned, configured or linked: a region that was never heard of may hold agents, and is missed by name (P9). */
  #regions(): RegionId[] {
    const peers = this.#trust.standing(this.#options.directory.peers());
    const linked = peers.map((peer) => peer.region);
    const regions = new Set<string>([...this.#trust.regions(), ...linked]);
    regions.delete(this.#options.local.region);
    return [...regions].sort().map(asRegionId);
  }

  /** Forgets what this region's operators have it forget, from now on. */
  #followRetirements(): () => void {
    const { local, logger } = this.#options;
    let seen: readonly Retirement[] | undefined;
    const look = () => {
      if (local.retirements() === seen) return;
      seen = local.retirements();
      this.#linkChanges++;
      this.#trust.forgetRetired().catch((error) => {
        // The log has it: after a restart it is forgotten again.
        logger.warn({ code: "REGION_PINS_NOT_SAVED", reason: messageOf(error) }, "what was forgotten is still on disk");
      });
    };
    look();
    return local.onChange(look);
  }

  /** @throws FederationError RATE_LIMITED, MALFORMED */
  async #hear(from: PeerInfo, payload: unknown): Promise<null> {
    this.#budgets.spend(from.nodeId);
    await this.#trust.takeFarewells(readToldFarewells(payload));
    return null;
  }

  #drop(region: RegionId): void {
    this.#linkChanges++;
    this.#table.forget(region);
    this.#clients.delete(region);
    this.#options.directory.learn(region, []);
  }

  #clientOf(region: RegionId): RegionClient {
    const known = this.#clients.get(region);
    if (known !== undefined) return known;
    const client = new RegionClient({ ...this.#options, region, table: this.#table, trust: this.#trust });
    this.#clients.set(region, client);
    return client;
  }

  #forget(peer: NodeId): void {
    this.#budgets.forget(peer);
    this.#lookupBudgets.forget(peer);
  }

  #serve(method: string, handler: RequestHandler): void {
    const { region } = this.#options.local;
    this.#options.requests.handle(method, (from, payload) => {
      if (this.#isRunning) return handler(from, payload);
      const stopping = new FederationError("this node does not answer now", { code: "STOPPING", region });
      return Promise.reject(stopping);
    });
  }
}
