/** What became of the requests of one kind over some time. */

import { increment } from "../../src/util/counts.ts";
import { Latencies } from "../load/latencies.ts";
import type { Answered } from "./connections.ts";

/** Can be sent from one process to another. */
export interface Outcome {
  /** Were to be sent in that time. */
  readonly planned: number;
  /** Of these, not sent because the generator was too late with them: that is nothing of the node's. */
  readonly late: number;
  /** Not sent because as many were under way as may be: the node had not answered them. */
  readonly unsent: number;
  readonly acknowledged: number;
  /** Answered 503 or 429, with a time to come again. */
  readonly refused: number;
  /** The same without one. */
  readonly refusedBarely: number;
  /** Answered that the agent is not known: 404 or 410. */
  readonly unknown: number;
  /** Answered otherwise, or not in time, by reason. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of those acknowledged, from when they were sent. NaN when none was. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export class Tally {
  planned = 0;
  late = 0;
  unsent = 0;
  #refused = 0;
  #refusedBarely = 0;
  #unknown = 0;
  readonly #failures = new Map<string, number>();
  /** Of those acknowledged. */
  readonly #latencies = new Latencies();

  take({ status, hasRetryAfter, failure }: Answered, tookMs: number): void {
    if (status >= 200 && status < 300) this.#latencies.add(tookMs);
    else if (status === 503 || status === 429) {
      if (hasRetryAfter) this.#refused++;
      else this.#refusedBarely++;
    } else if (status === 404 || status === 410) this.#unknown++;
    else increment(this.#failures, failure ?? `${status}`);
  }

  outcome(): Outcome {
    const acknowledged = this.#latencies.count;
    const at = (percentile: number) => (acknowledged === 0 ? Number.NaN : this.#latencies.atMs(percentile));
    return {
      planned: this.planned,
      late: this.late,
      unsent: this.unsent,
      acknowledged,
      refused: this.#refused,
      refusedBarely: this.#refusedBarely,
      unknown: this.#unknown,
      failures: Object.fromEntries(this.#failures),
      p50Ms: at(50),
      p99Ms: at(99),
    };
  }
}

export function failed({ failures }: Outcome): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0);
}
