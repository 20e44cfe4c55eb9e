import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { RegionMates } from "../../../src/node/region-mates.ts";
import { NodeFactsStore } from "../../../src/storage/node-facts.ts";
import { asNodeId, asNodeName, asRegionId, type NodeId } from "../../../src/types/ids.ts";
import { foundingMembership, type Membership, NO_MEMBERS } from "../../../src/types/membership.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { FakeNetwork, type FakeNode } from "../../support/fake-network.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const REGION = asRegionId("us-east");
const idOf = (name: string): NodeId => asNodeId(`id-${name}`);

class MatesNode {
  readonly node: FakeNode;
  readonly store: MemoryStore;
  readonly mates: RegionMates;
  membership: Membership = NO_MEMBERS;
  failure: unknown;

  constructor(name: string, { addresses = [`${name}:4001`], region = REGION, store = new MemoryStore() } = {}) {
    this.store = store;
    const http = `http://${name}`;
    this.node = network.join({ nodeId: idOf(name), name: asNodeName(name), region, cluster: null, http, addresses });
    this.mates = new RegionMates({
      self: idOf(name),
      region,
      directory: this.node.directory,
      requests: this.node.requests,
      facts: new NodeFactsStore(store),
      membership: () => this.membership,
      clock,
      logger: silentLogger,
      onFatal: (error) => {
        this.failure = error;
      },
    });
    this.mates.start();
  }

  get learned(): readonly string[] {
    return [...(this.node.directory.learned.get(REGION) ?? [])].sort();
  }

  leave(): void {
    this.mates.stop();
    network.leave(this.node.self.nodeId);
  }
}

let clock: VirtualClock;
let network: FakeNetwork;
beforeEach(() => {
  clock = new VirtualClock();
  network = new FakeNetwork({ clock, random: seededRandom(1) });
});

const membersAre = (names: readonly string[]): Membership =>
  foundingMembership(names.map((name) => ({ id: idOf(name), name: asNodeName(name) })));

describe("region mates", () => {
  it("F15: a node that restarts dials whom it met before, wherever its configuration says they are", async () => {
    const a = new MatesNode("a");
    new MatesNode("b", { addresses: ["b.new:4001"] });
    await clock.advance(100);
    assert.deepEqual(a.learned, ["b.new:4001"]);
    a.leave();
    network.leave(idOf("b"));
    const back = new MatesNode("a", { store: a.store });
    assert.deepEqual(back.learned, ["b.new:4001"]);
    assert.equal(back.mates.lastKnown(idOf("b"))?.http, "http://b");
  });

  it("F15: a newcomer that knows one member hears of all, also of those that are away", async () => {
    const a = new MatesNode("a");
    const b = new MatesNode("b");
    await clock.advance(100);
    b.leave();
    const c = new MatesNode("c");
    await clock.advance(100);
    assert.deepEqual(c.learned, ["a:4001", "b:4001"]);
    assert.deepEqual(a.learned, ["b:4001", "c:4001"]);
  });

  it("F15: follows a member to its new address, and dials the former one no more", async () => {
    const a = new MatesNode("a");
    const b = new MatesNode("b");
    await clock.advance(100);
    b.leave();
    new MatesNode("b", { addresses: ["b.moved:4001"] });
    await clock.advance(100);
    assert.deepEqual(a.learned, ["b.moved:4001"]);
  });

  it("believes what a linked node says of itself before what others say of it", async () => {
    const a = new MatesNode("a");
    new MatesNode("b");
    await clock.advance(100);
    const liar = network.join({
      nodeId: idOf("l"),
      name: asNodeName("l"),
      region: REGION,
      cluster: null,
      http: "",
      addresses: [],
    });
    liar.requests.handle("region/mates", async () => [
      { nodeId: "id-b", name: "b", http: "http://evil", addresses: ["evil:1"] },
      { nodeId: "id-a", name: "a", http: "http://evil", addresses: ["evil:2"] },
      { nodeId: "id-x", name: "x", http: "http://x", addresses: [7, "x:4001", "y".repeat(1_000)] },
      { nodeId: "", name: "y", http: "http://x", addresses: [] },
      "nonsense",
    ]);
    await clock.advance(100);
    assert.deepEqual(a.learned, ["b:4001", "x:4001"]);
  });

  it("knows no more than 64 mates and 8 addresses of each, whatever it is told", async () => {
    const a = new MatesNode("a");
    const liar = new MatesNode("l");
    const many = (i: number) => Array.from({ length: 20 }, (_, j) => `n${i}-${j}:4001`);
    liar.node.requests.handle("region/mates", async () =>
      Array.from({ length: 1_000 }, (_, i) => ({ nodeId: `n${i}`, name: `n${i}`, http: "", addresses: many(i) })),
    );
    await clock.advance(100);
    assert.ok(a.learned.length > 64 && a.learned.length <= 64 * 8);
    a.leave();
    const back = new MatesNode("a", { store: a.store });
    assert.deepEqual(back.learned, a.learned);
  });

  it("forgets who left the region, once its members are known", async () => {
    const a = new MatesNode("a");
    const [b, c] = ["b", "c"].map((name) => new MatesNode(name)) as [MatesNode, MatesNode];
    await clock.advance(100);
    a.membership = membersAre(["a", "b"]);
    b.leave();
    await clock.advance(20_000);
    assert.deepEqual(a.learned, ["b:4001", "c:4001"]);
    c.leave();
    await clock.advance(20_000);
    assert.deepEqual(a.learned, ["b:4001"]);
  });

  it("tells and asks nobody of another region", async () => {
    const a = new MatesNode("a");
    const b = new MatesNode("b");
    const stranger = new MatesNode("s", { region: asRegionId("us-west") });
    await clock.advance(100);
    assert.deepEqual(a.learned, ["b:4001"]);
    const answer = stranger.node.requests.request(b.node.self.nodeId, "region/mates", null, { timeoutMs: 1_000 });
    await clock.advance(100);
    assert.deepEqual(await answer, []);
  });

  it("R8: ends the node when its disk takes nothing", async () => {
    const a = new MatesNode("a");
    a.store.write = () => Promise.reject(new Error("full"));
    new MatesNode("b");
    await clock.advance(100);
    assert.match(String(a.failure), /full/);
  });
});
