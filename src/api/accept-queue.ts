/**
 * The clients that wait to be accepted, and whom of them it is better to send away at once.
 *
 * A queue that empties again is good: it takes up a burst, or the agents of a region that all come back together. One that stands is not:
 * everybody in it waits, until those at its front have given up. What they had said stays in their kernels, which hand it in for
 * half a minute after the rush is over, and a node is busy with it all the while. Only time tells the two apart (CoDel, RFC 8289): after
 * `TOLERATED_MS` in which each turn of the event loop found nearly all listening sockets with somebody waiting, `ADMITTED_IN_A_TURN` are accepted in
 * a turn and whoever else waits is sent away, to ask another node now and not after a timeout. Once a turn finds fewer, all are accepted again; should
 * the queue stand again soon, it is tolerated for `RELAPSE_MS` only.
 */

import type { Clock } from "../util/clock.ts";

/** As long as the agents of a region take to come back together, and shorter than a client waits for an answer. */
export const TOLERATED_MS = 1_000;
/** What is tolerated within `CALM_MS` of the last client that was sent away. */
export const RELAPSE_MS = 25;
export const CALM_MS = 500;
/** Who is accepted in each turn while others are sent away. */
export const ADMITTED_IN_A_TURN = 1;
/** Of the sockets, those with somebody waiting in a turn in which the queue stands: clients spread over them by chance. */
const FULL_SHARE = 0.75;

export interface AcceptQueueOptions {
  /** Sockets that listen, each of which brings one client in a turn. */
  readonly sockets: number;
  readonly clock: Clock;
  /** Told when `isOpen` changed. */
  readonly changed: () => void;
}

export class AcceptQueue {
  readonly #options: AcceptQueueOptions;
  readonly #fullFrom: number;
  #cameInTurn = 0;
  #isWatched = false;
  #standsSinceMs: number | null = null;
  #isShedding = false;
  #shedLastMs = Number.NEGATIVE_INFINITY;

  constructor(options: AcceptQueueOptions) {
    this.#options = options;
    this.#fullFrom = Math.max(2, Math.ceil(options.sockets * FULL_SHARE));
  }

  /** Whether who comes next is accepted. */
  get isOpen(): boolean {
    return !this.#isShedding || this.#cameInTurn < ADMITTED_IN_A_TURN;
  }

  /** To be called for each client that comes, sent away or not. */
  came(): void {
    this.#cameInTurn += 1;
    if (this.#isShedding && this.#cameInTurn === ADMITTED_IN_A_TURN) this.#options.changed();
    if (this.#isWatched) return;
    this.#isWatched = true;
    this.#options.clock.soon(() => this.#turned());
  }

  #turned(): void {
    const { clock, changed } = this.#options;
    const isFull = this.#cameInTurn >= this.#fullFrom;
    const wasOpen = this.isOpen;
    this.#cameInTurn = 0;
    if (isFull) this.#stands(clock.now());
    else this.#emptied(clock.now());
    if (!wasOpen) changed();
    this.#isWatched = isFull;
    if (isFull) clock.soon(() => this.#turned());
  }

  #stands(nowMs: number): void {
    this.#standsSinceMs ??= nowMs;
    const toleratedMs = nowMs - this.#shedLastMs < CALM_MS ? RELAPSE_MS : TOLERATED_MS;
    if (nowMs - this.#standsSinceMs >= toleratedMs) this.#isShedding = true;
  }

  #emptied(nowMs: number): void {
    if (this.#isShedding) this.#shedLastMs = nowMs;
    this.#standsSinceMs = null;
    this.#isShedding = false;
  }
}
