/** What each peer may ask of this node: bursts up to `capacity`, then a steady rate (F16). */

import type { NodeId } from "../types/ids.ts";
import type { Clock } from "../util/clock.ts";
import { FederationError } from "./errors.ts";

interface Budget {
  tokens: number;
  filledAtMs: number;
}

export class PeerBudgets {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #perSecond: number;
  readonly #budgets = new Map<NodeId, Budget>();

  constructor(clock: Clock, { capacity, perSecond }: { capacity: number; perSecond: number }) {
    this.#clock = clock;
    this.#capacity = capacity;
    this.#perSecond = perSecond;
  }

  /**
   * Takes one request from the peer's budget.
   *
   * @throws FederationError RATE_LIMITED
   */
  spend(peer: NodeId): void {
    const filled = this.#filled(peer);
    if (filled < 1) {
      const retryAfterMs = Math.ceil(((1 - filled) / this.#perSecond) * 1_000);
      throw new FederationError("this peer asks too often", { code: "RATE_LIMITED", retryAfterMs });
    }
    this.#budgets.set(peer, { tokens: filled - 1, filledAtMs: this.#clock.now() });
  }

  /** Takes what a request costs beyond a plain one. The budget may fall below zero for it, and the peer then waits longer. */
  charge(peer: NodeId, tokens: number): void {
    this.#budgets.set(peer, { tokens: this.#filled(peer) - tokens, filledAtMs: this.#clock.now() });
  }

  /** The peer is gone. It starts anew when it returns, which costs it a handshake. */
  forget(peer: NodeId): void {
    this.#budgets.delete(peer);
  }

  #filled(peer: NodeId): number {
    const budget = this.#budgets.get(peer);
    if (budget === undefined) return this.#capacity;
    const { tokens, filledAtMs } = budget;
    return Math.min(this.#capacity, tokens + ((this.#clock.now() - filledAtMs) / 1_000) * this.#perSecond);
  }
}
