import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { type HttpAnswer, HttpClient } from "../../../../bench/load/http-client.ts";

/** A server that answers when it is told to, and counts its connections. */
async function serve(test: TestContext) {
  const asked: { path: string; answer: ServerResponse }[] = [];
  let connections = 0;
  const server = createServer((request, answer) => asked.push({ path: request.url ?? "", answer }));
  server.on("connection", () => connections++);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const nextAsked = async (count: number) => {
    while (asked.length < count) await once(server, "request");
    return asked[count - 1]!;
  };
  return { origin: `http://127.0.0.1:${port}`, asked, nextAsked, connections: () => connections };
}

function clientOf(test: TestContext, options: { connectionsMax: number; timeoutMs: number }): HttpClient {
  const client = new HttpClient(options);
  test.after(() => client.close());
  return client;
}

const get = (client: HttpClient, origin: string, path: string) => client.send(origin, { method: "GET", path });
const summary = ({ status, failure }: HttpAnswer) => failure ?? status;

describe("the client of the load generator", () => {
  it("has no more under way than it has connections, and sends the rest in order over the same ones", async (test) => {
    const server = await serve(test);
    const client = clientOf(test, { connectionsMax: 2, timeoutMs: 60_000 });
    const answers = ["/1", "/2", "/3", "/4"].map((path) => get(client, server.origin, path));
    await server.nextAsked(2);
    assert.equal(server.asked.length, 2);
    for (let i = 1; i <= 4; i++) (await server.nextAsked(i)).answer.end();
    assert.deepEqual((await Promise.all(answers)).map(summary), [200, 200, 200, 200]);
    assert.deepEqual(
      server.asked.slice(2).map(({ path }) => path),
      ["/3", "/4"],
    );
    assert.equal(server.connections(), 2);
  });

  it("has the same patience with what had to wait, so that little is done in vain after a stall", async (test) => {
    const server = await serve(test);
    const client = clientOf(test, { connectionsMax: 2, timeoutMs: 300 });
    const answers = Array.from({ length: 10 }, (_, i) => get(client, server.origin, `/${i}`));
    assert.deepEqual((await Promise.all(answers.slice(0, 2))).map(summary), ["TIMEOUT", "TIMEOUT"]);
    for (let i = 3; i <= 10; i++) (await server.nextAsked(i)).answer.end();
    assert.deepEqual((await Promise.all(answers.slice(2))).map(summary), Array(8).fill(200));
    assert.equal(server.connections(), 4, "two more for the two that ended");
  });

  it("fails what is under way and what waits when it is closed, however much that is", async (test) => {
    const server = await serve(test);
    const client = new HttpClient({ connectionsMax: 1, timeoutMs: 60_000 });
    const answers = Array.from({ length: 20_000 }, () => get(client, server.origin, "/"));
    await server.nextAsked(1);
    await client.close();
    const failures = new Set((await Promise.all(answers)).map(({ status }) => status));
    assert.deepEqual(failures, new Set([0]));
  });

  it("says why there was no answer", async (test) => {
    const client = clientOf(test, { connectionsMax: 1, timeoutMs: 60_000 });
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    assert.equal(summary(await get(client, `http://127.0.0.1:${port}`, "/")), "ECONNREFUSED");
  });
});
