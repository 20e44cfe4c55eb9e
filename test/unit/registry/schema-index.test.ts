import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SchemaIndex } from "../../../src/registry/schema-index.ts";
import type { AgentRuntime, JsonObject, StoredAgent } from "../../../src/types/agent.ts";
import { aCapability, agentId, aRecord } from "./fixtures.ts";

const hash = (digit: number) => `sha256:${String(digit).repeat(64)}`;

function anAgent(
  name: string,
  registeredAtMs: number,
  schemas: Readonly<Record<number, JsonObject>>,
  runtime: AgentRuntime = "python",
): StoredAgent {
  const capabilities = Object.entries(schemas).map(([digit, inputSchemaCanonical]) =>
    aCapability(`c${digit}`, { inputSchemaHash: hash(Number(digit)), inputSchemaCanonical }),
  );
  const record = aRecord({ capabilities, runtime });
  const id = agentId(name);
  return { id, record, incarnation: 1, health: "healthy", revision: 1, registeredAtMs, changedAtMs: registeredAtMs };
}

describe("SchemaIndex", () => {
  const older = anAgent("z", 1_000, { 1: { type: "object" } }, "java");
  const newer = anAgent("a", 2_000, { 1: { type: "string" }, 2: { type: "integer" } });

  it("C: shows each schema once, newest first, by the agent that registered first", () => {
    for (const order of [
      [older, newer],
      [newer, older],
    ]) {
      const index = new SchemaIndex();
      for (const each of order) index.add(each);
      assert.deepEqual(index.list(10), [
        { hash: hash(2), canonical: { type: "integer" }, runtimeOrigin: "python", createdAtMs: 2_000 },
        { hash: hash(1), canonical: { type: "object" }, runtimeOrigin: "java", createdAtMs: 1_000 },
      ]);
      assert.deepEqual(index.list(1).length, 1);
    }
  });

  it("goes on with the next agent that has a schema, and forgets it with the last one", () => {
    const index = new SchemaIndex();
    index.add(older);
    index.add(newer);
    index.remove(older);
    assert.deepEqual(index.get(hash(1))?.canonical, { type: "string" });
    index.remove(newer);
    assert.equal(index.get(hash(1)), undefined);
    assert.deepEqual(index.list(10), []);
  });

  it("tells agents that registered at the same time apart by id", () => {
    const index = new SchemaIndex();
    index.add(anAgent("y", 1_000, { 1: { title: "y" } }));
    index.add(anAgent("x", 1_000, { 1: { title: "x" } }));
    assert.deepEqual(index.get(hash(1))?.canonical, { title: "x" });
  });

  it("knows only pairs of a schema and its hash", () => {
    const index = new SchemaIndex();
    const capabilities = [aCapability("c", { inputSchemaHash: hash(1), outputSchemaCanonical: {} })];
    index.add({ ...older, record: aRecord({ capabilities }) });
    assert.deepEqual(index.list(10), []);
  });
});
