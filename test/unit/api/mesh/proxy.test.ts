import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { InjectOptions } from "fastify";
import { DEFAULT_HTTP_LIMITS, PROXY_DEFAULTS, type ProxyOptions } from "../../../../src/api/modules.ts";
import { asAgentId, asRegionId } from "../../../../src/types/ids.ts";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";
import { answerOf, FakeAgent, silence, unending } from "../../../support/fake-agent.ts";
import { aQuery } from "../../registry/fixtures.ts";

const AGENT = "/proxy/10.0.0.7:8081/mcp";
const EVENTS = [["Content-Type", "text/event-stream"]] as const;

let agent: FakeAgent;
let test: TestApp;

beforeEach(() => start());
afterEach(() => test.app.close());

async function start(options: Partial<ProxyOptions> = {}): Promise<void> {
  agent = new FakeAgent();
  test = await createTestApp({
    proxy: { ...PROXY_DEFAULTS, ...options, callAgent: agent.call },
    limits: { ...DEFAULT_HTTP_LIMITS, meshBodyBytesMax: 1_000 },
  });
  await register({ agent_id: "clock-1a2b3c4d", name: "clock", http_host: "10.0.0.7", http_port: 8081 });
}

async function restart(options: Partial<ProxyOptions>): Promise<void> {
  await test.app.close();
  await start(options);
}

async function register(heartbeat: object): Promise<void> {
  const answer = await test.app.inject({ method: "POST", url: "/heartbeat", payload: heartbeat });
  assert.equal(answer.json().status, "success", answer.body);
}

function get(url: string, options: InjectOptions = {}) {
  return test.app.inject({ url, ...options });
}

function post(url: string, options: InjectOptions = {}) {
  return test.app.inject({ method: "POST", url, payload: "{}", ...options });
}

describe("whom /proxy calls", () => {
  it("B: the agent registered at host and port, with path, query and body as they came", async () => {
    const answer = await post(`${AGENT}/v1/a%20b?session=1`, { payload: '{"jsonrpc":"2.0"}' });
    assert.deepEqual([answer.statusCode, answer.body], [200, '{"ok":true}']);
    const { method, url, body } = agent.last;
    assert.deepEqual([method, url.href], ["POST", "http://10.0.0.7:8081/mcp/v1/a%20b?session=1"]);
    assert.equal(await body, '{"jsonrpc":"2.0"}');
  });

  it("B: by GET too, without a body", async () => {
    await get(AGENT);
    assert.deepEqual([agent.last.method, agent.last.url.href], ["GET", "http://10.0.0.7:8081/mcp"]);
  });

  it("B: the agent with that id, or that name, and that port", async () => {
    for (const host of ["clock-1a2b3c4d", "clock"]) {
      assert.equal((await post(`/proxy/${host}:8081/mcp`)).statusCode, 200);
      assert.equal(agent.last.url.href, "http://10.0.0.7:8081/mcp");
    }
  });

  it("B: an agent that is unhealthy", async () => {
    await test.app.inject({ method: "DELETE", url: "/agents/clock-1a2b3c4d" });
    assert.equal((await post(AGENT)).statusCode, 200);
  });

  it("B: an agent over TLS when its endpoint says so", async () => {
    const payload = { endpoint: "https://agents.example/base", capabilities: [] };
    await test.app.inject({ method: "PUT", url: "/v1/agents/secure", payload });
    await get("/proxy/agents.example:443/mcp");
    assert.equal(agent.last.url.href, "https://agents.example/mcp");
  });

  it("an agent at an IPv6 address", async () => {
    await register({ agent_id: "six", http_host: "::1", http_port: 8086 });
    for (const target of ["[::1]:8086", "%5B::1%5D:8086"]) {
      assert.equal((await get(`/proxy/${target}/mcp`)).statusCode, 200, target);
    }
  });

  it("B: nobody who is not registered, in the real registry's words", async () => {
    const others = [
      "10.0.0.7:8082",
      "10.0.0.8:8081",
      "10.0.0.7",
      "clock:8082",
      "CLOCK:8081",
      "clock-1a2b3c4d",
      "10.0.0.7:8081@evil.example",
      "10.0.0.7:8081:80",
      "evil.example#10.0.0.7:8081",
      "10.0.0.7:99999",
      "10.0.0.7:0",
    ];
    for (const target of others) {
      const answer = await post(`/proxy/${encodeURIComponent(target)}/mcp`);
      assert.equal(answer.statusCode, 403, target);
      assert.equal(answer.json().error, `Target host '${target}' is not a registered agent`);
      assert.deepEqual(Object.keys(answer.json()), ["error", "timestamp"]);
    }
    assert.deepEqual(agent.calls, []);
  });

  it("an agent of another region, once somebody was told of it", async () => {
    const url = "/proxy/10.1.0.7:8081/mcp";
    await register({ agent_id: "near", tools: [{ function_name: "f", capability: "weather" }] });
    const here = test.node.service.lookupHere(aQuery({ capability: "weather" }));
    const region = asRegionId("us-west");
    const far = { id: asAgentId("far"), region, endpoint: "http://10.1.0.7:8081" };
    const agents = here.agents.map((near) => ({ ...near, ...far }));
    test.node.remote.answers = [{ ...here, region, source: "live", agents }];
    assert.equal((await post(url)).statusCode, 403);
    await get("/v1/lookup?capability=weather");
    assert.equal((await post(url)).statusCode, 200);
    assert.equal(agent.last.url.href, "http://10.1.0.7:8081/mcp");
  });

  it("nobody who moved away", async () => {
    await register({ agent_id: "clock-1a2b3c4d", name: "clock", http_host: "10.0.0.9", http_port: 8081 });
    assert.equal((await post(AGENT)).statusCode, 403);
    assert.equal((await post("/proxy/10.0.0.9:8081/mcp")).statusCode, 200);
  });

  it("B: no path but /mcp and what is below it", async () => {
    const missing = "Invalid target format: missing path. Expected format: {host}:{port}/mcp/{path}";
    const wrong = "Only /mcp/* paths are allowed for proxying";
    const host = "/proxy/10.0.0.7:8081";
    const refusals: [url: string, error: string][] = [
      ["/proxy/", missing],
      [host, missing],
      [`${host}?path=/mcp`, missing],
      [`${host}/`, wrong],
      [`${host}/other`, wrong],
      [`${host}/mcpx`, wrong],
      [`${host}/mcp%2f..%2fadmin`, wrong],
      [`${host}/mcp/../admin`, wrong],
      [`${host}/mcp/%2e%2e/admin`, wrong],
      [`${host}/mcp/..%2fadmin`, wrong],
      [`${host}/mcp/..%5cadmin`, wrong],
      ["/proxy//10.0.0.7:8081/mcp", wrong],
    ];
    for (const [url, error] of refusals) {
      const answer = await post(url);
      assert.deepEqual([answer.statusCode, answer.json().error], [400, error], url);
    }
    assert.equal((await post(`${host}/mcp/%`)).statusCode, 400);
    assert.deepEqual(agent.calls, []);
  });

  it("B: nobody by other methods: 404 in text", async () => {
    for (const method of ["PUT", "DELETE", "HEAD", "OPTIONS"] as const) {
      const answer = await test.app.inject({ method, url: AGENT });
      assert.equal(answer.statusCode, 404, method);
      assert.equal(answer.headers["content-type"], "text/plain", method);
    }
    assert.deepEqual(agent.calls, []);
  });
});

describe("what /proxy hands on", () => {
  it("B: of a request, the contract's headers and no credential", async () => {
    const forwarded = {
      accept: "text/event-stream",
      "content-type": "application/vnd.custom+json",
      "x-trace-id": "t",
      "x-parent-span": "s",
      "x-mesh-timeout": "7",
      "x-mesh-job-id": "j",
      "x-mesh-calling-job-id": "c",
      "x-mesh-calling-claim-epoch": "4",
    };
    const kept = {
      authorization: "Bearer x",
      cookie: "a=b",
      "x-other": "1",
      "accept-encoding": "gzip",
      te: "trailers",
    };
    await post(AGENT, { headers: { ...forwarded, ...kept } });
    assert.deepEqual(agent.last.headers, { ...forwarded, "content-length": "2" });
  });

  it("B: headers that the operator names, whole or by their beginning", async () => {
    await restart({ propagateHeaders: ["X-Audit-Id", "x-tenant*", "authorization"] });
    const named = { authorization: "Bearer x", "x-audit-id": "1", "x-tenant": "a", "x-tenant-name": "b" };
    await get(AGENT, { headers: { ...named, "x-audit-id-2": "no", cookie: "no" } });
    const { accept: _, ...headers } = agent.last.headers;
    assert.deepEqual(headers, named);
  });

  it("no header of the connection, whatever the operator names", async () => {
    await restart({ propagateHeaders: ["connection", "host", "content-l*", "t*", "expect"] });
    await post(AGENT, { headers: { connection: "x-secret", te: "trailers", "x-trace-id": "t" } });
    assert.deepEqual(Object.keys(agent.last.headers).sort(), ["content-length", "x-trace-id"]);
  });

  it("B: of an answer, status, body and headers, without those of its connection", async () => {
    agent.answersWith(async () =>
      answerOf({
        status: 418,
        headers: [
          ["Content-Type", "application/json"],
          ["X-Up", "1"],
          ["Set-Cookie", "a=1"],
          ["Set-Cookie", "b=2"],
          ["Connection", "keep-alive, X-Hop"],
          ["Keep-Alive", "timeout=9"],
          ["X-Hop", "1"],
          ["Transfer-Encoding", "chunked"],
          ["X-Atoll-Node", "an impostor"],
        ],
        body: ["te", "apot"],
      }),
    );
    const { statusCode, headers, body } = await post(AGENT);
    assert.deepEqual([statusCode, body], [418, "teapot"]);
    assert.deepEqual([headers["x-up"], headers["set-cookie"]], ["1", ["a=1", "b=2"]]);
    assert.deepEqual(
      [headers["x-hop"], headers["keep-alive"], headers["x-atoll-node"]],
      [undefined, undefined, "us-east-1"],
    );
  });

  it("an answer without a body", async () => {
    agent.answersWith(async () => answerOf({ status: 202, headers: [] }));
    const { statusCode, body } = await post(AGENT);
    assert.deepEqual([statusCode, body], [202, ""]);
  });

  it("a redirect, which it does not follow", async () => {
    agent.answersWith(async () => answerOf({ status: 302, headers: [["Location", "http://169.254.169.254/"]] }));
    const { statusCode, headers } = await get(AGENT);
    assert.deepEqual([statusCode, headers.location, agent.calls.length], [302, "http://169.254.169.254/", 1]);
  });

  it("a page of an agent's as one that can do nothing in this node's name", async () => {
    agent.answersWith(async () => answerOf({ headers: [["Content-Type", "text/html"]], body: ["<script>"] }));
    assert.equal((await get(AGENT)).headers["content-security-policy"], "sandbox");
  });

  it("no body over the limit: 413, and none of it when its length was announced", async () => {
    const announced = await post(AGENT, { payload: "x".repeat(1_001) });
    assert.deepEqual([announced.statusCode, agent.calls.length], [413, 0]);
    agent.answersWith(silence);
    const streamed = await post(AGENT, { payload: Readable.from(["x".repeat(600), "x".repeat(600)]) });
    assert.deepEqual([streamed.statusCode, agent.last.signal.aborted], [413, true]);
    assert.match(streamed.json().error, /1000 bytes/);
  });
});

describe("when a call through /proxy ends", () => {
  it("B: an agent that can not be reached is a 502", async () => {
    agent.answersWith(() => Promise.reject(new Error("connect ECONNREFUSED 10.0.0.7:8081")));
    const answer = await post(AGENT);
    assert.equal(answer.statusCode, 502);
    assert.equal(answer.json().error, "Failed to reach target agent: connect ECONNREFUSED 10.0.0.7:8081");
  });

  const budgets: [name: string, header: string | undefined, seconds: number][] = [
    ["after 60 s", undefined, 60],
    ["after the seconds that the caller names", "2", 2],
    ["after 600 s when the caller names more", "86400", 600],
    ["after 60 s when the caller names none that can be read", "1.5", 60],
    ["after 60 s when the caller names zero", "0", 60],
  ];
  for (const [name, header, seconds] of budgets) {
    it(`B: it is given up ${name}`, async () => {
      agent.answersWith(silence);
      const answering = post(AGENT, { headers: header === undefined ? {} : { "x-mesh-timeout": header } });
      await test.region.clock.advance(seconds * 1000 - 1);
      assert.equal(agent.last.signal.aborted, false);
      await test.region.clock.advance(1);
      const answer = await answering;
      assert.equal(answer.statusCode, 502);
      assert.equal(answer.json().error, `Failed to reach target agent: no answer within ${seconds}s`);
    });
  }

  it("B: after the time that the operator set", async () => {
    await restart({ timeoutMs: 500 });
    agent.answersWith(unending({ headers: EVENTS, body: [": ping\n\n"] }));
    const answering = get(AGENT);
    await test.region.clock.advance(500);
    assert.equal((await answering).body, ": ping\n\n: mesh-proxy-timeout budget=0.5s\n\n");
  });

  it("B: a stream of events that is cut says so at its end", async () => {
    agent.answersWith(unending({ headers: EVENTS, body: [": ping\n\n", "data: half an ev"] }));
    const answering = get(AGENT, { headers: { "x-mesh-timeout": "2" } });
    await test.region.clock.advance(2_000);
    const { statusCode, body } = await answering;
    assert.deepEqual([statusCode, body], [200, ": ping\n\ndata: half an ev\n: mesh-proxy-timeout budget=2s\n\n"]);
  });

  it("B: a stream of events that ends by itself says nothing", async () => {
    agent.answersWith(async () => answerOf({ headers: EVENTS, body: ["data: 1\n\n", "data: 2\n\n"] }));
    assert.equal((await get(AGENT)).body, "data: 1\n\ndata: 2\n\n");
  });

  it("an answer of another kind that is cut is broken off, so that nobody takes it for whole", async () => {
    agent.answersWith(unending({ body: ['{"result":"par'] }));
    const answering = get(AGENT, { headers: { "x-mesh-timeout": "2" } });
    const broken = assert.rejects(answering);
    await test.region.clock.advance(2_000);
    await broken;
  });

  it("takes no more calls than it may, and says when to come again", async () => {
    await restart({ callsMax: 1 });
    agent.answersWith(silence);
    const first = post(AGENT, { headers: { "x-mesh-timeout": "2" } });
    await test.region.clock.advance(0);
    const refused = await post(AGENT);
    assert.deepEqual([refused.statusCode, refused.headers["retry-after"]], [503, "1"]);
    await test.region.clock.advance(2_000);
    await first;
    agent.answersWith(async () => answerOf({}));
    assert.equal((await post(AGENT)).statusCode, 200);
  });

  it("P6: a node that stops lets calls go on for a moment, then ends them", async () => {
    agent.answersWith(silence);
    const answering = post(AGENT);
    await test.region.clock.advance(0);
    const closed = test.app.close();
    await test.region.clock.advance(3_999);
    assert.equal(agent.last.signal.aborted, false);
    await test.region.clock.advance(1);
    assert.equal((await answering).statusCode, 502);
    await closed;
  });
});
