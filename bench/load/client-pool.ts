/**
 * Clients as real ones are: each has a node it asks, and moves to the next one when that gives no answer or says that it can
 * not; it stays where it was answered.
 *
 * When a whole round of nodes failed it waits, with full jitter and doubling, as the client library of Atoll does. Every
 * registry is asked by these same clients, so that none is helped by a library of its own.
 */

import { type Clock, sleep } from "../../src/util/clock.ts";
import type { Random } from "../../src/util/random.ts";
import type { HttpAnswer, HttpRequest } from "./http-client.ts";

/** What sends one request: `HttpClient`, or a fake of it. */
export interface Sender {
  send(origin: string, request: HttpRequest): Promise<HttpAnswer>;
}

export interface ClientPoolOptions {
  readonly http: Sender;
  readonly origins: readonly string[];
  readonly clients: number;
  /** Of all attempts together: none begins after it. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Sent {
  /** Of the last attempt. */
  readonly answer: HttpAnswer;
  /** Of the first attempt, as somebody who tries once would see it. */
  readonly first: HttpAnswer;
  readonly attempts: number;
  /** When the last attempt was sent, on the clock. */
  readonly lastSentMs: number;
  readonly doneMs: number;
}

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MS_MAX = 2_000;

/** A node that failed in itself, or was out of time (408, as etcd says it): another one may do better. */
export function isNodeFailure({ status }: HttpAnswer): boolean {
  return status === 0 || status === 408 || status >= 500;
}

export class ClientPool {
  readonly #options: ClientPoolOptions;
  /** The index of each client's node. */
  #homes: number[] = [];

  constructor(options: ClientPoolOptions) {
    this.#options = options;
    this.spread();
  }

  /** Spreads the clients evenly over the nodes, as at first. */
  spread(): void {
    const { clients, origins } = this.#options;
    this.#homes = Array.from({ length: clients }, (_, client) => client % origins.length);
  }

  /** Sends until it is answered, or the time is up. Never rejects. @param i - the i-th operation, from 0 */
  async send(i: number, request: HttpRequest): Promise<Sent> {
    const { http, origins, clock, timeoutMs } = this.#options;
    const client = i % this.#homes.length;
    const deadlineMs = clock.now() + timeoutMs;
    let first: HttpAnswer | undefined;
    for (let attempts = 1; ; attempts++) {
      const node = this.#homes[client] ?? 0;
      const lastSentMs = clock.now();
      const answer = await http.send(origins[node] ?? "", request);
      first ??= answer;
      const doneMs = clock.now();
      if (!isNodeFailure(answer) || doneMs >= deadlineMs) return { answer, first, attempts, lastSentMs, doneMs };
      // Unless another operation of this client has moved on already.
      if (this.#homes[client] === node) this.#homes[client] = (node + 1) % origins.length;
      if (attempts % origins.length === 0) await this.#pause(attempts / origins.length - 1);
    }
  }

  #pause(round: number): Promise<void> {
    const { clock, random } = this.#options;
    return sleep(clock, random.next() * Math.min(BACKOFF_MS_MAX, BACKOFF_FIRST_MS * 2 ** round));
  }
}
