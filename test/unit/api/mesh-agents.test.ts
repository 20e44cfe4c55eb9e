import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestApp, type TestApp } from "../../support/api-app.ts";

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
});

const beat = (body: object) => test.send({ method: "POST", url: "/heartbeat", payload: body });
const list = async (query = "") => (await test.send({ url: `/agents${query}` })).json();
const ids = async (query: string) => ((await list(query)).agents ?? []).map(({ id }: { id: string }) => id);
const tool = (capability: string, fields: object = {}) => ({
  function_name: `do_${capability}`,
  capability,
  ...fields,
});

describe("A5: GET /agents", () => {
  it("A5: answers an empty registry with null", async () => {
    const { agents, count, timestamp } = await list();
    assert.deepEqual([agents, count], [null, 0]);
    assert.equal(timestamp, new Date(test.region.clock.wallTime()).toISOString());
  });

  it("A5: shows an agent with every field of the contract, empty lists as null", async () => {
    await beat({ agent_id: "a", name: "alpha", version: "1.0", http_host: "h", http_port: 1, description: "d" });
    const now = new Date(test.region.clock.wallTime()).toISOString();
    assert.deepEqual((await list()).agents, [
      {
        id: "a",
        name: "alpha",
        agent_type: "mcp_agent",
        runtime: "python",
        version: "1.0",
        description: "d",
        status: "healthy",
        endpoint: "http://h:1",
        created_at: now,
        last_seen: now,
        a2a_producer: false,
        a2a_consumer: false,
        total_dependencies: 0,
        dependencies_resolved: 0,
        capabilities: null,
        dependency_resolutions: null,
        llm_tool_resolutions: null,
        llm_provider_resolutions: null,
      },
    ]);
  });

  it("A5: shows capabilities without schemas and kwargs, and string filters as objects", async () => {
    const fields = {
      tags: ["t"],
      description: "d",
      kwargs: { task: true, timeout: 3 },
      inputSchema: { type: "object" },
      llm_filter: { filter: ["x", { tags: ["y"] }], filter_mode: "all" },
    };
    await beat({ agent_id: "a", tools: [tool("c", fields)] });
    assert.deepEqual((await list()).agents[0].capabilities, [
      {
        name: "c",
        version: "1.0.0",
        function_name: "do_c",
        tags: ["t"],
        description: "d",
        available: true,
        task: true,
        llm_filter: { filter: [{ capability: "x" }, { tags: ["y"] }], filter_mode: "all" },
      },
    ]);
  });

  it("A5: counts and shows resolutions as they are now", async () => {
    const dependencies = [{ capability: "date", tags: ["+utc", ["a", "b"]] }, { capability: "nobody" }];
    await beat({ agent_id: "consumer", tools: [tool("use", { dependencies })] });
    assert.equal((await list()).agents[0].dependencies_resolved, 0);
    await beat({ agent_id: "provider", http_host: "p", http_port: 1, tools: [tool("date", { tags: ["a"] })] });
    const [consumer] = (await list()).agents;
    assert.deepEqual([consumer.total_dependencies, consumer.dependencies_resolved], [2, 1]);
    assert.deepEqual(consumer.dependency_resolutions, [
      {
        function_name: "do_use",
        capability: "date",
        tags: ["+utc"],
        mcp_tool: "do_date",
        provider_agent_id: "provider",
        endpoint: "http://p:1",
        status: "available",
      },
      { function_name: "do_use", capability: "nobody", status: "unresolved" },
    ]);
  });

  it("A5: keeps unhealthy agents listed, with the reason on their capabilities", async () => {
    await beat({ agent_id: "a", tools: [tool("c")] });
    await test.send({ method: "DELETE", url: "/agents/a" });
    const [agent] = (await list()).agents;
    assert.equal(agent.status, "unhealthy");
    assert.deepEqual(
      [agent.capabilities[0].available, agent.capabilities[0].unavailable_reason],
      [false, "agent unhealthy"],
    );
  });

  it("A5: filters exactly, all together, and knows no pages", async () => {
    await beat({ agent_id: "a", namespace: "prod", tools: [tool("weather"), tool("news")] });
    await beat({ agent_id: "b", agent_type: "api", tools: [tool("Weather-radar")] });
    await beat({ agent_id: "c" });
    await test.send({ method: "DELETE", url: "/agents/c" });
    assert.deepEqual(await ids(""), ["a", "b", "c"]);
    assert.deepEqual(await ids("?status=unhealthy"), ["c"]);
    assert.deepEqual(await ids("?status=unknown"), []);
    assert.deepEqual(await ids("?namespace=prod"), ["a"]);
    assert.deepEqual(await ids("?type=api&status=healthy"), ["b"]);
    assert.deepEqual(await ids("?type=robot"), []);
    assert.deepEqual(await ids("?capabilities=weather"), ["a"]);
    assert.deepEqual(await ids("?capabilities=news&capabilities=Weather-radar"), ["a", "b"]);
    assert.deepEqual(await ids("?capabilities=weather,news"), [], "commas do not separate");
    assert.deepEqual(await ids("?capabilities=weather&fuzzy=true"), ["a", "b"]);
    assert.deepEqual(await ids("?limit=1&tags=x&name=y"), ["a", "b", "c"], "unknown parameters");
  });

  it("lists more agents than one page of the registry holds", async () => {
    for (let i = 0; i < 1_001; i++) await beat({ agent_id: `a${i}` });
    assert.equal((await list()).count, 1_001);
  });
});

describe("B: health and root", () => {
  it("B: GET /health answers alive, also without a leader", async () => {
    test.region.region.elect(null);
    await test.region.clock.advance(2_500);
    const answer = await test.send({ url: "/health" });
    assert.equal(answer.statusCode, 200);
    const { timestamp: _, ...body } = answer.json();
    assert.deepEqual(body, { status: "healthy", service: "mcp-mesh-registry", version: "1.0.0", uptime_seconds: 2 });
  });

  it("B: HEAD /health answers in headers", async () => {
    const { statusCode, headers, body } = await test.send({ method: "HEAD", url: "/health" });
    assert.deepEqual([statusCode, body], [200, ""]);
    assert.deepEqual(
      [headers["x-health-status"], headers["x-service-version"], headers["x-uptime-seconds"]],
      ["healthy", "1.0.0", "0"],
    );
  });

  it("B: GET / says what runs here", async () => {
    assert.deepEqual((await test.send({ url: "/" })).json(), {
      service: "mcp-mesh-registry",
      version: "1.0.0",
      status: "running",
      endpoints: ["/health", "/heartbeat", "/agents"],
    });
  });
});

describe("contract section 1: unknown paths, wrong methods, slashes", () => {
  for (const [method, url] of [
    ["GET", "/register"],
    ["GET", "/tags"],
    ["GET", "/heartbeat"],
    ["GET", "/heartbeat/a"],
    ["GET", "/agents/a"],
    ["HEAD", "/agents"],
    ["PUT", "/heartbeat"],
    ["PATCH", "/agents"],
    ["DELETE", "/health"],
    ["OPTIONS", "/agents"],
    ["GET", "/nothing/"],
    ["POST", "/nothing"],
    ["POST", "/events"],
    ["HEAD", "/events"],
    ["PUT", "/admin/drain"],
    ["GET", "/admin/rotate"],
    ["GET", "/admin"],
    ["GET", "/trace"],
    ["GET", "/trace/"],
    ["GET", "/trace/a/b"],
    ["GET", "/a2a"],
  ] as const) {
    it(`${method} ${url}: 404 in text`, async () => {
      const payload = method === "POST" ? "{not json" : undefined;
      const answer = await test.send({ method, url, ...(payload === undefined ? {} : { payload }) });
      assert.equal(answer.statusCode, 404);
      if (method === "HEAD") return;
      assert.deepEqual([answer.headers["content-type"], answer.body], ["text/plain", "404 page not found"]);
    });
  }

  for (const [method, url, status, location] of [
    ["GET", "/agents/", 301, "/agents"],
    ["GET", "/health/?a=b", 301, "/health?a=b"],
    ["POST", "/heartbeat/", 307, "/heartbeat"],
    ["HEAD", "/heartbeat/a/", 307, "/heartbeat/a"],
    ["DELETE", "/agents/a/", 307, "/agents/a"],
    ["GET", "/events/", 301, "/events"],
    ["GET", "/schemas/", 301, "/schemas"],
    ["GET", "/schemas/a/", 301, "/schemas/a"],
    ["GET", "/trace/status/", 301, "/trace/status"],
    ["GET", "/a2a/agents/", 301, "/a2a/agents"],
    ["GET", "/admin/drain/", 301, "/admin/drain"],
    ["DELETE", "/admin/drain/", 307, "/admin/drain"],
    ["POST", "/admin/rotate/?entity_id=1", 307, "/admin/rotate?entity_id=1"],
  ] as const) {
    it(`${method} ${url}: ${status}`, async () => {
      const answer = await test.send({ method, url });
      assert.deepEqual([answer.statusCode, answer.headers.location], [status, location]);
    });
  }

  it("answers malformed percent-encoding with 400", async () => {
    const answer = await test.send({ method: "HEAD", url: "/heartbeat/%ZZ" });
    assert.equal(answer.statusCode, 400);
    const spelled = await test.app.inject({ method: "DELETE", url: "/agents/%ZZ" });
    assert.deepEqual([spelled.statusCode, Object.keys(spelled.json())], [400, ["error", "timestamp"]]);
  });
});
