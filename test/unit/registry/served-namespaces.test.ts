import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RegistryError } from "../../../src/registry/errors.ts";
import { agentId, aQuery, aRecord, TestRegion } from "./fixtures.ts";

const isNotServed = (error: unknown) => error instanceof RegistryError && error.detail.code === "NAMESPACE_NOT_SERVED";

describe("a node that is there for some namespaces", () => {
  it("takes, renews, ends and finds agents of these alone", async () => {
    const { service } = new TestRegion(1, { service: { served: ["payments"] } }).nodes[0]!;
    const id = agentId(1);
    await service.register(id, aRecord({ namespace: "payments" }));
    await service.renew(id, null);
    assert.equal((await service.lookup(aQuery({ namespace: "payments", scope: "region" }))).agents.length, 1);
    await assert.rejects(service.register(agentId(2), aRecord({ namespace: "weather" })), isNotServed);
    await assert.rejects(service.lookup(aQuery({ namespace: "weather" })), isNotServed);
    assert.throws(() => service.list({ namespace: "weather" }, { limit: 1 }), isNotServed);
  });
});
