import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createTestApp } from "../../../support/api-app.ts";

describe("GET /v1/trend", () => {
  it("answers the samples of the last hour, and its bounds", async () => {
    const { send, options, region } = await createTestApp();
    options.trend.start();
    await send({ method: "PUT", url: "/v1/agents/a", payload: { endpoint: "http://a:1", capabilities: ["c"] } });
    await send({ method: "POST", url: "/v1/agents/a/renew" });
    await send({ url: "/v1/lookup?capability=c" });
    await region.clock.advance(options.trend.bounds.intervalMs);
    const { intervalMs, samplesMax, samples } = (await send({ url: "/v1/trend" })).json();
    assert.deepEqual([intervalMs, samplesMax, samples.length], [10_000, 360, 1]);
    const { agents, healthyAgents, writesPerSecond, renewalsPerSecond, lookupsPerSecond, p99Ms } = samples[0];
    assert.deepEqual([agents, healthyAgents], [1, 1]);
    assert.deepEqual([writesPerSecond, renewalsPerSecond, lookupsPerSecond], [0.1, 0.1, 0.1]);
    assert.ok(p99Ms > 0);
    options.trend.stop();
  });

  it("with since answers what came later", async () => {
    const { send, options, region } = await createTestApp();
    options.trend.start();
    await region.clock.advance(2 * options.trend.bounds.intervalMs);
    const [first, second] = (await send({ url: "/v1/trend" })).json().samples;
    assert.deepEqual((await send({ url: `/v1/trend?since=${first.atMs}` })).json().samples, [second]);
    options.trend.stop();
  });

  it("refuses what it does not know", async () => {
    const { send } = await createTestApp();
    for (const query of ["since=-1", "since=soon", "until=5"]) {
      assert.equal((await send({ url: `/v1/trend?${query}` })).statusCode, 400, query);
    }
    assert.equal((await send({ method: "DELETE", url: "/v1/trend" })).statusCode, 405);
  });

  it("counts neither streams of events nor calls of agents as this node's latency", async () => {
    const { app, metrics, region } = await createTestApp();
    const stream = app.inject({ url: "/v1/activity", payloadAsStream: true });
    await region.clock.advance(100);
    const answer = await stream;
    answer.stream().resume();
    await app.inject({ url: "/proxy/nobody:1/mcp" });
    await app.close();
    await region.clock.advance(5_000);
    assert.deepEqual(
      metrics.http.latencies().filter((count) => count > 0),
      [],
    );
  });
});
