import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import {
  answerFounders,
  BootstrapError,
  type Founding,
  foundRegion,
  readFounding,
} from "../../../src/raft/bootstrap.ts";
import type { NodeFacts } from "../../../src/storage/interface.ts";
import { asFederationId, asNodeId, asNodeName, asRegionId, type NodeName } from "../../../src/types/ids.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { FakeNetwork, type FakeNode } from "../../support/fake-network.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const FEDERATION = asFederationId("test");
const REGION = asRegionId("us-east");
const NAMES = ["a", "b", "c"].map(asNodeName);

/** A disk that keeps facts, and can be told to lose power after so many writes. */
class Facts implements NodeFacts {
  readonly kept = new Map<string, Uint8Array>();
  putsLeft = Number.POSITIVE_INFINITY;

  get(name: string): Uint8Array | undefined {
    return this.kept.get(name);
  }

  put(name: string, value: Uint8Array): Promise<void> {
    // A write that never returns: the process is as good as dead from here on.
    if (this.putsLeft-- <= 0) return new Promise(() => {});
    this.kept.set(name, value);
    return Promise.resolve();
  }
}

class FoundingNode {
  readonly facts: Facts;
  readonly node: FakeNode;
  readonly stop = new AbortController();
  readonly warnings: string[] = [];
  founding: Founding | undefined;
  ended: Promise<void> = Promise.resolve();

  constructor(name: NodeName, id: string, facts = new Facts()) {
    this.facts = facts;
    this.node = network.join({
      nodeId: asNodeId(id),
      name,
      region: REGION,
      cluster: null,
      http: `http://${name}`,
      addresses: [],
    });
  }

  begin(names: readonly NodeName[] = NAMES): this {
    const { requests, directory, self } = this.node;
    const parts = {
      self: { id: self.nodeId, name: self.name },
      federation: FEDERATION,
      region: REGION,
      names,
      facts: this.facts,
      requests,
      directory,
      clock,
      logger: { ...silentLogger, warn: ({ code }: { code: string }) => void this.warnings.push(code) },
    };
    this.ended = foundRegion(parts, this.stop.signal).then(
      (founding) => {
        this.founding = founding;
      },
      () => {},
    );
    return this;
  }

  read(region = REGION): Founding | null {
    const { nodeId: id, name } = this.node.self;
    return readFounding({ facts: this.facts, federation: FEDERATION, region, self: { id, name } });
  }

  async crash(): Promise<void> {
    this.stop.abort(new Error("crash"));
    network.leave(this.node.self.nodeId);
    await this.ended;
  }
}

let clock: VirtualClock;
let network: FakeNetwork;
beforeEach(() => {
  clock = new VirtualClock();
  network = new FakeNetwork({ clock, random: seededRandom(1) });
});

const membersOf = (node: FoundingNode) => node.founding?.membership.voters.map(({ id }) => id);

describe("founding", () => {
  it("makes one region of all that were named, with one cluster id (F17)", async () => {
    const nodes = NAMES.map((name) => new FoundingNode(name, `id-${name}`).begin());
    await clock.advance(2_000);
    for (const node of nodes) {
      assert.deepEqual(membersOf(node), ["id-a", "id-b", "id-c"]);
      assert.equal(node.founding!.cluster, nodes[0]!.founding!.cluster);
      assert.deepEqual(node.read(), node.founding);
    }
  });

  it("waits until all are present", async () => {
    const [a, b] = ["a", "b"].map((name) => new FoundingNode(asNodeName(name), `id-${name}`).begin());
    await clock.advance(60_000);
    assert.deepEqual([a!.founding, b!.founding], [undefined, undefined]);
    const c = new FoundingNode(asNodeName("c"), "id-c").begin();
    await clock.advance(2_000);
    for (const node of [a!, b!, c]) assert.notEqual(node.founding, undefined);
  });

  it("a region of one is founded at once", async () => {
    const alone = new FoundingNode(asNodeName("a"), "id-a").begin([asNodeName("a")]);
    await clock.advance(0);
    assert.deepEqual(membersOf(alone), ["id-a"]);
  });

  it("founds nothing while the nodes were given different lists", async () => {
    const a = new FoundingNode(asNodeName("a"), "id-a").begin(["a", "b"].map(asNodeName));
    const b = new FoundingNode(asNodeName("b"), "id-b").begin(["a", "b", "c"].map(asNodeName));
    const c = new FoundingNode(asNodeName("c"), "id-c").begin(["a", "b", "c"].map(asNodeName));
    await clock.advance(30_000);
    assert.deepEqual([a.founding, b.founding, c.founding], [undefined, undefined, undefined]);
  });

  it("regions founded of other members have other cluster ids (F17)", async () => {
    const first = new FoundingNode(asNodeName("a"), "id-a").begin([asNodeName("a")]);
    await clock.advance(0);
    await first.crash();
    const second = new FoundingNode(asNodeName("a"), "id-of-another-disk").begin([asNodeName("a")]);
    await clock.advance(0);
    assert.notEqual(first.founding!.cluster, second.founding!.cluster);
  });

  it("a member that missed the end joins what the others founded", async () => {
    const nodes = NAMES.map((name) => new FoundingNode(name, `id-${name}`));
    // c says that it is prepared, and then its disk takes nothing more.
    nodes[2]!.facts.putsLeft = 1;
    for (const node of nodes) node.begin();
    await clock.advance(2_000);
    assert.notEqual(nodes[0]!.founding, undefined);
    assert.equal(nodes[2]!.founding, undefined);
    network.leave(asNodeId("id-c"));

    for (const { node, facts } of nodes.slice(0, 2)) answerFounders({ facts, requests: node.requests });
    const facts = nodes[2]!.facts;
    facts.putsLeft = Number.POSITIVE_INFINITY;
    const back = new FoundingNode(asNodeName("c"), "id-c", facts).begin();
    await clock.advance(2_000);
    assert.deepEqual(back.founding, nodes[0]!.founding);
  });

  it("F7: a wiped disk under a known name is no member, and founds nothing", async () => {
    const nodes = NAMES.map((name) => new FoundingNode(name, `id-${name}`).begin());
    await clock.advance(2_000);
    for (const { node, facts } of nodes.slice(0, 2)) answerFounders({ facts, requests: node.requests });
    network.leave(asNodeId("id-c"));
    const wiped = new FoundingNode(asNodeName("c"), "id-of-an-empty-disk").begin();
    await clock.advance(60_000);
    assert.equal(wiped.founding, undefined);
    assert.equal(wiped.read(), null);
  });

  it("F7: a wiped disk says that it is no member as soon as it hears of the founding, whatever it said before", async () => {
    const nodes = NAMES.map((name) => new FoundingNode(name, `id-${name}`).begin());
    await clock.advance(2_000);
    for (const node of nodes) await node.crash();
    const wiped = new FoundingNode(asNodeName("c"), "id-of-an-empty-disk").begin();
    await clock.advance(1_000);
    assert.deepEqual(wiped.warnings, ["FOUNDING_WAITS"]);
    const back = new FoundingNode(asNodeName("a"), "id-a", nodes[0]!.facts);
    answerFounders({ facts: back.facts, requests: back.node.requests });
    await clock.advance(1_000);
    assert.deepEqual(wiped.warnings, ["FOUNDING_WAITS", "FOUNDING_NOT_A_MEMBER"]);
  });

  it("a member replaced before anything was founded is founded with its new identity", async () => {
    const a = new FoundingNode(asNodeName("a"), "id-a").begin();
    const lost = new FoundingNode(asNodeName("c"), "id-c").begin();
    await clock.advance(1_000);
    await lost.crash();
    const replaced = new FoundingNode(asNodeName("c"), "id-c2").begin();
    const b = new FoundingNode(asNodeName("b"), "id-b").begin();
    await clock.advance(2_000);
    for (const node of [a, b, replaced]) assert.deepEqual(membersOf(node), ["id-a", "id-b", "id-c2"]);
  });

  it("founds nothing while two nodes have one name", async () => {
    const nodes = ["id-c", "id-d"].map((id) => new FoundingNode(asNodeName("c"), id).begin());
    nodes.push(...["a", "b"].map((name) => new FoundingNode(asNodeName(name), `id-${name}`).begin()));
    await clock.advance(10_000);
    assert.deepEqual(
      nodes.map(({ founding }) => founding),
      [undefined, undefined, undefined, undefined],
    );
    await nodes[1]!.crash();
    await clock.advance(2_000);
    assert.deepEqual(membersOf(nodes[2]!), ["id-a", "id-b", "id-c"]);
  });

  it("refuses a data folder that was founded under another region", async () => {
    const alone = new FoundingNode(asNodeName("a"), "id-a").begin([asNodeName("a")]);
    await clock.advance(0);
    assert.throws(
      () => alone.read(asRegionId("elsewhere")),
      (error) =>
        error instanceof BootstrapError &&
        error.detail.option === "node.region" &&
        /another data folder/.test(error.message),
    );
  });

  it("believes no statement that a peer makes in another's name", async () => {
    const nodes = ["a", "b"].map((name) => new FoundingNode(asNodeName(name), `id-${name}`).begin());
    const liar = new FoundingNode(asNodeName("c"), "id-c");
    liar.node.requests.handle("raft/found", async () => ({
      stage: "founded",
      federation: FEDERATION,
      region: REGION,
      names: NAMES,
      self: { id: "id-b", name: "b" },
      members: [{ id: "id-a", name: "a" }],
    }));
    await clock.advance(5_000);
    assert.deepEqual([nodes[0]!.founding, nodes[1]!.founding], [undefined, undefined]);
  });
});
