import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { AgentIndex } from "../../src/registry/agent-index.ts";
import { decode, encode } from "../../src/registry/codec.ts";
import { type Command, encodeCommand } from "../../src/registry/commands.ts";
import { RegistryStateMachine } from "../../src/registry/registry-state-machine.ts";
import type { StateRecord } from "../../src/storage/interface.ts";
import { asAgentId, asClusterId, asRegionId } from "../../src/types/ids.ts";

const REGION = asRegionId("us-east");

const id = fc.constantFrom("a", "b", "c", "d").map(asAgentId);
const capability = fc.record({
  name: fc.constantFrom("x", "y", "z"),
  functionName: fc.constantFrom("f", "g"),
  version: fc.constantFrom("1.0.0", "1.0", "2.0.0", "latest"),
  tags: fc.subarray(["p", "q", "r"]),
  dependencies: fc.array(
    fc.record({
      capability: fc.constantFrom("x", "y", "z", "nobody's"),
      tags: fc.constant([]),
      version: fc.constant(""),
      required: fc.boolean(),
    }),
    { maxLength: 2 },
  ),
});
const record = fc.record({
  name: fc.constant("n"),
  namespace: fc.constantFrom("default", "other"),
  type: fc.constantFrom("mcp_agent" as const, "api" as const),
  runtime: fc.constant("python" as const),
  version: fc.constant(""),
  endpoint: fc.constantFrom("http://one", "http://two"),
  labels: fc.constant({}),
  metadata: fc.dictionary(fc.string(), fc.jsonValue() as fc.Arbitrary<null>, { maxKeys: 2 }),
  capabilities: fc.array(capability, { maxLength: 3 }),
  leaseMs: fc.constant(20_000),
});
const auditEntry = fc.record({
  functionName: fc.constantFrom("f", "g"),
  position: fc.constantFrom(0, 1),
  type: fc.constantFrom("dependency_resolved" as const, "dependency_unresolved" as const),
  data: fc.record({ chosen: fc.constantFrom("a", "b") }),
});
/** Small, so that commands often mean what is there, and often what is not any more. */
const index = fc.integer({ min: 1, max: 12 });
const atMs = fc.nat();
/** So few that old ones go all the time. */
const eventsMax = fc.constantFrom(0, 2, 5);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("register" as const),
      id,
      record,
      atMs,
      agentsMax: fc.constant(3),
      eventsMax,
    }),
  },
  fc.record({
    kind: fc.constant("deregister" as const),
    id,
    mode: fc.constantFrom("keep" as const, "purge" as const),
    incarnation: fc.option(index),
    atMs,
    eventsMax,
  }),
  fc.record({
    kind: fc.constant("expire" as const),
    leases: fc.array(fc.tuple(id, index), { maxLength: 6 }),
    atMs,
    eventsMax,
  }),
  fc.record({ kind: fc.constant("rotate" as const), entityId: fc.option(fc.constant("e")), atMs, eventsMax }),
  fc.record({ kind: fc.constant("setDraining" as const), isDraining: fc.boolean() }),
  fc.record({
    kind: fc.constant("audit" as const),
    id,
    incarnation: index,
    entries: fc.array(auditEntry, { maxLength: 2 }),
    atMs,
    eventsMax,
  }),
  fc.record({ kind: fc.constant("purge" as const), agents: fc.array(fc.tuple(id, index), { maxLength: 6 }), atMs }),
  fc.record({ kind: fc.constant("setRegionKey" as const), wrapped: fc.uint8Array({ maxLength: 1 }) }),
  fc.record({
    kind: fc.constant("retireRegion" as const),
    retirement: fc.record({
      region: fc.constantFrom("west", "north").map(asRegionId),
      cluster: fc.string({ maxLength: 1 }),
      publicKey: fc.string({ maxLength: 1 }),
      atMs,
    }),
    retirementsMax: fc.nat(3),
  }),
  fc.record({ kind: fc.constant("admitRegion" as const), region: fc.constantFrom("west", "north").map(asRegionId) }),
  fc.record({
    kind: fc.constant("setFarewell" as const),
    farewell: fc.record({
      region: fc.constant(asRegionId("east")),
      cluster: fc.string().map(asClusterId),
      publicKey: fc.string(),
      successions: fc.constant([]),
      signature: fc.string(),
    }),
  }),
  fc.record({ kind: fc.constant("setExport" as const), policy: fc.subarray(["*", "default", "!default"]) }),
  fc.record({
    kind: fc.constant("replaceRegionKey" as const),
    replaces: fc.uint8Array({ maxLength: 1 }),
    wrapped: fc.uint8Array({ maxLength: 1 }),
    succession: fc.record({ previous: fc.string(), next: fc.string(), signature: fc.string() }),
    successionsMax: fc.nat(3),
  }),
);

/** A replica with what its storage would hold, as bytes. */
class Replica {
  readonly machine = new RegistryStateMachine(REGION);
  readonly disk = new Map<string, Uint8Array>();

  apply(bytes: Uint8Array, at: number): unknown {
    const { result, writes } = this.machine.apply(bytes, at);
    for (const { key, value } of writes) {
      if (value === undefined) this.disk.delete(key);
      else this.disk.set(key, encode(value));
    }
    return result;
  }

  hexDump(): readonly string[] {
    return [...this.disk].map(([key, bytes]) => `${key} ${Buffer.from(bytes).toString("hex")}`).sort();
  }

  async restart(): Promise<Replica> {
    const next = new Replica();
    for (const [key, value] of this.disk) next.disk.set(key, value);
    await next.machine.restore(this.#records());
    return next;
  }

  async *#records(): AsyncGenerator<readonly StateRecord[]> {
    const sorted = [...this.disk].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, value] of sorted) yield [[key, decode(value)]];
  }
}

const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);

function visible({ index, topologyRevision, regionKey }: RegistryStateMachine) {
  return {
    agents: index.list({}, { limit: 100 }),
    capabilities: [...index.capabilities()].sort(byName),
    offers: ["x", "y", "z"].map((name) => index.offers(name).map(({ found }) => found)),
    counts: [index.size, index.healthy, index.capabilityCount],
    topologyRevision,
    regionKey,
  };
}

describe("the registry's state machine", () => {
  it("F6: replicas agree on results, state and hash, also when one restarts in the middle", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 20 }), fc.nat(20), async (commands, restartAt) => {
        const steady = new Replica();
        let restarted = new Replica();
        for (const [i, one] of commands.entries()) {
          if (i === restartAt) restarted = await restarted.restart();
          const bytes = encodeCommand(one);
          assert.deepEqual(restarted.apply(bytes, i + 1), steady.apply(bytes, i + 1));
          assert.equal(restarted.machine.stateHash(), steady.machine.stateHash());
        }
        assert.deepEqual(visible(restarted.machine), visible(steady.machine));
        assert.deepEqual(restarted.hexDump(), steady.hexDump());
        const fromDisk = await steady.restart();
        assert.deepEqual(visible(fromDisk.machine), visible(steady.machine));
      }),
    );
  });

  it("counts as if it were counted from scratch", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), (commands) => {
        const replica = new Replica();
        commands.forEach((one, i) => {
          replica.apply(encodeCommand(one), i + 1);
        });
        const scratch = new AgentIndex(REGION);
        for (const agent of replica.machine.index.agents()) scratch.put(agent, agent.revision);
        const counted = (of: AgentIndex) =>
          [...of.capabilities()].sort(byName).map(({ revision: _, ...count }) => count);
        assert.deepEqual(counted(replica.machine.index), counted(scratch));
        assert.deepEqual([replica.machine.index.healthy, replica.machine.index.size], [scratch.healthy, scratch.size]);
      }),
    );
  });

  it("has the hash of nothing only while it holds nothing", () => {
    const empty = new RegistryStateMachine(REGION).stateHash();
    fc.assert(
      fc.property(fc.array(command, { maxLength: 20 }), (commands) => {
        const replica = new Replica();
        commands.forEach((one, i) => {
          replica.apply(encodeCommand(one), i + 1);
          assert.equal(replica.machine.stateHash() === empty, replica.disk.size === 0);
        });
      }),
    );
  });
});
