import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildMetricsServer } from "../../../src/api/server.ts";
import type { Registry } from "../../../src/registry/interface.ts";
import { createTestApp } from "../../support/api-app.ts";

describe("GET /ready", () => {
  it("answers 200 while the node can serve, and 503 with the reasons while it can not", async () => {
    const { send, view } = await createTestApp();
    const ready = await send({ url: "/ready" });
    assert.deepEqual([ready.statusCode, ready.json()], [200, { status: "ready", reasons: [], degraded: [] }]);
    view.reasons = ["no leader of the region is known"];
    const answer = await send({ url: "/ready" });
    assert.deepEqual(
      [answer.statusCode, answer.json()],
      [503, { status: "not ready", reasons: view.reasons, degraded: [] }],
    );
  });

  it("P12: answers 200 while the node does without something, and says what", async () => {
    const { send, view } = await createTestApp();
    view.degraded = [{ code: "DISK_LOW", message: "make room" }];
    const answer = await send({ url: "/ready" });
    assert.deepEqual(
      [answer.statusCode, answer.json()],
      [200, { status: "degraded", reasons: [], degraded: view.degraded }],
    );
  });

  it("answers 503 from the moment the node was told to stop, while /health goes on", async () => {
    const test = await createTestApp();
    test.isShuttingDown = true;
    const answer = await test.send({ url: "/ready" });
    assert.deepEqual([answer.statusCode, answer.headers.connection], [503, "close"]);
    assert.equal((await test.send({ url: "/health" })).statusCode, 200);
  });

  it("has no other methods", async () => {
    const { app } = await createTestApp();
    const answer = await app.inject({ method: "POST", url: "/ready" });
    assert.deepEqual([answer.statusCode, answer.headers.allow], [405, "GET, HEAD"]);
  });
});

describe("GET /metrics", () => {
  it("counts requests by route, not by path", async () => {
    const { send } = await createTestApp();
    await send({ url: "/v1/agents/nobody" });
    await send({ url: "/no/such/path" });
    const { body, headers } = await send({ url: "/metrics" });
    assert.match(String(headers["content-type"]), /^text\/plain/);
    assert.match(
      body,
      /atoll_http_request_duration_seconds_count\{method="GET",route="\/v1\/agents\/:id",status="404"\} 1/,
    );
    assert.match(body, /atoll_http_request_duration_seconds_count\{method="GET",route="none",status="404"\} 1/);
    assert.match(body, /^mcp_registry_requests_total 2$/m);
    assert.match(body, /^mcp_registry_errors_total 0$/m);
    assert.ok(!body.includes("nobody"));
  });

  it("counts what each face did", async () => {
    const { send } = await createTestApp();
    await send({ method: "PUT", url: "/v1/agents/a", payload: { endpoint: "http://a:1", capabilities: ["c"] } });
    await send({ method: "POST", url: "/heartbeat", payload: { agent_id: "b" } });
    await send({ method: "POST", url: "/agents", payload: { id: "s", endpoint: "http://s:1" } });
    await send({ method: "HEAD", url: "/heartbeat/b" });
    await send({ method: "POST", url: "/v1/agents/a/renew" });
    await send({ url: "/v1/lookup?capability=c" });
    const { body } = await send({ url: "/metrics" });
    for (const line of [
      'atoll_registry_registrations_total{face="v1",change="created"} 1',
      'atoll_registry_registrations_total{face="mesh",change="created"} 1',
      'atoll_registry_registrations_total{face="seed",change="created"} 1',
      'atoll_registry_renewals_total{face="mesh"} 1',
      'atoll_registry_renewals_total{face="v1"} 1',
      'atoll_discovery_lookups_total{face="v1",complete="true"} 1',
      'atoll_discovery_lookup_regions_total{source="local"} 1',
      "mcp_registry_registrations_processed_total 3",
      "mcp_registry_heartbeats_processed_total 3",
      "mcp_registry_agents_total 3",
    ]) {
      assert.ok(body.split("\n").includes(line), `${line} in\n${body}`);
    }
  });

  it("is served on a port of its own, with what probes ask and nothing else", async () => {
    const { app, options, view } = await createTestApp();
    await app.inject({ url: "/health" });
    const own = await buildMetricsServer(options);
    assert.match((await own.inject({ url: "/metrics" })).body, /^mcp_registry_requests_total 1$/m);
    assert.match((await own.inject({ url: "/health" })).body, /healthy/);
    assert.equal((await own.inject({ url: "/ready" })).statusCode, 200);
    view.reasons = ["no leader"];
    assert.equal((await own.inject({ url: "/ready" })).statusCode, 503);
    assert.equal((await own.inject({ url: "/v1/agents" })).statusCode, 404);
  });
});

describe("documents", () => {
  it("publishes OpenAPI 3.1 of every face, without the routes that only refuse", async () => {
    const { send } = await createTestApp();
    const document = (await send({ url: "/openapi.json" })).json();
    assert.equal(document.openapi, "3.1.0");
    assert.equal(document.info.version, "1.2.3");
    for (const path of ["/v1/agents/{id}", "/v1/lookup", "/heartbeat", "/agents", "/capabilities", "/ready"]) {
      assert.ok(path in document.paths, path);
    }
    assert.deepEqual(Object.keys(document.paths["/v1/lookup"]), ["get"]);
    assert.deepEqual(Object.keys(document.paths["/v1/agents/{id}"]).sort(), ["delete", "get", "put"]);
  });

  it("serves the pages of /docs from this node alone", async () => {
    const { app } = await createTestApp();
    const page = await app.inject({ url: "/docs" });
    assert.equal(page.statusCode, 200);
    assert.doesNotMatch(page.body, /(src|href)="(https?:)?\/\//);
    for (const [, asset] of page.body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      assert.equal((await app.inject({ url: asset! })).statusCode, 200, asset);
    }
  });
});

describe("every answer", () => {
  it("says which node of which region gave it, at which revision, and how old its data may be", async () => {
    const { send, app } = await createTestApp();
    await send({ method: "PUT", url: "/v1/agents/a", payload: { endpoint: "http://a:1", capabilities: [] } });
    for (const url of [
      "/v1/agents",
      "/v1/unknown",
      "/v1/agents/%ZZ",
      "/agents",
      "/nothing",
      "/heartbeat/%ZZ",
      "/metrics",
    ]) {
      const { headers } = await app.inject({ url });
      assert.deepEqual(
        ["region", "node", "revision", "staleness-ms"].map((name) => headers[`x-atoll-${name}`]),
        ["us-east", "us-east-1", "1", "0"],
        url,
      );
    }
  });

  it("shows in a write's headers the revision it made", async () => {
    const { send } = await createTestApp();
    const payload = { endpoint: "http://a:1", capabilities: [] };
    const { headers } = await send({ method: "PUT", url: "/v1/agents/a", payload });
    assert.equal(headers["x-atoll-revision"], "1");
  });
});

describe("a bug of ours", () => {
  it("is answered 500 without its inner words, which go to the log", async () => {
    const broken = { region: "us-east", read: () => Promise.reject(new Error("secret detail")) } as unknown as Registry;
    const { send, errors } = await createTestApp({ registry: broken });
    const answer = await send({ url: "/v1/agents" });
    assert.deepEqual([answer.statusCode, answer.json().error.code], [500, "INTERNAL_ERROR"]);
    assert.ok(!answer.body.includes("secret detail"));
    assert.deepEqual(
      errors.map(({ code, error, route }) => [code, error, route]),
      [["HTTP_INTERNAL_ERROR", "secret detail", "/v1/agents"]],
    );
    const mesh = await send({ url: "/agents" });
    assert.deepEqual([mesh.statusCode, Object.keys(mesh.json())], [500, ["error", "timestamp"]]);
  });
});
