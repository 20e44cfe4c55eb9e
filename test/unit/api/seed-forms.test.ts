import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestApp, type TestApp } from "../../support/api-app.ts";

const SEED = { id: "test-agent-1", capabilities: ["test-capability"], endpoint: "http://test-agent:8080" };

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
});
const post = (payload: object, url = "/agents") => test.send({ method: "POST", url, payload });

describe("seed forms: registering", () => {
  for (const url of ["/agents", "/api/v1/agents"]) {
    it(`POST ${url} answers 200, new or known, with a lease of 60 s`, async () => {
      for (const change of ["created", "unchanged"]) {
        const answer = await post(SEED, url);
        assert.equal(answer.statusCode, 200);
        const { status, id, change: said, leaseMs } = answer.json();
        assert.deepEqual([status, id, said, leaseMs], ["success", "test-agent-1", change, 60_000]);
      }
    });
  }

  it("keeps the endpoint verbatim, and makes capabilities of strings and objects", async () => {
    const endpoint = "http://test-agent:8080/path?x=1";
    const capabilities = ["plain", { name: "rich", version: "2.0.0", tags: ["t"], description: "d", novel: 1 }];
    await post({ ...SEED, endpoint, capabilities, unknown: "ignored" });
    const agent = (await test.send({ url: "/v1/agents/test-agent-1" })).json();
    assert.equal(agent.endpoint, endpoint);
    assert.deepEqual(agent.capabilities, [
      { name: "plain", functionName: "plain", version: "1.0.0", tags: [], dependencies: [] },
      { name: "rich", functionName: "rich", version: "2.0.0", tags: ["t"], description: "d", dependencies: [] },
    ]);
  });

  it("takes 100 registrations at once", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => post({ ...SEED, id: `agent-${i}` })));
    assert.ok(answers.every(({ statusCode }) => statusCode === 200));
    assert.equal(test.node.service.countAgents().healthy, 100);
  });

  it("does not look at the content type", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const answer = await test.send({ method: "POST", url: "/agents", headers, payload: JSON.stringify(SEED) });
    assert.equal(answer.statusCode, 200);
  });
});

describe("seed forms: finding", () => {
  beforeEach(async () => {
    await post({ ...SEED, metadata: { team: "x" } });
    await post({ id: "other", capabilities: [], endpoint: "http://other:1" });
  });

  it("GET /api/v1/agents answers a bare array", async () => {
    const agents = (await test.send({ url: "/api/v1/agents" })).json();
    assert.deepEqual(
      agents.map(({ id }: { id: string }) => id),
      ["other", "test-agent-1"],
    );
  });

  for (const url of ["/api/v1/agents?capability=test-capability", "/agents?capability=test-capability"]) {
    it(`GET ${url} answers a bare array of those that offer it`, async () => {
      const answer = await test.send({ url });
      assert.equal(answer.headers["x-atoll-complete"], "true");
      assert.deepEqual(answer.json(), [
        {
          id: "test-agent-1",
          name: "test-agent-1",
          endpoint: "http://test-agent:8080",
          status: "healthy",
          region: "us-east",
          capabilities: ["test-capability"],
          metadata: { team: "x" },
        },
      ]);
    });
  }

  it("names an agent once, however many of its functions match", async () => {
    const capabilities = [
      { name: "twice", tags: ["a"] },
      { name: "twice", tags: ["b"] },
    ];
    await post({ id: "both", capabilities, endpoint: "http://both:1" });
    assert.equal((await test.send({ url: "/agents?capability=twice" })).json().length, 1);
  });

  it("P9: says in a header that a region is missing from the array", async () => {
    const error = { code: "TIMEOUT", message: "no answer" };
    test.node.remote.answers = [
      { region: "us-west" as never, source: "none", revision: 0, stalenessMs: 0, agents: [], hasMore: false, error },
    ];
    const answer = await test.send({ url: "/agents?capability=test-capability" });
    assert.equal(answer.headers["x-atoll-complete"], "false");
  });

  it("GET /capabilities lists by name, and filters", async () => {
    const capabilities = [{ name: "alpha", version: "2.0.0", tags: ["a", "b"], description: "first" }];
    await post({ id: "third", name: "Third", capabilities, endpoint: "http://third:1" });
    const { capabilities: all, count } = (await test.send({ url: "/capabilities" })).json();
    assert.equal(count, 2);
    assert.deepEqual(all[0], {
      name: "alpha",
      version: "2.0.0",
      description: "first",
      tags: ["a", "b"],
      agent_id: "third",
      agent_name: "Third",
      agent_namespace: "default",
      agent_status: "healthy",
      agent_endpoint: "http://third:1",
    });
    const counts = async (query: string) => (await test.send({ url: `/capabilities?${query}` })).json().count;
    for (const [query, expected] of [
      ["name=alpha", 1],
      ["name=ALPHA", 0],
      ["name=ALPH&fuzzy=true", 1],
      ["version=2.0.0", 1],
      ["tags=a,b", 1],
      ["tags=a&tags=c", 0],
      ["agent_id=third", 1],
      ["namespace=elsewhere", 0],
      ["status=unhealthy", 0],
    ] as const) {
      assert.equal(await counts(query), expected, query);
    }
  });
});
