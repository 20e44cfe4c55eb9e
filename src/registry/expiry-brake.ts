/**
 * A brake on mass expiry (F20).
 *
 * When an unlikely share of the leases runs out within the length of one lease, the agents may be alive and the network
 * between them and us cut. Expiry is then paced, so that those who come back find themselves still registered; and if
 * nobody comes back the brake lets go by itself, because agents that are gone must not stay listed.
 *
 * Pure: told the time, decides a number.
 */

export interface BrakeOptions {
  /** Engages when more than this share of the leases falls due within one window. */
  readonly share: number;
  /** Fewer leases than this say nothing about likelihood. */
  readonly leasesMin: number;
  /** What may be expired per second while it is engaged. */
  readonly ratePerSecond: number;
  /** Lets go after this long. */
  readonly heldMsMax: number;
}

type BrakeState =
  | { readonly is: "free" }
  | { readonly is: "engaged"; readonly since: number; expired: number }
  /** It held as long as it may, and stays off until the share is ordinary again. */
  | { readonly is: "released" };

export class ExpiryBrake {
  readonly #options: BrakeOptions;
  /** What was expired, by the time it was; older than one window is dropped. */
  #recent: { readonly at: number; readonly count: number }[] = [];
  #state: BrakeState = { is: "free" };

  constructor(options: BrakeOptions) {
    this.#options = options;
  }

  get isEngaged(): boolean {
    return this.#state.is === "engaged";
  }

  /** How many of the due leases may be expired now; does not look at time again by itself. */
  allowance(now: number, lease: { due: number; running: number; windowMs: number }): number {
    this.#recent = this.#recent.filter(({ at }) => at > now - lease.windowMs);
    const expired = this.#recent.reduce((sum, { count }) => sum + count, 0);
    const all = lease.running + expired;
    const isUnlikely = all >= this.#options.leasesMin && lease.due + expired > this.#options.share * all;
    this.#state = this.#next(now, isUnlikely);
    if (this.#state.is !== "engaged") return lease.due;
    const earned = Math.floor(((now - this.#state.since) / 1_000) * this.#options.ratePerSecond);
    return Math.min(lease.due, Math.max(earned - this.#state.expired, 0));
  }

  /** Notes what was done with the allowance. */
  expired(now: number, count: number): void {
    this.#recent.push({ at: now, count });
    if (this.#state.is === "engaged") this.#state.expired += count;
  }

  #next(now: number, isUnlikely: boolean): BrakeState {
    if (!isUnlikely) return { is: "free" };
    if (this.#state.is === "free") return { is: "engaged", since: now, expired: 0 };
    if (this.#state.is === "engaged" && now - this.#state.since >= this.#options.heldMsMax) return { is: "released" };
    return this.#state;
  }
}
