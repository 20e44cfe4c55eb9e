import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { Clock } from "../../../../src/util/clock.ts";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

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

describe("GET /agents, in pages", () => {
  const page = async (query: string) => (await test.send({ url: `/agents?${query}` })).json();

  it("goes from page to page by cursor, to the last one, which names none", async () => {
    const first = await page("limit=1&cursor=");
    assert.deepEqual([first.count, first.agents[0].id, typeof first.next_cursor], [1, "idle", "string"]);
    const second = await page(`limit=1&cursor=${first.next_cursor}`);
    assert.deepEqual([second.agents[0].id, second.next_cursor], ["worker", undefined]);
  });

  it("filters pages as it filters the whole list", async () => {
    assert.deepEqual((await page("cursor=&limit=1&capabilities=work")).agents[0].id, "worker");
    assert.equal((await page("cursor=&status=unknown")).count, 0);
  });

  it("A5: has no pages when only limit is given, which the real registry ignores", async () => {
    const { count, next_cursor } = await page("limit=1");
    assert.deepEqual([count, next_cursor], [2, undefined]);
    assert.equal((await page("limit=many")).count, 2);
  });

  for (const query of ["cursor=&limit=0", "cursor=&limit=1001", "cursor=&limit=x", "cursor=nonsense"]) {
    it(`?${query}: 400 {error, timestamp}`, async () => {
      const answer = await test.send({ url: `/agents?${query}` });
      assert.deepEqual([answer.statusCode, Object.keys(answer.json())], [400, ["error", "timestamp"]]);
    });
  }
});

describe("GET /agents, what agents need", () => {
  const beat = (body: object) => test.send({ method: "POST", url: "/heartbeat", payload: body });
  const agent = async (id: string) => (await page()).agents.find((each: { id: string }) => each.id === id);
  const page = async () => (await test.send({ url: "/agents" })).json();
  const provider = { agent_id: "p", http_host: "0.0.0.0", http_port: 9001 };
  const date = { function_name: "today", capability: "date", tags: ["utc"], inputSchema: { type: "object" } };
  const needsDate = { function_name: "use", capability: "use", dependencies: [{ capability: "date", required: true }] };

  it("A8: a capability without what it requires is not available, and says why", async () => {
    await beat({ agent_id: "c", tools: [needsDate] });
    const [lacking] = (await agent("c")).capabilities;
    assert.deepEqual([lacking.available, lacking.unavailable_reason], [false, "required dep 'date' unresolved"]);
    await beat({ ...provider, tools: [date] });
    const [served] = (await agent("c")).capabilities;
    assert.deepEqual([served.available, served.unavailable_reason], [true, undefined]);
  });

  it("A5: a dependency whose only provider went is unavailable, and names the provider", async () => {
    await beat({ ...provider, tools: [date] });
    await beat({ agent_id: "c", tools: [needsDate] });
    await test.send({ method: "DELETE", url: "/agents/p" });
    const consumer = await agent("c");
    assert.deepEqual(consumer.dependency_resolutions, [
      {
        function_name: "use",
        capability: "date",
        mcp_tool: "today",
        provider_agent_id: "p",
        endpoint: "http://0.0.0.0:9001",
        status: "unavailable",
      },
    ]);
    assert.deepEqual([consumer.total_dependencies, consumer.dependencies_resolved], [1, 0]);
    const reason = "required dep 'date' unavailable (provider p unhealthy)";
    assert.equal(consumer.capabilities[0].unavailable_reason, reason);
  });

  it("A5: a provider that never fitted is no provider that went", async () => {
    await beat({ ...provider, tools: [date] });
    const dependencies = [{ capability: "date", tags: ["cet"] }];
    await beat({ agent_id: "c", tools: [{ function_name: "use", capability: "use", dependencies }] });
    await test.send({ method: "DELETE", url: "/agents/p" });
    const [resolution] = (await agent("c")).dependency_resolutions;
    assert.deepEqual(resolution, { function_name: "use", capability: "date", tags: ["cet"], status: "unresolved" });
  });

  it("A5: a provider whose schema does not fit is there, but no provider that went", async () => {
    await beat({ ...provider, tools: [date] });
    const expected = { expectedSchemaCanonical: { type: "string" }, expectedSchemaHash: `sha256:${"a".repeat(64)}` };
    const dependencies = [{ capability: "date", matchMode: "strict", ...expected }];
    await beat({ agent_id: "c", tools: [{ function_name: "use", capability: "use", dependencies }] });
    const [resolution] = (await agent("c")).dependency_resolutions;
    assert.deepEqual(resolution, { function_name: "use", capability: "date", status: "unresolved" });
  });

  it("A5: shows the tools and the language model that a function gets", async () => {
    await beat({ ...provider, tools: [date, { ...date, function_name: "ask", capability: "llm" }] });
    const llm_filter = { filter: [{ capability: "date", tags: ["utc"] }], filter_mode: "all" };
    const llm_provider = { capability: "llm" };
    await beat({ agent_id: "c", tools: [{ function_name: "think", capability: "think", llm_filter, llm_provider }] });
    const { llm_tool_resolutions, llm_provider_resolutions } = await agent("c");
    const chosen = { provider_agent_id: "p", endpoint: "http://localhost:9001", status: "available" };
    assert.deepEqual(llm_tool_resolutions, [
      {
        function_name: "think",
        filter_capability: "date",
        filter_tags: ["utc"],
        filter_mode: "all",
        mcp_tool: "today",
        provider_capability: "date",
        ...chosen,
      },
    ]);
    assert.deepEqual(llm_provider_resolutions, [
      { function_name: "think", required_capability: "llm", mcp_tool: "ask", ...chosen },
    ]);
  });
});

describe("GET /agents, of many agents", () => {
  it("leaves the event loop to others in between, and misses nobody", async () => {
    let pauses = 0;
    const clock = new VirtualClock();
    const slow: Clock = {
      // Each look at the clock finds it later, as when every agent takes long.
      now: () => {
        clock.stall(6);
        return clock.now();
      },
      wallTime: () => clock.wallTime(),
      schedule: (delayMs, run) => clock.schedule(delayMs, run),
      soon: queueMicrotask,
      afterIo: (run) => {
        pauses++;
        setImmediate(run);
      },
    };
    const { send } = await createTestApp({ clock: slow });
    for (let i = 0; i < 8; i++) await send({ method: "POST", url: "/heartbeat", payload: { agent_id: `a${i}` } });
    const { agents, count } = (await send({ url: "/agents" })).json();
    assert.deepEqual([agents.length, count], [8, 8]);
    assert.ok(pauses >= 3, `${pauses} pauses`);
  });
});
