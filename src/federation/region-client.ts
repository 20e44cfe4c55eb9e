/**
 * Asks one other region: its nearest node first, the next one when it fails, and a second one when it takes longer than 95 of
 * 100 answers of that region do. All of them share one deadline, and stand behind a breaker, so that one dead region delays
 * an answer by the deadline at most, and soon not at all (F26). Second requests are at most a tenth more than the first ones.
 *
 * Only nodes that the region's signed answers name are asked: a peer that merely claims the region's name can not answer
 * for it (P11).
 */

import { NetworkError, type PeerDirectory, type PeerInfo, type RequestResponse } from "../network/interface.ts";
import type { RegionId } from "../types/ids.ts";
import type { RegionTrace } from "../types/lookup.ts";
import type { Clock } from "../util/clock.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import { FederationError } from "./errors.ts";
import { HedgeBudget } from "./hedge-budget.ts";
import type { FederationConfig, FederationMetrics } from "./interface.ts";
import { LatencyWindow } from "./latency-window.ts";
import type { RegionTrust } from "./region-trust.ts";
import type { SummaryTable } from "./summary-table.ts";
import { LOOKUP_METHOD, type LookupReply, type LookupRequest, readLookupReply } from "./wire.ts";

const FAILURES_MAX = 5;
const OPEN_MS = 2_000;
/** Nodes asked for one lookup. */
const ATTEMPTS_MAX = 3;
/** A busy event loop is this late now and then: a node that is near is not overdue before. */
const HEDGE_DELAY_MIN_MS = 20;
/** Before anything was measured. */
const HEDGE_DELAY_FIRST_MS = 100;
/** A percentile of fewer answers is a guess, and not taken below twice the round trip. */
const SAMPLES_ENOUGH = 20;

export interface RegionClientOptions {
  readonly region: RegionId;
  readonly table: SummaryTable;
  readonly trust: RegionTrust;
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly clock: Clock;
  readonly config: Pick<FederationConfig, "lookupDeadlineMs">;
  readonly metrics: FederationMetrics;
}

/** An answer with the age of its data at `arrivedAtMs`, the way back and forth included. */
export type LiveAnswer = LookupReply & {
  readonly arrivedAtMs: number;
  readonly asked: NonNullable<RegionTrace["asked"]>;
};

/** An answer that does not have this counts as a failure of the node that gave it. */
export interface AnswerNeeds {
  readonly maxStalenessMs: number | undefined;
  /** The revision of the region as of which something was shown already (P10). */
  readonly sinceRevision: number;
  /** The newest change that is known of: who has not applied it answers only where nobody has. */
  readonly changedRevision: number;
}

export class RegionClient {
  readonly #options: RegionClientOptions;
  readonly #breaker: CircuitBreaker;
  readonly #latencies: LatencyWindow;
  readonly #hedges = new HedgeBudget();
  #answeredAtMs: number | undefined;

  constructor(options: RegionClientOptions) {
    this.#options = options;
    this.#latencies = new LatencyWindow(options.clock);
    this.#breaker = new CircuitBreaker(options.clock, { failuresMax: FAILURES_MAX, openMs: OPEN_MS });
  }

  get breaker(): "closed" | "half-open" | "open" {
    return this.#breaker.state;
  }

  /** When a node of the region last answered a lookup, on the clock; undefined when none ever did. */
  get answeredAtMs(): number | undefined {
    return this.#answeredAtMs;
  }

  /** Linked nodes of the region's pinned cluster. */
  linked(): PeerInfo[] {
    const { region, directory, trust } = this.#options;
    const cluster = trust.clusterOf(region);
    return directory.peers().filter((peer) => peer.region === region && peer.cluster === cluster);
  }

  /** Of the nearest node, undefined before the first measurement. */
  roundTripMs(): number | undefined {
    const measured = this.linked().flatMap((peer) => this.#options.directory.roundTripMs(peer.nodeId) ?? []);
    return measured.length === 0 ? undefined : Math.min(...measured);
  }

  /** A new link: whatever failed before says nothing about it. */
  onLinked(): void {
    this.#breaker.succeeded();
  }

  /**
   * @throws FederationError NO_LINK, NO_SUMMARY, DISTRUSTED, REGION_FAILING, DEADLINE, TOO_STALE, BEHIND, MALFORMED,
   *   INVALID_ANSWER; NetworkError: why no node answered
   */
  async ask(request: LookupRequest, needs: AnswerNeeds): Promise<LiveAnswer> {
    const nodes = this.#nodesToAsk();
    const { region } = this.#options;
    if (!this.#breaker.admit()) {
      const retryAfterMs = this.#breaker.retryAfterMs();
      throw new FederationError(`${region} keeps failing`, { code: "REGION_FAILING", region, retryAfterMs });
    }
    try {
      const answer = await this.#askInTurn(nodes, request, needs);
      this.#breaker.succeeded();
      const now = this.#options.clock.now();
      return { ...answer, stalenessMs: answer.stalenessMs + now - answer.arrivedAtMs, arrivedAtMs: now };
    } catch (error) {
      // A region that says why it can not answer is there: asking again is cheap and may help.
      if (isAnswered(error)) this.#breaker.succeeded();
      else this.#breaker.failed();
      throw error;
    }
  }

  #nodesToAsk(): PeerInfo[] {
    const { region, table, trust, directory } = this.#options;
    const linked = this.linked();
    const isLinked = directory.peers().some((peer) => peer.region === region);
    if (!isLinked) throw new FederationError(`no node of ${region} is linked`, { code: "NO_LINK", region });
    const distrust = trust.distrustOf(region);
    if (linked.length === 0 && distrust !== undefined) {
      throw new FederationError(`${region} is not believed: ${distrust}`, {
        code: "DISTRUSTED",
        region,
        reason: distrust,
      });
    }
    const members = new Set(table.nodesOf(region).map((node) => node.nodeId));
    const nodes = linked.filter((peer) => members.has(peer.nodeId));
    if (nodes.length === 0) {
      throw new FederationError(`no linked node is known to be of ${region} yet`, { code: "NO_SUMMARY", region });
    }
    const distance = (peer: PeerInfo) => directory.roundTripMs(peer.nodeId) ?? Number.MAX_VALUE;
    return nodes.sort((a, b) => distance(a) - distance(b)).slice(0, ATTEMPTS_MAX);
  }

  /** The first good answer. The next node is asked at once after a failure, and once when an answer is overdue. */
  #askInTurn(nodes: readonly PeerInfo[], request: LookupRequest, needs: AnswerNeeds): Promise<LiveAnswer> {
    const { region, clock, config } = this.#options;
    const deadlineMs = config.lookupDeadlineMs;
    const askedAtMs = clock.now();
    const deadlineAtMs = askedAtMs + deadlineMs;
    this.#hedges.earn();
    return new Promise((resolve, reject) => {
      const waiting = [...nodes];
      let underWay = 0;
      let behind: LiveAnswer | undefined;
      const end = () => {
        waiting.length = 0;
        cancelHedge();
        cancelDeadline();
      };
      const askNext = () => {
        const node = waiting.shift();
        if (node === undefined) return;
        underWay++;
        this.#askNode(node, request, needs, deadlineAtMs).then(
          (reply) => {
            const tookMs = reply.arrivedAtMs - askedAtMs;
            const answer = { ...reply, asked: { node: node.name, requests: nodes.length - waiting.length, tookMs } };
            underWay--;
            if (answer.revision < needs.changedRevision) {
              if (behind === undefined || answer.revision > behind.revision) behind = answer;
              askNext();
              if (underWay > 0) return;
            }
            end();
            resolve(behind !== undefined && behind.revision > answer.revision ? behind : answer);
          },
          (error: unknown) => {
            underWay--;
            askNext();
            if (underWay > 0) return;
            end();
            if (behind === undefined) reject(error);
            else resolve(behind);
          },
        );
      };
      const cancelHedge = clock.schedule(this.#hedgeDelayMs(), () => {
        if (waiting.length > 0 && this.#hedges.spend()) askNext();
      });
      const cancelDeadline = clock.schedule(deadlineMs, () => {
        end();
        if (behind !== undefined) return resolve(behind);
        reject(new FederationError(`${region} did not answer`, { code: "DEADLINE", region, deadlineMs }));
      });
      askNext();
    });
  }

  async #askNode(
    node: PeerInfo,
    request: LookupRequest,
    needs: AnswerNeeds,
    deadlineAtMs: number,
  ): Promise<Omit<LiveAnswer, "asked">> {
    const { region, requests, clock, metrics } = this.#options;
    const askedAtMs = clock.now();
    // What is asked later has less time. One more than is left, so that it is the deadline that ends the wait, and says so.
    const timeoutMs = Math.max(0, Math.ceil(deadlineAtMs - askedAtMs)) + 1;
    const reply = readLookupReply(await requests.request(node.nodeId, LOOKUP_METHOD, request, { timeoutMs }));
    const { query } = request;
    if (reply.agents.some((agent) => agent.region !== region || agent.capability !== query.capability)) {
      metrics.refused("wrong-region");
      const reason = "it holds agents of another region or capability";
      throw new FederationError(`an answer of ${region} was dropped`, { code: "INVALID_ANSWER", region, reason });
    }
    if (reply.agents.length > query.limit) {
      const reason = "it holds more agents than were asked for";
      throw new FederationError(`an answer of ${region} was dropped`, { code: "INVALID_ANSWER", region, reason });
    }
    const arrivedAtMs = clock.now();
    this.#answeredAtMs = arrivedAtMs;
    const elapsedMs = arrivedAtMs - askedAtMs;
    this.#latencies.note(elapsedMs);
    const stalenessMs = reply.stalenessMs + elapsedMs;
    const { maxStalenessMs, sinceRevision } = needs;
    if (reply.revision < sinceRevision) {
      const detail = { code: "BEHIND", region, revision: reply.revision, sinceRevision } as const;
      throw new FederationError(`${node.name} is behind what was shown before`, detail);
    }
    if (maxStalenessMs !== undefined && stalenessMs > maxStalenessMs) {
      throw new FederationError(`${node.name} is behind`, { code: "TOO_STALE", region, stalenessMs, maxStalenessMs });
    }
    return { ...reply, stalenessMs, arrivedAtMs };
  }

  #hedgeDelayMs(): number {
    const usualMs = this.#latencies.p95();
    if (usualMs !== undefined && this.#latencies.size >= SAMPLES_ENOUGH) {
      // An answer that takes exactly as long as usual is not overdue.
      return Math.max(HEDGE_DELAY_MIN_MS, usualMs + 1);
    }
    const roundTripMs = this.roundTripMs();
    const guessMs = roundTripMs === undefined ? HEDGE_DELAY_FIRST_MS : 2 * roundTripMs;
    return Math.max(HEDGE_DELAY_MIN_MS, guessMs, usualMs ?? 0);
  }
}

/** Refusals of ours, of answers that came in time and in form. */
const ANSWERED: ReadonlySet<string> = new Set(["TOO_STALE", "BEHIND"]);

function isAnswered(error: unknown): boolean {
  if (error instanceof NetworkError) return error.detail.code === "REMOTE";
  return error instanceof FederationError && ANSWERED.has(error.detail.code);
}
