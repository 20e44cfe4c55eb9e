import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { RegionPlace } from "../../../src/node/region-place.ts";
import { Admission } from "../../../src/raft/admission.ts";
import { type Founding, readFounding } from "../../../src/raft/bootstrap.ts";
import { BootstrapError } from "../../../src/raft/bootstrap-error.ts";
import { writeStatement } from "../../../src/raft/founding-statement.ts";
import { NodeFactsStore } from "../../../src/storage/node-facts.ts";
import { asClusterId, asFederationId, asNodeId, asNodeName, asRegionId } from "../../../src/types/ids.ts";
import { NO_MEMBERS } from "../../../src/types/membership.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { FakeGroups } from "../../support/fake-groups.ts";
import { FakeNetwork, type FakeNode } from "../../support/fake-network.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const HOME = { federation: asFederationId("f"), region: asRegionId("r") };
const CLUSTER = asClusterId("c1");
const memberOf = (name: string) => ({ id: asNodeId(`id-${name}`), name: asNodeName(name) });

let clock: VirtualClock;
let network: FakeNetwork;
let store: MemoryStore;
let facts: NodeFactsStore;
let stopping: AbortController;
let happened: string[];
let failure: unknown;
let place: RegionPlace;
let groups: FakeGroups;
beforeEach(() => {
  clock = new VirtualClock();
  network = new FakeNetwork({ clock, random: seededRandom(1) });
  store = new MemoryStore();
  facts = new NodeFactsStore(store);
  stopping = new AbortController();
  happened = [];
  failure = undefined;
  place = placeOf("b");
});

function join(name: string): FakeNode {
  const address = { cluster: null, http: `http://${name}`, addresses: [] };
  return network.join({ nodeId: memberOf(name).id, name: asNodeName(name), region: HOME.region, ...address });
}

function placeOf(name: string): RegionPlace {
  const { requests, directory } = join(name);
  return new RegionPlace({
    ...HOME,
    self: memberOf(name),
    names: ["a", "b"].map(asNodeName),
    mayFound: true,
    facts,
    requests,
    directory,
    clock,
    logger: { ...silentLogger, warn: ({ code }) => void happened.push(code) },
    stopping: stopping.signal,
    onFatal: (error) => {
      failure = error;
    },
    onRemoved: () => void happened.push("told"),
  });
}

/** Node a leads the region alone, and knows a silent b of before. */
async function regionOfA(): Promise<void> {
  const { requests, directory } = join("a");
  const statement = { stage: "founded", ...HOME, names: ["a"], self: memberOf("a"), members: [], cluster: CLUSTER };
  requests.handle("raft/found", async () => statement);
  groups = new FakeGroups([memberOf("a"), { id: asNodeId("id-of-before"), name: asNodeName("b") }], memberOf("a").id);
  groups.silent.add(asNodeId("id-of-before"));
  const group = groups.group(memberOf("a").id);
  new Admission({ region: HOME.region, cluster: CLUSTER, group, requests, directory, logger: silentLogger });
}

const isOnDiskAsRemoved = () => {
  try {
    readFounding({ ...HOME, facts, self: memberOf("b") });
    return false;
  } catch (error) {
    return error instanceof BootstrapError && error.detail.code === "MEMBER_REMOVED";
  }
};

describe("a place in the region", () => {
  it("is waited for, and said so, until somebody gives it", async () => {
    let founding: Founding | undefined;
    const entered = place.enter(async (given) => {
      founding = given;
      place.confirm(() => groups.membership);
    });
    await clock.advance(1_000);
    assert.match(place.waitsFor ?? "", /waiting for members to found the region: a/);
    await regionOfA();
    await clock.advance(2_000);
    await entered;
    assert.deepEqual(founding, { cluster: CLUSTER, membership: NO_MEMBERS });
    assert.equal(place.waitsFor, null);
  });

  it("is asked for again after it was promised, until the log names this node", async () => {
    await regionOfA();
    let membership = NO_MEMBERS;
    const entered = place.enter(async () => place.confirm(() => membership));
    await clock.advance(1_000);
    await entered;
    groups.membership = { ...groups.membership, voters: [memberOf("a")], learners: [] };
    await clock.advance(1_000);
    assert.match(place.waitsFor ?? "", /waits to be added: atoll members add b/);
    membership = { ...groups.membership, voters: ["a", "b"].map(memberOf) };
    await clock.advance(1_000);
    assert.equal(place.waitsFor, null);
  });

  it("R51: is given up once, on disk before anybody is told", async () => {
    await writeStatement(facts, {
      stage: "joined",
      ...HOME,
      names: [],
      self: memberOf("b"),
      members: [],
      cluster: CLUSTER,
    });
    place.leave();
    place.leave();
    assert.deepEqual(happened, []);
    await clock.advance(0);
    assert.ok(isOnDiskAsRemoved());
    assert.deepEqual(happened, ["MEMBER_REMOVED", "told"]);
    assert.match(place.waitsFor ?? "", /was removed from its region/);
  });

  it("R13: is given up by who asks under an identity that left", async () => {
    await regionOfA();
    groups.membership = { ...groups.membership, removed: [memberOf("b").id] };
    const entered = place.enter(() => assert.fail("it has no place"));
    await clock.advance(1_000);
    await entered;
    assert.ok(happened.includes("told"));
    assert.ok(isOnDiskAsRemoved());
    assert.equal(failure, undefined);
  });

  it("R8: is not given up quietly by a disk that takes nothing: the node fails", async () => {
    await writeStatement(facts, {
      stage: "joined",
      ...HOME,
      names: [],
      self: memberOf("b"),
      members: [],
      cluster: CLUSTER,
    });
    store.write = () => Promise.reject(new Error("full"));
    place.leave();
    await clock.advance(0);
    assert.match(String(failure), /full/);
    assert.deepEqual(happened, []);
  });

  it("ends the node when the group can not be joined", async () => {
    await regionOfA();
    const entered = place.enter(() => Promise.reject(new Error("a bug")));
    await clock.advance(1_000);
    await entered;
    assert.match(String(failure), /a bug/);
  });

  it("is waited for no longer when the node stops", async () => {
    const entered = place.enter(() => assert.fail("it has no place"));
    await clock.advance(1_000);
    stopping.abort(new Error("stopping"));
    await entered;
    assert.equal(failure, undefined);
  });
});
