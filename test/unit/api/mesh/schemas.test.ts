import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";

const hash = (digit: string) => `sha256:${digit.repeat(64)}`;

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
  await register("first", "python", { in: ["1", { type: "object" }], out: ["2", { type: "string" }] });
  await test.region.clock.advance(1_000);
  await register("second", "java", { in: ["1", { type: "object" }], out: ["0", { type: "integer" }] });
});

async function register(agent_id: string, runtime: string, schemas: { in: [string, object]; out: [string, object] }) {
  const [inputDigit, inputSchemaCanonical] = schemas.in;
  const [outputDigit, outputSchemaCanonical] = schemas.out;
  const tool = {
    function_name: "f",
    capability: "c",
    inputSchemaCanonical,
    inputSchemaHash: hash(inputDigit),
    outputSchemaCanonical,
    outputSchemaHash: hash(outputDigit),
  };
  await test.send({ method: "POST", url: "/heartbeat", payload: { agent_id, runtime, tools: [tool] } });
}

describe("GET /schemas", () => {
  it("C: lists each schema once, newest first, with the runtime that brought it and when", async () => {
    const { schemas, count } = (await test.send({ url: "/schemas" })).json();
    assert.equal(count, 3);
    assert.deepEqual(
      schemas.map((each: { hash: string; runtime_origin: string }) => [each.hash, each.runtime_origin]),
      [
        [hash("0"), "java"],
        [hash("1"), "python"],
        [hash("2"), "python"],
      ],
    );
    assert.deepEqual(schemas[0], {
      hash: hash("0"),
      canonical: { type: "integer" },
      runtime_origin: "java",
      created_at: new Date(test.region.clock.wallTime()).toISOString(),
    });
  });

  it("C: draws limit to 1 to 1,000, and answers what is no number with {msg}", async () => {
    assert.equal((await test.send({ url: "/schemas?limit=-1" })).json().count, 1);
    assert.equal((await test.send({ url: "/schemas?limit=100000" })).json().count, 3);
    const bad = await test.send({ url: "/schemas?limit=x" });
    assert.deepEqual([bad.statusCode, Object.keys(bad.json())], [400, ["msg"]]);
  });

  it("C: shows one by its hash, and knows no other", async () => {
    const found = (await test.send({ url: `/schemas/${hash("2")}` })).json();
    assert.deepEqual([found.hash, found.canonical], [hash("2"), { type: "string" }]);
    const missing = await test.send({ url: "/schemas/nothing" });
    assert.equal(missing.statusCode, 404);
    assert.deepEqual(
      [missing.json().error, Object.keys(missing.json())],
      ["schema not found: nothing", ["error", "timestamp"]],
    );
  });
});
