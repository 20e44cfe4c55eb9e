/**
 * Traces as the parts of a node see them: what is being done now, and in whose name others are asked.
 *
 * A part holds a `Tracing` only on a node that exports traces (`tracing.endpoint`). Everywhere else it holds undefined, looks
 * no further, and sends what it sent before there were traces. Nothing here knows OpenTelemetry; `src/tracing` does.
 *
 * Who made a request, what it carried, and whom it named by id is not said in attributes: traces leave the machine.
 */

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface SpanStart {
  /** Few distinct ones: a route's pattern, a method's name. */
  readonly name: string;
  readonly kind: "server" | "client" | "internal";
  readonly attributes?: SpanAttributes;
  /** The traceparent of what this is part of; absent means of what is being done now, and nothing when that is nothing. */
  readonly parent?: string | undefined;
}

export interface SpanEnd {
  readonly attributes?: SpanAttributes;
  /** A code, when it failed. */
  readonly error?: string;
}

export interface Span {
  /** As W3C Trace Context writes it; tells others what they do their part of. */
  readonly traceparent: string;
  /** Runs `work`, and whatever that begins, as part of this span. */
  run<Value>(work: () => Value): Value;
  /** A second call does nothing. */
  end(end?: SpanEnd): void;
}

export interface Tracing {
  /** The traceparent of the innermost span that runs and has not ended; undefined outside of any. */
  current(): string | undefined;
  start(span: SpanStart): Span;
}

/** Length of a traceparent of version 00, the only one that is read. */
export const TRACEPARENT_LENGTH = 55;

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

export function isTraceparent(text: string): boolean {
  return text.length === TRACEPARENT_LENGTH && TRACEPARENT.test(text);
}
