import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { setTimeout as later } from "node:timers/promises";
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_URL_SCHEME,
} from "@opentelemetry/semantic-conventions";
import { loadConfig } from "../../../src/config/load.ts";
import type { OpenTracing } from "../../../src/tracing/interface.ts";
import { openTracing } from "../../../src/tracing/tracing.ts";
import type { LogEvent } from "../../../src/util/logger.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { createTestApp } from "../../support/api-app.ts";
import { FakeCollector } from "../../support/fake-collector.ts";
import { TRACE_ID, traceparent } from "../../support/fake-tracing.ts";

const SRC = join(import.meta.dirname, "../../../src");
const node = { federation: "default", region: "us-east", name: "us-east-1", version: "1.2.3" };

async function open(test: TestContext, env: Record<string, string> = {}) {
  const collector = await FakeCollector.start();
  const events: LogEvent[] = [];
  const note = (event: LogEvent) => void events.push(event);
  const { config } = loadConfig({
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env },
    flags: {},
    hostname: "box",
  });
  const logger = { ...silentLogger, info: note, warn: note };
  const tracing = (await openTracing({ config: config.tracing, node, logger })) as OpenTracing;
  test.after(async () => {
    await tracing.close();
    await collector.close();
  });
  return { collector, tracing, codes: () => events.map(({ code }) => code) };
}

describe("tracing/otlp-tracing", () => {
  it("is not there without an endpoint", async () => {
    const { config } = loadConfig({ env: {}, flags: {}, hostname: "box" });
    assert.equal(await openTracing({ config: config.tracing, node, logger: silentLogger }), undefined);
  });

  it("is not even loaded by a node that exports no traces", () => {
    const program = `
      import { registerHooks } from "node:module";
      const asked = [];
      registerHooks({ resolve: (name, context, next) => (asked.push(name), next(name, context)) });
      await import(${JSON.stringify(join(SRC, "node/registry-node.ts"))});
      const { openTracing } = await import(${JSON.stringify(join(SRC, "tracing/tracing.ts"))});
      await openTracing({ config: { sampleShare: 1, serviceName: "atoll" } });
      console.log(asked.includes("fastify"), asked.filter((name) => /opentelemetry.*(sdk|export|resource)|otlp/.test(name)).length);
    `;
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" });
    assert.equal(printed.trim(), "true 0");
  });

  it("exports spans with who made them, what they are part of, and how they ended", async (test) => {
    const { collector, tracing } = await open(test, { OTEL_EXPORTER_OTLP_HEADERS: "authorization=Bearer%20x+y, a=b" });
    const outer = tracing.start({ name: "outer", kind: "server", parent: traceparent(7), attributes: { a: 1 } });
    const inner = outer.run(() => tracing.start({ name: "inner", kind: "client" }));
    inner.end({ error: "TIMEOUT" });
    outer.end({ attributes: { b: true } });
    outer.end({ attributes: { b: false } });
    await tracing.close();
    const [first, second] = collector.spans;
    assert.equal(collector.spans.length, 2);
    assert.deepEqual(
      [first!.name, first!.parentSpanId, first!.kind, first!.isError],
      ["inner", second!.spanId, 3, true],
    );
    assert.equal(first!.attributes[ATTR_ERROR_TYPE], "TIMEOUT");
    assert.deepEqual([second!.traceId, second!.parentSpanId], [TRACE_ID, traceparent(7).split("-")[2]]);
    assert.deepEqual([second!.attributes.a, second!.attributes.b], [1, true]);
    assert.equal(second!.resource["service.name"], "atoll");
    assert.equal(second!.resource["service.instance.id"], "us-east-1");
    assert.equal(second!.resource["atoll.region"], "us-east");
    assert.deepEqual([collector.headers[0]!.authorization, collector.headers[0]!.a], ["Bearer x+y", "b"]);
  });

  it("begins a trace of its own for a parent that it can not read", async (test) => {
    const { tracing } = await open(test);
    for (const parent of ["", "00-0-0-01", traceparent(7).toUpperCase(), `${traceparent(7)}-more`, "00".repeat(99)]) {
      assert.notEqual(tracing.start({ name: "x", kind: "server", parent }).traceparent.split("-")[1], TRACE_ID);
    }
  });

  it("knows what runs now, also after a wait, and no more once that has ended", async (test) => {
    const { tracing } = await open(test);
    assert.equal(tracing.current(), undefined);
    const span = tracing.start({ name: "x", kind: "internal" });
    await span.run(async () => {
      await later(1);
      assert.equal(tracing.current(), span.traceparent);
      span.end();
      assert.equal(tracing.current(), undefined, "what it left behind is not part of it");
    });
  });

  it("follows the caller's choice whether to sample, and its own share where there is none", async (test) => {
    const { collector, tracing } = await open(test, { OTEL_TRACES_SAMPLER_ARG: "0" });
    tracing.start({ name: "not chosen", kind: "server" }).end();
    const chosen = tracing.start({ name: "chosen", kind: "server", parent: traceparent(1) });
    const left = tracing.start({ name: "left out", kind: "server", parent: traceparent(1).replace(/01$/, "00") });
    assert.match(left.traceparent, /-00$/, "those that are asked leave it out, too");
    chosen.end();
    left.end();
    await tracing.close();
    assert.deepEqual(
      collector.spans.map(({ name }) => name),
      ["chosen"],
    );
  });

  it("says once that the collector does not take traces, and that it does again", async (test) => {
    const { collector, tracing, codes } = await open(test);
    const exported = async (status: number) => {
      collector.status = status;
      const before = collector.headers.length;
      tracing.start({ name: "x", kind: "server" }).end();
      while (collector.headers.length === before) await later(10);
    };
    await exported(400);
    await exported(400);
    await exported(200);
    await tracing.close();
    assert.deepEqual(codes(), ["TRACES_ENABLED", "TRACES_NOT_EXPORTED", "TRACES_EXPORTED"]);
  });
});

describe("api/tracing", () => {
  it("names spans and attributes as OpenTelemetry does for HTTP servers, and tells nothing of who or what was asked for", async (test) => {
    const { collector, tracing } = await open(test);
    const { app } = await createTestApp({ tracing });
    const headers = { traceparent: traceparent(5), authorization: "Bearer secret-token" };
    await app.inject({ method: "GET", url: "/v1/agents/secret-agent?a=secret-query", headers });
    await app.inject({ method: "GET", url: "/health", headers });
    await app.inject({ method: "GET", url: "/metrics", headers });
    await tracing.close();
    assert.equal(collector.spans.length, 1, "probes and scrapes are left out");
    const [span] = collector.spans;
    assert.deepEqual([span!.name, span!.kind, span!.traceId], ["GET /v1/agents/:id", 2, TRACE_ID]);
    assert.deepEqual(span!.attributes, {
      [ATTR_HTTP_REQUEST_METHOD]: "GET",
      [ATTR_URL_SCHEME]: "http",
      [ATTR_HTTP_ROUTE]: "/v1/agents/:id",
      [ATTR_HTTP_RESPONSE_STATUS_CODE]: 400,
    });
    assert.doesNotMatch(JSON.stringify(collector.spans), /secret/);
  });
});
