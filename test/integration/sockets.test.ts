/** How many connections a port takes, and that who is slow or silent gives its place back: over real sockets, with short times. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { buildMetricsServer } from "../../src/api/server.ts";
import {
  type Port,
  PortSockets,
  type PortSocketsOptions,
  SOCKET_TIMES,
  type SocketTimes,
} from "../../src/api/sockets.ts";
import { tlsFetch } from "../../src/cli/tls-fetch.ts";
import { systemClock } from "../../src/util/clock.ts";
import { type LogEvent, silentLogger } from "../../src/util/logger.ts";
import { createTestApp } from "../support/api-app.ts";
import { runCommand } from "../support/run-command.ts";
import { until } from "../support/waiting.ts";

const PATIENT = { timeoutMs: 30_000, show: () => "" };
const SHORT: SocketTimes = { ...SOCKET_TIMES, headersMs: 200, requestMs: 300, lookMs: 20 };
const DRIP_MS = 20;

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function socketsFor(port: Port, connectionsMax: number, times = SHORT, more: Partial<PortSocketsOptions> = {}) {
  const told: LogEvent[] = [];
  const logger = { ...silentLogger, warn: (event: LogEvent) => void told.push(event) };
  const options = { port, connectionsMax, listening: 1, times, clock: systemClock, logger, ...more };
  return { sockets: new PortSockets(options), told };
}

async function serve(connectionsMax: number, times = SHORT, more: Parameters<typeof createTestApp>[0] = {}) {
  const { sockets, told } = socketsFor("main", connectionsMax, times);
  const { app, options } = await createTestApp({ ...more, sockets });
  await app.listen({ host: "127.0.0.1", port: 0 });
  undo.push(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  const health = async () => (await fetch(`http://127.0.0.1:${port}/health`, { headers: CLOSING })).status;
  return { app, sockets, told, options, port, health };
}

const CLOSING = { connection: "close" };

/** A client of a bare socket: what it was answered, and its end. */
function client(port: number) {
  const socket: Socket = connect(port, "127.0.0.1");
  let answered = "";
  socket.on("data", (bytes) => (answered += bytes));
  // A connection that is closed unanswered may be reset: that is what some tests are about.
  socket.on("error", () => {});
  const ended = new Promise((resolve) => socket.once("close", resolve));
  undo.push(() => socket.destroy());
  return {
    socket,
    connected: () => once(socket, "connect"),
    answeredAtEnd: async () => {
      await ended;
      return answered;
    },
    /** Says the text, then goes on with one character after the other for as long as anybody listens. */
    async drip(text: string) {
      await once(socket, "connect");
      socket.write(text);
      const timer = setInterval(() => socket.write("a"), DRIP_MS);
      undo.push(() => clearInterval(timer));
    },
  };
}

describe("the bound on connections", () => {
  it("P12: closes whoever is too many unanswered, counts it, and serves again when a place is free", async () => {
    const { sockets, told, port, health } = await serve(2, SOCKET_TIMES);
    const kept = [client(port), client(port)];
    await until(() => sockets.open === 2, { what: "two connections", ...PATIENT });
    assert.equal(await client(port).answeredAtEnd(), "");
    await assert.rejects(health());
    assert.ok(sockets.droppedTotal >= 2);
    assert.deepEqual(
      told.map(({ code, port: name, connectionsMax }) => [code, name, connectionsMax]),
      [["CONNECTIONS_FULL", "main", 2]],
    );
    kept[0]?.socket.destroy();
    await until(() => sockets.open === 1, { what: "a free place", ...PATIENT });
    assert.equal(await health(), 200);
  });

  it("says again that all places are taken once some were free in between", async () => {
    const { sockets, told, port } = await serve(1, SOCKET_TIMES);
    for (const times of [1, 2]) {
      const { socket } = client(port);
      await until(() => sockets.open === 1, { what: "a connection", ...PATIENT });
      await client(port).answeredAtEnd();
      await client(port).answeredAtEnd();
      assert.equal(told.length, times);
      socket.destroy();
      await until(() => sockets.open === 0, { what: "a free place", ...PATIENT });
    }
  });

  it("P12: leaves the metrics port reachable while the main one is full", async () => {
    const { sockets, options, port, health } = await serve(1, SOCKET_TIMES);
    const apart = await buildMetricsServer({ ...options, sockets: socketsFor("metrics", 4).sockets });
    await apart.listen({ host: "127.0.0.1", port: 0 });
    undo.push(() => apart.close());
    client(port);
    await until(() => sockets.open === 1, { what: "a connection", ...PATIENT });
    await assert.rejects(health());
    const url = `http://127.0.0.1:${(apart.server.address() as AddressInfo).port}`;
    for (const path of ["/metrics", "/ready", "/health"]) assert.equal((await fetch(url + path)).status, 200, path);
  });
});

describe("a client that is slow or silent", () => {
  const requests = {
    "its headers": "GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ",
    "a body":
      "PUT /v1/agents/a HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n",
  };
  for (const [what, begin] of Object.entries(requests)) {
    it(`P12: is answered 408 and closed though the bytes of ${what} keep dripping in, and its place is free`, async () => {
      const { sockets, port, health } = await serve(1);
      const slow = client(port);
      await slow.drip(begin);
      assert.match(await slow.answeredAtEnd(), /^HTTP\/1\.1 408 /);
      await until(() => sockets.open === 0, { what: "a free place", ...PATIENT });
      assert.equal(await health(), 200);
    });
  }

  it("is closed when it connects and never says a word", async () => {
    const { port } = await serve(1);
    assert.match(await client(port).answeredAtEnd(), /^(HTTP\/1\.1 408 |$)/);
  });

  it("is closed when it keeps its connection without another request", async () => {
    const { port } = await serve(1, { ...SHORT, idleMs: 100 });
    const idle = client(port);
    await idle.connected();
    idle.socket.write("GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    assert.match(await idle.answeredAtEnd(), /^HTTP\/1\.1 200 /);
  });

  it("is closed when it asks, and reads none of the answers", async () => {
    const { sockets, port } = await serve(1, { ...SHORT, stalledMs: 100 });
    const deaf = client(port);
    await deaf.connected();
    deaf.socket.pause();
    deaf.socket.write("GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2_000));
    await until(() => sockets.open === 0, { what: "a free place", ...PATIENT });
  });

  it("is closed when it begins no TLS where TLS is served", async () => {
    const folder = mkdtempSync(join(tmpdir(), "atoll-sockets-"));
    undo.push(() => rmSync(folder, { recursive: true, force: true }));
    const dir = join(folder, "keys");
    assert.equal((await runCommand("keys", "--dir", dir, "--hosts", "127.0.0.1")).code, 0);
    const [cert, key, ca] = ["node.pem", "node.key", "ca.pem"].map((name) => readFileSync(join(dir, name), "utf8"));
    const tls = { cert: cert!, key: key!, ca: [ca!], requestCert: true, rejectUnauthorized: false };
    const { sockets, port } = await serve(1, SHORT, { tls });
    assert.equal(await client(port).answeredAtEnd(), "");
    await until(() => sockets.open === 0, { what: "a free place", ...PATIENT });
    const answer = await tlsFetch({ ca: ca! })(`https://127.0.0.1:${port}/health`, { headers: CLOSING });
    assert.equal(answer.status, 200);
  });
});

describe("sockets that share a port", {
  skip: process.platform === "linux" ? false : "only Linux shares ports",
}, () => {
  const LISTENING = 4;
  const HOST = "127.0.0.1";

  async function share({
    at = 0,
    connectionsMax = 1_000,
    ...more
  }: { at?: number } & Partial<PortSocketsOptions> = {}) {
    const { sockets, told } = socketsFor("main", connectionsMax, SOCKET_TIMES, { listening: LISTENING, ...more });
    const { app } = await createTestApp({ sockets });
    undo.push(() => Promise.all([sockets.close(), app.close()]));
    await sockets.listen(app, { host: HOST, port: at });
    const { port } = app.server.address() as AddressInfo;
    return { app, sockets, told, port };
  }

  /** @returns of so many clients that ask at once, each over a connection of its own, what each was answered */
  function askedAtOnce(port: number, count: number): Promise<string[]> {
    const clients = Array.from({ length: count }, () => client(port));
    for (const { socket } of clients) socket.write("GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    return Promise.all(clients.map(({ answeredAtEnd }) => answeredAtEnd()));
  }

  it("serve whoever comes at any of them", async () => {
    const { port, sockets, told } = await share();
    for (const answer of await askedAtOnce(port, 200)) assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.deepEqual([sockets.droppedTotal, sockets.shedTotal, told], [0, 0, []]);
  });

  it("take together as many connections as there may be", async () => {
    const { port, sockets } = await share({ connectionsMax: 8 });
    const kept = Array.from({ length: 40 }, () => client(port));
    await until(() => sockets.droppedTotal === 32, { what: "32 connections too many", ...PATIENT });
    assert.equal(sockets.open, 8);
    for (const { socket } of kept) socket.destroy();
    await until(() => sockets.open === 0, { what: "free places", ...PATIENT });
    assert.match((await askedAtOnce(port, 1))[0]!, /^HTTP\/1\.1 200 /);
  });

  it("P12: send clients away unanswered once more wait than are accepted, say so once, and serve again", async () => {
    // Each look at the clock finds that most of what is tolerated is over.
    let nowMs = 0;
    const clock = { ...systemClock, now: () => (nowMs += 600) };
    const { port, sockets, told } = await share({ clock });
    const answers = await askedAtOnce(port, 400);
    const answered = answers.filter((answer) => answer.startsWith("HTTP/1.1 200 ")).length;
    assert.ok(answered >= LISTENING && answered < 400, `${answered} of 400 were answered`);
    assert.equal(sockets.shedTotal, 400 - answered);
    assert.equal(sockets.droppedTotal, 0);
    assert.deepEqual([...new Set(told.map(({ code }) => code))], ["CONNECTIONS_SHED"]);
    assert.match((await askedAtOnce(port, 1))[0]!, /^HTTP\/1\.1 200 /);
  });

  it("do not share it with another node", async () => {
    const { port } = await share();
    await assert.rejects(share({ at: port }), { code: "EADDRINUSE" });
    assert.match((await askedAtOnce(port, 1))[0]!, /^HTTP\/1\.1 200 /);
  });

  it("close together, and are closed once what was under way at each is done", async () => {
    const { app, port, sockets } = await share();
    const asking = Array.from({ length: 40 }, () => client(port));
    for (const { socket } of asking) socket.write("GET /health HTTP/1.1\r\nhost: x\r\n");
    await until(() => sockets.open === 40, { what: "40 connections", ...PATIENT });
    await until(() => asking.every(({ socket }) => socket.bytesWritten > 0), { what: "bytes", ...PATIENT });
    const answers = Promise.all(asking.map(({ answeredAtEnd }) => answeredAtEnd()));
    let isDrained = false;
    const closed = Promise.all([sockets.close().then(() => (isDrained = true)), app.close()]);
    assert.equal(isDrained, false);
    for (const { socket } of asking) socket.write("\r\n");
    for (const answer of await answers) assert.match(answer, /^HTTP\/1\.1 200 /);
    await closed;
    assert.equal(sockets.open, 0);
    await assert.rejects(fetch(`http://${HOST}:${port}/health`));
  });
});

describe("the times of a node", () => {
  it("are all bounded, and longer for an answer than any call that is forwarded", () => {
    for (const [name, ms] of Object.entries(SOCKET_TIMES)) assert.ok(ms > 0 && ms <= 15 * 60_000, name);
    assert.ok(SOCKET_TIMES.headersMs <= SOCKET_TIMES.requestMs);
    assert.ok(SOCKET_TIMES.stalledMs > 10 * 60_000);
  });
});

describe("a server that closes", () => {
  async function closing(graceMs: number) {
    const { sockets, port, app } = await serve(4, { ...SOCKET_TIMES, graceMs });
    const close = () => Promise.all([sockets.close(), app.close()]);
    return { sockets, port, close };
  }

  it("does not wait for who connected and never said a word", async () => {
    const { sockets, port, close } = await closing(10 * 60_000);
    const silent = client(port);
    await until(() => sockets.open === 1, { what: "a connection", ...PATIENT });
    await close();
    assert.equal(await silent.answeredAtEnd(), "");
  });

  it("waits for a request that is under way, but not longer than it says", async () => {
    const { sockets, port, close } = await closing(300);
    const quick = client(port);
    quick.socket.write("GET /health HTTP/1.1\r\nhost: x\r\n");
    const slow = client(port);
    await slow.drip("GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ");
    await until(() => sockets.open === 2, { what: "two connections", ...PATIENT });
    await until(() => quick.socket.bytesWritten > 0 && slow.socket.bytesWritten > 60, { what: "bytes", ...PATIENT });
    const closed = close();
    quick.socket.write("\r\n");
    assert.match(await quick.answeredAtEnd(), /^HTTP\/1\.1 200 /);
    await closed;
    assert.equal(await slow.answeredAtEnd(), "");
  });
});
