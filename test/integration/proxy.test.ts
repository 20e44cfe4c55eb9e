/** The proxy over real sockets: what virtual ones can not show is that bytes move when they should. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import {
  createServer,
  type IncomingMessage,
  request as requestHttp,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { gzipSync } from "node:zlib";
import { DEFAULT_HTTP_LIMITS } from "../../src/api/modules.ts";
import { systemClock } from "../../src/util/clock.ts";
import { createTestApp, type TestApp } from "../support/api-app.ts";
import { until, within } from "../support/waiting.ts";

const CHUNK = Buffer.alloc(64 * 1024, "x");
/** More than the sockets between the two ends of a call hold. */
const MORE_THAN_SOCKETS_HOLD = 64 * 1024 * 1024;
const LIMITS = { ...DEFAULT_HTTP_LIMITS, meshBodyBytesMax: MORE_THAN_SOCKETS_HOLD };

const STILL_LOOKS = 5;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let test: TestApp;
let node: string;
let agents: Server[];

beforeEach(async () => {
  test = await createTestApp({ clock: systemClock, limits: LIMITS });
  node = await test.app.listen({ host: "127.0.0.1", port: 0 });
  agents = [];
});

afterEach(async () => {
  for (const agent of agents) agent.closeAllConnections();
  await Promise.all(agents.map((agent) => new Promise((closed) => agent.close(closed))));
  test.app.server.closeAllConnections();
  await test.app.close();
});

/** Serves, and registers as `id`. @returns the path to it through the proxy */
async function startAgent(id: string, handler: Handler): Promise<string> {
  const server = createServer(handler);
  agents.push(server);
  return register(id, await listen(server), "http");
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function register(id: string, port: number, scheme: "http" | "https"): Promise<string> {
  const payload = { endpoint: `${scheme}://127.0.0.1:${port}`, capabilities: [] };
  const answer = await test.app.inject({ method: "PUT", url: `/v1/agents/${id}`, payload });
  assert.equal(answer.statusCode, 201, answer.body);
  return `${node}/proxy/127.0.0.1:${port}/mcp`;
}

function soon<Value>(wait: Promise<Value>, what: string): Promise<Value> {
  return within(wait, { what, timeoutMs: 10_000, show: () => "" });
}

describe("a call through the proxy", () => {
  it("B: has the head of a stream of events before the first of them, and each as it is written", async () => {
    const answering = Promise.withResolvers<ServerResponse>();
    const url = await startAgent("events", (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      answering.resolve(response);
    });
    const answer = await soon(fetch(url), "the head");
    const agent = await answering.promise;
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (const event of ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"]) {
      agent.write(event);
      assert.equal((await soon(reader.read(), event)).value, event);
    }
    agent.end();
    assert.equal((await soon(reader.read(), "the end")).done, true);
  });

  it("B: is over for the agent when the caller goes away, whether it was answered or not", async () => {
    for (const isAnswered of [false, true]) {
      const answering = Promise.withResolvers<ServerResponse>();
      const url = await startAgent(`left-${isAnswered}`, (_request, response) => {
        if (isAnswered) response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        answering.resolve(response);
      });
      const caller = new AbortController();
      const answer = fetch(url, { method: "POST", body: "{}", signal: caller.signal });
      const gone = assert.rejects(answer.then((whole) => whole.text()));
      const closed = once(await soon(answering.promise, "the call"), "close");
      if (isAnswered) await soon(answer, "the head");
      caller.abort();
      await soon(closed, "the agent to hear of it");
      await gone;
    }
  });

  it("holds an agent back that is faster than its caller", async () => {
    const pumping = Promise.withResolvers<Pump>();
    const url = await startAgent("fast", (_request, response) => pumping.resolve(new Pump(response)));
    const call = requestHttp(url).end();
    const [answer] = (await soon(once(call, "response"), "the head")) as [IncomingMessage];
    const agent = await pumping.promise;
    await untilStill(agent);
    assert.ok(agent.sentBytes < MORE_THAN_SOCKETS_HOLD, `the node took all of ${agent.sentBytes} bytes`);
    assert.equal(await countBytes(answer), MORE_THAN_SOCKETS_HOLD);
  });

  it("holds a caller back that is faster than its agent", async () => {
    const calling = Promise.withResolvers<[IncomingMessage, ServerResponse]>();
    const url = await startAgent("slow", (...exchange) => calling.resolve(exchange));
    const call = requestHttp(url, { method: "POST" });
    const caller = new Pump(call);
    const [request, response] = await soon(calling.promise, "the call");
    await untilStill(caller);
    assert.ok(caller.sentBytes < MORE_THAN_SOCKETS_HOLD, `the node took all of ${caller.sentBytes} bytes`);
    assert.equal(await countBytes(request), MORE_THAN_SOCKETS_HOLD);
    response.end();
    const [answer] = (await soon(once(call, "response"), "the answer")) as [IncomingMessage];
    assert.equal(await countBytes(answer), 0);
  });

  it("B: is a 502 when nobody listens, also for a caller that still has much to send", async () => {
    const server = createServer();
    const port = await listen(server);
    server.close();
    const url = await register("dead", port, "http");
    const answer = await soon(fetch(url, { method: "POST", body: Buffer.alloc(8 * 1024 * 1024) }), "an answer");
    assert.equal(answer.status, 502);
    assert.match(await answer.text(), /Failed to reach target agent: connect ECONNREFUSED/);
  });

  const nonsense: [name: string, answer: string, said: RegExp][] = [
    ["nothing", "", /socket hang up/],
    ["no HTTP", "noon\r\n\r\n", /Parse Error/],
    ["in another protocol", "HTTP/1.1 101 Other\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", /without an answer/],
    ["with a status that is none", "HTTP/1.1 999 Other\r\ncontent-length: 0\r\n\r\n", /status code: 999/],
    ["with headers that do not end", `HTTP/1.1 200 OK\r\n${"x-more: and more\r\n".repeat(2_000)}`, /Header overflow/],
  ];
  for (const [name, answer, said] of nonsense) {
    it(`is a 502 when the agent answers ${name}`, async () => {
      const url = await startAgent("strange", (request) => request.socket.end(answer));
      const { status, body } = await soon(fetch(url).then(readText), "an answer");
      assert.equal(status, 502);
      assert.match(body, said);
    });
  }

  it("is refused when its path is none that a URL could have", async () => {
    for (const [path, status] of [
      ["/proxy/#", 400],
      ["/proxy/nobody:1#%f", 400],
      ["/proxy/nobody:1/mcp#%f", 403],
    ] as const) {
      const [answer] = (await once(requestHttp(node, { path }).end(), "response")) as [IncomingMessage];
      answer.resume();
      assert.equal(answer.statusCode, status, path);
    }
  });

  it("fails for the caller when the agent breaks off its answer", async () => {
    const url = await startAgent("breaking", (_request, response) => {
      response.writeHead(200, { "content-length": 50 });
      response.write("too short", () => response.destroy());
    });
    await assert.rejects(soon(fetch(url).then(readText), "an answer"), /terminated|fetch failed/);
  });

  it("hands back a redirect that it does not follow", async () => {
    let visitors = 0;
    const inside = await startAgent("inside", (_request, response) => {
      visitors++;
      response.end();
    });
    const url = await startAgent("redirecting", (_request, response) => {
      response.writeHead(307, { location: inside }).end();
    });
    const answer = await fetch(url, { redirect: "manual" });
    assert.deepEqual([answer.status, answer.headers.get("location"), visitors], [307, inside, 0]);
  });

  it("hands on an encoded body as it is", async () => {
    const url = await startAgent("encoded", (_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("plain"));
    });
    const answer = await fetch(url);
    assert.deepEqual([answer.headers.get("content-encoding"), await answer.text()], ["gzip", "plain"]);
  });
});

describe("a call through the proxy to an agent with TLS", {
  skip: hasOpenssl() ? false : "there is no openssl",
}, () => {
  let folder: string;
  let certificate: string;
  let port: number;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "atoll-proxy-"));
    const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
    const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    const subject = ["-subj", "/CN=agent", "-addext", "subjectAltName=IP:127.0.0.1"];
    execFileSync("openssl", [...request, ...subject, "-keyout", key, "-out", cert], { stdio: "ignore" });
    certificate = await readFile(cert, "utf8");
  });

  after(() => rm(folder, { recursive: true, force: true }));

  beforeEach(async () => {
    const key = await readFile(join(folder, "key.pem"));
    const server = createTlsServer({ key, cert: certificate }, (_request, response) => response.end("secret"));
    agents.push(server);
    port = await listen(server);
  });

  it("B: is made over TLS", async (context) => {
    const authorities = getCACertificates("default");
    setDefaultCACertificates([...authorities, certificate]);
    context.after(() => setDefaultCACertificates(authorities));
    const answer = await fetch(await register("trusted", port, "https"));
    assert.deepEqual([answer.status, await answer.text()], [200, "secret"]);
  });

  it("is not made when nobody vouches for the certificate", async () => {
    const answer = await fetch(await register("untrusted", port, "https"));
    assert.equal(answer.status, 502);
    assert.match(await answer.text(), /self-signed certificate/);
  });
});

/** Writes more than sockets hold, as fast as it is let. */
class Pump {
  sentBytes = 0;

  constructor(into: Writable) {
    void this.#run(into);
  }

  async #run(into: Writable): Promise<void> {
    while (this.sentBytes < MORE_THAN_SOCKETS_HOLD) {
      if (!into.write(CHUNK)) await once(into, "drain");
      this.sentBytes += CHUNK.length;
    }
    into.end();
  }
}

/** Waits until a pump moves nothing any more: one look alone may fall into a moment in which this process is slow. */
async function untilStill(pump: Pump): Promise<void> {
  let before = 0;
  let looks = 0;
  const isStill = () => {
    looks = pump.sentBytes === before ? looks + 1 : 0;
    before = pump.sentBytes;
    return before > 0 && looks === STILL_LOOKS;
  };
  await until(isStill, { what: "it to stand still", timeoutMs: 10_000, show: () => `${pump.sentBytes} bytes moved` });
}

async function readText(answer: Response): Promise<{ status: number; body: string }> {
  return { status: answer.status, body: await answer.text() };
}

async function countBytes(stream: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}

function hasOpenssl(): boolean {
  return spawnSync("openssl", ["version"]).status === 0;
}
