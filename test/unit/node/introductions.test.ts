import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { Introductions } from "../../../src/node/introductions.ts";
import { asNodeId, asNodeName, asRegionId, type RegionId } from "../../../src/types/ids.ts";
import type { SummaryNode } from "../../../src/types/summary.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { FakeNetwork, type FakeNode } from "../../support/fake-network.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const [EAST, WEST, EUROPE] = ["us-east", "us-west", "eu-west"].map(asRegionId) as [RegionId, RegionId, RegionId];

const nodesAt = (...addresses: readonly string[]): SummaryNode[] =>
  addresses.map((address) => ({ name: address, nodeId: address, addresses: [address], http: "" }));

class MeetingNode {
  readonly node: FakeNode;
  readonly known = new Map<RegionId, SummaryNode[]>();
  readonly introductions: Introductions;

  constructor(region: RegionId, name = region as string) {
    const self = { nodeId: asNodeId(`id-${name}`), name: asNodeName(name), region, cluster: null, http: "" };
    this.node = network.join({ ...self, addresses: [] });
    const { directory, requests } = this.node;
    this.introductions = new Introductions({
      region,
      known: () => [...this.known].map(([known, nodes]) => ({ region: known, nodes })),
      directory,
      requests,
      clock,
      random: seededRandom(2),
      logger: silentLogger,
    });
    this.introductions.start();
  }

  /** What another one answers to who knows these regions. */
  async asks(other: MeetingNode, known: readonly RegionId[]): Promise<unknown> {
    const options = { timeoutMs: 1_000 };
    const answer = this.node.requests.request(other.node.self.nodeId, "region/introduce", known, options);
    await clock.advance(100);
    return answer;
  }

  get learned(): ReadonlyMap<RegionId, readonly string[]> {
    return this.node.directory.learned;
  }
}

let clock: VirtualClock;
let network: FakeNetwork;
beforeEach(() => {
  clock = new VirtualClock();
  network = new FakeNetwork({ clock, random: seededRandom(1) });
});

describe("introductions", () => {
  it("tell a node of a region that only its neighbour is linked with", async () => {
    const east = new MeetingNode(EAST);
    const west = new MeetingNode(WEST);
    await clock.advance(1_000);
    west.known.set(EUROPE, nodesAt("eu-1:4001", "eu-2:4001"));
    await clock.advance(6_000);
    assert.deepEqual(east.learned.get(EUROPE), ["eu-1:4001", "eu-2:4001"]);
    assert.equal(west.learned.size, 0);
  });

  it("are made at once to who is linked anew", async () => {
    const west = new MeetingNode(WEST);
    west.known.set(EUROPE, nodesAt("eu-1:4001"));
    const east = new MeetingNode(EAST);
    await clock.advance(100);
    assert.deepEqual(east.learned.get(EUROPE), ["eu-1:4001"]);
  });

  it("F15: tell who is not linked with a region any more where others know it, beside what it said itself", async () => {
    const west = new MeetingNode(WEST);
    const east = new MeetingNode(EAST);
    east.known.set(EUROPE, nodesAt("former:4001"));
    west.known.set(EUROPE, nodesAt("eu-1:4001"));
    await clock.advance(6_000);
    assert.deepEqual(east.learned.get(EUROPE), ["former:4001", "eu-1:4001"]);
    new MeetingNode(EUROPE);
    east.known.set(EUROPE, nodesAt("eu-1:4001"));
    await clock.advance(6_000);
    assert.deepEqual(east.learned.get(EUROPE), ["eu-1:4001"]);
  });

  it("do not tell who is linked with a region where it is: its own header does", async () => {
    const west = new MeetingNode(WEST);
    const east = new MeetingNode(EAST);
    new MeetingNode(EUROPE);
    west.known.set(EUROPE, nodesAt("former:4001"));
    east.known.set(EUROPE, nodesAt("eu-1:4001"));
    await clock.advance(20_000);
    assert.equal(east.learned.size, 0);
    assert.deepEqual(await east.asks(west, [EAST, EUROPE]), []);
  });

  it("do not tell a region about itself, nor of regions that want to be dialled at configured names only", async () => {
    const west = new MeetingNode(WEST);
    const east = new MeetingNode(EAST);
    west.known.set(EAST, nodesAt("east:4001"));
    west.known.set(EUROPE, [{ name: "eu-1", nodeId: "eu-1", addresses: [], http: "" }]);
    await clock.advance(20_000);
    assert.equal(east.learned.size, 0);
    assert.deepEqual(await east.asks(west, []), []);
  });

  it("are bounded: 32 regions of 8 addresses in one answer", async () => {
    const west = new MeetingNode(WEST);
    const many = Array.from({ length: 20 }, (_, i) => `host-${i}:4001`);
    for (let i = 0; i < 100; i++) west.known.set(asRegionId(`region-${i}`), nodesAt(...many));
    const east = new MeetingNode(EAST);
    await clock.advance(100);
    assert.equal(east.learned.size, 32);
    assert.ok([...east.learned.values()].every((addresses) => addresses.length === 8));
  });

  it("are asked of 8 regions in a round, and of others in the next", async () => {
    const asked: string[] = [];
    for (let i = 0; i < 30; i++) {
      const other = new MeetingNode(asRegionId(`region-${i}`));
      other.introductions.stop();
      other.node.requests.handle("region/introduce", async () => void asked.push(`region-${i}`));
    }
    await clock.advance(1_000);
    asked.length = 0;
    const east = new MeetingNode(EAST);
    await clock.advance(4_000);
    assert.equal(asked.length, 8);
    await clock.advance(60_000);
    assert.equal(asked.length, 8 + 12 * 8);
    assert.ok(new Set(asked).size > 20);
    east.introductions.stop();
  });

  it("are asked for less often a minute after the last link came up", async () => {
    let asked = 0;
    const west = new MeetingNode(WEST);
    west.node.requests.handle("region/introduce", async () => void asked++);
    const askedBy = async (ms: number) => {
      asked = 0;
      await clock.advance(ms);
      return asked;
    };
    const east = new MeetingNode(EAST);
    await clock.advance(61_000);
    assert.equal(await askedBy(60_000), 2);
    const europe = new MeetingNode(EUROPE);
    europe.introductions.stop();
    assert.ok((await askedBy(61_000)) >= 12, "somebody new may know of others");
    assert.equal(await askedBy(60_000), 2);
    east.introductions.stop();
  });

  it("P10: are forgotten when nobody makes them any more, so that who is gone for good is not dialled for ever", async () => {
    const west = new MeetingNode(WEST);
    const east = new MeetingNode(EAST);
    west.known.set(EUROPE, nodesAt("eu-1:4001"));
    await clock.advance(120_000);
    assert.deepEqual(east.learned.get(EUROPE), ["eu-1:4001"]);
    west.known.delete(EUROPE);
    await clock.advance(120_000);
    assert.deepEqual(east.learned.get(EUROPE), []);
  });

  it("that are forgotten say nothing of a region that was met meanwhile", async () => {
    const west = new MeetingNode(WEST);
    const east = new MeetingNode(EAST);
    west.known.set(EUROPE, nodesAt("eu-1:4001"));
    await clock.advance(6_000);
    east.known.set(EUROPE, nodesAt("eu-2:4001"));
    west.known.delete(EUROPE);
    await clock.advance(200_000);
    assert.deepEqual(east.learned.get(EUROPE), ["eu-2:4001"]);
  });

  it("that break the rules are passed over", async () => {
    const liar = new MeetingNode(WEST);
    liar.node.requests.handle("region/introduce", async () => [
      null,
      "eu-west",
      { region: "x".repeat(64), addresses: ["a:1"] },
      { region: "eu-west", addresses: "a:1" },
      { region: "eu-west", addresses: ["a".repeat(263), 7] },
      { region: "eu-north", addresses: [null, "good:4001"] },
    ]);
    const east = new MeetingNode(EAST);
    await clock.advance(6_000);
    assert.deepEqual([...east.learned], [[asRegionId("eu-north"), ["good:4001"]]]);
  });

  it("are asked for again when the question or the answer was lost", async () => {
    const west = new MeetingNode(WEST);
    const east = new MeetingNode(EAST);
    await clock.advance(100);
    network.cut(EAST, WEST, "silent");
    west.known.set(EUROPE, nodesAt("eu-1:4001"));
    await clock.advance(12_000);
    assert.equal(east.learned.size, 0);
    network.heal(EAST, WEST);
    await clock.advance(6_000);
    assert.deepEqual(east.learned.get(EUROPE), ["eu-1:4001"]);
  });
});
