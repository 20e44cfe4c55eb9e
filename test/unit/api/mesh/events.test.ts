import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
});

const beat = (body: object) => test.send({ method: "POST", url: "/heartbeat", payload: body });
const events = async (query = "") => (await test.send({ url: `/events${query}` })).json().events;
const shown = async (query = "") =>
  (await events(query)).map((event: { event_type: string; agent_id: string }) => [event.event_type, event.agent_id]);

describe("GET /events", () => {
  it("A11: answers an empty registry with an empty list, not with null", async () => {
    assert.deepEqual((await test.send({ url: "/events" })).json(), { count: 0, events: [] });
  });

  it("A11: shows a registration with the agent's name, type and version", async () => {
    await beat({ agent_id: "a", name: "alpha", version: "1.2" });
    assert.deepEqual(await events(), [
      {
        event_type: "register",
        agent_id: "a",
        agent_name: "alpha",
        timestamp: new Date(test.region.clock.wallTime()).toISOString(),
        data: { agent_type: "mcp_agent", name: "alpha", version: "1.2" },
      },
    ]);
  });

  it("A11: is newest first, and counts what it shows", async () => {
    await beat({ agent_id: "a" });
    await beat({ agent_id: "b" });
    await test.send({ method: "DELETE", url: "/agents/a" });
    assert.deepEqual(await shown(), [
      ["unregister", "a"],
      ["register", "b"],
      ["register", "a"],
    ]);
    assert.equal((await test.send({ url: "/events?limit=2" })).json().count, 2);
  });

  it("A11: finds by type, agent and function, all together; an empty parameter is none", async () => {
    const tools = (name: string) => [{ function_name: name, capability: name }];
    await beat({ agent_id: "p1", http_host: "h", http_port: 1, tools: tools("date") });
    await beat({ agent_id: "p2", http_host: "h", http_port: 2, tools: tools("date") });
    const dependencies = [{ capability: "date" }];
    await beat({ agent_id: "c", tools: [{ function_name: "use", capability: "use", dependencies }] });
    assert.deepEqual(await shown("?type=dependency_resolved"), [["dependency_resolved", "c"]]);
    assert.deepEqual(await shown("?agent_id=p1"), [["register", "p1"]]);
    assert.deepEqual(await shown("?function_name=use&agent_id=c"), [["dependency_resolved", "c"]]);
    assert.deepEqual(await shown("?function_name=use&agent_id=p1"), []);
    assert.deepEqual(await shown("?type=expired"), [], "an unknown type");
    assert.equal((await shown("?type=&agent_id=&function_name=&limit=2&unknown=1")).length, 2);
  });

  it("B: shows 50 unless told otherwise, and draws limit to 1 to 500", async () => {
    for (let i = 0; i < 501; i++) await beat({ agent_id: `a${i}` });
    const lengths = await Promise.all(["", "?limit=0", "?limit=-7", "?limit=%2B3", "?limit=9999999"].map(events));
    assert.deepEqual(
      lengths.map((list) => list.length),
      [50, 1, 1, 3, 500],
    );
  });

  for (const query of [
    "limit=x",
    "limit=1.5",
    "limit=",
    "limit=99999999999999999999",
    "limit=1&limit=2",
    "type=a&type=b",
  ]) {
    it(`B: ?${query}: 400 {msg} that names the parameter`, async () => {
      const answer = await test.send({ url: `/events?${query}` });
      assert.equal(answer.statusCode, 400);
      assert.deepEqual(Object.keys(answer.json()), ["msg"]);
      assert.match(answer.json().msg, new RegExp(`^Invalid format for parameter ${query.split("=", 1)}: `));
    });
  }
});
