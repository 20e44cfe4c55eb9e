import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { asAgentId } from "../../../src/types/ids.ts";
import { createTestApp, OTHER_REGION_HTTP, type TestApp } from "../../support/api-app.ts";
import { aRecord } from "../registry/fixtures.ts";

const WEATHER = { endpoint: "http://weather:8080", capabilities: ["weather"] };

describe("PUT /v1/agents/{id}", () => {
  let test: TestApp;
  beforeEach(async () => {
    test = await createTestApp();
  });
  const put = (id: string, payload: object) => test.send({ method: "PUT", url: `/v1/agents/${id}`, payload });

  it("answers 201 for a new agent, with its lease and when to renew it", async () => {
    const answer = await put("weather-1", WEATHER);
    assert.equal(answer.statusCode, 201);
    const { renewInMs, ...rest } = answer.json();
    assert.deepEqual(rest, {
      id: "weather-1",
      region: "us-east",
      incarnation: 1,
      revision: 1,
      change: "created",
      leaseMs: 30_000,
    });
    assert.ok(renewInMs >= 6_000 && renewInMs < 9_000, `renewInMs ${renewInMs}`);
  });

  it("answers 200 for a known agent, and says what changed", async () => {
    await put("weather-1", WEATHER);
    const same = await put("weather-1", WEATHER);
    assert.deepEqual([same.statusCode, same.json().change], [200, "unchanged"]);
    const moved = await put("weather-1", { ...WEATHER, endpoint: "http://elsewhere:1" });
    assert.deepEqual([moved.statusCode, moved.json().change], [200, "updated"]);
  });

  it("keeps every field, and fills in what is left out", async () => {
    const full = {
      name: "Weather",
      endpoint: "https://weather.example/mcp",
      namespace: "prod",
      type: "api",
      runtime: "java",
      version: "2.0.0",
      description: "Tells the weather.\nOf today.",
      zone: "us-east-1a",
      labels: { "app.kubernetes.io/name": "weather" },
      metadata: { owner: { team: "sky" }, none: null },
      leaseMs: 45_000,
      capabilities: [
        "bare",
        {
          name: "forecast",
          functionName: "get_forecast",
          version: "1.2.0",
          tags: ["fast", "eu"],
          description: "For days",
          dependencies: [{ capability: "date", tags: ["utc", ["a", "b"]], version: ">=1", required: true }],
          inputSchema: { type: "object", properties: { day: { type: "string" } } },
          kwargs: { timeout: 5 },
        },
      ],
    };
    await put("weather-1", full);
    const shown = (await test.send({ url: "/v1/agents/weather-1" })).json();
    const { capabilities, ...rest } = full;
    for (const [field, value] of Object.entries(rest)) assert.deepEqual(shown[field], value, field);
    assert.deepEqual(shown.capabilities, [
      { name: "bare", functionName: "bare", version: "1.0.0", tags: [], dependencies: [] },
      capabilities[1],
    ]);
  });

  it("P3: shows a registration on the node that acknowledged it", async () => {
    await put("weather-1", WEATHER);
    assert.equal((await test.send({ url: "/v1/agents/weather-1" })).statusCode, 200);
    assert.equal((await test.send({ url: "/v1/lookup?capability=weather" })).json().agents.length, 1);
  });

  it("answers 503 with a way out when no leader is there, and stores nothing", async () => {
    test.region.region.elect(null);
    const answer = await put("weather-1", WEATHER);
    assert.equal(answer.statusCode, 503);
    assert.equal(answer.headers["retry-after"], "1");
    const { code, otherRegions } = answer.json().error;
    assert.deepEqual([code, otherRegions], ["NO_LEADER", [OTHER_REGION_HTTP]]);
    test.region.region.elect(test.node.group);
    assert.equal((await test.send({ url: "/v1/agents/weather-1" })).statusCode, 404);
  });

  it("F19: tells those whom it refuses at once to come again at different times", async () => {
    test.region.region.elect(null);
    const pauses: number[] = [];
    for (let i = 0; i < 20; i++) {
      const answer = await test.send({ method: "POST", url: "/v1/agents/weather-1/renew", payload: {} });
      pauses.push(answer.json().error.retryAfterMs);
    }
    assert.ok(
      pauses.every((pause) => pause >= 500 && pause <= 1_000),
      `${pauses}`,
    );
    const sorted = pauses.toSorted((a, b) => a - b);
    const gaps = sorted.slice(1).map((pause, i) => pause - sorted[i]!);
    assert.ok(Math.max(...gaps) < 75, `${sorted}`);
  });

  it("answers 503 when nobody knows what became of a write", async () => {
    test.node.group.outcomeUnknown = "lost";
    const answer = await put("weather-1", WEATHER);
    assert.deepEqual([answer.statusCode, answer.json().error.code], [503, "OUTCOME_UNKNOWN"]);
    assert.equal(answer.headers["retry-after"], "1");
  });

  it("answers 503 when the node is stopping", async () => {
    test.node.service.stop();
    const answer = await put("weather-1", WEATHER);
    assert.deepEqual([answer.statusCode, answer.json().error.code], [503, "STOPPING"]);
  });

  it("answers 413 naming what is too large for a record", async () => {
    const metadata = { text: "x".repeat(40_000) };
    const answer = await put("weather-1", { ...WEATHER, metadata });
    assert.equal(answer.statusCode, 413);
    const { code, field, bytesMax } = answer.json().error;
    assert.deepEqual([code, field, bytesMax], ["RECORD_TOO_LARGE", "metadata", 16_384]);
  });
});

describe("GET /v1/agents/{id}", () => {
  it("shows health, lease and revisions", async () => {
    const { send, region } = await createTestApp();
    await send({ method: "PUT", url: "/v1/agents/weather-1", payload: WEATHER });
    const agent = (await send({ url: "/v1/agents/weather-1" })).json();
    assert.deepEqual(
      [agent.id, agent.region, agent.health, agent.incarnation, agent.revision, agent.leaseMs],
      ["weather-1", "us-east", "healthy", 1, 1, 30_000],
    );
    assert.equal(agent.registeredAtMs, region.clock.wallTime());
  });

  it("tells an agent whose lease ran out from one that is gone", async () => {
    const { send, region } = await createTestApp();
    await send({ method: "PUT", url: "/v1/agents/weather-1", payload: WEATHER });
    await region.clock.advance(120_000);
    const agent = (await send({ url: "/v1/agents/weather-1" })).json();
    assert.deepEqual([agent.health, agent.unhealthyReason], ["unhealthy", "lease-expired"]);
  });

  it("P12: asks the leader before it says that an agent is unknown", async () => {
    const { send, region, node } = await createTestApp({}, { nodes: 2, serving: 1 });
    node.group.isLagging = true;
    await region.nodes[0]!.service.register(asAgentId("weather-1"), aRecord());
    assert.equal((await send({ url: "/v1/agents/weather-1" })).statusCode, 200);
  });

  it("P12: answers 503, not 404, when there is no leader to ask", async () => {
    const { send, region } = await createTestApp();
    region.region.elect(null);
    const answer = await send({ url: "/v1/agents/weather-1" });
    assert.deepEqual([answer.statusCode, answer.json().error.code], [503, "NO_LEADER"]);
  });

  it("has a HEAD that answers the same without a body", async () => {
    const { send } = await createTestApp();
    await send({ method: "PUT", url: "/v1/agents/weather-1", payload: WEATHER });
    assert.equal((await send({ method: "HEAD", url: "/v1/agents/weather-1" })).statusCode, 200);
    assert.equal((await send({ method: "HEAD", url: "/v1/agents/nobody" })).statusCode, 404);
  });
});

describe("POST /v1/agents/{id}/renew", () => {
  let test: TestApp;
  beforeEach(async () => {
    test = await createTestApp();
    await test.send({ method: "PUT", url: "/v1/agents/weather-1", payload: WEATHER });
  });
  const renew = (id: string, payload?: object) =>
    test.send({ method: "POST", url: `/v1/agents/${id}/renew`, ...(payload === undefined ? {} : { payload }) });

  it("renews without a body, and says when to come again", async () => {
    const answer = await renew("weather-1");
    assert.equal(answer.statusCode, 200);
    const { incarnation, leaseMs, renewInMs } = answer.json();
    assert.deepEqual([incarnation, leaseMs], [1, 30_000]);
    assert.ok(renewInMs > 0 && renewInMs < leaseMs, `renewInMs ${renewInMs}`);
  });

  it("keeps an agent healthy for as long as it is called", async () => {
    for (let i = 0; i < 12; i++) {
      await renew("weather-1", { incarnation: 1 });
      await test.region.clock.advance(20_000);
    }
    assert.equal((await test.send({ url: "/v1/agents/weather-1" })).json().health, "healthy");
  });

  it("F21: answers 410 for a lease that another one replaced", async () => {
    const answer = await renew("weather-1", { incarnation: 999 });
    assert.deepEqual([answer.statusCode, answer.json().error.code], [410, "LEASE_LOST"]);
  });

  it("answers 404 for an agent that nobody registered", async () => {
    const answer = await renew("nobody");
    assert.deepEqual([answer.statusCode, answer.json().error.code], [404, "UNKNOWN_AGENT"]);
  });

  it("F18: answers 503, never 404 or 410, without a leader", async () => {
    test.region.region.elect(null);
    for (const id of ["weather-1", "nobody"]) assert.equal((await renew(id)).statusCode, 503, id);
  });
});

describe("DELETE /v1/agents/{id}", () => {
  it("removes the agent at once, and knows it no more", async () => {
    const { send } = await createTestApp();
    await send({ method: "PUT", url: "/v1/agents/weather-1", payload: WEATHER });
    const removed = await send({ method: "DELETE", url: "/v1/agents/weather-1" });
    assert.deepEqual([removed.statusCode, removed.body], [204, ""]);
    assert.equal((await send({ url: "/v1/agents/weather-1" })).statusCode, 404);
    const again = await send({ method: "DELETE", url: "/v1/agents/weather-1" });
    assert.deepEqual([again.statusCode, again.json().error.code], [404, "UNKNOWN_AGENT"]);
  });

  it("takes a content type without a body, as some clients send it", async () => {
    const { send } = await createTestApp();
    await send({ method: "PUT", url: "/v1/agents/weather-1", payload: WEATHER });
    const headers = { "content-type": "application/json" };
    assert.equal((await send({ method: "DELETE", url: "/v1/agents/weather-1", headers })).statusCode, 204);
  });
});

describe("GET /v1/agents", () => {
  let test: TestApp;
  beforeEach(async () => {
    test = await createTestApp();
    const agents = [
      ["a", { endpoint: "http://a:1", capabilities: ["weather"], namespace: "prod", name: "alpha" }],
      ["b", { endpoint: "http://b:1", capabilities: ["Weather-radar"], type: "api" }],
      ["c", { endpoint: "http://c:1", capabilities: ["news"] }],
    ] as const;
    for (const [id, payload] of agents) await test.send({ method: "PUT", url: `/v1/agents/${id}`, payload });
  });
  const ids = async (query: string) =>
    (await test.send({ url: `/v1/agents?${query}` })).json().agents.map(({ id }: { id: string }) => id);

  it("filters by each field, and by all of them together", async () => {
    assert.deepEqual(await ids(""), ["a", "b", "c"]);
    assert.deepEqual(await ids("namespace=prod"), ["a"]);
    assert.deepEqual(await ids("name=alpha"), ["a"]);
    assert.deepEqual(await ids("type=api"), ["b"]);
    assert.deepEqual(await ids("health=unhealthy"), []);
    assert.deepEqual(await ids("capability=weather&capability=news"), ["a", "c"]);
    assert.deepEqual(await ids("capability=weather&fuzzy=true"), ["a", "b"]);
    assert.deepEqual(await ids("capability=weather&namespace=default"), []);
  });

  it("gives pages that together are the list", async () => {
    const seen: string[] = [];
    let cursor = "";
    for (let pages = 0; pages < 3; pages++) {
      const { agents, nextCursor } = (await test.send({ url: `/v1/agents?limit=1${cursor}` })).json();
      seen.push(...agents.map(({ id }: { id: string }) => id));
      assert.equal(nextCursor !== undefined, pages < 2, `page ${pages}`);
      cursor = `&cursor=${nextCursor}`;
    }
    assert.deepEqual(seen, ["a", "b", "c"]);
  });
});
