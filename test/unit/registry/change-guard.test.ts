import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeCommand } from "../../../src/registry/commands.ts";
import { RegistryError } from "../../../src/registry/errors.ts";
import { RegistryStateMachine } from "../../../src/registry/registry-state-machine.ts";
import type { ChangeGuard } from "../../../src/types/token.ts";
import { agentId, aRecord, HOME, TestRegion } from "./fixtures.ts";

const ID = agentId(1);
const entity = (name: string): ChangeGuard => ({
  token: `entity:${name}`,
  namespaces: null,
  entity: name,
  overrides: false,
});
const OPERATOR: ChangeGuard = { token: "ops", namespaces: null, entity: null, overrides: true };
const scoped = (...namespaces: string[]): ChangeGuard => ({ token: "t", namespaces, entity: null, overrides: false });

async function codeOf(change: Promise<unknown>): Promise<string> {
  try {
    await change;
    return "done";
  } catch (error) {
    assert.ok(error instanceof RegistryError, String(error));
    return error.detail.code;
  }
}

describe("an agent that an entity registered", () => {
  it("contract C: stays the entity's: nobody else registers, renews or ends it", async () => {
    const { service } = new TestRegion(1).nodes[0]!;
    const { agent } = await service.register(ID, aRecord(), entity("corp"));
    assert.equal(agent.entity, "corp");
    assert.equal(service.get(ID)?.entity, "corp");
    for (const guard of [undefined, entity("other"), scoped("default")]) {
      assert.equal(await codeOf(service.register(ID, aRecord(), guard)), "ENTITY_MISMATCH", "also the same record");
      assert.equal(await codeOf(service.renew(ID, null, guard)), "ENTITY_MISMATCH");
      assert.equal(await codeOf(service.renewAndCompare(ID, guard)), "ENTITY_MISMATCH");
      assert.equal(await codeOf(service.deregister(ID, "keep", guard)), "ENTITY_MISMATCH");
    }
    assert.equal(await codeOf(service.register(ID, aRecord({ version: "2" }), entity("corp"))), "done");
    assert.equal(await codeOf(service.renew(ID, null, entity("corp"))), "done");
  });

  it("is claimed by the first entity that comes, and given up with the agent", async () => {
    const { service } = new TestRegion(1).nodes[0]!;
    await service.register(ID, aRecord());
    await service.register(ID, aRecord({ version: "2" }), entity("corp"));
    assert.equal(service.get(ID)?.entity, "corp");
    assert.equal(await codeOf(service.deregister(ID, "purge", entity("corp"))), "done");
    await service.register(ID, aRecord(), entity("other"));
    assert.equal(service.get(ID)?.entity, "other");
  });

  it("can be ended by an operator", async () => {
    const { service } = new TestRegion(1).nodes[0]!;
    await service.register(ID, aRecord(), entity("corp"));
    assert.equal(await codeOf(service.deregister(ID, "purge", OPERATOR)), "done");
  });

  it("is told apart by the log alone when two claims are on their way to it", () => {
    const machine = new RegistryStateMachine(HOME);
    const claim = (entity: string, index: number) => {
      const guard = { namespaces: null, entity, overrides: false };
      const command = {
        kind: "register",
        id: ID,
        record: aRecord(),
        atMs: 1,
        agentsMax: 10,
        eventsMax: 10,
        guard,
      } as const;
      return machine.apply(encodeCommand(command), index).result;
    };
    assert.deepEqual(claim("corp", 1), { change: "created", incarnation: 1, registeredAtMs: 1 });
    assert.deepEqual(claim("other", 2), { refused: "entity", entity: "corp" });
    const end = { kind: "deregister", id: ID, mode: "purge", incarnation: null, atMs: 1, eventsMax: 10 } as const;
    assert.deepEqual(machine.apply(encodeCommand(end), 3).result, { refused: "entity", entity: "corp" });
  });

  it("is told apart by the log when two claim it at once through different nodes", async () => {
    const [one, two] = new TestRegion(2).nodes;
    const outcomes = await Promise.all([
      codeOf(one!.service.register(ID, aRecord(), entity("corp"))),
      codeOf(two!.service.register(ID, aRecord(), entity("other"))),
    ]);
    assert.deepEqual(outcomes.sort(), ["ENTITY_MISMATCH", "done"]);
    assert.equal(one!.stateMachine.stateHash(), two!.stateMachine.stateHash());
  });

  it("alone is told when its entity is rotated", async () => {
    const { service } = new TestRegion(1).nodes[0]!;
    await service.register(ID, aRecord(), entity("corp"));
    await service.register(agentId(2), aRecord());
    assert.deepEqual(await service.rotate("corp"), { affectedAgents: 1 });
    assert.deepEqual(await service.rotate("nobody"), { affectedAgents: 0 });
  });
});

describe("a token with namespaces", () => {
  it("P11: changes agents of these alone, and takes none over from another", async () => {
    const { service } = new TestRegion(1).nodes[0]!;
    await service.register(ID, aRecord({ namespace: "a" }), scoped("a", "b"));
    assert.equal(await codeOf(service.register(ID, aRecord({ namespace: "b" }), scoped("b"))), "NAMESPACE_NOT_ALLOWED");
    assert.equal(await codeOf(service.renew(ID, null, scoped("b"))), "NAMESPACE_NOT_ALLOWED");
    assert.equal(await codeOf(service.deregister(ID, "keep", scoped("b"))), "NAMESPACE_NOT_ALLOWED");
    assert.equal(await codeOf(service.register(ID, aRecord({ namespace: "b" }), scoped("a", "b"))), "done");
  });
});
