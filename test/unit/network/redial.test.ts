import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LogLimiter } from "../../../src/network/log-limiter.ts";
import type { ServiceTarget } from "../../../src/network/names.ts";
import { type DialOutcome, Redialer } from "../../../src/network/redial.ts";
import { asNodeId, type NodeId } from "../../../src/types/ids.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function found<Value>(zone: ReadonlyMap<string, Value>, name: string): Value {
  const value = zone.get(name);
  if (value === undefined) throw new Error(`ENOTFOUND ${name}`);
  return value;
}

/** Names, what listens where, and who is connected. */
class World {
  readonly clock = new VirtualClock();
  readonly names = new Map<string, readonly string[]>();
  readonly services = new Map<string, readonly ServiceTarget[]>();
  readonly listening = new Map<string, NodeId | "self">();
  readonly connected = new Set<NodeId>();
  readonly dials: { readonly key: string; readonly atMs: number }[] = [];
  readonly redialer = new Redialer({
    clock: this.clock,
    random: seededRandom(1),
    logger: silentLogger,
    logLimiter: new LogLimiter(this.clock),
    names: {
      addresses: async (host) => found(this.names, host),
      services: async (name) => found(this.services, name),
    },
    dial: async ({ ip, port }) => this.#dial(`${ip}:${port}`),
    isConnected: (nodeId) => this.connected.has(nodeId),
  });

  #dial(key: string): DialOutcome {
    this.dials.push({ key, atMs: this.clock.now() });
    const found = this.listening.get(key);
    if (found === undefined) return { type: "closed" };
    if (found === "self") return { type: "self" };
    this.connected.add(found);
    return { type: "up", nodeId: found };
  }

  lose(nodeId: NodeId, livedMs = 60_000): void {
    this.connected.delete(nodeId);
    this.redialer.onDown(nodeId, livedMs);
  }

  dialsOf(key: string): number {
    return this.dials.filter((dial) => dial.key === key).length;
  }
}

const WEST = asNodeId("west-1");
const EAST = asNodeId("east-1");

describe("Redialer", () => {
  it("never gives up, and pauses 100 ms to 5 s between attempts", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1"]);
    world.redialer.start(["west:4001"]);
    await world.clock.advance(300_000);
    const pauses = world.dials.slice(1).map(({ atMs }, i) => atMs - world.dials[i]!.atMs);
    assert.ok(pauses.length > 40, `${pauses.length} attempts in five minutes`);
    assert.ok(pauses[0]! >= 70 && pauses[0]! <= 130, `first pause ${pauses[0]}`);
    const late = pauses.slice(10);
    assert.ok(
      late.every((ms) => ms >= 3_500 && ms <= 6_500),
      `late pauses ${late}`,
    );
    assert.ok(new Set(late).size > late.length / 2, "pauses are jittered");
    world.listening.set("10.0.0.1:4001", WEST);
    await world.clock.advance(6_500);
    assert.ok(world.connected.has(WEST));
  });

  it("leaves a connected node alone", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1"]);
    world.listening.set("10.0.0.1:4001", WEST);
    world.redialer.start(["west:4001"]);
    await world.clock.advance(600_000);
    assert.equal(world.dialsOf("10.0.0.1:4001"), 1);
  });

  it("dials at once when a connection that held has ended", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1"]);
    world.listening.set("10.0.0.1:4001", WEST);
    world.redialer.start(["west:4001"]);
    await world.clock.advance(10_000);
    world.lose(WEST);
    await world.clock.advance(1);
    assert.equal(world.dialsOf("10.0.0.1:4001"), 2);
  });

  it("does not spin on connections that end as soon as they begin", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1"]);
    world.listening.set("10.0.0.1:4001", WEST);
    world.redialer.start(["west:4001"]);
    for (let second = 0; second < 10_000; second += 10) {
      await world.clock.advance(10);
      if (world.connected.has(WEST)) world.lose(WEST, 5);
    }
    assert.ok(world.dialsOf("10.0.0.1:4001") < 40, `${world.dialsOf("10.0.0.1:4001")} dials in 10 s`);
  });

  it("F15: finds a peer again after all its addresses changed", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1", "10.0.0.2"]);
    world.listening.set("10.0.0.2:4001", WEST);
    world.redialer.start(["west"]);
    await world.clock.advance(1_000);
    assert.ok(world.connected.has(WEST));
    world.listening.clear();
    world.names.delete("west");
    world.lose(WEST);
    await world.clock.advance(120_000);
    world.names.set("west", ["10.9.9.9"]);
    world.listening.set("10.9.9.9:4001", WEST);
    await world.clock.advance(6_500);
    assert.ok(world.connected.has(WEST));
  });

  it("F15: notices a further address of a name that is connected", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1"]);
    world.listening.set("10.0.0.1:4001", WEST);
    world.redialer.start(["west"]);
    await world.clock.advance(1_000);
    world.names.set("west", ["10.0.0.1", "10.0.0.2"]);
    world.listening.set("10.0.0.2:4001", EAST);
    await world.clock.advance(40_000);
    assert.ok(world.connected.has(EAST));
  });

  it("dials every node behind a name", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1", "10.0.0.2"]);
    world.listening.set("10.0.0.1:4001", WEST);
    world.listening.set("10.0.0.2:4001", EAST);
    world.redialer.start(["west"]);
    await world.clock.advance(10);
    assert.deepEqual(world.connected, new Set([WEST, EAST]));
  });

  it("does not go on dialling itself", async () => {
    const world = new World();
    world.names.set("me", ["10.0.0.5"]);
    world.listening.set("10.0.0.5:4001", "self");
    world.redialer.start(["me"]);
    await world.clock.advance(300_000);
    assert.equal(world.dials.length, 1);
  });

  it("dials learned addresses beside the configured ones, and forgets those that were replaced", async () => {
    const world = new World();
    world.names.set("10.0.0.7", ["10.0.0.7"]);
    world.redialer.start([]);
    world.redialer.learn("eu-west", ["10.0.0.7:4001", "not an address"]);
    await world.clock.advance(1_000);
    const before = world.dialsOf("10.0.0.7:4001");
    assert.ok(before >= 2);
    world.redialer.learn("eu-west", []);
    await world.clock.advance(60_000);
    assert.equal(world.dialsOf("10.0.0.7:4001"), before);
  });

  it("has room for 256 regions, and for another one when it is to forget one of them", () => {
    const world = new World();
    world.redialer.start([]);
    for (let i = 0; i < 256; i++) world.redialer.learn(`region-${i}`, [`10.0.1.${i}:4001`]);
    world.redialer.learn("eu-west", ["10.0.0.7:4001"]);
    assert.equal(world.redialer.dialState("10.0.0.7:4001"), undefined);
    world.redialer.learn("region-7", []);
    world.redialer.learn("eu-west", ["10.0.0.7:4001"]);
    assert.notEqual(world.redialer.dialState("10.0.0.7:4001"), undefined);
  });

  it("keeps dialling an address that is configured when it is learned no more", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1"]);
    world.redialer.start(["west:4001"]);
    world.redialer.learn("us-west", ["west:4001"]);
    world.redialer.learn("us-west", []);
    world.listening.set("10.0.0.1:4001", WEST);
    await world.clock.advance(6_500);
    assert.ok(world.connected.has(WEST));
  });

  it("dials peers that are named while it runs, beside the configured ones, until they are named no more", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1"]);
    world.names.set("east", ["10.0.0.2"]);
    world.redialer.namePeers(["west"]);
    world.redialer.start(["east"]);
    await world.clock.advance(1_000);
    assert.ok(world.dialsOf("10.0.0.1:4001") > 1);
    world.redialer.namePeers(["east"]);
    world.redialer.namePeers([]);
    const before = [world.dialsOf("10.0.0.1:4001"), world.dialsOf("10.0.0.2:4001")];
    await world.clock.advance(60_000);
    assert.equal(world.dialsOf("10.0.0.1:4001"), before[0]);
    assert.ok(world.dialsOf("10.0.0.2:4001") > before[1]!);
  });

  it("says what came of dialling a name", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1", "10.0.0.2"]);
    world.listening.set("10.0.0.1:4001", WEST);
    world.redialer.start(["west", "nowhere"]);
    assert.deepEqual(world.redialer.dialState("west"), { found: [], problem: null });
    await world.clock.advance(10);
    assert.deepEqual(world.redialer.dialState("west"), { found: [WEST], problem: "nobody listens there" });
    assert.deepEqual(world.redialer.dialState("nowhere"), { found: [], problem: "no address" });
    assert.equal(world.redialer.dialState("never named"), undefined);
    world.listening.set("10.0.0.2:4001", EAST);
    await world.clock.advance(6_500);
    assert.deepEqual(world.redialer.dialState("west"), { found: [WEST, EAST], problem: null });
  });

  it("tells a closed port from a name that leads nowhere", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1"]);
    world.listening.set("10.0.0.1:4001", WEST);
    world.redialer.start(["west"]);
    await world.clock.advance(10);
    world.connected.delete(WEST);
    world.listening.clear();
    assert.equal(await world.redialer.reach(WEST, []), "closed");
    assert.equal(await world.redialer.reach(EAST, ["nowhere:1"]), "unknown");
    assert.equal(await world.redialer.reach(EAST, []), "unknown");
    world.listening.set("10.0.0.1:4001", WEST);
    assert.equal(await world.redialer.reach(WEST, []), "up");
  });

  it("stops when told", async () => {
    const world = new World();
    world.names.set("west", ["10.0.0.1"]);
    world.redialer.start(["west"]);
    await world.clock.advance(1_000);
    world.redialer.stop();
    const before = world.dials.length;
    await world.clock.advance(60_000);
    assert.equal(world.dials.length, before);
  });

  describe("a service in DNS", () => {
    const target = (host: string, port: number): ServiceTarget => ({ host, port, priority: 0, weight: 0 });

    it("is dialled at every target that its record names, at the port named there", async () => {
      const world = new World();
      world.services.set("_atoll._tcp.example.org", [target("one.example.org", 5001), target("two.example.org", 5002)]);
      world.names.set("one.example.org", ["10.0.0.1"]);
      world.names.set("two.example.org", ["10.0.0.2"]);
      world.listening.set("10.0.0.1:5001", WEST);
      world.listening.set("10.0.0.2:5002", EAST);
      world.redialer.start(["srv:_atoll._tcp.example.org"]);
      await world.clock.advance(10);
      assert.deepEqual(world.connected, new Set([WEST, EAST]));
    });

    it("F15: is found again after every target, address and port of it changed", async () => {
      const world = new World();
      world.services.set("_atoll._tcp.example.org", [target("one.example.org", 5001)]);
      world.names.set("one.example.org", ["10.0.0.1"]);
      world.listening.set("10.0.0.1:5001", WEST);
      world.redialer.start(["example.org"]);
      await world.clock.advance(1_000);
      assert.ok(world.connected.has(WEST));
      world.listening.clear();
      world.lose(WEST);
      await world.clock.advance(120_000);
      world.services.set("_atoll._tcp.example.org", [target("other.example.org", 6001)]);
      world.names.set("other.example.org", ["10.9.9.9"]);
      world.listening.set("10.9.9.9:6001", WEST);
      await world.clock.advance(6_500);
      assert.ok(world.connected.has(WEST));
    });

    it("comes before the addresses of a host without a port, and is looked for again when it was not there", async () => {
      const world = new World();
      world.names.set("example.org", ["10.0.0.1"]);
      world.listening.set("10.0.0.1:4001", WEST);
      world.redialer.start(["example.org"]);
      await world.clock.advance(10);
      assert.deepEqual(world.connected, new Set([WEST]));
      world.services.set("_atoll._tcp.example.org", [target("two.example.org", 5002)]);
      world.names.set("two.example.org", ["10.0.0.2"]);
      world.listening.set("10.0.0.2:5002", EAST);
      await world.clock.advance(36_000);
      assert.deepEqual(world.connected, new Set([WEST, EAST]));
    });

    it("is not asked for by the address that a node says of itself", async () => {
      const world = new World();
      world.services.set("_atoll._tcp.example.org", [target("two.example.org", 5002)]);
      world.names.set("two.example.org", ["10.0.0.2"]);
      world.redialer.start([]);
      world.redialer.learn("us-west", ["example.org", "srv:_atoll._tcp.example.org"]);
      await world.clock.advance(60_000);
      assert.deepEqual(world.dials, []);
    });
  });
});
