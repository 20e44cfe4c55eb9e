/** The calls that a node forwards at the moment, each with the time it has, and why one was ended from here. */

import type { ServerResponse } from "node:http";
import type { Clock } from "../../util/clock.ts";

export class ProxyCalls {
  readonly #clock: Clock;
  readonly #running = new Set<ProxyCall>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#running.size;
  }

  /** Begins a call that ends with its budget or with the exchange that asked for it, whichever is first. */
  begin(exchange: ServerResponse, budgetMs: number): ProxyCall {
    const call = new ProxyCall(budgetMs);
    this.#running.add(call);
    const cancel = this.#clock.schedule(budgetMs, () => call.endOutOfTime());
    exchange.once("close", () => {
      cancel();
      this.#running.delete(call);
      call.end(new Error("the caller is gone"));
    });
    return call;
  }

  endAll(reason: string): void {
    for (const call of this.#running) call.end(new Error(reason));
  }
}

export class ProxyCall {
  readonly budgetMs: number;
  readonly #controller = new AbortController();
  #isOutOfTime = false;

  constructor(budgetMs: number) {
    this.budgetMs = budgetMs;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isOutOfTime(): boolean {
    return this.#isOutOfTime;
  }

  /** The first reason stands. */
  end(reason: Error): void {
    this.#controller.abort(reason);
  }

  endOutOfTime(): void {
    if (this.signal.aborted) return;
    this.#isOutOfTime = true;
    this.end(new Error(`no answer within ${this.budgetText}`));
  }

  /** What made the call fail: our own reason to end it, if there was one, and not what came of that. */
  reasonOf(thrown: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : thrown;
  }

  /** As clients of the real registry read it: `2s`, `0.5s`. */
  get budgetText(): string {
    return `${this.budgetMs / 1000}s`;
  }
}
