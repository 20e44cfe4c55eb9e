import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { PeerError } from "../../../src/api/peer-error.ts";
import type { DialState, PeerDialler } from "../../../src/network/interface.ts";
import { RegionPeers } from "../../../src/node/region-peers.ts";
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

class FakeDialler implements PeerDialler {
  named: readonly string[] = [];
  readonly states = new Map<string, DialState>();

  namePeers(names: readonly string[]): void {
    this.named = names;
  }

  dialState(name: string): DialState | undefined {
    return this.states.get(name);
  }
}

interface Place {
  readonly region?: typeof REGION;
  readonly store?: MemoryStore;
  readonly configured?: readonly string[];
  readonly hasSharedKey?: boolean;
}

class PeersNode {
  readonly node: FakeNode;
  readonly store: MemoryStore;
  readonly dialler = new FakeDialler();
  readonly peers: RegionPeers;
  membership: Membership = NO_MEMBERS;
  failure: unknown;

  constructor(
    name: string,
    { region = REGION, store = new MemoryStore(), configured = [], hasSharedKey = true }: Place = {},
  ) {
    this.store = store;
    const self = { nodeId: idOf(name), name: asNodeName(name), region, cluster: null, http: `http://${name}` };
    this.node = network.join({ ...self, addresses: [] });
    this.peers = new RegionPeers({
      region,
      configured,
      hasSharedKey,
      facts: new NodeFactsStore(store),
      membership: () => this.membership,
      clock,
      logger: silentLogger,
      onFatal: (error) => {
        this.failure = error;
      },
    });
    const { directory, requests } = this.node;
    this.peers.start({ directory, requests, dialler: this.dialler });
  }

  async leave(): Promise<void> {
    await this.peers.stop();
    network.leave(this.node.self.nodeId);
  }
}

let clock: VirtualClock;
let network: FakeNetwork;
beforeEach(() => {
  clock = new VirtualClock();
  network = new FakeNetwork({ clock, random: seededRandom(1) });
});

const refusedWith = (code: string) => (error: PeerError) => error.detail.code === code;

describe("peers named at run time", () => {
  it("are dialled by every node of the region, and by no other", async () => {
    const a = new PeersNode("a");
    const b = new PeersNode("b");
    const abroad = new PeersNode("x", { region: asRegionId("us-west") });
    await a.peers.addPeer("eu-west.example.org");
    assert.deepEqual(a.dialler.named, ["eu-west.example.org"]);
    await clock.advance(100);
    assert.deepEqual(b.dialler.named, ["eu-west.example.org"]);
    assert.deepEqual(abroad.dialler.named, []);
  });

  it("survive a restart, and reach a node that was away", async () => {
    const a = new PeersNode("a");
    await a.peers.addPeer("eu-west");
    await a.leave();
    const back = new PeersNode("a", { store: a.store });
    assert.deepEqual(back.dialler.named, ["eu-west"]);
    const late = new PeersNode("late");
    await clock.advance(100);
    assert.deepEqual(late.dialler.named, ["eu-west"]);
  });

  it("stay removed when a node that missed the removal comes back", async () => {
    const a = new PeersNode("a");
    const b = new PeersNode("b");
    await a.peers.addPeer("eu-west");
    await clock.advance(100);
    await b.leave();
    await a.peers.removePeer("eu-west");
    const back = new PeersNode("b", { store: b.store });
    assert.deepEqual(back.dialler.named, ["eu-west"]);
    await clock.advance(100);
    assert.deepEqual([a.dialler.named, back.dialler.named], [[], []]);
  });

  it("are told again to a node that could not hear of them at first", async () => {
    const a = new PeersNode("a");
    const self = { nodeId: idOf("b"), name: asNodeName("b"), region: REGION, cluster: null, http: "", addresses: [] };
    const deaf = network.join(self);
    await a.peers.addPeer("eu-west");
    await clock.advance(1_000);
    const heard: unknown[] = [];
    deaf.requests.handle("region/peers", async (_from, words) => {
      heard.push(words);
      return words;
    });
    await clock.advance(20_000);
    assert.deepEqual(heard, [[{ name: "eu-west", revision: 1, isNamed: true }]]);
  });

  it("are not asked about again once all agree", async () => {
    const a = new PeersNode("a");
    const b = new PeersNode("b");
    await a.peers.addPeer("eu-west");
    await clock.advance(20_000);
    const asked = () => [a, b].map(({ node }) => node.requests.sent.get("region/peers"));
    const before = asked();
    await clock.advance(120_000);
    assert.deepEqual(asked(), before);
  });

  it("P11: are not taken from who is no member, nor told to another region", async () => {
    const a = new PeersNode("a");
    a.membership = foundingMembership([{ id: idOf("a"), name: asNodeName("a") }]);
    const stranger = new PeersNode("stranger");
    await stranger.peers.addPeer("evil.example.org");
    await a.peers.addPeer("eu-west");
    const abroad = new PeersNode("x", { region: asRegionId("us-west") });
    await clock.advance(20_000);
    assert.deepEqual(a.dialler.named, ["eu-west"]);
    a.membership = foundingMembership(["a", "stranger"].map((name) => ({ id: idOf(name), name: asNodeName(name) })));
    await clock.advance(10_000);
    assert.deepEqual(a.dialler.named, ["eu-west", "evil.example.org"], "it is a member now");
    const told = abroad.node.requests.request(idOf("a"), "region/peers", [], { timeoutMs: 1_000 });
    await clock.advance(100);
    assert.deepEqual(await told, []);
  });

  it("are refused when they can not be read, are too many, or nobody could be linked", async () => {
    const a = new PeersNode("a");
    await assert.rejects(a.peers.addPeer("http://west"), refusedWith("PEER_UNREADABLE"));
    for (let i = 0; i < 64; i++) await a.peers.addPeer(`west-${i}`);
    await a.peers.addPeer("west-7");
    await assert.rejects(a.peers.addPeer("west-64"), refusedWith("TOO_MANY_PEERS"));
    const alone = new PeersNode("alone", { hasSharedKey: false });
    await assert.rejects(alone.peers.addPeer("west"), refusedWith("NO_SHARED_KEY"));
  });

  it("can be removed only where they were named", async () => {
    const a = new PeersNode("a", { configured: ["west"] });
    await assert.rejects(a.peers.removePeer("north"), refusedWith("PEER_UNKNOWN"));
    await assert.rejects(a.peers.removePeer("west"), refusedWith("PEER_CONFIGURED"));
    await a.peers.addPeer("west");
    await a.peers.removePeer("west");
    assert.deepEqual(
      a.peers.peers().map(({ name, isConfigured, isNamed }) => [name, isConfigured, isNamed]),
      [["west", true, false]],
    );
  });

  it("are listed with who was found there, and with what is in the way", async () => {
    const a = new PeersNode("a", { configured: ["west"] });
    new PeersNode("x", { region: asRegionId("us-west") });
    await a.peers.addPeer("north");
    a.dialler.states.set("west", { found: [idOf("x"), idOf("gone")], problem: null });
    a.dialler.states.set("north", { found: [], problem: "no address" });
    assert.deepEqual(a.peers.peers(), [
      { name: "north", isConfigured: false, isNamed: true, nodes: [], problem: "no address" },
      {
        name: "west",
        isConfigured: true,
        isNamed: false,
        nodes: [{ name: "x", nodeId: "id-x", region: "us-west", http: "http://x" }],
        problem: null,
      },
    ]);
  });

  it("are not written any more once the node stops", async () => {
    const a = new PeersNode("a");
    const b = new PeersNode("b");
    await clock.advance(100);
    await a.peers.stop();
    a.store.write = () => Promise.reject(new Error("the store is closed"));
    await b.peers.addPeer("west");
    await clock.advance(10_000);
    assert.equal(a.failure, undefined);
  });

  it("stop the node when the disk fails", async () => {
    const a = new PeersNode("a");
    a.store.write = () => Promise.reject(new Error("disk full"));
    await a.peers.addPeer("west");
    assert.match(String(a.failure), /disk full/);
  });
});
