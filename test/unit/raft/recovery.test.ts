import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readFounding } from "../../../src/raft/bootstrap.ts";
import { writeStatement } from "../../../src/raft/founding-statement.ts";
import { Recovery, RecoveryError } from "../../../src/raft/recovery.ts";
import { NodeFactsStore } from "../../../src/storage/node-facts.ts";
import { RaftStore } from "../../../src/storage/raft-store.ts";
import { epochOf, nextEpoch, originOf, succeeds } from "../../../src/types/cluster-id.ts";
import { asClusterId, asFederationId, asNodeName, asRegionId, type NodeId } from "../../../src/types/ids.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import type { MemoryStore } from "../../support/memory-store.ts";
import { command, outcomeOf, RaftCluster } from "../../support/raft-cluster.ts";
import { recovered } from "../../support/raft-data.ts";

const SALT = "0123456789abcdef";
const PLACE = { federation: asFederationId("f"), region: asRegionId("r") };

const selfOf = (id: NodeId) => ({ id, name: asNodeName(id) });

const factsOf = (store: MemoryStore) => new NodeFactsStore(store);
const examine = (store: MemoryStore) => Recovery.examine(factsOf(store), new RaftStore(store, silentLogger));

async function noteFounding(store: MemoryStore, id: NodeId, stage: "founded" | "prepared" = "founded"): Promise<void> {
  const self = selfOf(id);
  await writeStatement(factsOf(store), { stage, ...PLACE, names: [], self, members: [self], cluster: null });
}

/** Three voters; the two that acknowledged the last write are lost, and a follower is left. */
async function survivorOfThree() {
  const cluster = await RaftCluster.start(3);
  const leader = await cluster.untilLed();
  for (const line of ["one", "two"]) {
    assert.equal(await cluster.settled(outcomeOf(leader.group.propose(command(line), { timeoutMs: 1_000 }))), "ok");
  }
  await cluster.untilAgreed();
  const { id, store, group } = cluster.followers[0]!;
  await noteFounding(store, id);
  for (const node of cluster.running) if (node.id !== id) cluster.crash(node.id);
  await group.stop();
  return { cluster, id, store };
}

const founding = (store: MemoryStore, id: NodeId) =>
  readFounding({ ...PLACE, facts: factsOf(store), self: selfOf(id) });

describe("forced recovery", () => {
  it("R52: makes the survivor the only voter, with everything that its log has, and the others leave for good", async () => {
    const { cluster, id, store } = await survivorOfThree();
    const recovery = await examine(store);
    assert.deepEqual(
      [recovery.survivor.role, recovery.survivor.membership.voters.length, recovery.survivor.lastTerm],
      ["voter", 3, 1],
    );
    await recovery.perform(SALT);
    assert.equal(
      (await recovered(store)).entries.at(-1)!.term,
      2,
      "whatever the lost may yet write is of an earlier term",
    );

    const alone = await cluster.startNode(id);
    await cluster.until("it leads", () => alone.group.status().role === "leader");
    await cluster.until("it has applied all", () => alone.ledger.lines.length === 2);
    assert.deepEqual(alone.ledger.lines, ["one", "two"]);
    const { membership } = alone.group.status();
    assert.deepEqual(
      membership.voters.map((voter) => voter.id),
      [id],
    );
    assert.deepEqual([...membership.removed].sort(), cluster.ids.filter((other) => other !== id).sort());
    assert.equal(await cluster.settled(outcomeOf(alone.group.propose(command("three"), { timeoutMs: 1_000 }))), "ok");
  });

  it("R41: keeps what was never committed: somebody may have been told that its outcome is unknown", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.settled(leader.group.propose(command("together"), { timeoutMs: 1_000 }));
    for (const node of cluster.followers) cluster.crash(node.id);
    const lost = outcomeOf(leader.group.propose(command("alone"), { timeoutMs: 200 }));
    assert.notEqual(await cluster.settled(lost), "ok");
    await noteFounding(leader.store, leader.id);
    await leader.group.stop();
    const recovery = await examine(leader.store);
    assert.ok(recovery.survivor.lastIndex > recovery.survivor.commitIndex);
    await recovery.perform(SALT);
    const alone = await cluster.startNode(leader.id);
    await cluster.until("it applied both", () => alone.ledger.lines.length === 2);
    assert.deepEqual(alone.ledger.lines, ["together", "alone"]);
  });

  it("F17: begins an epoch with a cluster id of its own, on a disk that stays bound to its origin", async () => {
    const { id, store } = await survivorOfThree();
    const before = founding(store, id)!.cluster;
    const cluster = await (await examine(store)).perform(SALT);
    assert.equal(founding(store, id)!.cluster, cluster);
    assert.notEqual(cluster, before);
    assert.equal(originOf(cluster), before);
    assert.ok(succeeds(cluster, before));
  });

  it("F17: a crash before the log is changed leaves nobody in the former epoch, and can be repeated", async () => {
    const { id, store } = await survivorOfThree();
    const before = founding(store, id)!.cluster;
    const recovery = await examine(store);
    const write = store.write.bind(store);
    let writes = 0;
    store.write = (operations) => (++writes === 1 ? write(operations) : Promise.reject(new Error("power is gone")));
    await assert.rejects(recovery.perform(SALT));
    store.write = write;
    assert.ok(succeeds(founding(store, id)!.cluster, before));
    const again = await examine(store);
    assert.equal(again.survivor.membership.voters.length, 3);
    const cluster = await again.perform("fedcba9876543210");
    assert.equal(epochOf(cluster), 2);
  });

  it("changes nothing on a node that is alone already, was never in a region, or left it", async () => {
    const { store } = await survivorOfThree();
    await (await examine(store)).perform(SALT);
    const isRefused = (code: string) => (error: unknown) =>
      error instanceof RecoveryError && error.detail.code === code;
    await assert.rejects(examine(store), isRefused("ONLY_VOTER"));

    const other = await survivorOfThree();
    await noteFounding(other.store, other.id, "prepared");
    await assert.rejects(examine(other.store), isRefused("NOT_A_MEMBER"));
  });
});

describe("cluster ids", () => {
  it("of later epochs succeed those of earlier ones of the same region, and no others", () => {
    const origin = asClusterId("0123456789abcdef0123456789abcdef");
    const first = nextEpoch(origin, "aa");
    const second = nextEpoch(first, "bb");
    assert.deepEqual([origin, first, second].map(epochOf), [0, 1, 2]);
    assert.deepEqual([originOf(second), second], [origin, `${origin}.2.bb`]);
    assert.ok(succeeds(first, origin) && succeeds(second, origin) && succeeds(second, first));
    assert.ok(!succeeds(origin, first) && !succeeds(first, first) && !succeeds(first, nextEpoch(origin, "cc")));
    assert.ok(!succeeds(first, asClusterId("another")));
  });

  it("that only look like an epoch are origins", () => {
    for (const id of ["c1", "a.b", "a.0.x", "a.1.", ".1.x", "a.1.x!", `a.${"9".repeat(20)}.x`]) {
      assert.deepEqual([originOf(asClusterId(id)), epochOf(asClusterId(id))], [id, 0]);
    }
  });
});
