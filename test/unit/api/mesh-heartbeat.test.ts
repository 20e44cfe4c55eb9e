import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestApp, type TestApp } from "../../support/api-app.ts";

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
});

const beat = (body: object) => test.send({ method: "POST", url: "/heartbeat", payload: body });
const head = async (id: string) => (await test.send({ method: "HEAD", url: `/heartbeat/${id}` })).statusCode;
const show = async (id: string) => (await test.send({ url: `/v1/agents/${id}` })).json();
const isStored = async (id: string) => (await test.send({ url: `/v1/agents/${id}` })).statusCode === 200;
const tool = (capability: string, fields: object = {}) => ({
  function_name: `do_${capability}`,
  capability,
  ...fields,
});

describe("A2: POST /heartbeat", () => {
  it("A2: registers with nothing but an agent_id, and fills in the defaults", async () => {
    const answer = await beat({ agent_id: "hello-1a2b3c4d" });
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(answer.json(), {
      status: "success",
      agent_id: "hello-1a2b3c4d",
      message: "Agent registered via heartbeat",
      timestamp: new Date(test.region.clock.wallTime()).toISOString(),
      dependencies_resolved: {},
      llm_tools: {},
    });
    const agent = await show("hello-1a2b3c4d");
    assert.deepEqual(
      [agent.name, agent.type, agent.runtime, agent.version, agent.namespace, agent.endpoint, agent.leaseMs],
      ["hello-1a2b3c4d", "mcp_agent", "python", "", "default", "stdio://hello-1a2b3c4d", 20_000],
    );
  });

  it("A2: says updated for a known agent, healthy or not", async () => {
    await beat({ agent_id: "a" });
    assert.equal((await beat({ agent_id: "a", version: "2" })).json().message, "Agent updated via heartbeat");
    await test.region.clock.advance(60_000);
    assert.equal((await show("a")).health, "unhealthy");
    assert.equal((await beat({ agent_id: "a" })).json().message, "Agent updated via heartbeat");
    assert.equal((await show("a")).health, "healthy");
  });

  it("A2: makes the endpoint of host and port, and stdio without either", async () => {
    const endpointFor = async (id: string, fields: object) => {
      await beat({ agent_id: id, ...fields });
      return (await show(id)).endpoint;
    };
    assert.equal(await endpointFor("a", { http_host: "10.0.0.7", http_port: 8080 }), "http://10.0.0.7:8080");
    assert.equal(await endpointFor("b", { http_host: "", http_port: 8080 }), "stdio://b");
    assert.equal(await endpointFor("c", { http_host: "host", http_port: 0 }), "stdio://c");
    assert.equal(await endpointFor("d", { http_host: "0.0.0.0", http_port: 9 }), "http://0.0.0.0:9");
    assert.equal(await endpointFor("e", { http_host: "::1", http_port: 9 }), "http://[::1]:9");
  });

  it("A2: takes tools, and skips those without a function or a capability", async () => {
    await beat({
      agent_id: "a",
      tools: [
        tool("GET:/greet", { version: "", kwargs: { task: true }, description: "says hello" }),
        { function_name: "nameless" },
        { capability: "bodiless", function_name: "" },
      ],
    });
    const { capabilities } = await show("a");
    assert.deepEqual(capabilities, [
      {
        name: "GET:/greet",
        functionName: "do_GET:/greet",
        version: "1.0.0",
        tags: [],
        description: "says hello",
        dependencies: [],
        kwargs: { task: true },
      },
    ]);
  });

  it("A2: replaces the tools each time, whether they are sent or not", async () => {
    const names = async () => (await show("a")).capabilities.map(({ name }: { name: string }) => name);
    await beat({ agent_id: "a", tools: [tool("one"), tool("two")] });
    assert.deepEqual(await names(), ["one", "two"]);
    await beat({ agent_id: "a", tools: [tool("three")] });
    assert.deepEqual(await names(), ["three"]);
    await beat({ agent_id: "a", version: "2" });
    assert.deepEqual(await names(), []);
  });

  it("A2: changes only what is present, and never back to a default", async () => {
    const full = {
      agent_id: "a",
      name: "alpha",
      agent_type: "api",
      runtime: "java",
      namespace: "prod",
      version: "1",
      http_host: "h",
      http_port: 80,
      description: "first",
      a2a_producer: true,
    };
    await beat(full);
    const before = await show("a");
    const defaults = { name: "a", agent_type: "mcp_agent", runtime: "python", namespace: "default" };
    assert.equal((await beat({ agent_id: "a", ...defaults })).json().status, "success");
    const { revision: _, changedAtMs: __, lastSeenMs: ___, ...after } = await show("a");
    assert.deepEqual({ ...before, ...after }, before);
    await beat({ agent_id: "a", http_port: 81, runtime: "typescript" });
    const moved = await show("a");
    assert.deepEqual([moved.endpoint, moved.runtime, moved.name], ["http://h:81", "typescript", "alpha"]);
  });

  it("A2: resolves one entry per declared dependency, in order, and none for a function without", async () => {
    await beat({
      agent_id: "provider",
      http_host: "p",
      http_port: 1,
      tools: [tool("date", { tags: ["utc"], kwargs: { timeout: 9 } }), tool("plain")],
    });
    const dependencies = [
      { capability: "nobody" },
      { capability: "date", tags: ["utc"], version: ">=1" },
      { capability: "date", tags: ["local"] },
      { capability: "plain", tags: [["no", "+way"], ["-x"]] },
      { capability: "plain", required: true },
    ];
    const answer = await beat({ agent_id: "consumer", tools: [tool("use", { dependencies }), tool("alone")] });
    const unresolved = (capability: string) => ({
      agent_id: "",
      function_name: "",
      endpoint: "",
      capability,
      status: "unresolved",
    });
    const resolved = (capability: string) => ({
      agent_id: "provider",
      function_name: `do_${capability}`,
      endpoint: "http://p:1",
      capability,
      status: "available",
    });
    assert.deepEqual(answer.json().dependencies_resolved, {
      do_use: [
        unresolved("nobody"),
        { ...resolved("date"), kwargs: { timeout: 9 } },
        unresolved("date"),
        unresolved("plain"),
        resolved("plain"),
      ],
    });
  });

  it("A2: cuts the description at 256 characters, not bytes, with a warning", async () => {
    const answer = await beat({ agent_id: "a", description: `  ${"🌊".repeat(300)}  ` });
    assert.deepEqual(answer.json().warnings, ["description truncated from 300 to 256 chars"]);
    assert.equal((await show("a")).description, "🌊".repeat(256));
    assert.equal((await beat({ agent_id: "b", description: "x".repeat(256) })).json().warnings, undefined);
  });

  it("A2: ignores unknown fields, status and content type, and reads null as absent", async () => {
    const body = { agent_id: "a", name: null, tools: [{ ...tool("c"), tags: null }], status: "offline", novel: [1] };
    const headers = { "content-type": "text/weird" };
    const answer = await test.send({ method: "POST", url: "/heartbeat", headers, payload: JSON.stringify(body) });
    assert.equal(answer.json().status, "success");
    const agent = await show("a");
    assert.deepEqual([agent.name, agent.health, agent.capabilities[0].tags], ["a", "healthy", []]);
  });

  it("A2: keeps schemas with their hash only in pairs", async () => {
    const hash = `sha256:${"0".repeat(64)}`;
    const schemas = { inputSchemaCanonical: { type: "object" }, inputSchemaHash: hash, outputSchemaHash: hash };
    await beat({ agent_id: "a", tools: [tool("c", schemas)] });
    const { record } = test.node.service.get("a" as never)!;
    const { inputSchemaHash, inputSchemaCanonical, outputSchemaHash } = record.capabilities[0]!;
    assert.deepEqual([inputSchemaHash, inputSchemaCanonical, outputSchemaHash], [hash, { type: "object" }, undefined]);
  });
});

describe("B: what POST /heartbeat leaves in the audit", () => {
  const told = async (id: string) => (await test.send({ url: `/events?agent_id=${id}` })).json().events;
  const consumer = { agent_id: "c", agent_type: "api", tools: [tool("use", { dependencies: [{ capability: "d" }] })] };

  it("B: a choice that has more to choose from is told, though the same one is chosen", async () => {
    await beat({ agent_id: "a", tools: [tool("d", { version: "2.0.0" })] });
    await beat(consumer);
    assert.deepEqual(await told("c"), []);
    await beat({ agent_id: "b", tools: [tool("d", { version: "1.0.0" })] });
    await beat(consumer);
    await beat(consumer);
    const [event, ...others] = await told("c");
    assert.deepEqual([event.event_type, event.data.chosen.agent_id, others], ["dependency_resolved", "a", []]);
  });
});

describe("A2: what POST /heartbeat refuses", () => {
  it("A8: a cycle of required dependencies, named in the contract's words", async () => {
    const needing = (id: string, needed: string) => ({
      agent_id: id,
      tools: [tool(id, { dependencies: [{ capability: needed, required: true }] })],
    });
    await beat(needing("a", "b"));
    const { status, message } = (await beat(needing("b", "a"))).json();
    assert.deepEqual([status, message], ["error", "required dependency cycle: a → b → a"]);
  });

  for (const [what, body, message] of [
    ["an upper case id", { agent_id: "Hello" }, /^validation failed: agent_id: /],
    ["an id that begins with a dash", { agent_id: "-a" }, /^validation failed: agent_id: /],
    ["an id with ../", { agent_id: "../../etc/passwd" }, /^validation failed: agent_id: /],
    ["an id with control characters", { agent_id: "a\u0000b" }, /^validation failed: agent_id: /],
    ["an over-long id", { agent_id: "a".repeat(254) }, /^validation failed: agent_id: /],
    ["an empty name", { agent_id: "a", name: "" }, /^validation failed: name: /],
    ["an over-long name", { agent_id: "a", name: "a".repeat(64) }, /^validation failed: name: /],
    ["an empty namespace", { agent_id: "a", namespace: "" }, /^validation failed: namespace: /],
    ["a bad namespace", { agent_id: "a", namespace: "Prod!" }, /^validation failed: namespace: /],
    ["an unknown type", { agent_id: "a", agent_type: "robot" }, /^validation failed: agent_type: /],
    ["an unknown runtime", { agent_id: "a", runtime: "cobol" }, /^validation failed: runtime: /],
    [
      "a host with a path in it",
      { agent_id: "a", http_host: "h/../x", http_port: 1 },
      /^validation failed: http_host: /,
    ],
    ["a port out of range", { agent_id: "a", http_host: "h", http_port: 70_000 }, /^validation failed: http_port: /],
    [
      "an unknown match mode",
      { agent_id: "a", tools: [tool("c", { dependencies: [{ capability: "d", matchMode: "loose" }] })] },
      /^validation failed: tools\[0\]\.dependencies\[0\]\.matchMode: /,
    ],
    [
      "more than the registry keeps",
      { agent_id: "a", tools: Array.from({ length: 300 }, (_, i) => tool(`c${i}`)) },
      /^validation failed: capabilities: /,
    ],
  ] as const) {
    it(`A2: ${what}: 200 with status error, and nothing stored`, async () => {
      const answer = await beat(body);
      assert.equal(answer.statusCode, 200);
      const { status, agent_id, message: said, ...rest } = answer.json();
      assert.deepEqual([status, agent_id, Object.keys(rest)], ["error", body.agent_id, ["timestamp"]]);
      assert.match(said, message);
      assert.equal(test.node.service.countAgents().healthy, 0);
      assert.equal((await beat({ agent_id: "next" })).json().status, "success", "the next one");
    });
  }

  for (const [what, payload, named] of [
    ["malformed JSON", '{"agent_id":', "JSON"],
    ["an empty body", "", "body"],
    ["an array", "[]", "body"],
    ["no agent_id", "{}", "agent_id"],
    ["an empty agent_id", '{"agent_id":""}', "agent_id"],
    ["a null agent_id", '{"agent_id":null}', "agent_id"],
    ["a number for a string", '{"agent_id":"a","name":5}', "name"],
    ["a string for a number", '{"agent_id":"a","http_port":"80"}', "http_port"],
    ["half a port", '{"agent_id":"a","http_port":80.5}', "http_port"],
    ["tools that are no list", '{"agent_id":"a","tools":{}}', "tools"],
    ["a tool that is no object", '{"agent_id":"a","tools":["x"]}', "tools[0]"],
    ["a dependency that is a string", '{"agent_id":"a","tools":[{"dependencies":["x"]}]}', "tools[0].dependencies[0]"],
    ["a tag that is a number", '{"agent_id":"a","tools":[{"tags":[7]}]}', "tools[0].tags[0]"],
    ["a timestamp that is none", '{"agent_id":"a","timestamp":"yesterday"}', "timestamp"],
    ["a prototype", '{"agent_id":"a","tools":[{"kwargs":{"__proto__":{"x":1}}}]}', "__proto__"],
    ["an abyss of brackets", `{"agent_id":"a","x":${"[".repeat(5_000)}${"]".repeat(5_000)}}`, "nested"],
    ["a swarm of values", `{"agent_id":"a","tools":[${"{},".repeat(1_000_000)}{}]}`, "values"],
  ] as const) {
    it(`A2: ${what}: 400 {error, timestamp}, and nothing stored`, async () => {
      const answer = await test.send({ method: "POST", url: "/heartbeat", payload });
      assert.equal(answer.statusCode, 400);
      const { error, timestamp, ...rest } = answer.json();
      assert.ok(error.includes(named), `${error} names ${named}`);
      assert.deepEqual([typeof timestamp, rest], ["string", {}]);
      assert.equal(await isStored("a"), false);
      assert.equal((await beat({ agent_id: "next" })).json().status, "success", "the next one");
    });
  }

  it("A2: a body over 10 MiB: 413", async () => {
    const payload = JSON.stringify({ agent_id: "a", padding: "x".repeat(10 * 1024 * 1024) });
    const answer = await test.send({ method: "POST", url: "/heartbeat", payload });
    assert.equal(answer.statusCode, 413);
    assert.deepEqual(Object.keys(answer.json()), ["error", "timestamp"]);
    assert.equal(await isStored("a"), false);
  });

  it("A2: a record over the limit: 413, and the old state stays", async () => {
    await beat({ agent_id: "a", version: "1" });
    const kwargs = { text: "x".repeat(70_000) };
    assert.equal((await beat({ agent_id: "a", version: "2", tools: [tool("c", { kwargs })] })).statusCode, 413);
    assert.equal((await show("a")).version, "1");
  });

  it("A2: does not judge the names of a known agent again", async () => {
    await test.send({
      method: "PUT",
      url: "/v1/agents/My_Agent.1",
      payload: { endpoint: "http://x:1", capabilities: [] },
    });
    assert.equal((await beat({ agent_id: "My_Agent.1", version: "3" })).json().status, "success");
    assert.equal((await show("My_Agent.1")).version, "3");
  });

  it("F18: answers 503 with Retry-After without a leader", async () => {
    test.region.region.elect(null);
    const answer = await beat({ agent_id: "a" });
    assert.equal(answer.statusCode, 503);
    assert.equal(answer.headers["retry-after"], "1");
    assert.deepEqual(Object.keys(answer.json()), ["error", "timestamp"]);
  });
});

describe("A3: HEAD /heartbeat/{id}", () => {
  it("A3: answers 200 with an empty body while nothing changed", async () => {
    await beat({ agent_id: "a" });
    const answer = await test.send({ method: "HEAD", url: "/heartbeat/a" });
    assert.deepEqual([answer.statusCode, answer.body], [200, ""]);
  });

  /** Needs what `b` offers. */
  const consumer = { agent_id: "a", tools: [tool("report", { dependencies: [{ capability: "weather" }] })] };
  const provider = { agent_id: "b", tools: [tool("weather")] };

  it("A3: answers 202 once a provider came, until the agent POSTs", async () => {
    await beat(consumer);
    await beat(provider);
    assert.deepEqual([await head("a"), await head("a")], [202, 202]);
    await beat(consumer);
    assert.equal(await head("a"), 200);
  });

  it("A3: answers 202 once the provider went", async () => {
    await beat(provider);
    await beat(consumer);
    await test.send({ method: "DELETE", url: "/agents/b" });
    assert.equal(await head("a"), 202);
  });

  it("A3: answers 202 once the provider moved, or offers it in another way", async () => {
    await beat(provider);
    for (const change of [{ http_host: "h", http_port: 1 }, { tools: [tool("weather", { kwargs: { timeout: 1 } })] }]) {
      await beat(consumer);
      await beat({ ...provider, ...change });
      assert.equal(await head("a"), 202, JSON.stringify(change));
    }
  });

  it("A3: answers 200 still when agents come and go that it does not need", async () => {
    await beat(consumer);
    await beat({ agent_id: "c", tools: [tool("something else")] });
    await test.send({ method: "DELETE", url: "/agents/c" });
    assert.equal(await head("a"), 200);
  });

  it("A3: answers 200 still when agents of type api come and go", async () => {
    await beat({ agent_id: "a" });
    await beat({ agent_id: "route", agent_type: "api" });
    await test.send({ method: "DELETE", url: "/agents/route" });
    assert.equal(await head("a"), 200);
  });

  it("A3: answers 410 for an unknown agent and for an unhealthy one, and revives neither", async () => {
    assert.equal(await head("nobody"), 410);
    await beat({ agent_id: "a" });
    await test.region.clock.advance(60_000);
    assert.deepEqual([await head("a"), (await show("a")).health], [410, "unhealthy"]);
  });

  it("A3: answers 410 for ids that no agent can have", async () => {
    for (const id of ["..%2F..%2Fetc", "a%00b", "A%0AB", "x".repeat(400)]) assert.equal(await head(id), 410, id);
  });

  it("says that its answer is empty, so that clients keep the connection", async () => {
    await beat({ agent_id: "a" });
    for (const url of ["/heartbeat/a", "/heartbeat/nobody", "/health"]) {
      assert.equal((await test.send({ method: "HEAD", url })).headers["content-length"], "0", url);
    }
  });

  it("A3: keeps the lease", async () => {
    await beat({ agent_id: "a" });
    for (let i = 0; i < 20; i++) {
      assert.equal(await head("a"), 200);
      await test.region.clock.advance(5_000);
    }
    assert.equal((await show("a")).health, "healthy");
  });

  it("F18: answers 503, never 410, without a leader", async () => {
    await beat({ agent_id: "a" });
    test.region.region.elect(null);
    assert.deepEqual([await head("a"), await head("nobody")], [503, 503]);
  });
});

describe("A4: DELETE /agents/{id}", () => {
  const unregister = async (id: string) => {
    const { statusCode, body } = await test.send({ method: "DELETE", url: `/agents/${id}` });
    return [statusCode, body];
  };

  it("A4: takes no notice of a body", async () => {
    await beat({ agent_id: "a" });
    const answer = await test.send({ method: "DELETE", url: "/agents/a", payload: "{" });
    assert.deepEqual([answer.statusCode, (await show("a")).health], [204, "unhealthy"]);
  });

  it("A4: answers 204 and keeps the agent listed as unhealthy", async () => {
    await beat({ agent_id: "a" });
    assert.deepEqual(await unregister("a"), [204, ""]);
    const agent = await show("a");
    assert.deepEqual([agent.health, agent.unhealthyReason], ["unhealthy", "deregistered"]);
    assert.equal(await head("a"), 410);
  });

  it("A4: answers 204 for an unknown agent, and for an id that none can have", async () => {
    assert.deepEqual(await unregister("nobody"), [204, ""]);
    assert.deepEqual(await unregister("..%2F.."), [204, ""]);
  });
});
