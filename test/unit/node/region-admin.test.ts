import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { ClusterError } from "../../../src/api/cluster-error.ts";
import type { MembersStatus } from "../../../src/api/ports.ts";
import type { PeerInfo } from "../../../src/network/interface.ts";
import { asAttempt, asMembersStatus, asOperationRequest } from "../../../src/node/member-operation.ts";
import { RegionAdmin } from "../../../src/node/region-admin.ts";
import { asNodeId, asNodeName, asRegionId } from "../../../src/types/ids.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { FakeGroups } from "../../support/fake-groups.ts";
import { FakeNetwork, type FakeNode } from "../../support/fake-network.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const REGION = asRegionId("us-east");
const TIMEOUT_MS = 5_000;
const idOf = (name: string) => asNodeId(`id-${name}`);
const memberOf = (name: string) => ({ id: idOf(name), name: asNodeName(name) });

let clock: VirtualClock;
let network: FakeNetwork;
let groups: FakeGroups;
let waiting: PeerInfo[];
/** The leader. */
let a: RegionAdmin;
let b: RegionAdmin;
let c: RegionAdmin;

beforeEach(() => {
  clock = new VirtualClock();
  network = new FakeNetwork({ clock, random: seededRandom(1) });
  groups = new FakeGroups(["a", "b", "c"].map(memberOf), idOf("a"));
  waiting = [];
  [a, b, c] = ["a", "b", "c"].map((name) => adminOf(join(name))) as [RegionAdmin, RegionAdmin, RegionAdmin];
});

function join(name: string, region = REGION): FakeNode {
  return network.join({
    nodeId: idOf(name),
    name: asNodeName(name),
    region,
    cluster: null,
    http: `http://${name}`,
    addresses: [],
  });
}

function adminOf(node: FakeNode): RegionAdmin {
  const { nodeId } = node.self;
  const group = groups.group(nodeId);
  const admin = new RegionAdmin({
    region: REGION,
    self: nodeId,
    status: () => group.status(),
    group: () => group,
    network: () => node,
    nodes: () =>
      ["a", "b", "c", "d"].map((name) => ({ name, nodeId: idOf(name), addresses: [], http: `http://${name}` })),
    waiting: () => (groups.leader === nodeId ? waiting : []),
    clock,
    timeoutMs: TIMEOUT_MS,
    answeringMs: 600,
  });
  admin.serve(node.requests);
  return admin;
}

/** How an operation ended: the members it left, or the detail of its error; at what time. */
async function outcomeOf(operation: Promise<MembersStatus>, waitMs = 2 * TIMEOUT_MS) {
  const beganAt = clock.now();
  let tookMs = 0;
  const ended = operation.then(
    (status) => ({ names: status.members.map(({ name }) => name), error: undefined }),
    (error: unknown) => {
      assert.ok(error instanceof ClusterError);
      return { names: undefined, error: error.detail };
    },
  );
  void ended.then(() => {
    tookMs = clock.now() - beganAt;
  });
  await clock.advance(waitMs);
  return { ...(await ended), tookMs };
}

function asksToJoin(name: string): void {
  waiting.push(join(name).self);
}

describe("region admin", () => {
  it("shows the leader's view of the members on any node, with the links as that node has them", async () => {
    groups.silent.add(idOf("c"));
    groups.change({ type: "add", member: { id: idOf("c2"), name: asNodeName("c") }, becomes: "voter" });
    asksToJoin("d");
    const shown = b.members();
    await clock.advance(1_000);
    const status = await shown;
    assert.equal(status.leader, "a");
    assert.deepEqual(
      status.members.map(({ name, role, becomes, replaces, link, lagEntries, silentMs }) => [
        name,
        role,
        becomes,
        replaces,
        link,
        lagEntries,
        silentMs,
      ]),
      [
        ["a", "leader", "voter", null, "connected", 0, 0],
        ["b", "voter", "voter", null, "self", 0, 10],
        ["c", "voter", "voter", null, "connected", 100, 60_000],
        ["c", "learner", "voter", "id-c", "away", 0, 10],
      ],
    );
    assert.deepEqual(status.waiting, [{ name: "d", nodeId: "id-d", http: "http://d" }]);
  });

  it("shows what this node itself sees while there is no leader, or the leader does not answer", async () => {
    groups.leader = null;
    const alone = await b.members();
    assert.equal(alone.leader, null);
    assert.deepEqual(
      alone.members.map(({ role, lagEntries, silentMs }) => [role, lagEntries, silentMs]),
      [
        ["voter", null, null],
        ["voter", null, null],
        ["voter", null, null],
      ],
    );
    groups.leader = idOf("a");
    network.cut(REGION, REGION, "silent");
    const cut = b.members();
    await clock.advance(2_000);
    assert.equal((await cut).members[1]?.link, "self");
  });

  for (const asked of ["leader", "follower"]) {
    it(`adds a node that waits, removes it again, and promotes a learner, asked of the ${asked}`, async () => {
      const admin = asked === "leader" ? a : b;
      asksToJoin("d");
      const added = await outcomeOf(admin.addMember("d", "learner"));
      assert.deepEqual(added.names, ["a", "b", "c", "d"]);
      assert.deepEqual(groups.changes.at(-1), { type: "add", member: memberOf("d"), becomes: "learner" });
      await outcomeOf(admin.promoteMember("d"));
      assert.deepEqual(groups.changes.at(-1), { type: "promote", id: idOf("d") });
      const removed = await outcomeOf(admin.removeMember("id-d"));
      assert.deepEqual(removed.names, ["a", "b", "c"]);
    });
  }

  it("R51: a leader hands over before it is removed, and the new one removes it", async () => {
    const removed = await outcomeOf(a.removeMember("a"));
    assert.deepEqual(groups.transfers, [null]);
    assert.equal(groups.leader, idOf("b"));
    assert.deepEqual(groups.changes, [{ type: "remove", id: idOf("a") }]);
    assert.deepEqual(removed.names, ["b", "c"]);
  });

  it("does not remove a leader that nobody takes over from", async () => {
    groups.canTransfer = false;
    assert.deepEqual((await outcomeOf(c.removeMember("a"))).error, { code: "NOT_TRANSFERRED", to: null });
    assert.deepEqual(groups.changes, []);
  });

  it("hands leadership to the voter that was named, or to any", async () => {
    await outcomeOf(b.transferLeadership("c"));
    assert.equal(groups.leader, idOf("c"));
    await outcomeOf(b.transferLeadership("c"));
    assert.equal(groups.transfers.length, 1);
    await outcomeOf(b.transferLeadership(null));
    assert.equal(groups.leader, idOf("a"));
  });

  it("R52: says for each change why it was not made, at once", async () => {
    asksToJoin("d");
    groups.change({ type: "add", member: memberOf("l"), becomes: "learner" });
    const refused = async (operation: Promise<MembersStatus>) => {
      const { error, tookMs } = await outcomeOf(operation);
      assert.ok(tookMs < 1_000);
      return error;
    };
    assert.deepEqual(await refused(b.addMember("a", "voter")), { code: "MEMBER_EXISTS", member: "a" });
    assert.deepEqual(await refused(b.removeMember("x")), { code: "MEMBER_UNKNOWN", member: "x" });
    assert.deepEqual(await refused(b.promoteMember("b")), { code: "NOT_A_LEARNER", member: "b" });
    assert.deepEqual(await refused(b.transferLeadership("l")), { code: "NOT_A_VOTER", member: "l" });
    assert.deepEqual(await refused(b.transferLeadership("x")), { code: "MEMBER_UNKNOWN", member: "x" });
    groups.silent.add(idOf("l"));
    assert.deepEqual(await refused(b.promoteMember("l")), { code: "NOT_CAUGHT_UP", member: "l", lagEntries: 100 });
    groups.silent.add(idOf("c"));
    const atRisk = { code: "QUORUM_AT_RISK", answering: 1, needed: 2 };
    assert.deepEqual(await refused(c.removeMember("b")), atRisk);
    await refused(b.removeMember("l"));
    assert.deepEqual(await refused(b.removeMember("id-l")), { code: "MEMBER_REMOVED", member: "id-l" });
    for (const [reason, code] of [
      ["removed-for-good", "MEMBER_REMOVED"],
      ["too-many-members", "TOO_MANY_MEMBERS"],
      ["name-taken", "NAME_TAKEN"],
    ] as const) {
      groups.nextOutcome = reason;
      assert.deepEqual(await refused(b.addMember("d", "voter")), { code, member: "d" });
    }
    groups.membership = { ...groups.membership, voters: [memberOf("a")] };
    assert.deepEqual(await refused(a.removeMember("a")), { code: "LAST_VOTER", member: "a" });
  });

  it("R48: waits while another change is under way, and no longer than it may", async () => {
    groups.isChanging = true;
    clock.schedule(1_000, () => {
      groups.isChanging = false;
    });
    assert.deepEqual((await outcomeOf(b.removeMember("c"))).names, ["a", "b"]);
    groups.isChanging = true;
    const { error, tookMs } = await outcomeOf(b.removeMember("b"));
    assert.deepEqual(error, { code: "CHANGE_PENDING" });
    assert.ok(tookMs <= TIMEOUT_MS);
  });

  it("gives a node that is about to ask the time to", async () => {
    clock.schedule(600, () => asksToJoin("d"));
    assert.deepEqual((await outcomeOf(b.addMember("d", "voter"))).names, ["a", "b", "c", "d"]);
    assert.deepEqual((await outcomeOf(b.addMember("e", "voter"))).error, { code: "MEMBER_NOT_WAITING", member: "e" });
  });

  it("follows a leader change", async () => {
    groups.leader = null;
    clock.schedule(2_000, () => {
      groups.leader = idOf("c");
    });
    assert.deepEqual((await outcomeOf(b.removeMember("a"))).names, ["b", "c"]);
  });

  it("says that nothing was changed when no leader comes", async () => {
    groups.leader = null;
    const { error, tookMs } = await outcomeOf(b.removeMember("c"));
    assert.equal(error?.code, "NO_LEADER");
    assert.ok(tookMs <= TIMEOUT_MS);
  });

  for (const asked of ["leader", "follower"]) {
    it(`does not report an addition that nobody heard of as one that was there before, asked of the ${asked}`, async () => {
      asksToJoin("d");
      groups.nextOutcome = "unknown-but-done";
      const { names } = await outcomeOf((asked === "leader" ? a : b).addMember("d", "voter"));
      assert.deepEqual(names, ["a", "b", "c", "d"]);
      assert.equal(groups.changes.length, 1);
    });

    it(`repeats a removal that was lost, asked of the ${asked}`, async () => {
      groups.nextOutcome = "unknown";
      assert.deepEqual((await outcomeOf((asked === "leader" ? a : b).removeMember("c"))).names, ["a", "b"]);
      assert.equal(groups.changes.length, 1);
    });
  }

  it("does not report a change as done that is not settled yet", async () => {
    groups.nextOutcome = "unknown-but-done";
    clock.schedule(10, () => {
      groups.isChanging = true;
    });
    clock.schedule(2_000, () => {
      groups.isChanging = false;
    });
    const { names, tookMs } = await outcomeOf(b.removeMember("c"));
    assert.deepEqual(names, ["a", "b"]);
    assert.ok(tookMs >= 2_000);
  });

  it("R41: says that the outcome is unknown when the leader took the change and was not heard of again", async () => {
    network.cut(REGION, REGION, "silent");
    const { error } = await outcomeOf(b.removeMember("c"));
    assert.equal(error?.code, "OUTCOME_UNKNOWN");
  });

  it("P11: does nothing for nodes that are no members, and shows nothing to other regions", async () => {
    const request = { operation: { type: "remove", member: "c" }, mayBeDone: false, timeoutMs: 1_000 };
    const ask = (node: FakeNode, method: string) =>
      node.requests.request(idOf("a"), method, request, { timeoutMs: 1_000 });
    const answers = Promise.all([
      ask(join("x"), "raft/change-members"),
      ask(join("y", asRegionId("us-west")), "raft/members"),
    ]);
    await clock.advance(1_000);
    assert.deepEqual(await answers, [{ type: "again", error: { code: "NO_LEADER", waitedMs: 0 } }, null]);
    assert.deepEqual(groups.changes, []);
  });

  it("believes nothing that makes no sense", () => {
    const operation = { type: "add", name: "d", becomes: "voter" };
    assert.notEqual(asOperationRequest({ operation, mayBeDone: false, timeoutMs: 1_000 }), null);
    for (const wrong of [
      null,
      7,
      { operation, mayBeDone: false, timeoutMs: 0 },
      { operation, mayBeDone: false, timeoutMs: Number.NaN },
      { operation, mayBeDone: false, timeoutMs: 1e9 },
      { operation: { ...operation, name: "x".repeat(1_000) }, mayBeDone: false, timeoutMs: 1 },
      { operation: { ...operation, becomes: "king" }, mayBeDone: false, timeoutMs: 1 },
      { operation: { type: "explode" }, mayBeDone: false, timeoutMs: 1 },
    ]) {
      assert.equal(asOperationRequest(wrong), null);
    }
    assert.equal(asAttempt({ type: "refused", error: { code: "NOT_A_CODE" } }), null);
    assert.equal(asAttempt({ type: "again", error: { code: "NOT_CAUGHT_UP", member: "a", lagEntries: -1 } }), null);
    assert.equal(asMembersStatus({ region: "r", leader: null, term: 1, members: [{}], waiting: [] }), null);
    assert.equal(
      asMembersStatus({ region: "r", leader: null, term: 1, members: new Array(10_000), waiting: [] }),
      null,
    );
  });
});
