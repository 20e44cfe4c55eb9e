/** When to give up on one request: the caller's signal, or a time that passed without what was waited for. */

import { AtollClientError } from "./client-error.ts";
import type { Clock } from "./environment.ts";

export class Deadline {
  readonly #clock: Clock;
  readonly #url: string;
  readonly #outer: AbortSignal | undefined;
  readonly #ending = new AbortController();
  #cancel = () => {};
  readonly #abort = () => this.#ending.abort(this.#outer?.reason);

  /** @throws the reason of `outer` when that is aborted already */
  constructor(clock: Clock, url: string, outer: AbortSignal | undefined) {
    outer?.throwIfAborted();
    this.#clock = clock;
    this.#url = url;
    this.#outer = outer;
    outer?.addEventListener("abort", this.#abort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** From now on so much time is left, whatever was before. */
  allow(timeoutMs: number): void {
    this.#cancel();
    this.#cancel = this.#clock.schedule(timeoutMs, () => {
      const message = `${this.#url} said nothing for ${Math.round(timeoutMs)} ms. A write may have been done all the same; it is safe to repeat`;
      this.#ending.abort(new AtollClientError({ code: "TIMEOUT", url: this.#url, message }));
    });
  }

  /** What a failure under this deadline means. */
  errorOf(thrown: unknown): unknown {
    if (this.#ending.signal.aborted) return this.#ending.signal.reason;
    return thrown instanceof AtollClientError ? thrown : unreachable(this.#url, thrown);
  }

  /** Lets go of everything, and of the connection when an answer is still on its way. */
  end(): void {
    this.#cancel();
    this.#outer?.removeEventListener("abort", this.#abort);
    this.#ending.abort();
  }
}

function unreachable(url: string, cause: unknown): AtollClientError {
  const reason = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause : cause).message : String(cause);
  const message = `nobody answers at ${url} (${reason}). Start a node there, or name others in urls`;
  return new AtollClientError({ code: "UNREACHABLE", url, message }, { cause });
}
