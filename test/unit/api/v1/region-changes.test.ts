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

describe("regions that are gone", () => {
  const changes = [
    ["/v1/regions/us-west/retire", { region: "us-west", cluster: "c1" }, ["retire", "us-west"]],
    ["/v1/regions/us-west/admit", { region: "us-west" }, ["admit", "us-west"]],
    ["/v1/cluster/retire", { region: "us-east", cluster: "c0" }, ["retire self"]],
  ] as const;
  for (const [url, said, asked] of changes) {
    it(`POST ${url}: 200, and what was changed`, async () => {
      const answer = await test.send({ method: "POST", url });
      assert.deepEqual([answer.statusCode, answer.json()], [200, said]);
      assert.deepEqual(test.federation.asked, [asked]);
    });

    it(`POST ${url} takes no fields`, async () => {
      assert.equal((await test.send({ method: "POST", url, payload: { yes: true } })).statusCode, 400);
      assert.deepEqual(test.federation.asked, []);
    });
  }

  it("says why nothing was changed", async () => {
    for (const code of ["REGION_RETIRED", "REGION_IS_OWN", "REGION_NOT_RETIRED"] as const) {
      test.federation.refusal = { code, region: "us-east" };
      const answer = await test.send({ method: "POST", url: "/v1/regions/us-east/retire" });
      const { error } = answer.json();
      assert.deepEqual([answer.statusCode, error.code, error.region], [409, code, "us-east"]);
    }
  });

  it("refuses what is no region's name", async () => {
    for (const name of ["US", "a b", "-a", "a".repeat(64)]) {
      const url = `/v1/regions/${encodeURIComponent(name)}/retire`;
      assert.equal((await test.send({ method: "POST", url })).statusCode, 400, name);
    }
    assert.deepEqual(test.federation.asked, []);
  });
});
