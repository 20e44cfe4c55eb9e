import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
});

describe("POST /v1/cluster/region-key/rotate", () => {
  const url = "/v1/cluster/region-key/rotate";

  it("shows the new key, for those who pin it by configuration", async () => {
    const answer = await test.send({ method: "POST", url });
    assert.deepEqual([answer.statusCode, answer.json()], [200, { region: "us-east", publicKey: "ab".repeat(32) }]);
    assert.deepEqual(test.federation.asked, [["rotate"]]);
  });

  it("says why it was not replaced", async () => {
    for (const code of ["REGION_KEY_MISSING", "REGION_KEY_CHANGED"] as const) {
      test.federation.refusal = { code };
      const answer = await test.send({ method: "POST", url, payload: {} });
      assert.deepEqual([answer.statusCode, answer.json().error.code], [409, code]);
    }
  });

  it("takes no fields", async () => {
    const answer = await test.send({ method: "POST", url, payload: { publicKey: "mine" } });
    assert.equal(answer.statusCode, 400);
    assert.deepEqual(test.federation.asked, []);
  });
});
