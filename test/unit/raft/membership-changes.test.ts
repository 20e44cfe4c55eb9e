/** Members of a running group that come, go and are replaced: the driver's side (core: `core/membership.test.ts`). */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MembershipError, RaftError } from "../../../src/raft/index.ts";
import { asClusterId, asNodeId, asNodeName, type NodeId } from "../../../src/types/ids.ts";
import type { MembershipChange } from "../../../src/types/membership.ts";
import { command, RaftCluster, type RunningNode } from "../../support/raft-cluster.ts";
import { members } from "../../support/raft-sim-plan.ts";

const LONG = { timeoutMs: 10_000 };
const ids = (count: number) => members(1, count).map(({ id }) => id);

/** Writes without end through every member that runs, and remembers what was acknowledged. */
class Load {
  readonly acknowledged: string[] = [];
  readonly failed: string[] = [];
  readonly #cluster: RaftCluster;
  #next = 0;
  #isStopped = false;

  constructor(cluster: RaftCluster) {
    this.#cluster = cluster;
  }

  /** A write every so often until `stop`. */
  run(everyMs = 2): void {
    if (this.#isStopped) return;
    const { running, clock } = this.#cluster;
    const node = running[this.#next % running.length]!;
    this.#write(node, `line ${this.#next++}`);
    clock.schedule(everyMs, () => this.run(everyMs));
  }

  stop(): void {
    this.#isStopped = true;
  }

  #write(node: RunningNode, line: string): void {
    node.group.propose(command(line), LONG).then(
      () => this.acknowledged.push(line),
      (error) => this.failed.push(`${line} on ${node.id}: ${error}`),
    );
  }
}

/** Asks whoever leads, again while another change is under way, as an operator's client does. */
async function change(cluster: RaftCluster, wanted: MembershipChange): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const leader = await cluster.untilLed();
    try {
      await cluster.settled(leader.group.changeMembership(wanted, LONG));
      return;
    } catch (error) {
      const isTransient = error instanceof RaftError || (error as MembershipError).detail.reason === "change-pending";
      if (!isTransient) throw error;
      await cluster.clock.advance(50);
    }
  }
  assert.fail(`${wanted.type} did not come to pass`);
}

const votersAt = (node: RunningNode) =>
  node.group
    .status()
    .membership.voters.map(({ id }) => id)
    .sort();

async function untilVoters(cluster: RaftCluster, expected: readonly NodeId[]): Promise<void> {
  const hold = (node: RunningNode) => !node.group.status().isChanging && `${votersAt(node)}` === `${expected}`;
  await cluster.until(`${expected} vote`, () =>
    expected.every((id) => cluster.isRunning(id) && hold(cluster.node(id))),
  );
}

async function join(cluster: RaftCluster, id: NodeId, name = asNodeName(id)): Promise<void> {
  await cluster.startNewcomer(id);
  await change(cluster, { type: "add", member: { id, name }, becomes: "voter" });
}

describe("raft/raft-group: membership", () => {
  it("grows from 1 to 3 to 5 and shrinks to 3 and 1 under load, and loses nothing that was acknowledged", async () => {
    const cluster = await RaftCluster.start(1, { logEntriesMax: 50, logTailEntries: 5 });
    await cluster.untilLed();
    const load = new Load(cluster);
    load.run();
    for (const count of [2, 3, 4, 5]) {
      await join(cluster, asNodeId(`n${count}`));
      await untilVoters(cluster, ids(count));
    }
    for (const count of [4, 3, 2, 1]) {
      const leaver = asNodeId(`n${count + 1}`);
      await change(cluster, { type: "remove", id: leaver });
      await cluster.until(`${leaver} left`, () => cluster.hasLeft.has(leaver));
      await untilVoters(cluster, ids(count));
    }
    load.stop();
    await cluster.clock.advance(LONG.timeoutMs);
    const { lines } = cluster.node(asNodeId("n1")).ledger;
    assert.ok(load.acknowledged.length > 100);
    assert.deepEqual(
      load.acknowledged.filter((line) => lines.filter((other) => other === line).length !== 1),
      [],
    );
    // A member that leaves with a write under way can not tell what becomes of it; nothing else fails.
    assert.deepEqual(
      load.failed.filter((failure) => !/OUTCOME_UNKNOWN|STOPPED/.test(failure)),
      [],
    );
  });

  it("R51: the leader is removed: another one leads, and the one removed is told", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.untilAgreed();
    await cluster.settled(leader.group.changeMembership({ type: "remove", id: leader.id }, LONG));
    await cluster.until("it left", () => cluster.hasLeft.has(leader.id));
    const successor = await cluster.untilLed();
    assert.notEqual(successor.id, leader.id);
    await cluster.settled(successor.group.propose(command("after"), LONG));
    await assert.rejects(leader.group.propose(command("late"), LONG), { detail: { code: "STOPPED" } });
  });

  it("R51: one that was removed while it was away is told when it returns, and disturbs nobody", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    await cluster.untilAgreed();
    const away = cluster.followers[0]!.id;
    cluster.crash(away);
    await change(cluster, { type: "remove", id: away });
    const { term } = cluster.leader!.group.status();
    await cluster.startNode(away);
    await cluster.until("it left", () => cluster.hasLeft.has(away));
    assert.equal(cluster.leader!.group.status().term, term);
  });

  it("R51: one that was removed is not listened to, whatever it claims", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    await cluster.untilAgreed();
    const former = cluster.followers[0]!.id;
    await change(cluster, { type: "remove", id: former });
    await cluster.until("it left", () => cluster.hasLeft.has(former));
    const leader = await cluster.untilLed();
    const { term, refusedMessages } = leader.group.status();
    const deaf = { onMessage: () => {}, onSnapshot: async () => {}, onPeerGone: () => {}, onPeerUp: () => {} };
    const transport = cluster.network.transportOf(former);
    transport.start(asClusterId("c1"), deaf);
    const vote = { type: "vote", lastIndex: 1_000, lastTerm: term, isTransfer: true } as const;
    transport.send({ ...vote, from: former, to: leader.id, term: term + 50 });
    await cluster.clock.advance(100);
    assert.equal(leader.group.status().term, term);
    assert.equal(leader.group.status().refusedMessages, refusedMessages + 1);
  });

  it("P11: nobody but a member can tell one that it left", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    const stranger = (await cluster.startNewcomer(asNodeId("n9"))).id;
    const transport = cluster.network.transportOf(stranger);
    for (const { id } of cluster.running) transport.send({ from: stranger, to: id, term: 1, type: "removed" });
    await cluster.clock.advance(100);
    assert.deepEqual([...cluster.hasLeft], []);
    const [teller, told] = cluster.followers.filter(({ id }) => id !== stranger) as [RunningNode, RunningNode];
    cluster.network.transportOf(teller.id).send({ from: teller.id, to: told.id, term: 1, type: "removed" });
    await cluster.clock.advance(100);
    assert.deepEqual([...cluster.hasLeft], [told.id]);
  });

  it("R51: one that no leader speaks to any more believes strangers as well: all it knew may be gone", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    const stranger = (await cluster.startNewcomer(asNodeId("n9"))).id;
    const lonely = cluster.followers.find(({ id }) => id !== stranger)!;
    cluster.network.isolate(lonely.id);
    await cluster.clock.advance(21_000);
    cluster.network.heal();
    const transport = cluster.network.transportOf(stranger);
    transport.send({ from: stranger, to: lonely.id, term: 1, type: "removed" });
    await cluster.clock.advance(1);
    assert.deepEqual([...cluster.hasLeft], [lonely.id]);
  });

  it("F7, R12: a wiped voter returns under its name with a new identity and votes again, without a command", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    await cluster.settled(cluster.leader!.group.propose(command("before"), LONG));
    const victim = cluster.followers[0]!.id;
    cluster.crash(victim);
    await cluster.clock.advance(5_500);
    const heir = asNodeId("n9");
    await join(cluster, heir, asNodeName(victim));
    const expected = [...cluster.running.map(({ id }) => id)].sort();
    await untilVoters(cluster, expected);
    assert.deepEqual(cluster.node(heir).ledger.lines, ["before"]);
    assert.deepEqual(cluster.node(heir).group.status().membership.removed, [victim]);
  });

  it("R45: a newcomer that needs a snapshot gets one which names it a member", async () => {
    const cluster = await RaftCluster.start(3, { logEntriesMax: 10, logTailEntries: 0, effectsFlushMs: 20 });
    await cluster.untilLed();
    for (let i = 0; i < 30; i++) await cluster.settled(cluster.leader!.group.propose(command(`${i}`), LONG));
    let installed = 0;
    cluster.onInstall = () => {
      installed++;
    };
    await join(cluster, asNodeId("n4"));
    await untilVoters(cluster, ids(4));
    assert.equal(installed, 1);
    assert.equal(cluster.node(asNodeId("n4")).ledger.lines.length, 30);
  });

  it("R45: what a member writes upon a snapshot stands upon its configuration as well", async () => {
    const cluster = await RaftCluster.start(3, { logEntriesMax: 10, logTailEntries: 0, effectsFlushMs: 20 });
    const leader = await cluster.untilLed();
    await cluster.untilAgreed();
    const away = cluster.followers[0]!.id;
    cluster.network.isolate(away);
    const learner = { type: "add", member: members(4, 4)[0]!, becomes: "learner" } as const;
    await cluster.settled(leader.group.changeMembership(learner, LONG));
    for (let i = 0; i < 30; i++) await cluster.settled(leader.group.propose(command(`${i}`), LONG));
    let installed = 0;
    cluster.onInstall = () => {
      installed++;
    };
    cluster.network.heal();
    await cluster.until("it caught up by snapshot", () => installed === 1);
    await cluster.settled(leader.group.propose(command("after"), LONG));
    await cluster.untilAgreed();
    await cluster.clock.advance(100);
    cluster.crash(away);
    cluster.network.loses = ({ to }) => to === away;
    const { learners } = (await cluster.startNode(away)).group.status().membership;
    assert.deepEqual(
      learners.map(({ id }) => id),
      [asNodeId("n4")],
    );
  });

  it("R49: a state on disk has the configuration of its own index, though a newer one is in the log", async () => {
    const cluster = await RaftCluster.start(3, { effectsFlushMs: 20 });
    const former = await cluster.untilLed();
    await cluster.settled(former.group.propose(command("opens the session"), LONG));
    await cluster.untilAgreed();
    // The command spreads, the change after it does not, and the command is applied with the change in the log.
    cluster.network.loses = (message) =>
      message.type === "append" && message.entries.some(({ kind }) => kind === "membership");
    const written = former.group.propose(command("before the change"), LONG);
    await cluster.clock.advance(0);
    const change = former.group.changeMembership({ type: "remove", id: cluster.followers[0]!.id }, LONG);
    change.catch(() => {});
    await cluster.settled(written);
    await cluster.clock.advance(100);
    cluster.crash(former.id);
    await cluster.until("another one leads", () => cluster.leader !== undefined);
    const successor = await cluster.untilLed();
    await cluster.settled(successor.group.propose(command("in its place"), LONG));
    await cluster.startNode(former.id);
    await cluster.untilAgreed();
    assert.deepEqual(votersAt(cluster.node(former.id)), ids(3));
  });

  it("R46: a newcomer that takes its snapshot while writes go on needs no second one", async () => {
    const cluster = await RaftCluster.start(1, { logEntriesMax: 10, logTailEntries: 0, effectsFlushMs: 5 });
    await cluster.untilLed();
    const load = new Load(cluster);
    load.run(1);
    await cluster.clock.advance(100);
    let installed = 0;
    cluster.onInstall = () => {
      installed++;
    };
    await join(cluster, asNodeId("n2"));
    await untilVoters(cluster, ids(2));
    load.stop();
    assert.equal(installed, 1);
  });

  it("is refused at once when the leader finds, after a stall of its own, that nobody may answer", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.untilAgreed();
    cluster.clock.stall(1_100);
    const change = leader.group.changeMembership({ type: "remove", id: cluster.followers[0]!.id }, LONG);
    await assert.rejects(change, { detail: { code: "MEMBERSHIP_REFUSED", reason: "quorum-at-risk" } });
  });

  it("R49: a member that restarts has the configuration of its log, also where a snapshot of its state has an older one", async () => {
    const cluster = await RaftCluster.start(3, { effectsFlushMs: 5_000 });
    await cluster.untilLed();
    await cluster.untilAgreed();
    await join(cluster, asNodeId("n4"));
    await untilVoters(cluster, ids(4));
    for (const id of ids(4)) cluster.crash(id, { isSilent: true });
    for (const id of ids(4)) await cluster.startNode(id);
    assert.deepEqual(votersAt(cluster.node(asNodeId("n1"))), ids(4));
    await cluster.untilLed();
    await cluster.settled(cluster.leader!.group.propose(command("after"), LONG));
  });

  it("is refused where the core refuses it, with the reason", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.untilAgreed();
    const add = { type: "add", member: members(1, 1)[0]!, becomes: "voter" } as const;
    const detail = (reason: string) => ({ detail: { code: "MEMBERSHIP_REFUSED", reason } });
    await assert.rejects(leader.group.changeMembership(add, LONG), detail("already-a-member"));
    await assert.rejects(cluster.followers[0]!.group.changeMembership(add, LONG), detail("not-leader"));
  });

  it("R41: is of unknown outcome when its leader is cut off, and did not happen when another one's entry took its place", async () => {
    const cluster = await RaftCluster.start(3);
    const former = await cluster.untilLed();
    await cluster.untilAgreed();
    cluster.network.isolate(former.id);
    const wanted = { type: "remove", id: cluster.followers[0]!.id } as const;
    const impatient = former.group.changeMembership(wanted, { timeoutMs: 100 });
    await assert.rejects(cluster.settled(impatient), { detail: { code: "OUTCOME_UNKNOWN", waitedMs: 100 } });
    await cluster.until("another one leads", () => cluster.leader !== undefined && cluster.leader.id !== former.id);
    cluster.network.heal();
    await cluster.untilAgreed();
    assert.deepEqual(votersAt(former), ids(3));

    const leader = await cluster.untilLed();
    cluster.network.isolate(leader.id);
    const patient = leader.group.changeMembership({ type: "remove", id: cluster.followers[0]!.id }, LONG);
    patient.catch(() => {});
    await cluster.until("another one leads", () => cluster.leader !== undefined && cluster.leader.id !== leader.id);
    cluster.network.heal();
    await assert.rejects(cluster.settled(patient), (error: RaftError) => error.detail.code === "NO_LEADER");
  });

  it("says how far each peer is, on the leader", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.untilAgreed();
    const { lastIndex } = leader.group.status();
    assert.deepEqual(
      leader.group.progress().map(({ id, matchIndex }) => [id, matchIndex]),
      cluster.followers.map(({ id }) => [id, lastIndex]),
    );
    assert.deepEqual(cluster.followers[0]!.group.progress(), []);
  });
});
