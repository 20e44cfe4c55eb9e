import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { missingOn } from "../../../../bench/failover/verify.ts";
import { type Rates, Workload } from "../../../../bench/failover/workload.ts";
import { ClientPool, type Sender } from "../../../../bench/load/client-pool.ts";
import type { HttpAnswer, HttpRequest } from "../../../../bench/load/http-client.ts";
import type { PeerCluster } from "../../../../bench/peers/peer.ts";
import { evenlySpread } from "../../../../src/util/random.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const RATES: Rates = { register: 10, renew: 0, lookup: 10 };

/** The operations of a registry that only says what it is asked for; a test decides what nodes answer. */
const OPERATIONS = {
  nodes: ["one", "two"].map((name) => ({ name, url: name })),
  register: (i: number): HttpRequest => ({ method: "PUT", path: `/${i}` }),
  renew: (i: number): HttpRequest => ({ method: "HEAD", path: `/${i}` }),
  lookup: (i: number): HttpRequest => ({ method: "GET", path: `/lookup/${i}` }),
  read: (i: number): HttpRequest => ({ method: "GET", path: `/${i}` }),
  shows: ({ body }: HttpAnswer, i: number) => body === `${i}`,
  stalenessMs: () => 5,
} as unknown as PeerCluster;

function answered(status: number, body = ""): HttpAnswer {
  return { status, headers: {}, body };
}

async function run(answer: (request: HttpRequest, atMs: number) => HttpAnswer, rates = RATES) {
  const clock = new VirtualClock();
  const beganMs = clock.now();
  const http: Sender = {
    send: (_, request) =>
      new Promise((resolve) => {
        clock.schedule(1, () => resolve(answer(request, clock.now() - beganMs)));
      }),
  };
  const common = { clock, random: evenlySpread() };
  const origins = OPERATIONS.nodes.map(({ url }) => url);
  const pool = new ClientPool({ http, origins, clients: 2, timeoutMs: 500, ...common });
  const workload = new Workload({ cluster: OPERATIONS, pool, rates, spacing: "even", ...common });
  workload.start();
  await clock.advance(1_000);
  const stopped = workload.stop();
  await clock.advance(60_000);
  await stopped;
  return workload;
}

const truth = ({ path, method }: HttpRequest) =>
  method === "PUT" ? answered(201) : answered(200, path.slice("/lookup/".length));

describe("workload", () => {
  it("registers agents that nobody registered before, and keeps which were acknowledged when", async () => {
    const { acknowledged } = await run(truth);
    assert.deepEqual(
      acknowledged.map(({ agent }) => agent),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
    assert.equal(acknowledged[1]!.atMs - acknowledged[0]!.atMs, 100);
  });

  it("holds an answer without an acknowledged agent for stale, by the time since it was acknowledged", async () => {
    const { records } = await run((request) => (request.method === "PUT" ? answered(201) : answered(200, "nobody")));
    const lookups = records.filter(({ operation }) => operation === "lookup");
    assert.ok(lookups.length >= 9);
    for (const { staleByMs = -1, saidStalenessMs } of lookups) {
      assert.ok(staleByMs >= 0 && staleByMs <= 1_000, `${staleByMs}`);
      assert.equal(saidStalenessMs, 5);
    }
  });

  it("holds no failure for stale", async () => {
    const { records } = await run((request) => (request.method === "PUT" ? answered(201) : answered(404)));
    assert.ok(records.every(({ staleByMs }) => staleByMs === undefined));
    assert.ok(records.some(({ isAcknowledged, firstFailure }) => !isAcknowledged && firstFailure === "404"));
  });

  it("keeps what the first attempt came to beside what came of the whole operation", async () => {
    let sent = 0;
    const { records } = await run((request) => (sent++ % 2 === 0 ? answered(503) : truth(request)), {
      ...RATES,
      lookup: 0,
    });
    assert.ok(records.length > 0);
    for (const record of records) {
      assert.deepEqual([record.isAcknowledged, record.isFirstAcknowledged, record.firstFailure], [true, false, "503"]);
    }
  });

  it("leaves out what has a rate of 0", async () => {
    const { records } = await run(truth, { register: 10, renew: 0, lookup: 0 });
    assert.deepEqual([...new Set(records.map(({ operation }) => operation))], ["register"]);
  });
});

describe("lost writes", () => {
  const acknowledged = [0, 1, 2].map((agent) => ({ agent, atMs: agent }));

  async function look(answer: (origin: string, path: string) => HttpAnswer) {
    const clock = new VirtualClock();
    const http: Sender = { send: async (origin, { path }) => answer(origin, path) };
    const { signal } = new AbortController();
    const looking = missingOn(OPERATIONS, acknowledged, { http, clock, signal, onProgress: () => {} });
    await clock.advance(10_000);
    const { checked, missing } = await looking;
    return { checked, missing: missing.map(({ agent }) => agent) };
  }

  it("are those that any node does not show", async () => {
    const answer = (origin: string, path: string) =>
      origin === "two" && path === "/1" ? answered(404) : answered(200, path.slice(1));
    assert.deepEqual(await look(answer), { checked: 3, missing: [1] });
  });

  it("are looked for again where a node does not say", async () => {
    const refused = new Set<string>();
    const answer = (origin: string, path: string) => {
      const isNew = !refused.has(origin + path);
      refused.add(origin + path);
      return isNew ? answered(503) : answered(200, path.slice(1));
    };
    assert.deepEqual(await look(answer), { checked: 3, missing: [] });
  });

  it("are assumed where a node never says", async () => {
    assert.deepEqual(await look(() => answered(503)), { checked: 3, missing: [0, 1, 2] });
  });
});
