import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createTestApp, OTHER_REGION_HTTP } from "../../../support/api-app.ts";

const PAGE = { origin: OTHER_REGION_HTTP };
const READ = ["/ready", "/v1/cluster", "/v1/nodes", "/v1/regions", "/v1/agents", "/v1/capabilities", "/v1/trend"];

describe("a page of another node", () => {
  it("may read what the dashboard shows", async () => {
    const { app } = await createTestApp();
    for (const url of [...READ, "/v1/agents?limit=1", "/v1/lookup?capability=c"]) {
      const answer = await app.inject({ url, headers: PAGE });
      assert.equal(answer.headers["access-control-allow-origin"], OTHER_REGION_HTTP, url);
      assert.equal(answer.headers.vary, "Origin", url);
      assert.equal(answer.headers["access-control-allow-credentials"], undefined, url);
    }
  });

  it("may send its token, and where it goes on", async () => {
    const { app } = await createTestApp();
    const answer = await app.inject({
      method: "OPTIONS",
      url: "/v1/activity",
      headers: { ...PAGE, "access-control-request-method": "GET", "access-control-request-headers": "authorization" },
    });
    assert.equal(answer.statusCode, 204);
    assert.equal(answer.headers["access-control-allow-headers"], "authorization, last-event-id");
    assert.equal(answer.headers["access-control-allow-methods"], "GET");
  });

  it("may read errors too: they say what to do", async () => {
    const { app } = await createTestApp();
    const answer = await app.inject({ url: "/v1/lookup?region=nowhere&capability=c", headers: PAGE });
    assert.deepEqual([answer.statusCode, answer.headers["access-control-allow-origin"]], [404, OTHER_REGION_HTTP]);
  });

  it("may not write, and may not read anything else", async () => {
    const { app } = await createTestApp();
    for (const [method, url] of [
      ["PUT", "/v1/agents/a"],
      ["DELETE", "/v1/agents/a"],
      ["POST", "/v1/cluster/transfer"],
      ["GET", "/v1/cluster/members"],
      ["GET", "/metrics"],
      ["GET", "/agents"],
      ["GET", "/proxy/a:1/mcp"],
      ["GET", "/v1/agents/a/../../cluster/peers"],
    ] as const) {
      const asked = { ...PAGE, "access-control-request-method": method };
      const preflight = await app.inject({ method: "OPTIONS", url, headers: asked });
      assert.equal(preflight.headers["access-control-allow-origin"], undefined, `${method} ${url}`);
      const answer = await app.inject({ method, url, headers: PAGE });
      assert.equal(answer.headers["access-control-allow-origin"], undefined, `${method} ${url}`);
    }
  });
});

describe("a page from anywhere else", () => {
  it("may read nothing", async () => {
    const { app } = await createTestApp();
    for (const origin of [
      "http://evil.example",
      "https://us-west-1:8000",
      "http://us-west-1:8001",
      "http://us-west-1",
      "http://us-west-1:8000.evil.example",
      "null",
      "*",
    ]) {
      for (const url of READ) {
        const answer = await app.inject({ url, headers: { origin } });
        assert.equal(answer.headers["access-control-allow-origin"], undefined, `${origin} ${url}`);
      }
    }
  });

  it("is one of this machine when it is called localhost, where nodes say 127.0.0.1", async () => {
    const { app, view } = await createTestApp();
    const nodes = view.nodes();
    view.nodes = () => nodes.map((node, i) => (i === 0 ? { ...node, http: "http://127.0.0.1:8000" } : node));
    const allowed = async (origin: string) =>
      (await app.inject({ url: "/ready", headers: { origin } })).headers["access-control-allow-origin"];
    assert.equal(await allowed("http://localhost:8000"), "http://localhost:8000");
    assert.equal(await allowed("http://localhost:8001"), undefined);
    assert.equal(await allowed("http://localhost.evil.example:8000"), undefined);
  });
});
