import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
  for (const [agent_id, tools] of [
    ["idle", []],
    ["worker", [{ function_name: "f", capability: "work" }]],
  ] as const) {
    await test.send({ method: "POST", url: "/heartbeat", payload: { agent_id, tools } });
  }
});

async function ids(query: string): Promise<string[]> {
  const { agents } = (await test.send({ url: `/agents${query}` })).json();
  return (agents ?? []).map(({ id }: { id: string }) => id);
}

describe("GET /agents, as the real registry filters", () => {
  it("A5: knows no capability with an empty name", async () => {
    assert.deepEqual(await ids("?capabilities="), []);
    assert.deepEqual(await ids("?capabilities=&capabilities=work"), ["worker"]);
  });

  it("A5: finds the empty name in every name when fuzzy", async () => {
    assert.deepEqual(await ids("?capabilities=&fuzzy=true"), ["worker"]);
  });

  it("A5: takes the other filters, left empty, as none", async () => {
    assert.deepEqual(await ids("?status=&type=&namespace=&fuzzy="), ["idle", "worker"]);
  });

  it("A5: a bad boolean: 400 {error, timestamp}, as for everything else", async () => {
    const answer = await test.send({ url: "/agents?fuzzy=maybe" });
    assert.equal(answer.statusCode, 400);
    assert.deepEqual(Object.keys(answer.json()), ["error", "timestamp"]);
    assert.match(answer.json().error, /fuzzy/);
  });
});
