/**
 * Traces by OpenTelemetry: spans are kept in a bounded queue and exported in batches to a collector (OTLP over HTTP).
 *
 * Nothing is registered globally, so that several nodes of one process keep their traces apart. A collector that is away costs
 * the spans of that time, never a request: what does not fit the queue is dropped.
 *
 * Imported by `tracing.ts` alone, and only when it is wanted.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import {
  ROOT_CONTEXT,
  type Span as SdkSpan,
  type Context as SpanContextHolder,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import {
  ATTR_ERROR_TYPE,
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_NAMESPACE,
  ATTR_SERVICE_VERSION,
} from "@opentelemetry/semantic-conventions";
import { isTraceparent, type Span, type SpanEnd, type SpanStart } from "../types/tracing.ts";
import type { Logger } from "../util/logger.ts";
import type { OpenTracing, TracingOptions } from "./interface.ts";

/** Spans that wait for the collector; beyond, new ones are dropped. */
const QUEUE_MAX = 4_096;
const BATCH_MAX = 512;
const BATCH_DELAY_MS = 1_000;
/** Also what a stopping node waits for its last traces at most. */
const EXPORT_TIMEOUT_MS = 3_000;
/** Longer values of attributes are cut. */
const VALUE_LENGTH_MAX = 256;

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const;

export class OtlpTracing implements OpenTracing {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  readonly #running = new AsyncLocalStorage<OtlpSpan>();

  /** @param endpoint - base URL of the collector; `/v1/traces` is added */
  constructor(endpoint: string, { config, node, logger }: TracingOptions) {
    const exporter = new OTLPTraceExporter({
      url: `${endpoint.replace(/\/+$/, "")}/v1/traces`,
      headers: readHeaders(config.headers),
      timeoutMillis: EXPORT_TIMEOUT_MS,
    });
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({
        [ATTR_SERVICE_NAME]: config.serviceName,
        [ATTR_SERVICE_NAMESPACE]: node.federation,
        [ATTR_SERVICE_INSTANCE_ID]: node.name,
        [ATTR_SERVICE_VERSION]: node.version,
        "atoll.region": node.region,
      }),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(config.sampleShare) }),
      spanLimits: { attributeValueLengthLimit: VALUE_LENGTH_MAX },
      spanProcessors: [
        new BatchSpanProcessor({
          exporter: new ReportingExporter(exporter, logger),
          maxQueueSize: QUEUE_MAX,
          maxExportBatchSize: BATCH_MAX,
          scheduledDelayMillis: BATCH_DELAY_MS,
          exportTimeoutMillis: EXPORT_TIMEOUT_MS,
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer("atoll", node.version);
  }

  current(): string | undefined {
    const span = this.#running.getStore();
    // What a request leaves behind, such as a timer, is not part of it once it has been answered.
    return span === undefined || span.isEnded ? undefined : span.traceparent;
  }

  start({ name, kind, attributes = {}, parent = this.current() }: SpanStart): Span {
    const span = this.#tracer.startSpan(name, { kind: KINDS[kind], attributes: { ...attributes } }, contextOf(parent));
    return new OtlpSpan(span, this.#running);
  }

  async close(): Promise<void> {
    // A collector that is away was reported when it was missed.
    await this.#provider.shutdown().catch(() => {});
  }
}

class OtlpSpan implements Span {
  readonly traceparent: string;
  readonly #span: SdkSpan;
  readonly #running: AsyncLocalStorage<OtlpSpan>;
  #isEnded = false;

  constructor(span: SdkSpan, running: AsyncLocalStorage<OtlpSpan>) {
    const { traceId, spanId, traceFlags } = span.spanContext();
    this.traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
    this.#span = span;
    this.#running = running;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  run<Value>(work: () => Value): Value {
    return this.#running.run(this, work);
  }

  end({ attributes = {}, error }: SpanEnd = {}): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#span.setAttributes({ ...attributes });
    if (error !== undefined) {
      this.#span.setAttribute(ATTR_ERROR_TYPE, error);
      this.#span.setStatus({ code: SpanStatusCode.ERROR });
    }
    this.#span.end();
  }
}

/** Says in the log when the collector stops taking traces, and when it takes them again; once each. */
class ReportingExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #logger: Logger;
  #isFailing = false;

  constructor(exporter: SpanExporter, logger: Logger) {
    this.#exporter = exporter;
    this.#logger = logger;
  }

  export(spans: ReadableSpan[], done: Parameters<SpanExporter["export"]>[1]): void {
    this.#exporter.export(spans, (result) => {
      this.#report(result.error);
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  #report(error: Error | undefined): void {
    const isFailing = error !== undefined;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    if (isFailing) {
      this.#logger.warn({ code: "TRACES_NOT_EXPORTED", reason: error.message }, "the collector does not take traces");
    } else {
      this.#logger.info({ code: "TRACES_EXPORTED" }, "the collector takes traces again");
    }
  }
}

/** The place in a trace that a traceparent names; the root of a new trace for none, or for one that can not be read. */
function contextOf(traceparent: string | undefined): SpanContextHolder {
  if (traceparent === undefined || !isTraceparent(traceparent)) return ROOT_CONTEXT;
  const [, traceId = "", spanId = "", flags = ""] = traceparent.split("-");
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** `name=value` pairs with commas between them, as OTEL_EXPORTER_OTLP_HEADERS has them; values may be percent-encoded. */
function readHeaders(text = ""): Record<string, string> {
  return Object.fromEntries([...new URLSearchParams(text.replaceAll("+", "%2B").replaceAll(/,\s*/g, "&"))]);
}
