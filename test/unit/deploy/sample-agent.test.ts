/** The sample agent as a process, against a registry that says what each test wants. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

const AGENT = join(import.meta.dirname, "../../../deploy/sample-agent/agent.mjs");
const WAIT_MS = 30_000;

interface Call {
  readonly line: string;
  readonly body: unknown;
}

describe("the sample agent", () => {
  let registry: Server;
  let agent: ChildProcess | undefined;
  let answers: { status: number; body?: unknown }[];
  let calls: Call[];
  let onCall: () => void = () => {};

  beforeEach(async () => {
    answers = [];
    calls = [];
    registry = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      calls.push({ line: `${request.method} ${request.url}`, body: text === "" ? null : JSON.parse(text) });
      const { status, body } = answers.shift() ?? {
        status: 200,
        body: { incarnation: 9, renewInMs: 600_000, leaseMs: 1 },
      };
      response.writeHead(status).end(body === undefined ? "" : JSON.stringify(body));
      onCall();
    });
    registry.listen(0, "127.0.0.1");
    await once(registry, "listening");
  });

  afterEach(async () => {
    if (agent?.exitCode === null && agent.kill("SIGKILL")) await once(agent, "exit");
    registry.close();
    registry.closeAllConnections();
  });

  function start(): void {
    const { port } = registry.address() as { port: number };
    agent = spawn(process.execPath, [AGENT], {
      env: {
        MCP_MESH_REGISTRY_URL: `http://127.0.0.1:${port}/`,
        MCP_MESH_AGENT_NAME: "greeter",
        MCP_MESH_ADVERTISE_HOST: "greeter.example",
        MCP_MESH_ADVERTISE_PORT: "0",
        MCP_MESH_BIND_HOST: "127.0.0.1",
      },
      stdio: "ignore",
    });
  }

  async function untilCalls(count: number): Promise<string[]> {
    const signal = AbortSignal.timeout(WAIT_MS);
    while (calls.length < count) {
      await new Promise<void>((resolve, reject) => {
        onCall = resolve;
        signal.addEventListener("abort", () => reject(new Error(`only ${JSON.stringify(calls)}`)));
      });
    }
    return calls.map(({ line }) => line);
  }

  it("registers, renews the lease that it was given when it is told to, and deregisters on SIGTERM", async () => {
    answers = [{ status: 201, body: { incarnation: 7, renewInMs: 1, leaseMs: 1_000, region: "east" } }];
    start();
    assert.deepEqual(await untilCalls(2), ["PUT /v1/agents/greeter", "POST /v1/agents/greeter/renew"]);
    assert.equal((calls[0]!.body as { endpoint: string }).endpoint, "http://greeter.example:0");
    assert.deepEqual(calls[1]?.body, { incarnation: 7 });
    agent!.kill("SIGTERM");
    const [code] = await once(agent!, "exit", { signal: AbortSignal.timeout(WAIT_MS) });
    assert.equal(code, 0);
    assert.equal(calls.at(-1)?.line, "DELETE /v1/agents/greeter");
  });

  it("registers again when its lease is gone, and asks again when the registry can not answer", async () => {
    const given = { incarnation: 7, renewInMs: 1, leaseMs: 1_000, region: "east" };
    answers = [{ status: 201, body: given }, { status: 410 }, { status: 503, body: { error: { code: "NO_LEADER" } } }];
    start();
    assert.deepEqual(await untilCalls(4), [
      "PUT /v1/agents/greeter",
      "POST /v1/agents/greeter/renew",
      "PUT /v1/agents/greeter",
      "PUT /v1/agents/greeter",
    ]);
  });
});
