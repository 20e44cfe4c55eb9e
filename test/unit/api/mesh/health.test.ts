import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createTestApp } from "../../../support/api-app.ts";

describe("HEAD /health", () => {
  it("B: has the content type of GET, as the real registry's has", async () => {
    const test = await createTestApp();
    const { headers } = await test.send({ method: "HEAD", url: "/health" });
    assert.equal(headers["content-type"], "application/json");
  });
});
