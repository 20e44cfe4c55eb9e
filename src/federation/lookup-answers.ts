/**
 * Answers other regions' lookups from this region's applied state, within bounds of number, size and rate.
 *
 * Each peer has a budget of its own (F16), so that one which floods, by malice or by a bug, is turned away while the others
 * are served. What a lookup costs grows with the tags that every offer has to be compared with, and with what is answered.
 */

import type { PeerInfo } from "../network/interface.ts";
import type { FoundAgent } from "../types/agent.ts";
import type { RegionQuery } from "../types/lookup.ts";
import { FederationError } from "./errors.ts";
import type { LocalRegion } from "./interface.ts";
import type { PeerBudgets } from "./peer-budgets.ts";
import { encode, LOOKUP_ANSWER_BYTES, type LookupReply, readLookupRequest, tellableMs } from "./wire.ts";

/** Lookups of other regions being answered at one time; more are turned away rather than queued. */
const IN_FLIGHT_MAX = 512;
const RETRY_AFTER_MS = 100;
/** An agent's record is at most 64 KiB, so fewer agents than this fit without being measured. */
const UNMEASURED_AGENTS = 10;
/** So many tags to compare with, and so many agents to answer, cost as much as a plain lookup. */
const TAGS_PER_TOKEN = 16;
const AGENTS_PER_TOKEN = 10;
/** In all groups together; a dependency has at most as many (`registry/limits.ts`). */
const TAGS_MAX = 128;

export interface LookupAnswersOptions {
  readonly local: LocalRegion;
  /** In plain lookups. */
  readonly budgets: PeerBudgets;
}

export class LookupAnswers {
  readonly #local: LocalRegion;
  readonly #budgets: PeerBudgets;
  #inFlight = 0;

  constructor({ local, budgets }: LookupAnswersOptions) {
    this.#local = local;
    this.#budgets = budgets;
  }

  /** @throws FederationError RATE_LIMITED, MALFORMED; whatever the region's own lookup throws */
  async answer(from: PeerInfo, payload: unknown): Promise<LookupReply> {
    // Taken first: what has no form is not free of cost, either.
    this.#budgets.spend(from.nodeId);
    const { query, consistency } = readLookupRequest(payload);
    this.#budgets.charge(from.nodeId, countTags(query) / TAGS_PER_TOKEN);
    if (this.#inFlight >= IN_FLIGHT_MAX) {
      const detail = { code: "RATE_LIMITED", retryAfterMs: RETRY_AFTER_MS } as const;
      throw new FederationError("too many lookups are being answered", detail);
    }
    this.#inFlight++;
    try {
      const { revision, stalenessMs, agents, hasMore } = await this.#local.lookup(query, consistency);
      const fitting = thatFit(agents);
      this.#budgets.charge(from.nodeId, fitting.length / AGENTS_PER_TOKEN);
      return {
        revision,
        stalenessMs: tellableMs(stalenessMs),
        agents: fitting,
        hasMore: hasMore || fitting.length < agents.length,
      };
    } finally {
      this.#inFlight--;
    }
  }
}

/** @throws FederationError MALFORMED */
function countTags({ tags }: RegionQuery): number {
  const count = tags.flat().length;
  if (count <= TAGS_MAX) return count;
  const reason = `the query has ${count} tags in all its groups, at most ${TAGS_MAX} are allowed`;
  throw new FederationError(reason, { code: "MALFORMED", reason });
}

function thatFit(agents: readonly FoundAgent[]): readonly FoundAgent[] {
  if (agents.length < UNMEASURED_AGENTS) return agents;
  let bytes = 0;
  const end = agents.findIndex((agent) => {
    bytes += encode(agent).length;
    return bytes > LOOKUP_ANSWER_BYTES;
  });
  return end === -1 ? agents : agents.slice(0, end);
}
