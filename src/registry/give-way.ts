/**
 * Long work in turns: after each share of it, whatever else waits comes first.
 *
 * Counted in units of the work itself, not in time, so that it does the same on virtual time.
 */

import type { Clock } from "../util/clock.ts";

export class GiveWay {
  readonly #clock: Clock;
  readonly #workPerTurn: number;
  #workOfTurn = 0;
  #isTurnEnding = false;

  constructor(clock: Clock, workPerTurn: number) {
    this.#clock = clock;
    this.#workPerTurn = workPerTurn;
  }

  /** Resolves when so much work may begin: at once as long as this turn has room for it, and in a turn of its own otherwise. */
  async before(work: number): Promise<void> {
    if (work === 0) return;
    while (this.#workOfTurn > 0 && this.#workOfTurn + work > this.#workPerTurn) await this.#nextTurn();
    this.#workOfTurn += work;
    if (this.#isTurnEnding) return;
    this.#isTurnEnding = true;
    this.#clock.afterIo(() => {
      this.#isTurnEnding = false;
      this.#workOfTurn = 0;
    });
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#clock.afterIo(resolve));
  }
}
