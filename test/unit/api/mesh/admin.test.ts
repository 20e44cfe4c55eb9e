import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MESH_DEFAULTS } from "../../../../src/api/modules.ts";
import { buildAdminServer } from "../../../../src/api/server.ts";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";

const APART = { ...MESH_DEFAULTS, isAdminApart: true };

describe("/admin/drain", () => {
  it("B: says that nothing is drained, drains, and gives out work again", async () => {
    const { send } = await createTestApp();
    const ask = async (method: "GET" | "POST" | "DELETE") => (await send({ method, url: "/admin/drain" })).json();
    assert.deepEqual(await ask("GET"), { draining: false, live_claims: 0 });
    assert.deepEqual(await ask("POST"), { draining: true, live_claims: 0 });
    assert.deepEqual(await ask("POST"), { draining: true, live_claims: 0 });
    assert.deepEqual(await ask("GET"), { draining: true, live_claims: 0 });
    assert.deepEqual(await ask("DELETE"), { draining: false, live_claims: 0 });
    assert.deepEqual(await ask("GET"), { draining: false, live_claims: 0 });
  });

  it("drains the region, whichever node is asked", async () => {
    const { send, region } = await createTestApp({}, { nodes: 3, serving: 1 });
    await send({ method: "POST", url: "/admin/drain" });
    assert.deepEqual(
      region.nodes.map(({ service }) => service.isDraining()),
      [true, true, true],
    );
  });

  it("B: takes whatever body comes with it", async () => {
    const { send } = await createTestApp();
    const headers = { "content-type": "no type at all" };
    const answer = await send({ method: "POST", url: "/admin/drain", headers, payload: "{not json" });
    assert.deepEqual([answer.statusCode, answer.json().draining], [200, true]);
  });

  it("without a leader: 503, and nothing is said to be drained", async () => {
    const { send, region } = await createTestApp();
    region.region.elect(null);
    const pending = send({ method: "POST", url: "/admin/drain" });
    await region.clock.advance(10_000);
    const answer = await pending;
    assert.deepEqual([answer.statusCode, Object.keys(answer.json())], [503, ["error", "timestamp"]]);
    assert.ok(answer.headers["retry-after"]);
    assert.equal((await send({ url: "/admin/drain" })).json().draining, false);
  });
});

describe("POST /admin/rotate", () => {
  async function withAgents(): Promise<TestApp> {
    const test = await createTestApp();
    for (const agent_id of ["a", "b", "gone"])
      await test.send({ method: "POST", url: "/heartbeat", payload: { agent_id } });
    await test.send({ method: "DELETE", url: "/agents/gone" });
    return test;
  }
  const head = async ({ send }: TestApp) => (await send({ method: "HEAD", url: "/heartbeat/a" })).statusCode;

  it("B: tells every healthy agent to come back, by an event each and a 202", async () => {
    const test = await withAgents();
    await test.send({ method: "POST", url: "/heartbeat", payload: { agent_id: "a" } });
    assert.equal(await head(test), 200);
    const answer = await test.send({ method: "POST", url: "/admin/rotate" });
    assert.deepEqual(answer.json(), {
      message: "Rotation triggered for all agents",
      affected_agents: 2,
      entity_id: "",
    });
    assert.equal(await head(test), 202);
    const { events } = (await test.send({ url: "/events?type=rotate" })).json();
    assert.deepEqual(events.map(({ agent_id }: { agent_id: string }) => agent_id).sort(), ["a", "b"]);
  });

  it("B: an entity that nobody belongs to affects nobody", async () => {
    const test = await withAgents();
    const answer = await test.send({ method: "POST", url: "/admin/rotate?entity_id=ops&entity_id=other" });
    assert.deepEqual(answer.json(), {
      message: "Rotation triggered for entity 'ops'",
      affected_agents: 0,
      entity_id: "ops",
    });
    assert.equal((await test.send({ url: "/events?type=rotate" })).json().count, 0);
  });
});

describe("GET /admin/entities", () => {
  it("B: lists none, as the real registry does without TLS", async () => {
    const { send } = await createTestApp();
    assert.deepEqual((await send({ url: "/admin/entities" })).json(), { entities: [] });
  });
});

describe("the admin port", () => {
  it("B: takes /admin off the main port", async () => {
    const { send } = await createTestApp({ mesh: APART });
    for (const [method, url] of [
      ["GET", "/admin/drain"],
      ["GET", "/admin/drain/"],
      ["POST", "/admin/rotate"],
      ["GET", "/admin/entities"],
    ] as const) {
      const answer = await send({ method, url });
      assert.deepEqual([answer.statusCode, answer.body], [404, "404 page not found"], `${method} ${url}`);
    }
  });

  it("B: serves /admin and nothing else", async () => {
    const test = await createTestApp({ mesh: APART });
    const app = await buildAdminServer(test.options);
    const drained = await app.inject({ method: "POST", url: "/admin/drain", payload: "x" });
    assert.deepEqual(drained.json(), { draining: true, live_claims: 0 });
    assert.equal(test.node.service.isDraining(), true);
    const slash = await app.inject({ url: "/admin/drain/" });
    assert.deepEqual([slash.statusCode, slash.headers.location], [301, "/admin/drain"]);
    for (const url of ["/", "/health", "/agents", "/agents/", "/v1/nodes", "/metrics", "/openapi.json", "/docs"]) {
      assert.equal((await app.inject({ url })).statusCode, 404, url);
    }
    await app.close();
  });

  it("answers with the contract's errors", async () => {
    const test = await createTestApp({ mesh: APART });
    const app = await buildAdminServer(test.options);
    test.region.region.elect(null);
    const pending = app.inject({ method: "DELETE", url: "/admin/drain" });
    await test.region.clock.advance(10_000);
    const answer = await pending;
    assert.deepEqual([answer.statusCode, Object.keys(answer.json())], [503, ["error", "timestamp"]]);
    await app.close();
  });
});
