/**
 * When certificates end, and the warning that one of them soon will: said when they are read, and then once a day, so that it
 * is also heard of files that nobody touches until it is too late.
 *
 * Elsewhere: the files (`http-tls.ts`), the metric and its alert (`metrics/node-metrics.ts`, `deploy/prometheus`).
 */

import type { CertificateNumbers } from "../metrics/source.ts";
import { type CancelTimer, type Clock, repeat, rfc3339 } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** Time that it may take somebody to notice, and to have another one made. */
const ENDING_DAYS = 14;

export class CertificateEnds {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #all: readonly CertificateNumbers[] = [];
  #cancel: CancelTimer = () => {};

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Of those that were read last. */
  get all(): readonly CertificateNumbers[] {
    return this.#all;
  }

  /** From now on these count, and no others. */
  take(ends: readonly CertificateNumbers[]): void {
    this.#all = ends;
    this.#warn();
  }

  start(): void {
    this.#cancel = repeat(this.#clock, DAY_MS, () => this.#warn());
  }

  stop(): void {
    this.#cancel();
  }

  #warn(): void {
    const nowMs = this.#clock.wallTime();
    for (const { use, entity, notAfterMs } of this.#all) {
      const daysLeft = Math.floor((notAfterMs - nowMs) / DAY_MS);
      if (daysLeft >= ENDING_DAYS) continue;
      const facts = { use, ...(entity !== "" && { entity }), notAfter: rfc3339(notAfterMs), daysLeft };
      const text = notAfterMs <= nowMs ? "a certificate has ended" : "a certificate ends soon";
      this.#logger.warn({ code: "CERTIFICATE_ENDING", ...facts }, `${text}: replace its file, no restart is needed`);
    }
  }
}
