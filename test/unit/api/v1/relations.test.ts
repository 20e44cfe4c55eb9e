import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createTestApp } from "../../../support/api-app.ts";
import { agentId, aRecord } from "../../registry/fixtures.ts";

type TestApp = Awaited<ReturnType<typeof createTestApp>>;

async function register({ send }: TestApp, id: string, capabilities: readonly unknown[]): Promise<void> {
  const answer = await send({
    method: "PUT",
    url: `/v1/agents/${id}`,
    payload: { endpoint: `http://${id}:1`, capabilities },
  });
  assert.ok(answer.statusCode < 300, answer.body);
}

const needs = (capability: string, required = false) => ({
  name: "ask",
  dependencies: [{ capability, required }],
});

async function relationsOf(test: TestApp, id: string) {
  const asked = test.send({ url: `/v1/agents/${id}/relations` });
  const answer = await test.region.clock.settled(asked);
  assert.equal(answer.statusCode, 200, answer.body);
  return answer.json();
}

describe("GET /v1/agents/{id}/relations", () => {
  it("tells whom the agent depends on, and where nobody fits", async () => {
    const test = await createTestApp();
    await register(test, "weather", ["forecast"]);
    await register(test, "planner", [
      { name: "plan", dependencies: [{ capability: "forecast" }, { capability: "maps", tags: ["eu", ["a", "b"]] }] },
    ]);
    const { dependsOn } = await relationsOf(test, "planner");
    const [forecast, maps] = dependsOn;
    assert.deepEqual(
      [forecast.functionName, forecast.capability, forecast.provider.id],
      ["plan", "forecast", "weather"],
    );
    assert.deepEqual([maps.capability, maps.tags, maps.provider], ["maps", ["eu", ["a", "b"]], undefined]);
  });

  it("tells who depends on it, and to whom it would be given now", async () => {
    const test = await createTestApp();
    await register(test, "old", [{ name: "forecast", version: "1.0.0" }]);
    await register(test, "new", [{ name: "forecast", version: "2.0.0" }]);
    await register(test, "planner", [needs("forecast", true)]);
    await register(test, "other", [needs("maps")]);
    const dependents = async (id: string) => (await relationsOf(test, id)).dependents;
    const row = { id: "planner", name: "planner", health: "healthy", capability: "forecast", required: true };
    assert.deepEqual(await dependents("new"), [{ ...row, isServed: true }]);
    assert.deepEqual(await dependents("old"), [{ ...row, isServed: false }]);
    assert.deepEqual(await dependents("planner"), []);
  });

  it("lists a hundred dependents, and says that there are more", async () => {
    const test = await createTestApp();
    await register(test, "weather", ["forecast"]);
    for (let i = 0; i < 101; i++) await register(test, `asker-${i}`, [needs("forecast")]);
    const { dependents, hasMoreDependents } = await relationsOf(test, "weather");
    assert.deepEqual([dependents.length, hasMoreDependents], [100, true]);
  });

  it("tells how the agent fared, newest first", async () => {
    const test = await createTestApp();
    await register(test, "weather", ["forecast"]);
    await test.node.service.deregister("weather" as never, "keep");
    await register(test, "weather", ["forecast"]);
    const { events } = await relationsOf(test, "weather");
    assert.deepEqual(
      events.map(({ type }: { type: string }) => type),
      ["register", "unregister", "register"],
    );
  });

  it("answers 404 for an agent that is not there", async () => {
    const test = await createTestApp();
    const answer = await test.region.clock.settled(test.send({ url: "/v1/agents/nobody/relations" }));
    assert.deepEqual([answer.statusCode, answer.json().error.code], [404, "UNKNOWN_AGENT"]);
  });
});

describe("search in lists", () => {
  it("finds agents by a part of the id, the name or the endpoint, whatever the case", async () => {
    const test = await createTestApp();
    for (const id of ["weather-1", "weather-2", "planner"]) await register(test, id, ["c"]);
    const found = async (search: string) =>
      (await test.region.clock.settled(test.send({ url: `/v1/agents?search=${encodeURIComponent(search)}` })))
        .json()
        .agents.map(({ id }: { id: string }) => id);
    assert.deepEqual(await found("WEATHER"), ["weather-1", "weather-2"]);
    assert.deepEqual(await found("http://planner"), ["planner"]);
    assert.deepEqual(await found(".*"), []);
  });

  it("pages through what was found without gaps", async () => {
    const test = await createTestApp();
    for (let i = 0; i < 5; i++) {
      await register(test, `odd-${i}`, ["c"]);
      await register(test, `even-${i}`, ["c"]);
    }
    const first = (await test.send({ url: "/v1/agents?search=odd&limit=3" })).json();
    const second = (await test.send({ url: `/v1/agents?search=odd&limit=3&cursor=${first.nextCursor}` })).json();
    assert.deepEqual(
      [...first.agents, ...second.agents].map(({ id }: { id: string }) => id),
      [0, 1, 2, 3, 4].map((i) => `odd-${i}`),
    );
    assert.equal(second.nextCursor, undefined);
  });

  it("looks at many agents in turns of the event loop", async () => {
    const test = await createTestApp();
    for (let i = 0; i < 1_001; i++) await test.node.service.register(agentId(i), aRecord());
    await test.region.clock.advance(100);
    let turns = 0;
    const { afterIo } = test.region.clock;
    test.region.clock.afterIo = (run) => {
      turns++;
      afterIo.call(test.region.clock, run);
    };
    const answer = await test.region.clock.settled(test.send({ url: "/v1/agents?search=nobody" }));
    assert.deepEqual(answer.json(), { agents: [] });
    assert.equal(turns, 2);
  });

  it("finds capabilities by a part of the name", async () => {
    const test = await createTestApp();
    await register(test, "a", ["forecast", "Forecast-hourly", "maps"]);
    const { capabilities } = (await test.send({ url: "/v1/capabilities?search=fore" })).json();
    assert.deepEqual(
      capabilities.map(({ name }: { name: string }) => name),
      ["Forecast-hourly", "forecast"],
    );
  });
});
