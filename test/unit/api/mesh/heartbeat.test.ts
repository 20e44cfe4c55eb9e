import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
});

const beat = (payload: object) => test.send({ method: "POST", url: "/heartbeat", payload });

describe("POST /heartbeat, as the real registry takes it", () => {
  for (const contentType of ["", "garbage", "/", "*", "text/plain; charset"]) {
    it(`section 1: does not care for the content type ${JSON.stringify(contentType)}`, async () => {
      const headers = { "content-type": contentType };
      const answer = await test.send({ method: "POST", url: "/heartbeat", headers, payload: '{"agent_id":"a"}' });
      assert.deepEqual([answer.statusCode, answer.json().status], [200, "success"]);
    });
  }

  it("A2: gives a function that two tools offer the dependencies of both, in their order", async () => {
    const tools = ["one", "two"].map((capability) => ({
      function_name: "shared",
      capability,
      dependencies: [{ capability: `first-of-${capability}` }, { capability: `second-of-${capability}` }],
    }));
    const { dependencies_resolved: resolved } = (await beat({ agent_id: "a", tools })).json();
    assert.deepEqual(
      resolved.shared.map(({ capability }: { capability: string }) => capability),
      ["first-of-one", "second-of-one", "first-of-two", "second-of-two"],
    );
  });

  for (const timestamp of [
    "2026-13-01T00:00:00Z",
    "2026-01-32T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
  ]) {
    it(`A2: refuses the timestamp ${timestamp}`, async () => {
      assert.equal((await beat({ agent_id: "a", timestamp })).statusCode, 400);
    });
  }

  it("A2: takes timestamps of any offset and precision", async () => {
    for (const timestamp of ["2026-12-31T23:59:59Z", "2026-01-01T00:00:00.123456789+14:00"]) {
      assert.equal((await beat({ agent_id: "a", timestamp })).json().status, "success", timestamp);
    }
  });
});

describe("paths that end where an id should be", () => {
  for (const [method, url] of [
    ["HEAD", "/heartbeat/"],
    ["DELETE", "/agents/"],
  ] as const) {
    it(`section 1: ${method} ${url}: 404`, async () => {
      const answer = await test.send({ method, url });
      assert.deepEqual([answer.statusCode, answer.headers["content-type"]], [404, "text/plain"]);
    });
  }
});
