/**
 * Which providers of this region came back a moment ago, as this node saw it.
 *
 * Each return within the memory doubles the time after which a provider counts as lasting, up to a bound: one that comes
 * and goes is believed later and later.
 */

import type { AgentId } from "../types/ids.ts";
import type { Clock } from "../util/clock.ts";
import type { KeptAgent } from "./agent-index.ts";

/** A provider that lasted this long is believed anew. */
const MEMORY_MS = 600_000;
const DOUBLINGS_MAX = 5;
/** The oldest are forgotten beyond this, and so are believed. */
const WATCHED_MAX = 50_000;

interface Return {
  readonly at: number;
  readonly count: number;
}

export class ReturnWatch {
  readonly #clock: Clock;
  readonly #settleMs: number;
  /** In order of the newest return, oldest first. */
  readonly #returns = new Map<AgentId, Return>();

  /** @param settleMs - after its first return a provider counts as lasting after this long */
  constructor(clock: Clock, settleMs: number) {
    this.#clock = clock;
    this.#settleMs = settleMs;
  }

  /** Follows agents as they come and change. */
  follow(before: KeptAgent | undefined, after: KeptAgent | undefined): void {
    if (after?.health !== "healthy" || after.incarnation === before?.incarnation) return;
    const now = this.#clock.now();
    const last = this.#returns.get(after.id);
    const count = last === undefined || now - last.at > MEMORY_MS ? 0 : last.count + 1;
    this.#returns.delete(after.id);
    this.#returns.set(after.id, { at: now, count });
    for (const [id, { at }] of this.#returns) {
      if (now - at <= MEMORY_MS && this.#returns.size <= WATCHED_MAX) break;
      this.#returns.delete(id);
    }
  }

  /** Whether the agent came, or came back, so lately that it may leave again. */
  isYoung(id: AgentId): boolean {
    const last = this.#returns.get(id);
    if (last === undefined) return false;
    return this.#clock.now() - last.at < this.#settleMs * 2 ** Math.min(last.count, DOUBLINGS_MAX);
  }
}
