/** Traces that a test can look at, without OpenTelemetry: spans get numbers, and what runs is set by the test. */

import { AsyncLocalStorage } from "node:async_hooks";
import type { Span, SpanEnd, SpanStart, Tracing } from "../../src/types/tracing.ts";

export const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

/** The traceparent of the test's trace at a span of the given number. */
export const traceparent = (span: number): string => `00-${TRACE_ID}-${span.toString(16).padStart(16, "0")}-01`;

export class FakeTracing implements Tracing {
  readonly started: (SpanStart & { readonly traceparent: string })[] = [];
  readonly ended: (SpanEnd & { readonly name: string })[] = [];
  readonly #running = new AsyncLocalStorage<string>();

  current(): string | undefined {
    return this.#running.getStore();
  }

  /** Runs `work` as part of the test's trace. */
  within<Value>(span: number, work: () => Value): Value {
    return this.#running.run(traceparent(span), work);
  }

  start(start: SpanStart): Span {
    const own = traceparent(100 + this.started.length);
    this.started.push({ ...start, parent: start.parent ?? this.current(), traceparent: own });
    let isEnded = false;
    return {
      traceparent: own,
      run: (work) => this.#running.run(own, work),
      end: (end = {}) => {
        if (!isEnded) this.ended.push({ name: start.name, ...end });
        isEnded = true;
      },
    };
  }
}
