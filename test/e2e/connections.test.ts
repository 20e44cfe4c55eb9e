/** A real node whose connections are all taken by clients that drip in a byte now and then. */

import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { type NodeProcess, ProcessGroup, startRegion } from "../support/node-process.ts";

const METRICS_PORT = 18_995;
const CONNECTIONS_MAX = 16;
const TOO_MANY = 20;
const DRIP_MS = 100;

describe("a node whose connections are all taken", () => {
  let group: ProcessGroup;
  let node: NodeProcess;
  before(async () => {
    group = await ProcessGroup.create({
      region: "us-east",
      httpBase: 18_970,
      env: {
        METRICS_PORT: `${METRICS_PORT}`,
        ATOLL_HTTP_CONNECTIONS_MAX: `${CONNECTIONS_MAX}`,
        ATOLL_HTTP_REQUEST_TIMEOUT_MS: "8000",
      },
    });
    node = group.add("a");
    await startRegion([node]);
  });
  after(() => group?.destroy());

  async function scraped(metric: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
    return Number(new RegExp(`^${metric}\\{port="main"\\} (\\d+)$`, "m").exec(text)?.[1]);
  }

  it("P12: is scraped and probed at its metrics port, closes who is too many, and serves again when the slow were closed", async (t) => {
    const before = await scraped("atoll_http_connections_dropped_total");
    const slow = Array.from({ length: TOO_MANY }, () => drip(Number(new URL(node.http).port)));
    t.after(() => slow.forEach(({ end }) => void end()));
    await node.untilRunning(
      async () => (await scraped("atoll_http_connections_dropped_total")) > before,
      "connections to be closed as too many",
    );
    assert.equal(await scraped("atoll_http_connections_max"), CONNECTIONS_MAX);
    assert.ok((await scraped("atoll_http_connections")) <= CONNECTIONS_MAX);
    assert.equal((await fetch(`http://127.0.0.1:${METRICS_PORT}/ready`)).status, 200);
    assert.equal((await node.logged("CONNECTIONS_FULL")).connectionsMax, CONNECTIONS_MAX);
    // They go on for as long as they are let.
    await Promise.all(slow.map(({ closed }) => closed));
    await node.ready();
    assert.equal((await fetch(`${node.http}/v1/cluster`)).status, 200);
  });
});

/** Begins a request, and goes on with it by one byte after the other until the node closes it. */
function drip(port: number): { readonly closed: Promise<void>; end(): void } {
  const socket: Socket = connect(port, "127.0.0.1");
  socket.write("GET /v1/cluster HTTP/1.1\r\nhost: x\r\nx-slow: ");
  const timer = setInterval(() => socket.write("a"), DRIP_MS);
  // Closed unanswered or in the middle: both may reset it.
  socket.on("error", () => {});
  socket.resume();
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  void closed.then(() => clearInterval(timer));
  return { closed, end: () => socket.destroy() };
}
