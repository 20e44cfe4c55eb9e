import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { Packr } from "msgpackr";
import { Admission } from "../../../src/raft/admission.ts";
import {
  answerNewcomers,
  askUntilMember,
  enterRegion,
  type Founding,
  noteRemoval,
  readFounding,
} from "../../../src/raft/bootstrap.ts";
import { BootstrapError } from "../../../src/raft/bootstrap-error.ts";
import { asJoinAnswer } from "../../../src/raft/join-answer.ts";
import type { NodeFacts } from "../../../src/storage/interface.ts";
import {
  asClusterId,
  asFederationId,
  asNodeId,
  asNodeName,
  asRegionId,
  type ClusterId,
  type NodeName,
} from "../../../src/types/ids.ts";
import { NO_MEMBERS } from "../../../src/types/membership.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { FakeGroups } from "../../support/fake-groups.ts";
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
  waitsFor = "";
  failure: unknown;
  ended: Promise<void> = Promise.resolve();

  constructor(name: NodeName, id: string, facts = new Facts(), cluster: ClusterId | null = null) {
    this.facts = facts;
    this.node = network.join({
      nodeId: asNodeId(id),
      name,
      region: REGION,
      cluster,
      http: `http://${name}`,
      addresses: [],
    });
  }

  begin(names: readonly NodeName[] = NAMES, { mayFound = true } = {}): this {
    const { requests, directory, self } = this.node;
    const parts = {
      self: { id: self.nodeId, name: self.name },
      federation: FEDERATION,
      region: REGION,
      names,
      mayFound,
      facts: this.facts,
      requests,
      directory,
      clock,
      logger: { ...silentLogger, warn: ({ code }: { code: string }) => void this.warnings.push(code) },
      onWaiting: (reason: string) => {
        this.waitsFor = reason;
      },
    };
    this.ended = enterRegion(parts, this.stop.signal).then(
      (founding) => {
        this.founding = founding;
      },
      (error: unknown) => {
        this.failure = error;
      },
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

const PLACE = { federation: FEDERATION, region: REGION };

const isBootstrapError = (code: string) => (error: unknown) =>
  error instanceof BootstrapError && error.detail.code === code;

const statementOf = (stage: string, name: string) => ({
  stage,
  ...PLACE,
  names: NAMES,
  self: { id: `id-${name}`, name },
  members: [],
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

    for (const { node, facts } of nodes.slice(0, 2)) answerNewcomers({ facts, requests: node.requests });
    const facts = nodes[2]!.facts;
    facts.putsLeft = Number.POSITIVE_INFINITY;
    const back = new FoundingNode(asNodeName("c"), "id-c", facts).begin();
    await clock.advance(2_000);
    assert.deepEqual(back.founding, nodes[0]!.founding);
  });

  it("founds nothing before everybody has prepared the same", async () => {
    const nodes = ["a", "b"].map((name) => new FoundingNode(asNodeName(name), `id-${name}`).begin());
    const hesitant = new FoundingNode(asNodeName("c"), "id-c");
    const members = NAMES.map((name) => ({ id: `id-${name}`, name }));
    let statement: object = statementOf("fresh", "c");
    hesitant.node.requests.handle("raft/found", async () => statement);
    const areFounded = () => nodes.map(({ founding }) => founding !== undefined);
    await clock.advance(10_000);
    assert.deepEqual(areFounded(), [false, false], "it is there, and has prepared nothing");
    const former = members.with(1, { id: "id-of-a-former-b", name: asNodeName("b") });
    statement = { ...statementOf("prepared", "c"), members: former };
    await clock.advance(10_000);
    assert.deepEqual(areFounded(), [false, false], "it has prepared something else");
    statement = { ...statementOf("prepared", "c"), members };
    await clock.advance(1_000);
    assert.deepEqual(areFounded(), [true, true]);
  });

  it("founds nothing while a member of the region is linked, even one that does not answer", async () => {
    new FoundingNode(asNodeName("d"), "id-d", new Facts(), asClusterId("c1"));
    const alone = new FoundingNode(asNodeName("a"), "id-a").begin([asNodeName("a")]);
    await clock.advance(60_000);
    assert.equal(alone.founding, undefined);
    assert.match(alone.waitsFor, /waits for a member of its region to answer/);
  });

  it("F5: a node that lost a damaged store founds nothing, even with all others that lost theirs", async () => {
    const nodes = NAMES.map((name) => new FoundingNode(name, `id-${name}`).begin(NAMES, { mayFound: false }));
    await clock.advance(60_000);
    assert.deepEqual(
      nodes.map(({ founding }) => founding),
      [undefined, undefined, undefined],
    );
  });

  it("R1: nobody hears that a node is prepared before its disk says so", async () => {
    const nodes = NAMES.map((name) => new FoundingNode(name, `id-${name}`));
    nodes[2]!.facts.putsLeft = 0;
    for (const node of nodes) node.begin();
    await clock.advance(10_000);
    assert.deepEqual([nodes[0]!.founding, nodes[1]!.founding], [undefined, undefined]);
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

  /** Whoever founded with other members than c prepared for, and what c then does. */
  async function preparedOtherwise(prepared: readonly string[]): Promise<FoundingNode> {
    const statement = (stage: string, name: string, id: string, members: readonly string[]) => {
      const facts = new Facts();
      const said = { federation: FEDERATION, region: REGION, names: NAMES, self: { id, name }, cluster: null };
      const named = members.map((member) => ({ id: member, name: member.at(-1) }));
      facts.kept.set("founding", new Packr({ useRecords: false }).pack({ ...said, stage, members: named }));
      return facts;
    };
    const founder = new FoundingNode(NAMES[0]!, "1a", statement("founded", "a", "1a", ["1a", "1b", "1c"]));
    answerNewcomers({ facts: founder.facts, requests: founder.node.requests });
    const c = new FoundingNode(NAMES[2]!, "1c", statement("prepared", "c", "1c", prepared)).begin();
    await clock.advance(2_000);
    return c;
  }

  it("what a node prepared binds it: the other founding may have happened unseen, and there would be two", async () => {
    const c = await preparedOtherwise(["2a", "1b", "1c"]);
    assert.equal(c.founding, undefined);
    assert.deepEqual([...new Set(c.warnings)], ["FOUNDING_PREPARED_OTHERWISE"]);
  });

  it("what a node prepared with its founder in it can not have been founded without him", async () => {
    const c = await preparedOtherwise(["1a", "2b", "1c"]);
    assert.deepEqual(
      c.founding?.membership.voters.map(({ id }) => id),
      ["1a", "1b", "1c"],
    );
  });

  it("refuses a data folder that was founded under another region", async () => {
    const alone = new FoundingNode(asNodeName("a"), "id-a").begin([asNodeName("a")]);
    await clock.advance(0);
    assert.throws(
      () => alone.read(asRegionId("elsewhere")),
      (error) =>
        error instanceof BootstrapError &&
        error.detail.code === "DATA_FOLDER_OTHER_NODE" &&
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
  it("refuses a data folder that a newer version wrote, instead of taking it for a fresh one", async () => {
    const alone = new FoundingNode(asNodeName("a"), "id-a").begin([asNodeName("a")]);
    await clock.advance(0);
    alone.facts.kept.set("founding", new Packr().pack({ stage: "of-the-future" }));
    assert.throws(() => alone.read(), isBootstrapError("DATA_FOLDER_UNREADABLE"));
  });
});

describe("joining", () => {
  /** The region of a, b and c, founded, with a as its leader. */
  let members: FoundingNode[];
  let groups: FakeGroups;
  beforeEach(async () => {
    members = NAMES.map((name) => new FoundingNode(name, `id-${name}`).begin());
    await clock.advance(2_000);
    groups = new FakeGroups(members[0]!.founding!.membership.voters, asNodeId("id-a"));
    for (const member of members) serve(member);
  });

  function serve({ node, facts, founding }: FoundingNode): Admission {
    const { requests, directory } = node;
    answerNewcomers({ facts, requests });
    const group = groups.group(node.self.nodeId);
    return new Admission({
      region: REGION,
      cluster: founding!.cluster,
      group,
      requests,
      directory,
      logger: silentLogger,
    });
  }

  /** c's disk is lost: it returns with another identity. */
  function wipe(): FoundingNode {
    network.leave(asNodeId("id-c"));
    groups.silent.add(asNodeId("id-c"));
    return new FoundingNode(asNodeName("c"), "id-of-an-empty-disk");
  }

  it("F7: a wiped disk takes the place of its old self, hands off, and knows no configuration before the log tells it", async () => {
    const wiped = wipe().begin();
    await clock.advance(1_000);
    assert.deepEqual(wiped.founding, { cluster: members[0]!.founding!.cluster, membership: NO_MEMBERS });
    assert.deepEqual(groups.changes, [
      { type: "add", member: { id: "id-of-an-empty-disk", name: "c" }, becomes: "voter" },
    ]);
    assert.equal(groups.membership.learners[0]?.replaces, "id-c");
    assert.deepEqual(wiped.read(), wiped.founding);
  });

  it("F7: a wiped disk neither founds nor joins while the only member that is left has no quorum, and says so", async () => {
    for (const id of ["id-a", "id-b"]) network.leave(asNodeId(id));
    groups.leader = null;
    const wiped = ["a", "b"].map((name) => new FoundingNode(asNodeName(name), `new-${name}`).begin());
    await clock.advance(30_000);
    for (const node of wiped) {
      assert.equal(node.founding, undefined);
      assert.equal(node.read(), null);
      assert.ok(node.warnings.includes("JOIN_NO_QUORUM"));
      assert.match(node.waitsFor, /without quorum/);
    }
  });

  it("R12: a name whose holder answers is refused, and had once the holder is silent", async () => {
    network.leave(asNodeId("id-c"));
    const other = new FoundingNode(asNodeName("c"), "id-c2").begin();
    await clock.advance(30_000);
    assert.equal(other.founding, undefined);
    assert.match(other.waitsFor, /the name c is held by a member that answers/);
    assert.deepEqual(new Set(other.warnings), new Set(["JOIN_NAME_TAKEN"]));
    groups.silent.add(asNodeId("id-c"));
    await clock.advance(1_000);
    assert.notEqual(other.founding, undefined);
  });

  it("a new name waits for an operator's word, seen by the leader as long as it is linked", async () => {
    const admission = serve(members[0]!);
    const newcomer = new FoundingNode(asNodeName("d"), "id-d").begin([...NAMES, asNodeName("d")]);
    await clock.advance(5_000);
    assert.deepEqual(
      admission.waiting().map(({ name }) => name),
      ["d"],
    );
    assert.match(newcomer.waitsFor, /^waits to be added: atoll members add d$/);
    assert.deepEqual(groups.changes, []);
    const member = { id: asNodeId("id-d"), name: asNodeName("d") };
    groups.change({ type: "add", member, becomes: "voter" });
    assert.deepEqual(admission.waiting(), []);
    await clock.advance(1_000);
    assert.equal(newcomer.founding?.cluster, members[0]!.founding!.cluster);

    new FoundingNode(asNodeName("e"), "id-e").begin([...NAMES, asNodeName("e")]);
    await clock.advance(1_000);
    assert.equal(admission.waiting().length, 1);
    network.leave(asNodeId("id-e"));
    assert.deepEqual(admission.waiting(), []);
    new FoundingNode(asNodeName("e"), "id-e");
    assert.deepEqual(admission.waiting(), []);
  });

  it("remembers no more than 64 nodes that wait", async () => {
    const admission = serve(members[0]!);
    for (let i = 0; i < 70; i++) new FoundingNode(asNodeName(`n${i}`), `id-${i}`);
    const answers = await Promise.all(members[0]!.node.directory.peers().map((peer) => admission.answer(peer)));
    assert.equal(answers.filter(({ type }) => type === "waiting").length, 64);
    assert.equal(answers.filter(({ type }) => type === "later").length, 6);
  });

  it("is told by any member who leads, and follows a new leader", async () => {
    groups.leader = null;
    const wiped = wipe().begin();
    await clock.advance(3_000);
    assert.match(wiped.waitsFor, /no leader of the region is known/);
    groups.leader = asNodeId("id-b");
    await clock.advance(1_000);
    assert.notEqual(wiped.founding, undefined);
  });

  it("finds its way through a member that joined itself, when no founder is left", async () => {
    const first = wipe().begin();
    await clock.advance(1_000);
    serve(first);
    groups.leader = first.node.self.nodeId;
    for (const id of ["id-a", "id-b"]) network.leave(asNodeId(id));
    const newcomer = new FoundingNode(asNodeName("d"), "id-d").begin([...NAMES, asNodeName("d")]);
    await clock.advance(1_000);
    groups.change({ type: "add", member: { id: asNodeId("id-d"), name: asNodeName("d") }, becomes: "voter" });
    await clock.advance(1_000);
    assert.equal(newcomer.founding?.cluster, members[0]!.founding!.cluster);
  });

  it("trusts a promise only once it is committed", async () => {
    const wiped = wipe();
    groups.change({ type: "add", member: { id: wiped.node.self.nodeId, name: asNodeName("c") }, becomes: "voter" });
    groups.isChanging = true;
    wiped.begin();
    await clock.advance(5_000);
    assert.equal(wiped.founding, undefined);
    groups.isChanging = false;
    await clock.advance(1_000);
    assert.notEqual(wiped.founding, undefined);
  });

  for (const outcome of ["unknown", "unknown-but-done", "change-pending", "quorum-at-risk"] as const) {
    it(`asks again when the change ended in "${outcome}"`, async () => {
      groups.nextOutcome = outcome;
      const wiped = wipe().begin();
      await clock.advance(3_000);
      assert.notEqual(wiped.founding, undefined);
      assert.equal(groups.membership.learners.length, 1);
    });
  }

  it("F7: a crash before the joining is on disk ends in asking again, under the same identity", async () => {
    const wiped = wipe();
    wiped.facts.putsLeft = 0;
    wiped.begin();
    await clock.advance(1_000);
    assert.equal(wiped.founding, undefined);
    network.leave(wiped.node.self.nodeId);

    wiped.facts.putsLeft = Number.POSITIVE_INFINITY;
    const back = new FoundingNode(asNodeName("c"), "id-of-an-empty-disk", wiped.facts);
    assert.equal(back.read(), null);
    back.begin();
    await clock.advance(1_000);
    assert.equal(back.read()?.cluster, members[0]!.founding!.cluster);
    assert.equal(groups.changes.length, 1);
  });

  it("F7: a crash after the joining is on disk ends in being a member, with nobody asked", async () => {
    const wiped = wipe().begin();
    await clock.advance(1_000);
    await wiped.crash();
    for (const id of ["id-a", "id-b"]) network.leave(asNodeId(id));
    const back = new FoundingNode(asNodeName("c"), "id-of-an-empty-disk", wiped.facts);
    assert.deepEqual(back.read(), wiped.founding);
  });

  it("F7: a disk wiped again while it was joining is somebody new again", async () => {
    const first = wipe();
    first.facts.putsLeft = 0;
    first.begin();
    await clock.advance(1_000);
    network.leave(first.node.self.nodeId);
    groups.silent.add(first.node.self.nodeId);
    const second = new FoundingNode(asNodeName("c"), "id-of-yet-another-disk").begin();
    await clock.advance(1_000);
    assert.notEqual(second.founding, undefined);
    assert.deepEqual(
      groups.membership.voters.map(({ id }) => id),
      ["id-a", "id-b", "id-c"],
    );
  });

  it("asks on, after it joined, until its own configuration names it", async () => {
    const wiped = wipe();
    let membership = NO_MEMBERS;
    const { self, requests, directory } = wiped.node;
    const known = { id: self.nodeId, name: self.name };
    const asking = askUntilMember(
      { ...PLACE, self: known, requests, directory, clock, logger: silentLogger, onWaiting: () => {} },
      () => membership,
      new AbortController().signal,
    );
    await clock.advance(1_000);
    assert.equal(groups.changes.length, 1);
    // The leader fell before it had committed that, and nobody else knows of it.
    groups.membership = { ...groups.membership, learners: [] };
    await clock.advance(1_000);
    assert.equal(groups.changes.length, 2);
    membership = groups.membership;
    await clock.advance(1_000);
    await asking;
  });

  it("R13: an identity that left the region is told so, and does not return", async () => {
    const wiped = wipe();
    groups.membership = { ...groups.membership, removed: [wiped.node.self.nodeId] };
    wiped.begin();
    await clock.advance(1_000);
    assert.ok(isBootstrapError("MEMBER_REMOVED")(wiped.failure));
    assert.equal(wiped.founding, undefined);
  });

  it("R51: a data folder whose identity was removed is refused", async () => {
    const { facts, node } = members[0]!;
    await noteRemoval({ ...PLACE, facts, names: NAMES, self: { id: node.self.nodeId, name: node.self.name } });
    assert.throws(() => members[0]!.read(), isBootstrapError("MEMBER_REMOVED"));
  });

  it("F17: joins neither of two regions that have the same name", async () => {
    const other = new FoundingNode(asNodeName("x"), "id-x");
    other.node.requests.handle("raft/found", async () => ({
      ...statementOf("joined", "x"),
      cluster: "another",
    }));
    const wiped = wipe().begin();
    await clock.advance(5_000);
    assert.equal(wiped.founding, undefined);
    assert.deepEqual(new Set(wiped.warnings), new Set(["JOIN_CLUSTERS_DIFFER"]));
  });

  it("F17: joins the newest epoch of a region, whoever of an earlier one is still about", async () => {
    const newest = `${members[0]!.founding!.cluster}.1.ab`;
    const survivor = new FoundingNode(asNodeName("s"), "id-s");
    const { requests } = survivor.node;
    requests.handle("raft/found", async () => ({ ...statementOf("founded", "s"), cluster: newest }));
    requests.handle("raft/join", async () => ({ type: "accepted", cluster: newest }));
    const wiped = wipe().begin();
    await clock.advance(2_000);
    assert.equal(wiped.founding?.cluster, newest);
    assert.deepEqual(groups.changes, []);
  });

  it("believes no answer that makes no sense, and asks somebody else", async () => {
    const nonsense = [null, 1, {}, { type: "accepted" }, { type: "refused", reason: "x".repeat(1_000) }];
    for (const answer of nonsense) assert.equal(asJoinAnswer(answer), null);
    const liar = new FoundingNode(asNodeName("b2"), "id-0");
    liar.node.requests.handle("raft/join", async () => ({ type: "accepted", cluster: 7 }));
    const wiped = wipe().begin();
    await clock.advance(2_000);
    assert.notEqual(wiped.founding, undefined);
  });

  it("F17: is not taken in by whoever names another cluster", async () => {
    groups.leader = asNodeId("id-b");
    members[1]!.node.requests.handle("raft/join", async () => ({ type: "accepted", cluster: "another" }));
    const wiped = wipe().begin();
    await clock.advance(5_000);
    assert.equal(wiped.founding, undefined);
  });

  it("takes in nobody who is configured for another region", async () => {
    const admission = serve(members[0]!);
    const stranger = { ...members[1]!.node.self, nodeId: asNodeId("id-s"), region: asRegionId("us-west") };
    assert.equal((await admission.answer(stranger)).type, "later");
    assert.deepEqual(admission.waiting(), []);
  });
});
