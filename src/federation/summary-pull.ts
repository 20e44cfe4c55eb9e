/**
 * Pulls other regions' summaries until the digests are equal: the truth under the gossip (F12, F14, F28).
 *
 * On every link to another region, on every gap its headers show, when they stay away, and on a timer, this node compares bucket digests with
 * one of the region's nodes and fetches the buckets that differ. Every answer is proven by itself: the signature covers
 * the root digest and this request's nonce, the root covers the bucket digests, and they cover the entries. So it does
 * not matter which node answers, nor that the region changes between two pages.
 *
 * One pull per region at a time. Repeats after a failure are jittered and back off to the timer's pace.
 *
 * Elsewhere: what is done with the entries (`summary-table.ts`), the answering side (`summary-answers.ts`).
 */

import { randomBytes } from "node:crypto";
import type { PeerDirectory, PeerInfo, RequestResponse } from "../network/interface.ts";
import type { FederationId, RegionId } from "../types/ids.ts";
import { type Clock, repeat } from "../util/clock.ts";
import { AtollError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { jitter, type Random } from "../util/random.ts";
import { decodeDigests, digestOf, type Hash64, nodesDigest, rootDigest } from "./capability-summary.ts";
import { FederationError } from "./errors.ts";
import type { FederationConfig, FederationMetrics, PullOutcome } from "./interface.ts";
import { RegionVerifier } from "./region-key.ts";
import type { RegionTrust } from "./region-trust.ts";
import type { HeldDigests, PulledState, SummaryTable } from "./summary-table.ts";
import {
  BUCKETS_METHOD,
  DIGESTS_METHOD,
  PULL_CONTEXT,
  type PullRequest,
  readPullAnswer,
  readPullBody,
} from "./wire.ts";

const REQUEST_TIMEOUT_MS = 5_000;
/** Spread over this, so that the nodes of a region do not all pull the moment one message was lost. */
const GAP_DELAY_MS = 100;
const RETRY_DELAY_MS = 500;
/** Whoever forges messages has this node ask no more often than this. */
const UNSETTLED_INTERVAL_MS = 1_000;
/** A header this many intervals old is missed, and the region asked: before its summary vouches for nothing any more. */
const OVERDUE_HEADERS = 1.5;
/** Every so many comparisons also those are made that headers have proven already. */
const COMPARED_ANYWAY = 6;
/** A region that changes faster than it can be read is left to gossip, and to the next pull. */
const ROUNDS_MAX = 300;

export interface SummaryPullOptions {
  readonly region: RegionId;
  readonly federation: FederationId;
  readonly table: SummaryTable;
  readonly trust: RegionTrust;
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly hash64: Hash64;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly config: Pick<FederationConfig, "pullIntervalMs" | "headerIntervalMs">;
  readonly metrics: FederationMetrics;
}

/** What is known of a question when its answer comes. */
interface Asked {
  readonly nonce: string;
  readonly askedAtMs: number;
  /** What was held here then, whose root digest was told. */
  readonly held: HeldDigests | undefined;
}

interface RegionPull {
  isRunning: boolean;
  /** Asked for while one was running. */
  isWanted: boolean;
  failures: number;
  lastFailed: PeerInfo | undefined;
  timer: { readonly dueAtMs: number; readonly cancel: () => void } | undefined;
  endedAtMs: number;
}

export class SummaryPull {
  readonly #options: SummaryPullOptions;
  readonly #pulls = new Map<RegionId, RegionPull>();
  #comparisons = 0;
  #isRunning = false;

  constructor(options: SummaryPullOptions) {
    this.#options = options;
  }

  /** Keeps all other regions' summaries in step until the returned function is called. */
  start(): () => void {
    const { directory, table, clock, config } = this.#options;
    this.#isRunning = true;
    const stopPeers = directory.onChange(({ type, peer }) => {
      if (type === "up") this.#onUp(peer);
      else this.#options.trust.forgive(peer.region, peer.nodeId);
    });
    const stopGaps = table.onGap((region) => this.#onGap(region));
    const stopUnsettled = table.onUnsettled((region) => this.#onUnsettled(region));
    const stopTimer = repeat(clock, config.pullIntervalMs, () => this.#compareAll());
    const stopWatch = repeat(clock, config.headerIntervalMs, () => this.#askOverdue());
    for (const region of this.#linkedRegions()) this.#pullIn(region, 0);
    return () => {
      this.#isRunning = false;
      stopPeers();
      stopGaps();
      stopUnsettled();
      stopTimer();
      stopWatch();
      for (const pull of this.#pulls.values()) pull.timer?.cancel();
    };
  }

  #linkedRegions(): Set<RegionId> {
    const { directory, trust, region } = this.#options;
    const others = trust.standing(directory.peers()).filter((peer) => peer.region !== region);
    return new Set(others.map((peer) => peer.region));
  }

  /** A header that came lately and shows what is held says what a comparison would; what only pulls tell is asked for seldom. */
  #compareAll(): void {
    const { table, random, config } = this.#options;
    const isAll = this.#comparisons++ % COMPARED_ANYWAY === 0;
    for (const region of this.#linkedRegions()) {
      if (!isAll && table.isInSync(region) && !this.#isOverdue(region)) continue;
      this.#pullIn(region, jitter(random, config.pullIntervalMs / 4, 1));
    }
  }

  /** Asks for what should have been heard: the leader of a region may reach none of those that this node hears of it from. */
  #askOverdue(): void {
    const { clock, random, config, trust } = this.#options;
    for (const region of this.#linkedRegions()) {
      const { endedAtMs, isRunning } = this.#pullOf(region);
      const isAsked = isRunning || clock.now() - endedAtMs < this.#overdueMs;
      if (isAsked || trust.clusterOf(region) === undefined || !this.#isOverdue(region)) continue;
      this.#pullIn(region, jitter(random, config.headerIntervalMs / 8, 1), () => this.#isOverdue(region));
    }
  }

  #isOverdue(region: RegionId): boolean {
    return this.#options.table.ageMs(region) >= this.#overdueMs;
  }

  get #overdueMs(): number {
    return OVERDUE_HEADERS * this.#options.config.headerIntervalMs;
  }

  #onUp(peer: PeerInfo): void {
    if (peer.region === this.#options.region || this.#options.trust.isRetiredPeer(peer)) return;
    this.#pullOf(peer.region).failures = 0;
    this.#run(peer.region, peer);
  }

  #onGap(region: RegionId): void {
    // Forged messages can name any region; only linked ones can be asked, or cost memory.
    if (!this.#linkedRegions().has(region)) return;
    const isPinned = this.#options.trust.clusterOf(region) !== undefined;
    const pull = this.#pullOf(region);
    const isDueSoon = pull.timer !== undefined && pull.timer.dueAtMs <= this.#options.clock.now() + GAP_DELAY_MS;
    if (isDueSoon || pull.isRunning) return;
    if (isPinned) this.#options.metrics.gap(region);
    this.#pullIn(region, jitter(this.#options.random, GAP_DELAY_MS, 0.9), () => false);
  }

  #onUnsettled(region: RegionId): void {
    const { clock, random } = this.#options;
    if (!this.#linkedRegions().has(region)) return;
    const { endedAtMs, isRunning } = this.#pullOf(region);
    if (isRunning || clock.now() - endedAtMs < UNSETTLED_INTERVAL_MS) return;
    this.#pullIn(region, jitter(random, GAP_DELAY_MS, 0.9));
  }

  /** Pulls after `delayMs`, if something is missing then or `isNeeded` says so. A pull that is already due sooner stays. */
  #pullIn(region: RegionId, delayMs: number, isNeeded = () => true): void {
    const pull = this.#pullOf(region);
    const { clock } = this.#options;
    const dueAtMs = clock.now() + delayMs;
    if (pull.timer !== undefined && pull.timer.dueAtMs <= dueAtMs) return;
    pull.timer?.cancel();
    const cancel = clock.schedule(delayMs, () => {
      pull.timer = undefined;
      if (!this.#options.table.isInSync(region) || isNeeded()) this.#run(region);
    });
    pull.timer = { dueAtMs, cancel };
  }

  /** Starts a pull, or notes that another is wanted after the running one. */
  #run(region: RegionId, from = this.#choosePeer(region)): void {
    const pull = this.#pullOf(region);
    if (pull.isRunning) pull.isWanted = true;
    if (pull.isRunning || from === undefined || !this.#isRunning) return;
    pull.isRunning = true;
    pull.isWanted = false;
    // Rejects only on a bug of ours, which must not pass unseen.
    void this.#pull(region, from).then((outcome) => this.#onEnd(region, from, outcome));
  }

  #onEnd(region: RegionId, from: PeerInfo, outcome: PullOutcome): void {
    const pull = this.#pullOf(region);
    const { metrics, random, config, table, clock } = this.#options;
    pull.isRunning = false;
    pull.endedAtMs = clock.now();
    metrics.pulled(region, outcome);
    if (!this.#isRunning) return;
    const isDone = outcome === "in-sync" || (outcome === "repaired" && table.isInSync(region));
    pull.lastFailed = isDone ? undefined : from;
    pull.failures = isDone ? 0 : pull.failures + 1;
    if (isDone && !pull.isWanted) return;
    const backoffMs = Math.min(RETRY_DELAY_MS * 2 ** pull.failures, config.pullIntervalMs);
    this.#pullIn(region, jitter(random, pull.isWanted ? GAP_DELAY_MS : backoffMs, 0.5));
  }

  async #pull(region: RegionId, from: PeerInfo): Promise<PullOutcome> {
    const { table, logger } = this.#options;
    try {
      let toFetch = table.applyPull(await this.#ask(region, from, []));
      if (toFetch.length === 0) return table.isInSync(region) ? "in-sync" : "behind";
      for (let round = 0; toFetch.length > 0 && round < ROUNDS_MAX && this.#isRunning; round++) {
        toFetch = table.applyPull(await this.#ask(region, from, toFetch));
      }
      return toFetch.length === 0 ? "repaired" : "failed";
    } catch (error) {
      if (!(error instanceof AtollError)) throw error;
      logger.info(
        { code: "SUMMARY_PULL_FAILED", region, peer: from.name, reason: messageOf(error) },
        "will pull again",
      );
      return "failed";
    }
  }

  /** One request, and the proof of its answer. */
  async #ask(region: RegionId, from: PeerInfo, buckets: readonly number[]): Promise<PulledState> {
    const { requests, clock, table } = this.#options;
    const held = table.digestsOf(region);
    const nonce = randomBytes(16).toString("hex");
    const askedAtMs = clock.now();
    const method = buckets.length === 0 ? DIGESTS_METHOD : BUCKETS_METHOD;
    const question: PullRequest = { nonce, buckets: [...buckets], ...(held && { rootDigest: held.root }) };
    const answer = await requests.request(from.nodeId, method, question, { timeoutMs: REQUEST_TIMEOUT_MS });
    return this.#prove(region, from, { nonce, askedAtMs, held }, answer);
  }

  async #prove(
    region: RegionId,
    from: PeerInfo,
    { nonce, askedAtMs, held }: Asked,
    value: unknown,
  ): Promise<PulledState> {
    const { trust, federation, hash64, metrics } = this.#options;
    const answer = readPullAnswer(value);
    const verifier = new RegionVerifier(answer.publicKey);
    const isSigned = verifier.verifies(PULL_CONTEXT, answer.body, answer.signature);
    const { header, stalenessMs, nonce: signedNonce, nodes } = readPullBody(answer.body);
    if (!isSigned || signedNonce !== nonce) {
      metrics.refused("bad-signature");
      throw invalid(region, "it is not signed for this request");
    }
    if (header.region !== region || header.federation !== federation) {
      metrics.refused("foreign");
      throw invalid(region, `it speaks for ${header.region} of ${header.federation}`);
    }
    await trust.takeFarewells(answer.farewells ?? [], { region, publicKey: answer.publicKey });
    await trust.admit(header, answer, from.nodeId);
    const digests = answer.digests === undefined ? held?.buckets : decodeDigests(answer.digests);
    const isWhole =
      digests !== undefined &&
      rootDigest(hash64, digests) === header.rootDigest &&
      nodesDigest(hash64, nodes) === header.nodesDigest &&
      answer.buckets.every(
        ({ bucket, entries }) =>
          digestOf(hash64, entries) === digests[bucket] && entries.every((entry) => entry.revision <= header.revision),
      );
    if (!isWhole) {
      metrics.refused("malformed");
      throw invalid(region, "its digests do not fit its signed root digest");
    }
    return { header, nodes, provenAtMs: askedAtMs - stalenessMs, digests, buckets: answer.buckets };
  }

  /** Any node of the region, preferring one of the pinned cluster that did not just fail. */
  #choosePeer(region: RegionId): PeerInfo | undefined {
    const { directory, trust, random } = this.#options;
    const peers = trust.standing(directory.peers()).filter((peer) => peer.region === region);
    const cluster = trust.clusterOf(region);
    const trusted = cluster === undefined ? peers : peers.filter((peer) => peer.cluster === cluster);
    const candidates = trusted.length > 0 ? trusted : peers;
    const lastFailed = this.#pullOf(region).lastFailed?.nodeId;
    const others = candidates.filter((peer) => peer.nodeId !== lastFailed);
    const from = others.length > 0 ? others : candidates;
    return from[Math.floor(random.next() * from.length)];
  }

  #pullOf(region: RegionId): RegionPull {
    const known = this.#pulls.get(region);
    if (known !== undefined) return known;
    const begun = {
      isRunning: false,
      isWanted: false,
      failures: 0,
      lastFailed: undefined,
      timer: undefined,
      endedAtMs: Number.NEGATIVE_INFINITY,
    };
    this.#pulls.set(region, begun);
    return begun;
  }
}

function invalid(region: RegionId, reason: string): FederationError {
  return new FederationError(`an answer for ${region} was dropped: ${reason}`, {
    code: "INVALID_ANSWER",
    region,
    reason,
  });
}
