/** What a node waits for before it has a place in its region: said in the log now and then, and to whoever asks. */

import type { Clock } from "../util/clock.ts";
import type { LogEvent, Logger } from "../util/logger.ts";

/** How often one reason is repeated in the log. */
const REMIND_MS = 10_000;

export class Reminder {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onWaiting: (reason: string) => void;
  /** When each reason was said last, by its code. */
  readonly #remindedAt = new Map<string, number>();

  /** @param onWaiting - hears every reason as it comes up, in words for operators */
  constructor(clock: Clock, logger: Logger, onWaiting: (reason: string) => void) {
    this.#clock = clock;
    this.#logger = logger;
    this.#onWaiting = onWaiting;
  }

  remind(event: LogEvent, reason: string): void {
    this.#onWaiting(reason);
    const now = this.#clock.now();
    if (now - (this.#remindedAt.get(event.code) ?? Number.NEGATIVE_INFINITY) < REMIND_MS) return;
    this.#remindedAt.set(event.code, now);
    this.#logger.warn(event, reason);
  }
}
