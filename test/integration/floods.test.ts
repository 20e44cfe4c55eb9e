/**
 * Floods (see `test/support/floods.ts`) through the real faces of a node: each is told what its limit is, or is borne; nothing
 * of it is kept, memory does not grow with repetition, and the node serves on. How long a request takes is for the benchmark.
 */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { createTestApp, type TestApp } from "../support/api-app.ts";
import { addReplicas, BORNE, type Flood, REFUSED, REPLICATED } from "../support/floods.ts";
import { aRecord } from "../unit/registry/fixtures.ts";

/** More than a page, fewer than in the benchmark: what is bounded is bounded at any size. */
const REPLICAS = 1_500;
const ANSWER_AGENTS_MAX = 1_000;

let test: TestApp;
before(async () => {
  test = await createTestApp();
  await addReplicas(test.node.service, REPLICAS, aRecord());
});
after(() => test.app.close());

const flood = ({ method, url, payload }: Flood) =>
  test.region.clock.settled(
    test.app.inject({
      method,
      url,
      headers: { "content-type": "application/json" },
      ...(payload !== undefined && { payload }),
    }),
  );

describe("floods", () => {
  for (const each of REFUSED) {
    it(`are told their limit: ${each.what}`, async () => {
      const before = test.region.region.log.length;
      const answer = await flood(each);
      assert.equal(answer.statusCode, each.status, answer.body.slice(0, 300));
      assert.match(answer.body, each.says);
      assert.ok(answer.body.length < 2_000, `an answer of ${answer.body.length} characters`);
      assert.equal(test.region.region.log.length, before, "something was written");
    });
  }

  for (const each of BORNE) {
    it(`are answered as anything else: ${each.what}`, async () => {
      const answer = await flood(each);
      assert.equal(answer.statusCode, each.status, answer.body.slice(0, 300));
      assert.match(answer.body, each.says);
      assert.equal(({} as { polluted?: boolean }).polluted, undefined);
    });
  }

  it("are answered in pages, however many replicas a name has", async () => {
    const page = await test.send({ url: `/v1/lookup?capability=${REPLICATED}&scope=region` });
    assert.equal(page.json().agents.length, 100);
    const most = await test.send({ url: `/v1/lookup?capability=${REPLICATED}&scope=region&limit=1000` });
    assert.equal(most.json().agents.length, ANSWER_AGENTS_MAX);
    const tooMany = await test.send({ url: `/v1/lookup?capability=${REPLICATED}&limit=1001` });
    assert.deepEqual([tooMany.statusCode, tooMany.json().error.field], [400, "limit"]);
    const seed = await test.app.inject({ url: `/agents?capability=${REPLICATED}` });
    assert.equal(seed.json().length, ANSWER_AGENTS_MAX);
  });

  it("leave no memory behind, however often they come", async () => {
    const rounds = async (count: number) => {
      for (let i = 0; i < count; i++) for (const each of REFUSED) await flood(each);
    };
    await rounds(5);
    const first = heapUsed();
    await rounds(20);
    const ratio = heapUsed() / first;
    assert.ok(ratio < 1.1, `the heap is ${ratio.toFixed(2)} times what it was`);
  });

  it("leave a node that serves", async () => {
    const put = await test.send({
      method: "PUT",
      url: "/v1/agents/weather-1",
      payload: { endpoint: "http://weather:1", capabilities: ["weather"] },
    });
    assert.equal(put.statusCode, 201);
    const found = await test.send({ url: "/v1/lookup?capability=weather&scope=region" });
    assert.equal(found.json().agents.length, 1);
    assert.deepEqual(test.errors, []);
  });
});

/** Bytes in use after a collection of garbage. */
function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
