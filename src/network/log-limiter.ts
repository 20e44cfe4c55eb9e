/** Keeps what a hostile or broken peer can cause from filling the log: one event per subject and minute. */

import { LRUCache } from "lru-cache";
import type { Clock } from "../util/clock.ts";

const QUIET_MS = 60_000;
/** Names come from outside, so their number is bounded; a forgotten one may log again early. */
const SUBJECTS_MAX = 1_000;

export class LogLimiter {
  readonly #clock: Clock;
  readonly #loggedAt = new LRUCache<string, number>({ max: SUBJECTS_MAX });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True at most once a minute for each subject. */
  mayLog(subject: string): boolean {
    const now = this.#clock.now();
    const last = this.#loggedAt.get(subject);
    if (last !== undefined && now - last < QUIET_MS) return false;
    this.#loggedAt.set(subject, now);
    return true;
  }
}
