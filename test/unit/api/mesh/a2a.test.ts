import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MESH_DEFAULTS } from "../../../../src/api/modules.ts";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";

async function register({ send }: TestApp): Promise<void> {
  const surfaces = [
    { path: "/agents/date", skill_id: "get-date", name: "Date", tags: ["t"] },
    { path: "no-slash", skill_id: "s2" },
    { path: "", skill_id: "s3" },
  ];
  await send({ method: "POST", url: "/heartbeat", payload: { agent_id: "a", agent_type: "a2a", surfaces } });
  await send({ method: "POST", url: "/heartbeat", payload: { agent_id: "tool", surfaces } });
}

describe("GET /a2a/agents", () => {
  it("C: answers an empty registry with an empty list", async () => {
    const { send } = await createTestApp();
    assert.deepEqual((await send({ url: "/a2a/agents" })).json(), { surfaces: [] });
  });

  it("C: shows where the surfaces of A2A agents are reached, whatever the agents' health", async () => {
    const test = await createTestApp({ mesh: { ...MESH_DEFAULTS, publicUrlPrefix: "https://pub.example/x" } });
    await register(test);
    await test.send({ method: "DELETE", url: "/agents/a" });
    assert.deepEqual((await test.send({ url: "/a2a/agents" })).json().surfaces, [
      {
        path: "/agents/date",
        skill_id: "get-date",
        public_url: "https://pub.example/x/agents/date",
        agent_card_url: "https://pub.example/x/agents/date/.well-known/agent.json",
      },
      {
        path: "no-slash",
        skill_id: "s2",
        public_url: "https://pub.example/x/no-slash",
        agent_card_url: "https://pub.example/x/no-slash/.well-known/agent.json",
      },
    ]);
  });

  it("C: leaves the URLs out when nobody said what they begin with", async () => {
    const test = await createTestApp();
    await register(test);
    assert.deepEqual((await test.send({ url: "/a2a/agents" })).json().surfaces, [
      { path: "/agents/date", skill_id: "get-date" },
      { path: "no-slash", skill_id: "s2" },
    ]);
  });
});
