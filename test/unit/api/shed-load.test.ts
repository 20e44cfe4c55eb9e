import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import Fastify from "fastify";
import { LISTED_ROUTES } from "../../../src/api/access.ts";
import { loadClassOf } from "../../../src/api/load-class.ts";
import { LoadGuard, PRESSURE_MAX } from "../../../src/api/load-guard.ts";
import { shedLoad } from "../../../src/api/shed-load.ts";
import { createTestApp } from "../../support/api-app.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

async function createLoadedApp(floor: { pressure: number }) {
  const load = new LoadGuard({ clock: new VirtualClock(), floor: () => floor.pressure });
  return { ...(await createTestApp({ load })), load };
}

describe("shedding", () => {
  it("P12: refuses with 503 and a time to come again, in the shape of each face, before the body is read", async () => {
    const { send } = await createLoadedApp({ pressure: PRESSURE_MAX });
    const native = await send({ method: "PUT", url: "/v1/agents/a", payload: "{ no JSON" });
    const { error } = native.json();
    assert.deepEqual([native.statusCode, error.code, error.shed], [503, "OVERLOADED", "write"]);
    assert.ok(error.retryAfterMs >= 2_000 && error.retryAfterMs <= 4_000, error.retryAfterMs);
    assert.equal(native.headers["x-atoll-error"], "OVERLOADED");
    assert.ok(Number(native.headers["retry-after"]) >= 2);
    const mesh = await send({ method: "POST", url: "/heartbeat", payload: { agent_id: "a" } });
    assert.deepEqual([mesh.statusCode, typeof mesh.json().error], [503, "string"]);
    const again = (await send({ url: "/v1/lookup?capability=c" })).json().error.retryAfterMs;
    assert.notEqual(again, error.retryAfterMs, "not all come again at once (F19)");
  });

  it("P12: still renews, and never says of an agent that it is unknown because there is too much to do", async () => {
    const floor = { pressure: 0 };
    const { send, app } = await createLoadedApp(floor);
    const body = { endpoint: "http://a:1", capabilities: ["c"] };
    assert.equal((await send({ method: "PUT", url: "/v1/agents/a", payload: body })).statusCode, 201);
    floor.pressure = PRESSURE_MAX;
    assert.equal((await send({ method: "POST", url: "/v1/agents/a/renew" })).statusCode, 200);
    assert.equal((await send({ method: "HEAD", url: "/heartbeat/a" })).statusCode, 202, "with news for it");
    for (const url of ["/v1/agents/a", "/v1/agents/nobody", "/no/such/path"]) {
      assert.equal((await app.inject({ url })).statusCode, 503, url);
    }
  });

  it("serves probes, metrics and operators whatever there is to do", async () => {
    const { send } = await createLoadedApp({ pressure: PRESSURE_MAX });
    for (const url of ["/health", "/ready", "/metrics", "/v1/cluster"]) {
      assert.equal((await send({ url })).statusCode, 200, url);
    }
    const answer = await send({ method: "POST", url: "/v1/cluster/transfer", payload: {} });
    assert.notEqual(answer.json().error?.code, "OVERLOADED");
  });

  it("counts what is under way until it was answered", async () => {
    const { send, load } = await createLoadedApp({ pressure: 0 });
    await send({ url: "/v1/agents" });
    await send({ method: "PUT", url: "/v1/agents/a", payload: {} });
    assert.deepEqual(Object.fromEntries(load.underWay), { lookup: 0, write: 0 });
  });

  it("P12: counts a write whose client has gone until it is done: what it asked for is under way", async () => {
    const app = Fastify();
    const load = new LoadGuard({ clock: new VirtualClock() });
    shedLoad(app, load);
    const [begun, done] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    app.put("/v1/agents/:id", async () => {
      begun.resolve();
      await done.promise;
    });
    const client = new AbortController();
    const asked = app.inject({ method: "PUT", url: "/v1/agents/a", signal: client.signal });
    await begun.promise;
    client.abort();
    await assert.rejects(asked);
    assert.equal(load.underWay.get("write"), 1);
    done.resolve();
    await setImmediate();
    assert.equal(load.underWay.get("write"), 0);
  });

  it("has a class for every route, and those of agents that keep a lease are renewals", () => {
    const classes = LISTED_ROUTES.map((route) => {
      const [method, url] = route.split(" ") as [string, string];
      return [route, loadClassOf(method, url)] as const;
    });
    const of = (name: string | null) => classes.filter(([, each]) => each === name).map(([route]) => route);
    assert.deepEqual(of("renewal"), ["POST /v1/agents/:id/renew", "HEAD /heartbeat/:id"]);
    assert.deepEqual(of("watch"), ["GET /v1/watch", "GET /v1/activity"]);
    assert.deepEqual(of("write"), [
      "PUT /v1/agents/:id",
      "DELETE /v1/agents/:id",
      "POST /heartbeat",
      "DELETE /agents/:id",
      "POST /agents",
      "POST /api/v1/agents",
    ]);
  });
});
