/** An OpenTelemetry collector that keeps what it is sent: OTLP over HTTP, JSON. */

import Fastify, { type FastifyInstance } from "fastify";

export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentSpanId: string;
  /** As in OTLP: 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly isError: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Of the node that made it. */
  readonly resource: Readonly<Record<string, unknown>>;
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

interface OtlpSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly status?: { readonly code?: number };
  readonly attributes: readonly OtlpAttribute[];
}

export class FakeCollector {
  readonly spans: CollectedSpan[] = [];
  /** Headers of each export. */
  readonly headers: Readonly<Record<string, unknown>>[] = [];
  /** What it answers from now on. */
  status = 200;
  readonly #app: FastifyInstance = Fastify({ bodyLimit: 16 * 1024 * 1024 });
  #onSpans: () => void = () => {};
  url = "";

  static async start(port = 0): Promise<FakeCollector> {
    const collector = new FakeCollector();
    collector.#app.post<{ Body: OtlpBody }>("/v1/traces", async ({ headers, body }, reply) => {
      collector.headers.push(headers);
      if (collector.status === 200) collector.#take(body);
      collector.#onSpans();
      return reply.code(collector.status).send({});
    });
    collector.url = await collector.#app.listen({ host: "127.0.0.1", port });
    return collector;
  }

  /** Resolves with the spans of a trace once they are as wanted. The test's own time limit ends the wait. */
  async untilTrace(traceId: string, isWhole: (spans: readonly CollectedSpan[]) => boolean): Promise<CollectedSpan[]> {
    for (;;) {
      const spans = this.spans.filter((span) => span.traceId === traceId);
      if (isWhole(spans)) return spans;
      await new Promise<void>((resolve) => {
        this.#onSpans = resolve;
      });
    }
  }

  close(): Promise<void> {
    return this.#app.close();
  }

  #take({ resourceSpans }: OtlpBody): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const { name, traceId, spanId, parentSpanId = "", kind, status, attributes } of scopeSpans.flatMap(
        ({ spans }) => spans,
      )) {
        this.spans.push({
          ...{ name, traceId, spanId, parentSpanId, kind },
          isError: status?.code === 2,
          attributes: plain(attributes),
          resource: plain(resource.attributes),
        });
      }
    }
  }
}

function plain(attributes: readonly OtlpAttribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
