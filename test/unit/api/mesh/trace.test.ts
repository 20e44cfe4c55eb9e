import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createTestApp } from "../../../support/api-app.ts";

describe("/trace", () => {
  it("B: says in the real registry's words that no traces are kept", async () => {
    const { send } = await createTestApp();
    const off = { enabled: false, reason: "tracing not initialized" };
    assert.deepEqual((await send({ url: "/trace/status" })).json(), off);
    assert.deepEqual((await send({ url: "/trace/stats" })).json(), off);
    assert.deepEqual((await send({ url: "/trace/info" })).json(), {
      ...off,
      config: "MCP_MESH_DISTRIBUTED_TRACING_ENABLED=false",
    });
  });

  it("B: knows no trace", async () => {
    const { send } = await createTestApp();
    const answer = await send({ url: "/trace/abc" });
    assert.deepEqual([answer.statusCode, answer.json()], [404, { error: "tracing not enabled", enabled: false }]);
  });
});
