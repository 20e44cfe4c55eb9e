/**
 * How often one caller may ask: a budget for each token, and for each address of those without one.
 *
 * Renewals have a budget of their own, so that an agent which asks too much does not lose its lease for it. Wrong tokens have a
 * small one for each address, whatever token they claim to be. What is counted for is bounded; this machine's own address is not
 * counted, since a proxy before the node has it too.
 */

import { isLoopbackAddress } from "../util/address-list.ts";
import type { Clock } from "../util/clock.ts";
import { TokenBuckets } from "../util/token-buckets.ts";
import type { Caller } from "./authenticator.ts";
import { accessError } from "./errors.ts";

export interface RequestLimitOptions {
  readonly clock: Clock;
  /** 0 means no limit; here and below. */
  readonly requestsPerSecond: number;
  readonly renewalsPerSecond: number;
}

/** After silence a caller may ask as much as in so many seconds: a fleet that starts at once is no flood. */
const BURST_SECONDS = 10;
const REFUSALS = { perSecond: 10, burst: 100 };

export class RequestLimits {
  readonly #options: RequestLimitOptions;
  readonly #requests: TokenBuckets;
  readonly #renewals: TokenBuckets;
  readonly #refusals: TokenBuckets;

  constructor(options: RequestLimitOptions) {
    const { clock, requestsPerSecond, renewalsPerSecond } = options;
    const budget = (perSecond: number) => new TokenBuckets({ clock, perSecond, burst: perSecond * BURST_SECONDS });
    this.#options = options;
    this.#requests = budget(requestsPerSecond);
    this.#renewals = budget(renewalsPerSecond);
    this.#refusals = new TokenBuckets({ clock, ...REFUSALS });
  }

  /** @throws AccessError RATE_LIMITED */
  admit(caller: Caller | null, address: string, isRenewal: boolean): void {
    const isNamed = caller !== null && caller.kind !== "anonymous";
    if (!isNamed && isLoopbackAddress(address)) return;
    const perSecond = isRenewal ? this.#options.renewalsPerSecond : this.#options.requestsPerSecond;
    const of = isNamed ? caller.name : address;
    if (perSecond === 0 || (isRenewal ? this.#renewals : this.#requests).take(of, 1)) return;
    throw accessError({ code: "RATE_LIMITED", of, perSecond });
  }

  /** Notes that somebody there could not prove who they are. @throws AccessError RATE_LIMITED in place of why */
  noteRefusal(address: string): void {
    if (this.#refusals.take(address, 1)) return;
    throw accessError({ code: "RATE_LIMITED", of: address, perSecond: REFUSALS.perSecond });
  }
}
