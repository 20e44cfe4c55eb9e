import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { registration } from "../../../../bench/comparison/atoll-requests.ts";
import { meshHeartbeat } from "../../../../bench/peers/mesh-requests.ts";
import { AGENTS_PER_CAPABILITY, capabilityOf, RECORD_BYTES } from "../../../../bench/peers/sample-agents.ts";

describe("sample agents", () => {
  it("take the same number of bytes, whichever they are", () => {
    for (const i of [0, 7, 99_999, 999_999]) assert.equal(registration(i).body?.length, RECORD_BYTES);
  });

  it("take them with a lease of another length, too", () => {
    const { body = "" } = registration(7, 30_000);
    assert.equal(body.length, RECORD_BYTES);
    assert.equal(JSON.parse(body).leaseMs, 30_000);
  });

  it("share their capability with as many others as a lookup finds", () => {
    const names = Array.from({ length: 3 * AGENTS_PER_CAPABILITY }, (_, i) => capabilityOf(i));
    assert.equal(new Set(names).size, 3);
    assert.equal(names.filter((name) => name === names[0]).length, AGENTS_PER_CAPABILITY);
  });

  it("say something new only when they are asked to", () => {
    assert.equal(meshHeartbeat(3).body, meshHeartbeat(3, 0).body);
    assert.notEqual(meshHeartbeat(3, 1).body, meshHeartbeat(3, 2).body);
  });
});
