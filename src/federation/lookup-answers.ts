/** Answers other regions' lookups from this region's applied state, within bounds of time, number and size. */

import type { FoundAgent } from "../types/agent.ts";
import { FederationError } from "./errors.ts";
import type { LocalRegion } from "./interface.ts";
import { encode, LOOKUP_ANSWER_BYTES, type LookupReply, readLookupRequest, tellableMs } from "./wire.ts";

/** Lookups of other regions being answered at one time; more are turned away rather than queued. */
const IN_FLIGHT_MAX = 512;
const RETRY_AFTER_MS = 100;
/** An agent's record is at most 64 KiB, so fewer agents than this fit without being measured. */
const UNMEASURED_AGENTS = 10;

export class LookupAnswers {
  readonly #local: LocalRegion;
  #inFlight = 0;

  constructor(local: LocalRegion) {
    this.#local = local;
  }

  /** @throws FederationError RATE_LIMITED, MALFORMED; whatever the region's own lookup throws */
  async answer(payload: unknown): Promise<LookupReply> {
    const { query, consistency } = readLookupRequest(payload);
    if (this.#inFlight >= IN_FLIGHT_MAX) {
      const detail = { code: "RATE_LIMITED", retryAfterMs: RETRY_AFTER_MS } as const;
      throw new FederationError("too many lookups are being answered", detail);
    }
    this.#inFlight++;
    try {
      const { revision, stalenessMs, agents, hasMore } = await this.#local.lookup(query, consistency);
      const fitting = thatFit(agents);
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

function thatFit(agents: readonly FoundAgent[]): readonly FoundAgent[] {
  if (agents.length < UNMEASURED_AGENTS) return agents;
  let bytes = 0;
  const end = agents.findIndex((agent) => {
    bytes += encode(agent).length;
    return bytes > LOOKUP_ANSWER_BYTES;
  });
  return end === -1 ? agents : agents.slice(0, end);
}
