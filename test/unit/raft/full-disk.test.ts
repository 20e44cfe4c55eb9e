/** What a region does while the log must not grow on some of its members' disks. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RaftError } from "../../../src/raft/index.ts";
import type { RaftGroupOptions } from "../../../src/raft/raft-group.ts";
import { command, RaftCluster, type RunningNode } from "../../support/raft-cluster.ts";

const SMALL_LOG: Partial<RaftGroupOptions> = { logEntriesMax: 20, logTailEntries: 5, effectsFlushMs: 20 };

async function ledRegion(options: Partial<RaftGroupOptions> = {}): Promise<RaftCluster> {
  const cluster = await RaftCluster.start(3, options);
  await cluster.untilLed();
  return cluster;
}

const propose = (node: RunningNode, line: string, timeoutMs = 5_000) =>
  node.group.propose(command(line), { timeoutMs });

function codeOf(proposal: Promise<unknown>): Promise<string> {
  return proposal.then(
    () => "done",
    (error) => (error instanceof RaftError ? error.detail.code : Promise.reject(error)),
  );
}

describe("raft/raft-group: a full disk", () => {
  it("P12: of one follower holds up nobody, and the follower catches up when there is room again", async () => {
    const cluster = await ledRegion();
    const [full, other] = cluster.followers;
    cluster.fullDisks.add(full!.id);
    for (let i = 0; i < 10; i++) await cluster.settled(propose(other!, `line ${i}`), 6_000);
    assert.deepEqual(full!.ledger.lines, []);
    const { sinceLeaderMs, role } = full!.group.status();
    assert.ok(role === "follower" && sinceLeaderMs < 1_000, "it still hears its leader, and does not stand against it");
    cluster.fullDisks.clear();
    assert.equal((await cluster.untilAgreed()).length, 10);
  });

  it("takes no snapshot either, and one as soon as there is room", async () => {
    const cluster = await ledRegion(SMALL_LOG);
    const [full] = cluster.followers;
    cluster.fullDisks.add(full!.id);
    for (let i = 0; i < 60; i++) await cluster.settled(propose(cluster.leader!, `line ${i}`), 6_000);
    await cluster.clock.advance(3_000);
    assert.equal(full!.fatal, undefined);
    assert.deepEqual(full!.ledger.lines, []);
    cluster.fullDisks.clear();
    assert.equal((await cluster.untilAgreed()).length, 60);
  });

  it("of the leader refuses commands as too many, wherever they come from; nothing was proposed", async () => {
    const cluster = await ledRegion();
    const [follower] = cluster.followers;
    await cluster.settled(propose(follower!, "before"));
    cluster.fullDisks.add(cluster.leader!.id);
    const asked = Promise.all([cluster.leader!, follower!].map((node) => codeOf(propose(node, "refused"))));
    assert.deepEqual(await cluster.settled(asked, 6_000), ["OVERLOADED", "OVERLOADED"]);
    cluster.fullDisks.clear();
    await cluster.settled(propose(follower!, "after"));
    assert.deepEqual(await cluster.untilAgreed(), ["before", "after"]);
  });

  it("of everybody leaves the region able to elect, and to prove who leads", async () => {
    const cluster = await ledRegion();
    await cluster.settled(propose(cluster.leader!, "before"));
    for (const id of cluster.ids) cluster.fullDisks.add(id);
    const former = cluster.leader!.id;
    cluster.crash(former);
    await cluster.until("another leads", () => cluster.leader !== undefined && cluster.leader.id !== former, 20_000);
    await cluster.settled(cluster.leader!.group.readBarrier({ timeoutMs: 5_000 }), 6_000);
    assert.deepEqual(cluster.leader!.ledger.lines, ["before"]);
  });
});
