/**
 * Stops asking a region that keeps failing, and tries it again after a while with a single lookup (F26).
 *
 * Our own, because those of npm read the machine's clock and timers, and this must run on the simulator's.
 */

import type { Clock } from "../util/clock.ts";

export interface CircuitBreakerOptions {
  /** This many failures in a row open it. */
  readonly failuresMax: number;
  /** How long it stays open before one attempt is let through. */
  readonly openMs: number;
}

export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #options: CircuitBreakerOptions;
  #failures = 0;
  #openedAtMs = 0;
  #isTrying = false;

  constructor(clock: Clock, options: CircuitBreakerOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  get state(): "closed" | "half-open" | "open" {
    if (this.#failures < this.#options.failuresMax) return "closed";
    return this.retryAfterMs() > 0 ? "open" : "half-open";
  }

  retryAfterMs(): number {
    return Math.max(0, this.#openedAtMs + this.#options.openMs - this.#clock.now());
  }

  /** True when an attempt may be made; the caller must then report `succeeded` or `failed`. */
  admit(): boolean {
    const { state } = this;
    if (state === "closed") return true;
    if (state === "open" || this.#isTrying) return false;
    this.#isTrying = true;
    return true;
  }

  /** Also when something else shows that the region is back: closes at once. */
  succeeded(): void {
    this.#failures = 0;
    this.#isTrying = false;
  }

  failed(): void {
    this.#failures++;
    this.#isTrying = false;
    if (this.#failures >= this.#options.failuresMax) this.#openedAtMs = this.#clock.now();
  }
}
