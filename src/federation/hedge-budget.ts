/**
 * Keeps second requests a small share of the first ones, so that a region which slows down under load is not asked twice as
 * much for it: each first request earns a tenth of a second one, and a few may be spent ahead (as gRPC throttles retries).
 */

/** What is earned and spent is counted in tenths, which add up exactly. */
const COST = 10;
const EARNED = 1;
/** Second requests that may be spent at once by a region that needed none for a while. */
const BURST = 5;

export class HedgeBudget {
  #tenths = BURST * COST;

  /** A lookup asks its first node. */
  earn(): void {
    this.#tenths = Math.min(BURST * COST, this.#tenths + EARNED);
  }

  /** True when one more may be sent now. */
  spend(): boolean {
    if (this.#tenths < COST) return false;
    this.#tenths -= COST;
    return true;
  }
}
