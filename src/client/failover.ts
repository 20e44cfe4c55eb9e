/**
 * Asks nodes one after the other until one answers: for requests that any node takes and that are safe to repeat.
 *
 * A lease has rules of its own for when to leave a region; they are in `registration.ts`.
 */

import { waitMs } from "./backoff.ts";
import { AtollClientError, asClientError } from "./client-error.ts";
import { type Environment, sleep } from "./environment.ts";
import type { KnownNode, NodePool } from "./node-pool.ts";
import type { Answered, Request, Transport } from "./transport.ts";

const ROUND_WAIT_MS_MAX = 2_000;

export interface FailoverLimits {
  /** Of all tries together, in milliseconds. */
  readonly timeoutMs: number;
  /** Of one try. */
  readonly tryTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Only nodes that are known to be of this region. */
  readonly region?: string | undefined;
}

export class Failover {
  readonly #pool: NodePool;
  readonly #transport: Transport;
  readonly #environment: Environment;

  constructor(pool: NodePool, transport: Transport, environment: Environment) {
    this.#pool = pool;
    this.#transport = transport;
    this.#environment = environment;
  }

  /**
   * @throws AtollClientError NO_ANSWER when the time was up, with the last failure as its cause; what a node answered when
   *   another would answer the same
   * @throws the reason of `limits.signal` once that is aborted
   */
  async ask<Body>(request: Request, limits: FailoverLimits): Promise<Answered<Body>> {
    const { clock, random } = this.#environment;
    const deadline = clock.now() + limits.timeoutMs;
    let last: AtollClientError | undefined;
    for (let round = 0; ; round++) {
      const tried = new Set<string>();
      for (let node = this.#next(tried, limits); node !== undefined; node = this.#next(tried, limits)) {
        const leftMs = deadline - clock.now();
        if (leftMs <= 0) throw noAnswer(request, limits, last);
        tried.add(node.url);
        try {
          return await this.askNode<Body>(node, request, {
            ...limits,
            timeoutMs: Math.min(limits.tryTimeoutMs, leftMs),
          });
        } catch (error) {
          last = asClientError(error);
          if (last.kind === "refused" || last.kind === "gone") throw last;
        }
      }
      const pauseMs = waitMs(random, round, last?.retryAfterMs ?? 0, ROUND_WAIT_MS_MAX);
      if (clock.now() + pauseMs >= deadline) throw noAnswer(request, limits, last);
      await sleep(clock, pauseMs, limits.signal);
    }
  }

  /** One try at one node, and the pool is told how it went. */
  async askNode<Body>(
    { url }: KnownNode,
    request: Request,
    limits: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Answered<Body>> {
    try {
      const answered = await this.#transport.send<Body>(url, request, limits);
      this.#pool.succeeded(url, answered.region);
      return answered;
    } catch (error) {
      const failure = error instanceof AtollClientError ? error : undefined;
      if (failure === undefined || failure.kind === "refused") throw error;
      // That it does not hold an agent is an answer like any other.
      if (failure.kind === "gone") this.#pool.succeeded(url, undefined);
      else this.#pool.failed(url, failure);
      throw failure;
    }
  }

  #next(tried: ReadonlySet<string>, { region }: FailoverLimits): KnownNode | undefined {
    return this.#pool.ranked().find((node) => !tried.has(node.url) && (region === undefined || node.region === region));
  }
}

function noAnswer(request: Request, { timeoutMs, region }: FailoverLimits, last: AtollClientError | undefined) {
  const who = region === undefined ? "No node" : `No node of ${region}`;
  const why = last === undefined ? "none is known, or there was no time to ask one" : `the last try: ${last.message}`;
  const message = `${who} answered ${request.method} ${request.path} within ${Math.round(timeoutMs)} ms; ${why}`;
  return new AtollClientError({ code: "NO_ANSWER", message }, { cause: last });
}
