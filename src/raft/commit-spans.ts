/**
 * The leader's part of traced proposals: from the log to the majority. Held only on nodes that export traces.
 *
 * A span ends when its entry is applied, or another one in its place: then what became of the proposal is its proposer's to find
 * out.
 */

import type { LogEntry } from "../types/raft.ts";
import type { Span, Tracing } from "../types/tracing.ts";

/** Beyond this many the oldest is given up: entries that nobody commits must not gather spans. */
const SPANS_MAX = 10_000;

export class CommitSpans {
  readonly #tracing: Tracing;
  /** By index, ascending. */
  readonly #spans = new Map<number, { readonly term: number; readonly span: Span }>();

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  /** Commands were put into the log from `firstIndex` on; `traces` are theirs, null for those that nobody traces. */
  begin(firstIndex: number, term: number, traces: readonly (string | null)[]): void {
    traces.forEach((parent, place) => {
      if (parent === null) return;
      const index = firstIndex + place;
      const attributes = { "atoll.raft.term": term, "atoll.raft.index": index };
      this.#end(index, "replaced");
      this.#spans.set(index, {
        term,
        span: this.#tracing.start({ name: "raft commit", kind: "internal", attributes, parent }),
      });
    });
    for (const index of this.#spans.keys()) {
      if (this.#spans.size <= SPANS_MAX) break;
      this.#end(index, "given up");
    }
  }

  applied({ index, term }: LogEntry): void {
    const begun = this.#spans.get(index);
    if (begun !== undefined) this.#end(index, begun.term === term ? undefined : "replaced");
  }

  stop(): void {
    for (const index of [...this.#spans.keys()]) this.#end(index, "stopped");
  }

  #end(index: number, error: string | undefined): void {
    const begun = this.#spans.get(index);
    this.#spans.delete(index);
    begun?.span.end(error === undefined ? {} : { error });
  }
}
