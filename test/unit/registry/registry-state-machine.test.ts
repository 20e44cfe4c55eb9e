import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { encode } from "../../../src/registry/codec.ts";
import { type Command, encodeCommand } from "../../../src/registry/commands.ts";
import { RegistryStateMachine } from "../../../src/registry/registry-state-machine.ts";
import type { StateRecord } from "../../../src/storage/interface.ts";
import type { AgentRecord } from "../../../src/types/agent.ts";
import { asClusterId, asRegionId, type RegionId } from "../../../src/types/ids.ts";
import { aCapability, agentId, aRecord, HOME } from "./fixtures.ts";

/** A state machine, its log index, and the records it would have on disk. */
class Replica {
  readonly machine = new RegistryStateMachine(HOME);
  readonly disk = new Map<string, unknown>();
  index = 0;

  apply(command: Command): unknown {
    this.index++;
    const { result, writes } = this.machine.apply(encodeCommand(command), this.index);
    for (const { key, value } of writes) {
      if (value === undefined) this.disk.delete(key);
      else this.disk.set(key, value);
    }
    return result;
  }

  register(name: string | number, fields: Partial<AgentRecord> = {}, atMs = 1_000): unknown {
    return this.apply({
      kind: "register",
      id: agentId(name),
      record: aRecord(fields),
      atMs,
      agentsMax: 100,
      eventsMax: 100,
    });
  }

  deregister(name: string | number, mode: "keep" | "purge" = "keep", incarnation: number | null = null): unknown {
    return this.apply({ kind: "deregister", id: agentId(name), mode, incarnation, atMs: 2_000, eventsMax: 100 });
  }

  expire(name: string | number, incarnation: number): unknown {
    return this.apply({ kind: "expire", leases: [[agentId(name), incarnation]], atMs: 2_000, eventsMax: 100 });
  }

  purge(name: string | number, revision: number): unknown {
    return this.apply({ kind: "purge", agents: [[agentId(name), revision]], atMs: 3_000 });
  }

  get(name: string | number) {
    return this.machine.index.get(agentId(name));
  }
}

async function* pages(disk: ReadonlyMap<string, unknown>): AsyncGenerator<readonly StateRecord[]> {
  yield [...disk].sort(([a], [b]) => (a < b ? -1 : 1));
}

let replica: Replica;
beforeEach(() => {
  replica = new Replica();
});

describe("registering", () => {
  it("opens a lease named by the log index", () => {
    assert.deepEqual(replica.register("a"), { change: "created", incarnation: 1, registeredAtMs: 1_000 });
    assert.equal(replica.get("a")?.health, "healthy");
  });

  it("keeps the lease when the record changes, and the time of the first registration", () => {
    replica.register("a");
    const result = replica.register("a", { version: "2.0.0" }, 5_000);
    assert.deepEqual(result, { change: "updated", incarnation: 1, registeredAtMs: 1_000 });
    assert.equal(replica.get("a")?.revision, 2);
    assert.equal(replica.get("a")?.changedAtMs, 5_000);
  });

  it("opens another lease when the agent was unhealthy, or moved", () => {
    replica.register("a");
    replica.expire("a", 1);
    assert.deepEqual(replica.register("a"), { change: "recovered", incarnation: 3, registeredAtMs: 1_000 });
    assert.equal(replica.get("a")?.unhealthyReason, undefined);
    const moved = replica.register("a", { endpoint: "http://10.0.0.2:8080" });
    assert.deepEqual(moved, { change: "updated", incarnation: 4, registeredAtMs: 1_000 });
  });

  it("refuses a new agent over the limit that the command carries, and still takes a known one", () => {
    replica.register("a");
    const register = (name: string) =>
      replica.apply({ kind: "register", id: agentId(name), record: aRecord(), atMs: 1, agentsMax: 1, eventsMax: 100 });
    assert.deepEqual(register("b"), { refused: "too-many-agents", agents: 1, agentsMax: 1 });
    assert.equal(replica.get("b"), undefined);
    assert.equal((register("a") as { change: string }).change, "updated");
  });
});

describe("leaving", () => {
  it("keeps a deregistered agent listed as unhealthy, or removes it at once", () => {
    replica.register("a");
    replica.register("b");
    assert.deepEqual(replica.deregister("a"), { existed: true });
    assert.deepEqual([replica.get("a")?.health, replica.get("a")?.unhealthyReason], ["unhealthy", "deregistered"]);
    assert.deepEqual(replica.deregister("b", "purge"), { existed: true });
    assert.equal(replica.get("b"), undefined);
    assert.deepEqual(replica.deregister("b"), { existed: false });
  });

  it("leaves alone a lease other than the one named", () => {
    replica.register("a");
    assert.deepEqual(replica.deregister("a", "purge", 99), { existed: false });
    assert.equal(replica.get("a")?.health, "healthy");
  });

  it("F21: expires only the incarnation it was decided for", () => {
    replica.register("a");
    replica.deregister("a");
    replica.register("a");
    assert.deepEqual(replica.expire("a", 1), { changed: 0 });
    assert.equal(replica.get("a")?.health, "healthy");
    assert.deepEqual(replica.expire("a", 3), { changed: 1 });
    assert.equal(replica.get("a")?.unhealthyReason, "lease-expired");
  });

  it("F23: purges only what is still as it was when it was decided", () => {
    replica.register("a");
    replica.deregister("a");
    replica.register("a");
    assert.deepEqual(replica.purge("a", 2), { changed: 0 });
    replica.deregister("a");
    assert.deepEqual(replica.purge("a", 2), { changed: 0 });
    assert.deepEqual(replica.purge("a", 5), { changed: 1 });
    assert.equal(replica.get("a"), undefined);
  });
});

describe("the topology revision (contract A3)", () => {
  const api = { type: "api" } as const;
  const rows: readonly [what: string, change: () => void, moves: boolean][] = [
    ["a new agent", () => replica.register("new"), true],
    ["a new api agent", () => replica.register("new", api), false],
    ["the same record again", () => replica.register("old"), false],
    ["other metadata", () => replica.register("old", { metadata: { a: 1 } }), false],
    ["another capability", () => replica.register("old", { capabilities: [aCapability("x")] }), true],
    [
      "another version",
      () => replica.register("old", { capabilities: [aCapability("weather", { version: "2" })] }),
      true,
    ],
    ["another endpoint", () => replica.register("old", { endpoint: "http://elsewhere" }), true],
    ["an api agent that moves", () => replica.register("api", { ...api, endpoint: "http://elsewhere" }), false],
    ["a deregistration", () => replica.deregister("old"), true],
    ["a removal", () => replica.deregister("old", "purge"), true],
    ["a deregistration of an unknown agent", () => replica.deregister("nobody"), false],
    ["an api agent that leaves", () => replica.deregister("api"), false],
    ["an expiry", () => replica.expire("old", 1), true],
    ["an expiry of an api agent", () => replica.expire("api", 2), false],
    ["a recovery", () => replica.register("sick"), true],
    ["a purge", () => replica.purge("sick", 4), false],
  ];
  for (const [what, change, moves] of rows) {
    it(`${moves ? "moves with" : "stays through"} ${what}`, () => {
      replica.register("old");
      replica.register("api", api);
      replica.register("sick");
      replica.deregister("sick");
      const before = replica.machine.topologyRevision;
      change();
      assert.equal(replica.machine.topologyRevision, moves ? replica.index : before);
    });
  }
});

describe("the region key", () => {
  it("is set once: the first one stays", () => {
    assert.deepEqual(replica.apply({ kind: "setRegionKey", wrapped: Uint8Array.of(1) }), { isSet: true });
    assert.deepEqual(replica.apply({ kind: "setRegionKey", wrapped: Uint8Array.of(2) }), { isSet: false });
    assert.deepEqual(replica.machine.regionKey, Uint8Array.of(1));
  });

  it("is replaced by whoever saw it as it is", async () => {
    const replace = (replaces: number, wrapped: number) =>
      replica.apply({
        kind: "replaceRegionKey",
        replaces: Uint8Array.of(replaces),
        wrapped: Uint8Array.of(wrapped),
        succession: { previous: `${replaces}`, next: `${wrapped}`, signature: "" },
        successionsMax: 2,
      });
    assert.deepEqual(replace(1, 2), { isSet: false }, "there is none to replace");
    replica.apply({ kind: "setRegionKey", wrapped: Uint8Array.of(1) });
    assert.deepEqual(
      [replace(1, 2), replace(1, 3), replace(2, 4), replace(4, 5)].map((r) => (r as { isSet: boolean }).isSet),
      [true, false, true, true],
    );
    const restored = new RegistryStateMachine(HOME);
    await restored.restore(pages(replica.disk));
    for (const { regionKey, keySuccessions } of [replica.machine, restored]) {
      assert.deepEqual(regionKey, Uint8Array.of(5));
      assert.deepEqual(
        keySuccessions.map(({ next }) => next),
        ["4", "5"],
      );
    }
  });
});

describe("regions that are gone", () => {
  const [WEST, NORTH] = [asRegionId("west"), asRegionId("north")];
  const retire = (region: RegionId, cluster: string, retirementsMax = 64) =>
    replica.apply({
      kind: "retireRegion",
      retirement: { region, cluster, publicKey: "", atMs: 1 },
      retirementsMax,
    });
  const gone = ({ retirements }: RegistryStateMachine) =>
    retirements.map(({ region, cluster }) => `${region} ${cluster}`);

  it("are remembered by cluster, once each, the newest of too many, until the name is admitted", async () => {
    assert.deepEqual(retire(WEST, "c1"), { isChanged: true });
    assert.deepEqual(retire(WEST, "c1"), { isChanged: false });
    for (const cluster of ["c2", "c3"]) retire(WEST, cluster, 3);
    retire(NORTH, "c4", 3);
    const restored = new RegistryStateMachine(HOME);
    await restored.restore(pages(replica.disk));
    for (const machine of [replica.machine, restored]) {
      assert.deepEqual(gone(machine), ["west c2", "west c3", "north c4"]);
    }
    assert.deepEqual(replica.apply({ kind: "admitRegion", region: WEST }), { isChanged: true });
    assert.deepEqual(replica.apply({ kind: "admitRegion", region: WEST }), { isChanged: false });
    assert.deepEqual(gone(replica.machine), ["north c4"]);
  });

  it("are the same list as long as nothing changes", () => {
    retire(WEST, "c1");
    const list = replica.machine.retirements;
    replica.register("a");
    assert.equal(replica.machine.retirements, list);
  });

  it("say so once: the first farewell stays", async () => {
    const farewell = { region: HOME, cluster: asClusterId("c"), publicKey: "01", successions: [], signature: "02" };
    assert.deepEqual(replica.apply({ kind: "setFarewell", farewell }), { isChanged: true });
    const other = { ...farewell, signature: "03" };
    assert.deepEqual(replica.apply({ kind: "setFarewell", farewell: other }), { isChanged: false });
    const restored = new RegistryStateMachine(HOME);
    await restored.restore(pages(replica.disk));
    for (const machine of [replica.machine, restored]) assert.deepEqual(machine.farewell, farewell);
  });
});

describe("a command that this version does not know", () => {
  it("changes nothing, on every replica alike", () => {
    replica.register("a");
    const before = replica.machine.stateHash();
    for (const bytes of [encode([99, "future"]), Uint8Array.of(0xc1)]) {
      assert.deepEqual(replica.machine.apply(bytes, 2), { result: { refused: "unknown-command" }, writes: [] });
    }
    assert.equal(replica.machine.stateHash(), before);
  });
});

describe("observers", () => {
  it("hear of the capabilities of the old and the new record, once per command", () => {
    const heard: [string[], number][] = [];
    replica.register("a");
    replica.machine.observe({ applied: (names, revision) => heard.push([[...names].sort(), revision]) });
    replica.register("a", { capabilities: [aCapability("x")] });
    replica.deregister("nobody");
    replica.expire("a", 1);
    assert.deepEqual(heard, [
      [["weather", "x"], 2],
      [["x"], 4],
    ]);
  });

  it("are told what was there and what is there when everything is replaced", async () => {
    const other = new Replica();
    other.register("b", { capabilities: [aCapability("x")] });
    replica.register("a");
    const heard: string[][] = [];
    const stop = replica.machine.observe({ restored: (names) => heard.push([...names].sort()) });
    await replica.machine.restore(pages(other.disk));
    stop();
    await replica.machine.restore(pages(new Map()));
    assert.deepEqual(heard, [["weather", "x"]]);
  });
});

describe("restoring", () => {
  it("brings back everything: agents, counts, topology, key, hash", async () => {
    replica.register("a");
    replica.register("b");
    replica.apply({ kind: "setRegionKey", wrapped: Uint8Array.of(1) });
    replica.deregister("b", "purge");
    const restored = new RegistryStateMachine(HOME);
    await restored.restore(pages(replica.disk));
    assert.equal(restored.stateHash(), replica.machine.stateHash());
    assert.equal(restored.topologyRevision, 4);
    assert.deepEqual(restored.regionKey, Uint8Array.of(1));
    // The last change of the capability was made by an agent that is gone.
    assert.equal(restored.index.capability("weather")?.revision, 4);
    assert.deepEqual([...restored.index.capabilities()], [...replica.machine.index.capabilities()]);
  });

  it("forgets what was there, and shows nothing half done on the way", async () => {
    replica.register("a");
    let mayGoOn = () => {};
    const gate = new Promise<void>((resolve) => {
      mayGoOn = resolve;
    });
    const other = new Replica();
    other.register("b");
    async function* slowly(): AsyncGenerator<readonly StateRecord[]> {
      yield* pages(other.disk);
      await gate;
    }
    const restoring = replica.machine.restore(slowly());
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(replica.get("a") !== undefined && replica.get("b") === undefined);
    mayGoOn();
    await restoring;
    assert.ok(replica.get("a") === undefined && replica.get("b") !== undefined);
  });

  it("passes over records of other owners", async () => {
    await replica.machine.restore(pages(new Map([["session/x", [1, 2]]])));
    assert.equal(replica.machine.stateHash(), new RegistryStateMachine(HOME).stateHash());
  });
});

const requires = (capability: string) => [{ capability, tags: [], version: "", required: true }];
const wants = (capability: string) => [{ capability, tags: [], version: "", required: false }];
const offering = (name: string, dependencies = wants("nothing")): Partial<AgentRecord> => ({
  capabilities: [aCapability(name, { dependencies })],
});

describe("required dependencies (contract A8)", () => {
  it("that would close a cycle are refused, and what was held stays", () => {
    replica.register("a", offering("a", requires("b")));
    replica.register("b", offering("b"));
    const before = replica.get("b");
    const result = replica.register("b", offering("b", requires("a")));
    assert.deepEqual(result, { refused: "dependency-cycle", cycle: ["a", "b", "a"] });
    assert.equal(replica.get("b"), before);
  });

  it("may go both ways when one of them is optional", () => {
    replica.register("a", offering("a", requires("b")));
    assert.ok("change" in (replica.register("b", offering("b", wants("a"))) as object));
  });

  it("of the record that is replaced do not count, whatever came of the attempt", () => {
    replica.register("a", offering("a", requires("b")));
    replica.register("a", offering("a", requires("c")));
    assert.ok("change" in (replica.register("b", offering("b", requires("a"))) as object));
    assert.ok("refused" in (replica.register("a", offering("a", requires("b"))) as object));
    assert.ok("refused" in (replica.register("c", offering("c", requires("b"))) as object), "a still requires c");
  });

  it("change with what they require, however indirectly: kept answers abroad are judged by the revision", () => {
    replica.register("a", offering("a", requires("b")));
    replica.register("b", offering("b", requires("c")));
    const heard: string[][] = [];
    replica.machine.observe({ applied: (names) => heard.push([...names].sort()) });
    replica.register("c", offering("c"));
    assert.deepEqual(heard, [["a", "b", "c"]]);
    for (const name of ["a", "b", "c"]) assert.equal(replica.machine.index.capability(name)?.revision, 3);
    assert.equal(replica.disk.get("capability/a"), 3);
  });
});

describe("changedAt", () => {
  it("is the revision of what is offered, and of what left", () => {
    replica.register("a");
    assert.equal(replica.machine.index.changedAt("weather"), 1);
    replica.deregister("a", "purge");
    assert.equal(replica.machine.index.changedAt("weather"), 2);
    replica.register("b");
    assert.equal(replica.machine.index.changedAt("weather"), 3);
  });

  it("of a name that a restored state does not hold may be as late as the last departure", async () => {
    replica.register("a");
    replica.deregister("a", "purge");
    const restored = new RegistryStateMachine(HOME);
    await restored.restore(pages(replica.disk));
    assert.equal(restored.index.changedAt("weather"), 2);
  });
});

describe("events (contract A11)", () => {
  const types = () => replica.machine.events.find({}, 100).map(({ type, agentId }) => `${type} ${agentId}`);

  it("tell who came, went, fell silent and returned, newest first", () => {
    replica.register("a");
    replica.deregister("a");
    replica.register("a");
    replica.expire("a", 3);
    assert.deepEqual(
      types(),
      ["unhealthy", "register", "unregister", "register"].map((type) => `${type} agent-a`),
    );
    const [silent, returned] = replica.machine.events.find({}, 2);
    assert.deepEqual(
      [silent?.data.reason, silent?.data.transition_type],
      ["health_degradation", "healthy_to_unhealthy"],
    );
    assert.equal(returned?.data.reason, "recovery");
  });

  it("do not tell of updates, nor of agents of type api", () => {
    replica.register("a", { type: "api" });
    replica.deregister("a");
    replica.register("b");
    replica.register("b", { version: "2" });
    assert.deepEqual(types(), ["register agent-b"]);
  });

  it("are as many as the command says, the oldest go first", () => {
    for (const name of ["a", "b", "c"]) {
      const command = { kind: "register", id: agentId(name), record: aRecord(), atMs: 1, agentsMax: 9 } as const;
      replica.apply({ ...command, eventsMax: 2 });
    }
    assert.deepEqual(types(), ["register agent-c", "register agent-b"]);
    assert.equal([...replica.disk.keys()].filter((key) => key.startsWith("event/")).length, 2);
  });

  it("go with the agent when it is purged", () => {
    replica.register("a");
    replica.register("b");
    replica.deregister("a", "purge");
    assert.deepEqual(types(), ["register agent-b"]);
  });

  it("of a rotation are one for each healthy agent", () => {
    replica.register("a");
    replica.register("b");
    replica.deregister("b");
    const rotate = { kind: "rotate", entityId: null, atMs: 1, eventsMax: 100 } as const;
    assert.deepEqual(replica.apply(rotate), { affectedAgents: 1 });
    assert.equal(types()[0], "rotate agent-a");
    assert.equal(replica.machine.rotatedRevision, 4);
    assert.deepEqual(replica.apply({ ...rotate, entityId: "e" }), { affectedAgents: 0 });
    assert.equal(replica.machine.rotatedRevision, 4);
  });

  it("come back in order after a restart", async () => {
    for (const name of ["a", "b", "c"]) replica.register(name);
    const restored = new RegistryStateMachine(HOME);
    await restored.restore(pages(replica.disk));
    assert.deepEqual(restored.events.find({}, 100), replica.machine.events.find({}, 100));
  });
});

describe("audits", () => {
  const audit = (incarnation: number, chosen: string) =>
    replica.apply({
      kind: "audit",
      id: agentId("a"),
      incarnation,
      entries: [{ functionName: "f", position: 0, type: "dependency_resolved", data: { chosen } }],
      atMs: 1,
      eventsMax: 100,
    });

  it("are events, and the newest of each dependency is remembered for as long as the agent is", () => {
    replica.register("a");
    audit(1, "x");
    audit(1, "y");
    assert.deepEqual(replica.machine.auditsOf(agentId("a")), { "0 f": { chosen: "y" } });
    assert.equal(replica.machine.events.find({ type: "dependency_resolved", functionName: "f" }, 9).length, 2);
    replica.deregister("a", "purge");
    assert.deepEqual(replica.machine.auditsOf(agentId("a")), {});
    assert.ok(![...replica.disk.keys()].some((key) => key.startsWith("audit/")));
  });

  it("of an earlier lease are left out", () => {
    replica.register("a");
    assert.deepEqual(audit(7, "x"), { written: 0 });
    assert.deepEqual(replica.machine.auditsOf(agentId("a")), {});
  });
});

describe("draining", () => {
  it("is the region's, and survives a restart", async () => {
    replica.apply({ kind: "setDraining", isDraining: true });
    const restored = new RegistryStateMachine(HOME);
    await restored.restore(pages(replica.disk));
    assert.equal(restored.isDraining, true);
    replica.apply({ kind: "setDraining", isDraining: false });
    assert.equal(replica.machine.isDraining, false);
    assert.equal(replica.disk.has("region/draining"), false);
  });
});
