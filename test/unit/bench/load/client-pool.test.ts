import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClientPool, isNodeFailure, type Sender } from "../../../../bench/load/client-pool.ts";
import type { HttpAnswer, HttpRequest } from "../../../../bench/load/http-client.ts";
import { evenlySpread } from "../../../../src/util/random.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const REQUEST: HttpRequest = { method: "GET", path: "/" };
const ORIGINS = ["a", "b", "c"];

function answer(status: number): HttpAnswer {
  return status === 0 ? { status, headers: {}, body: "", failure: "ECONNREFUSED" } : { status, headers: {}, body: "" };
}

/** Nodes that answer with the status that is set for them, after 1 ms. */
function poolOf(statuses: Record<string, number>, { clients = 3, timeoutMs = 10_000 } = {}) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const http: Sender = {
    send: (origin) => {
      asked.push(origin);
      return new Promise((resolve) => {
        clock.schedule(1, () => resolve(answer(statuses[origin] ?? 200)));
      });
    },
  };
  const pool = new ClientPool({
    http,
    origins: ORIGINS,
    clients,
    timeoutMs,
    clock,
    random: evenlySpread(),
  });
  const send = async (i: number) => {
    const sent = pool.send(i, REQUEST);
    await clock.advance(60_000);
    return sent;
  };
  return { pool, clock, asked, statuses, send };
}

describe("client pool", () => {
  it("spreads its clients over the nodes, each with one of its own", async () => {
    const { asked, send } = poolOf({});
    for (let i = 0; i < 6; i++) await send(i);
    assert.deepEqual(asked, ["a", "b", "c", "a", "b", "c"]);
  });

  it("moves a client to the next node when its own fails, and leaves it there", async () => {
    const { asked, statuses, send } = poolOf({ a: 0 });
    const first = await send(0);
    assert.deepEqual([first.answer.status, first.first.failure, first.attempts], [200, "ECONNREFUSED", 2]);
    statuses.a = 200;
    const second = await send(3);
    assert.deepEqual([second.attempts, asked], [1, ["a", "b", "b"]]);
  });

  it("spreads them anew when it is told to", async () => {
    const { pool, asked, statuses, send } = poolOf({ a: 503 });
    await send(0);
    statuses.a = 200;
    pool.spread();
    await send(0);
    assert.deepEqual(asked, ["a", "b", "a"]);
  });

  it("takes a refusal for an answer: another node would say the same", async () => {
    const { send } = poolOf({ a: 404 });
    const { answer: last, attempts } = await send(0);
    assert.deepEqual([last.status, attempts], [404, 1]);
  });

  it("waits after each whole round, longer each time, and gives up when its time is over", async () => {
    const { clock, asked, send } = poolOf({ a: 0, b: 503, c: 0 }, { timeoutMs: 5_000 });
    const beganMs = clock.now();
    const { answer: last, doneMs, attempts } = await send(0);
    assert.ok(isNodeFailure(last));
    assert.ok(doneMs - beganMs >= 5_000, "it goes on for as long as it may");
    assert.ok(doneMs - beganMs < 8_000, "and not much longer");
    assert.equal(attempts, asked.length);
    assert.ok(attempts >= 9 && attempts <= 30, `${attempts} attempts are no storm`);
  });
});
