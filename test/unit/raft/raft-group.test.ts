/** Regions of real groups on disks in memory: what the parts promise together. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RAFT_DEFAULTS, type RaftGroupOptions } from "../../../src/raft/raft-group.ts";
import { asClusterId, type NodeId } from "../../../src/types/ids.ts";
import { command, outcomeOf, RaftCluster, type RunningNode } from "../../support/raft-cluster.ts";
import { n1 } from "../../support/raft-core.ts";

const LONG = { timeoutMs: 10_000 };
const SMALL_LOG: Partial<RaftGroupOptions> = { logEntriesMax: 20, logTailEntries: 5, effectsFlushMs: 20 };

const propose = (node: RunningNode, line: string, options = LONG) => node.group.propose(command(line), options);

/** Proposes `count` commands through these nodes in turn, and waits for all. */
async function writeAll(
  cluster: RaftCluster,
  nodes: readonly RunningNode[],
  name: string,
  count: number,
): Promise<string[]> {
  const lines = Array.from({ length: count }, (_, i) => `${name} ${i}`);
  const proposals = lines.map((line, i) => propose(nodes[i % nodes.length]!, line));
  await cluster.settled(Promise.all(proposals), 10_000);
  return lines;
}

const sorted = (lines: readonly string[]) => [...lines].sort();

describe("raft/raft-group: proposals", () => {
  it("P4: any member takes a command, and all apply it in the same place", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    const lines = await writeAll(cluster, cluster.running, "command", 30);
    assert.deepEqual(sorted(await cluster.untilAgreed()), sorted(lines));
  });

  it("P3: who proposed has applied it when it is answered, with the index and result of the log", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    const [follower] = cluster.followers;
    const { index, result } = await cluster.settled(propose(follower!, "a"));
    assert.deepEqual(follower!.ledger.lines, ["a"]);
    assert.deepEqual(result, { place: 1, index });
    assert.ok(follower!.group.status().appliedIndex >= index);
  });

  it("a region of one serves by itself", async () => {
    const cluster = await RaftCluster.start(1);
    await cluster.untilLed();
    await cluster.settled(propose(cluster.node(n1), "a"));
    await cluster.settled(cluster.node(n1).group.readBarrier(LONG));
    assert.deepEqual(cluster.node(n1).ledger.lines, ["a"]);
  });

  it("exactly once: lost messages are sent again, and applied once (R40)", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    let lost = 0;
    cluster.network.loses = ({ type }) => (type === "propose" || type === "append") && lost++ % 3 !== 0;
    const lines = await writeAll(cluster, cluster.followers, "command", 20);
    cluster.network.loses = () => false;
    assert.deepEqual(sorted(await cluster.untilAgreed()), sorted(lines));
  });

  it("exactly once: a command that two leaders took is applied once (R40)", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const [proposer] = cluster.followers;
    await cluster.settled(propose(proposer!, "opens the session"));
    // The leader takes it and replicates it, but the proposer hears nothing more of it.
    cluster.network.cut(leader.id, proposer!.id);
    const proposal = propose(proposer!, "taken twice");
    await cluster.clock.advance(20);
    cluster.crash(leader.id);
    await cluster.settled(proposal);
    cluster.network.heal();
    await cluster.startNode(leader.id);
    await cluster.untilLed();
    assert.deepEqual(await cluster.untilAgreed(), ["opens the session", "taken twice"]);
  });

  it("P1, P6: an acknowledged command survives the leader, and the next follows without a hand", async () => {
    const cluster = await RaftCluster.start(3);
    for (let round = 0; round < 5; round++) {
      const leader = await cluster.untilLed();
      const [follower] = cluster.followers;
      const proposals = Array.from({ length: 10 }, (_, i) => propose(follower!, `round ${round}, ${i}`));
      await cluster.clock.advance(round);
      cluster.crash(leader.id, { isSilent: round % 2 === 0 });
      await cluster.settled(Promise.all(proposals), 10_000);
      await cluster.startNode(leader.id);
    }
    await cluster.untilLed();
    const lines = await cluster.untilAgreed();
    assert.equal(lines.length, 50);
    assert.equal(new Set(lines).size, 50);
  });

  it("P6: writes go on within tens of milliseconds after a crash that closes its connections", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const survivor = cluster.followers[0]!;
    await cluster.settled(propose(survivor, "before"));
    cluster.crash(leader.id);
    const began = cluster.clock.now();
    await cluster.settled(propose(survivor, "after"));
    const tookMs = cluster.clock.now() - began;
    assert.ok(tookMs < 100, `${tookMs} ms`);
  });

  it("P6: writes go on after one election timeout when the leader falls silent", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const survivor = cluster.followers[0]!;
    await cluster.settled(propose(survivor, "before"));
    cluster.crash(leader.id, { isSilent: true });
    const began = cluster.clock.now();
    await cluster.settled(propose(survivor, "after"));
    const tookMs = cluster.clock.now() - began;
    assert.ok(tookMs < 1_500, `${tookMs} ms`);
  });

  it("without a majority: OUTCOME_UNKNOWN from the leader that took it, NO_LEADER once it stepped down (R22, R41)", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.settled(propose(leader, "opens the session"));
    cluster.network.isolate(leader.id);
    const taken = outcomeOf(propose(leader, "taken", { timeoutMs: 2_000 }));
    await cluster.until("the leader steps down", () => leader.group.status().role !== "leader");
    const refused = outcomeOf(propose(leader, "refused", { timeoutMs: 500 }));
    assert.equal(await cluster.settled(refused), "NO_LEADER");
    assert.equal(await cluster.settled(taken), "OUTCOME_UNKNOWN");
  });

  it("OVERLOADED: a leader with too much uncommitted refuses at once, and takes more when it is rid of it (R38)", async () => {
    const cluster = await RaftCluster.start(3, { waitingBytesMax: 2_000 });
    const leader = await cluster.untilLed();
    const [follower, other] = cluster.followers;
    for (const node of cluster.running) await cluster.settled(propose(node, "opens the session"));
    cluster.network.loses = ({ type }) => type === "append";
    const taken = [1, 2, 3].map((i) => propose(follower!, `${i}`.padEnd(600, ".")));
    await cluster.clock.advance(5);
    assert.equal(await cluster.settled(outcomeOf(propose(leader, "x"))), "OVERLOADED");
    assert.equal(await cluster.settled(outcomeOf(propose(other!, "x"))), "OVERLOADED");
    assert.equal(await cluster.settled(outcomeOf(propose(follower!, "x".repeat(600)))), "OVERLOADED", "here already");
    cluster.network.loses = () => false;
    await cluster.settled(Promise.all(taken));
    assert.equal(await cluster.settled(outcomeOf(propose(leader, "y".repeat(600)))), "ok");
  });

  it("a group that stopped takes nothing more", async () => {
    const cluster = await RaftCluster.start(1);
    const { group } = await cluster.untilLed();
    await cluster.settled(group.stop());
    assert.equal(await outcomeOf(group.propose(command("a"), LONG)), "STOPPED");
    await assert.rejects(group.readBarrier(LONG), /STOPPED/);
  });
});

describe("raft/raft-group: restarts and snapshots", () => {
  it("P1: kill -9 of all members at once loses nothing acknowledged", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    const lines = await writeAll(cluster, cluster.running, "command", 40);
    for (const id of cluster.ids) cluster.crash(id);
    for (const id of cluster.ids) await cluster.startNode(id);
    await cluster.untilLed();
    assert.deepEqual(sorted(await cluster.untilAgreed()), sorted(lines));
    const more = await writeAll(cluster, cluster.running, "more", 5);
    assert.deepEqual(sorted(await cluster.untilAgreed()), sorted([...lines, ...more]));
  });

  it("F6: state and applied index come back together, also after compaction and a crash (R7, R42)", async () => {
    const cluster = await RaftCluster.start(3, SMALL_LOG);
    await cluster.untilLed();
    const lines: string[] = [];
    for (let round = 0; round < 6; round++) {
      lines.push(...(await writeAll(cluster, cluster.running, `round ${round}`, 15)));
      const victim = cluster.ids[round % 3]!;
      cluster.crash(victim);
      await cluster.startNode(victim);
      await cluster.untilLed();
    }
    assert.deepEqual(sorted(await cluster.untilAgreed()), sorted(lines));
    for (const { group } of cluster.running) assert.ok(group.status().logStartIndex > 40);
  });

  it("a member that was away catches up by snapshot while writes go on", async () => {
    const cluster = await RaftCluster.start(3, SMALL_LOG);
    await cluster.untilLed();
    const away = cluster.followers[0]!.id;
    cluster.crash(away);
    const lines = await writeAll(cluster, cluster.running, "while it was away", 100);
    const returned = await cluster.startNode(away);
    lines.push(...(await writeAll(cluster, cluster.running, "while it catches up", 60)));
    assert.deepEqual(sorted(await cluster.untilAgreed()), sorted(lines));
    assert.ok(returned.group.status().logStartIndex > 60, "by snapshot, for the log no longer reached back");
    cluster.crash(away);
    const again = await cluster.startNode(away);
    await cluster.untilLed();
    await cluster.untilAgreed();
    assert.deepEqual(sorted(again.ledger.lines), sorted(lines), "and what it installed is on its disk");
  });

  it("an installed snapshot brings the sessions: a command settled in it is not applied again (R40)", async () => {
    const cluster = await RaftCluster.start(3, SMALL_LOG);
    const leader = await cluster.untilLed();
    const [proposer, other] = cluster.followers;
    await cluster.settled(propose(proposer!, "opens the session"));
    // The command reaches the leader; then the proposer hears nothing until a snapshot must bring the outcome.
    cluster.network.cut(leader.id, proposer!.id);
    cluster.network.cut(other!.id, proposer!.id);
    const proposal = propose(proposer!, "settled unseen", { timeoutMs: 60_000 });
    await cluster.clock.advance(20);
    await writeAll(cluster, [leader, other!], "others", 80);
    cluster.network.heal();
    cluster.network.loses = ({ type }) => type === "propose";
    await cluster.settled(proposal, 10_000);
    const lines = await cluster.untilAgreed();
    assert.equal(lines.filter((line) => line === "settled unseen").length, 1);
    assert.ok(proposer!.group.status().logStartIndex > 40, "by snapshot");
  });

  it("R1: a vote asked for while a snapshot is put in place is given once, and is on disk when it leaves", async () => {
    const cluster = await RaftCluster.start(3, SMALL_LOG);
    const leader = await cluster.untilLed();
    const [away, other] = cluster.followers.map(({ id }) => id) as [NodeId, NodeId];
    cluster.crash(away);
    await writeAll(cluster, cluster.running, "while it was away", 100);
    const returned = await cluster.startNode(away);
    returned.store.delayWrites(cluster.clock, () => 30);
    const term = leader.group.status().term + 50;
    const askFor = (candidate: NodeId) => {
      const body = { type: "vote", lastIndex: 1_000, lastTerm: term, isTransfer: true } as const;
      cluster.network.transportOf(candidate).send({ ...body, from: candidate, to: away, term });
    };
    let isInstalling = false;
    cluster.onInstall = () => {
      isInstalling = true;
      askFor(other);
    };
    const votes = () =>
      cluster.network.sent.flatMap((message) => {
        const isAnswer = message.type === "voteResponse" && message.from === away && message.term === term;
        return isAnswer ? [`${message.to} ${message.granted}`] : [];
      });
    await cluster.until("it votes", () => votes().length > 0);
    assert.ok(isInstalling);
    assert.deepEqual(votes(), [`${other} true`]);
    cluster.crash(away);
    await cluster.startNode(away);
    askFor(leader.id);
    await cluster.until("it answers", () => votes().length > 1);
    assert.deepEqual(votes()[1], `${leader.id} false`);
  });

  it("a read that waits for what a snapshot brings ends with it (R56)", async () => {
    const cluster = await RaftCluster.start(3, SMALL_LOG);
    const leader = await cluster.untilLed();
    const [reader, other] = cluster.followers as [RunningNode, RunningNode];
    cluster.network.isolate(reader.id);
    await writeAll(cluster, [leader, other], "unheard of", 80);
    // Until all of it is in the state on disk, of which a snapshot is made.
    await cluster.clock.advance(1_000);
    cluster.network.heal();
    // No entry reaches it any more, so nothing but the snapshot can.
    cluster.network.loses = ({ type, to }) => type === "append" && to === reader.id;
    await cluster.until("it follows again", () => reader.group.status().leader !== null);
    await cluster.settled(reader.group.readBarrier(LONG));
    assert.equal(reader.ledger.lines.length, 80);
  });

  it("a transfer that breaks is begun again (R46)", async () => {
    const cluster = await RaftCluster.start(3, SMALL_LOG);
    const leader = await cluster.untilLed();
    const away = cluster.followers[0]!.id;
    cluster.crash(away);
    const lines = await writeAll(cluster, cluster.running, "while it was away", 100);
    await cluster.startNode(away);
    for (let i = 0; i < 10; i++) {
      cluster.network.cut(leader.id, away);
      await cluster.clock.advance(7);
      cluster.network.heal();
      await cluster.clock.advance(60);
    }
    assert.deepEqual(sorted(await cluster.untilAgreed()), sorted(lines));
  });

  it("keeps memory and disk bounded under steady writes (R42)", async () => {
    const cluster = await RaftCluster.start(3, SMALL_LOG);
    await cluster.untilLed();
    for (let round = 0; round < 10; round++) await writeAll(cluster, cluster.running, `round ${round}`, 20);
    await cluster.untilAgreed();
    for (const { group } of cluster.running) {
      const { lastIndex, logStartIndex } = group.status();
      assert.ok(lastIndex - logStartIndex <= 50, `${lastIndex - logStartIndex} entries`);
    }
  });
});

describe("raft/raft-group: a disk that fails", () => {
  it("R8: a failed write ends the member once and for all; the others go on", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    const victim = cluster.followers[0]!;
    victim.store.failNextWrite("input/output error");
    await cluster.settled(propose(cluster.leader!, "a"));
    await cluster.until("the member gives up", () => victim.fatal !== undefined);
    assert.match(String(victim.fatal), /input\/output error/);
    assert.equal(await outcomeOf(victim.group.propose(command("b"), LONG)), "STOPPED");
    const from = cluster.network.sent.length;
    await cluster.settled(propose(cluster.leader!, "c"));
    await cluster.clock.advance(2_000);
    assert.deepEqual(
      cluster.network.sent.slice(from).filter((message) => message.from === victim.id),
      [],
    );
  });

  it("R8: what waits for the disk when a rule of the core breaks is never written", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.settled(propose(leader, "opens the session"));
    await cluster.clock.advance(1_000);
    let writes = 0;
    const write = leader.store.write.bind(leader.store);
    leader.store.write = (operations) => {
      writes++;
      return write(operations);
    };
    leader.store.delayWrites(cluster.clock, () => 50);
    await cluster.settled(propose(leader, "committed by the others, and under way to its own disk"));
    const waits = outcomeOf(propose(leader, "waits for its disk"));
    await cluster.clock.advance(1);
    // Two leaders of one term: whatever led to it, nothing that this core decided can be trusted.
    const { term } = leader.group.status();
    const rival = cluster.followers[0]!.id;
    const append = { type: "append", from: rival, to: leader.id, term } as const;
    cluster.network.transportOf(rival).send({ ...append, prevIndex: 0, prevTerm: 0, commit: 0, entries: [] });
    await cluster.clock.advance(1_000);
    assert.match(String(leader.fatal), /two leaders in term/);
    assert.equal(writes, 1);
    await waits;
  });

  it("R8: a leader whose write fails acknowledges nothing of it", async () => {
    const cluster = await RaftCluster.start(1);
    const { group, store } = await cluster.untilLed();
    await cluster.settled(group.propose(command("a"), LONG));
    store.failNextWrite("no space left on device");
    assert.equal(await cluster.settled(outcomeOf(group.propose(command("b"), LONG))), "OUTCOME_UNKNOWN");
  });

  it("R14: a leader whose disk stalls steps down, and another one serves", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.settled(propose(leader, "opens the session"));
    leader.store.delayWrites(cluster.clock, () => 60_000);
    const [follower] = cluster.followers;
    const proposal = propose(follower!, "through a stalled disk", { timeoutMs: 20_000 });
    await cluster.until("another one leads", () => cluster.leader !== undefined && cluster.leader !== leader, 10_000);
    await cluster.settled(proposal, 10_000);
    assert.notEqual(leader.group.status().role, "leader");
  });

  it("a slow disk slows down and loses nothing (R37)", async () => {
    const cluster = await RaftCluster.start(3);
    for (const { store } of cluster.running) store.delayWrites(cluster.clock, () => 40);
    await cluster.untilLed();
    const lines = await writeAll(cluster, cluster.running, "command", 60);
    assert.deepEqual(sorted(await cluster.untilAgreed()), sorted(lines));
  });
});

describe("raft/raft-group: reads", () => {
  it("P2: a barrier on any member shows every write acknowledged before it began", async () => {
    const cluster = await RaftCluster.start(3);
    await cluster.untilLed();
    for (let i = 0; i < 20; i++) {
      const writer = cluster.running[i % 3]!;
      const reader = cluster.running[(i + 1 + (i % 2)) % 3]!;
      await cluster.settled(propose(writer, `write ${i}`));
      await cluster.settled(reader.group.readBarrier(LONG));
      assert.equal(reader.ledger.lines.at(-1), `write ${i}`);
    }
  });

  it("P2: a leader that was cut off confirms nothing", async () => {
    const cluster = await RaftCluster.start(3);
    const former = await cluster.untilLed();
    cluster.network.isolate(former.id);
    const barrier = former.group.readBarrier({ timeoutMs: 400 });
    const confirmed = former.group.confirmLeadership({ timeoutMs: 400 });
    const both = Promise.allSettled([barrier, confirmed]);
    const results = await cluster.settled(both);
    assert.deepEqual(
      results.map(({ status }) => status),
      ["rejected", "rejected"],
    );
  });

  it("a barrier outlives a change of leader", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const [reader] = cluster.followers;
    await cluster.settled(propose(reader!, "a"));
    cluster.crash(leader.id);
    await cluster.settled(reader!.group.readBarrier(LONG));
    assert.deepEqual(reader!.ledger.lines, ["a"]);
  });

  it("no late answer to the node's former life confirms a read of this one (R54)", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const id = cluster.followers[0]!.id;
    const requestsOf = () =>
      cluster.network.sent.flatMap((message) => {
        return message.type === "readIndex" && message.from === id ? message.requests : [];
      });
    await cluster.settled(cluster.node(id).group.readBarrier(LONG));
    const before = requestsOf();
    cluster.crash(id);
    const returned = await cluster.startNode(id);
    await cluster.until("it follows", () => returned.group.status().leader === leader.id);
    await cluster.settled(returned.group.readBarrier(LONG));
    const after = requestsOf().slice(before.length);
    assert.ok(before.length > 0 && after.length > 0);
    assert.deepEqual(
      after.filter((request) => before.includes(request)),
      [],
    );
  });

  it("proves leadership with the term, and only on the leader", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const { term } = await cluster.settled(leader.group.confirmLeadership(LONG));
    assert.equal(term, leader.group.status().term);
    await assert.rejects(cluster.followers[0]!.group.confirmLeadership(LONG), /NO_LEADER/);
  });
});

describe("raft/raft-group: proof of leadership", () => {
  it("F1: a leader that lost its office during the proof has none, though a read goes through", async () => {
    const cluster = await RaftCluster.start(3);
    const former = await cluster.untilLed();
    cluster.network.isolate(former.id);
    const proof = former.group.confirmLeadership(LONG);
    const isRefused = assert.rejects(proof, /NO_LEADER/);
    await cluster.until("another one leads", () => cluster.leader !== undefined && cluster.leader !== former);
    cluster.network.heal();
    await cluster.settled(isRefused, 10_000);
  });
});

describe("raft/raft-group: a backlog", () => {
  it("is applied page by page, without waiting for a timer in between (R39)", async () => {
    const cluster = await RaftCluster.start(1, { committedPage: 1 });
    const alone = await cluster.untilLed();
    await cluster.settled(propose(alone, "opens the session"));
    const began = cluster.clock.now();
    await writeAll(cluster, [alone], "command", 40);
    assert.ok(cluster.clock.now() - began < 40, `took ${cluster.clock.now() - began} ms`);
  });
});

describe("raft/raft-group: handing over (P6, R57)", () => {
  it("P6: a planned handover under load fails no write", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const lines: string[] = [];
    const proposals: Promise<unknown>[] = [];
    const load = () => {
      for (const node of cluster.running) {
        const line = `command ${lines.length}`;
        lines.push(line);
        proposals.push(propose(node, line));
      }
    };
    for (let i = 0; i < 5; i++) {
      load();
      await cluster.clock.advance(3);
    }
    const handover = leader.group.transferLeadership();
    for (let i = 0; i < 10; i++) {
      load();
      await cluster.clock.advance(3);
    }
    assert.equal(await cluster.settled(handover), true);
    await cluster.settled(Promise.all(proposals), 10_000);
    assert.notEqual(cluster.leader!.id, leader.id);
    assert.deepEqual(sorted(await cluster.untilAgreed()), sorted(lines));
  });

  it("P6: leadership goes over within tens of milliseconds, to whom it was asked for", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const target = cluster.followers.at(-1)!.id;
    const began = cluster.clock.now();
    assert.equal(await cluster.settled(leader.group.transferLeadership(target)), true);
    assert.equal(cluster.leader!.id, target);
    assert.ok(cluster.clock.now() - began < 100);
  });

  it("says no when nobody takes over, and goes on leading", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const [target, other] = cluster.followers.map(({ id }) => id) as [NodeId, NodeId];
    cluster.network.loses = ({ type }) => type === "timeoutNow";
    assert.equal(await cluster.settled(leader.group.transferLeadership(target)), false);
    cluster.network.loses = () => false;
    assert.equal(leader.group.status().role, "leader");
    await cluster.settled(propose(cluster.node(other), "goes on"));
  });

  it("has nobody to hand over to in a region of one", async () => {
    const cluster = await RaftCluster.start(1);
    const leader = await cluster.untilLed();
    assert.equal(await cluster.settled(leader.group.transferLeadership()), false);
  });
});

describe("raft/raft-group: strangers and status", () => {
  it("R51: heeds nobody who left the group, and tells him so", async () => {
    const cluster = await RaftCluster.start(4);
    const leader = await cluster.untilLed();
    const stranger = cluster.followers[0]!.id;
    await cluster.untilAgreed();
    cluster.crash(stranger, { isSilent: true });
    await cluster.settled(leader.group.changeMembership({ type: "remove", id: stranger }, { timeoutMs: 1_000 }));
    await cluster.clock.advance(1_000);
    const { term } = leader.group.status();
    const [n1, n2, n3] = cluster.running.map(({ id }) => id) as [NodeId, NodeId, NodeId];
    const told: string[] = [];
    const transport = cluster.network.transportOf(stranger);
    transport.start(asClusterId("c1"), {
      onMessage: (from, { type }) => told.push(`${type} by ${from}`),
      onSnapshot: async () => {},
      onPeerGone: () => {},
      onPeerUp: () => {},
    });
    transport.send({ type: "vote", from: stranger, to: n1, term: 99, lastIndex: 99, lastTerm: 99, isTransfer: true });
    transport.send({
      type: "heartbeat",
      from: stranger,
      to: n2,
      term: 99,
      commit: 0,
      leaderCommit: 0,
      sinceQuorumMs: 0,
      readRound: 0,
      sentAt: 1,
      echo: 0,
      echoHeldMs: 0,
    });
    transport.send({ type: "propose", from: stranger, to: n3, term, entries: [command("too late")] });
    await cluster.clock.advance(100);
    assert.deepEqual(told, [`removed by ${n1}`, `removed by ${n2}`, `removed by ${n3}`]);
    assert.deepEqual(
      cluster.running.map(({ group }) => group.status().refusedMessages),
      [1, 1, 1],
    );
    assert.deepEqual(
      cluster.running.map(({ group }) => group.status().term),
      [term, term, term],
    );
  });

  it("P5: staleness is small while a leader is heard, and grows while it is not", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.settled(propose(leader, "a"));
    await cluster.clock.advance(500);
    const boundMs = 2.5 * RAFT_DEFAULTS.heartbeatMs;
    for (const { group } of cluster.running)
      assert.ok(group.status().stalenessMs <= boundMs, `${group.status().stalenessMs}`);
    const [follower] = cluster.followers;
    cluster.network.isolate(follower!.id);
    await cluster.clock.advance(3_000);
    assert.ok(follower!.group.status().stalenessMs >= 2_900);
    cluster.network.heal();
    await cluster.clock.advance(1_500);
    assert.ok(follower!.group.status().stalenessMs <= boundMs);
  });

  it("P9: the way of heartbeats and answers is part of staleness", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.clock.advance(500);
    cluster.network.delayMs = 200;
    await cluster.clock.advance(2_000);
    const written = await cluster.settled(propose(leader, "a"));
    const [follower] = cluster.followers;
    await cluster.clock.advance(150);
    const { appliedIndex, stalenessMs } = follower!.group.status();
    assert.ok(appliedIndex < written.index, "or there would be nothing to be stale about");
    assert.ok(stalenessMs >= 150, `${stalenessMs}`);
    assert.ok(
      leader.group.status().stalenessMs >= 400,
      "what a quorum answers has been on its way, and so has the answer",
    );
  });

  it("P9: a follower cut off together with its leader does not call its state fresh", async () => {
    const cluster = await RaftCluster.start(5);
    const leader = await cluster.untilLed();
    const [companion, ...others] = cluster.followers as [RunningNode, ...RunningNode[]];
    await cluster.settled(propose(companion, "seen"));
    for (const inside of [leader, companion]) {
      for (const outside of others) {
        cluster.network.cut(inside.id, outside.id);
        cluster.network.cut(outside.id, inside.id);
      }
    }
    // The leader has not noticed yet, and goes on to speak to the one that it still reaches.
    await cluster.clock.advance(250);
    assert.equal(leader.group.status().role, "leader");
    assert.equal(companion.group.status().leader, leader.id);
    assert.ok(companion.group.status().stalenessMs >= 200, `${companion.group.status().stalenessMs} ms`);
  });

  it("P5: a leader that lost its region is as fresh as the last answer of a quorum, also when it leads no more", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    await cluster.settled(propose(leader, "a"));
    await cluster.clock.advance(10_000);
    cluster.network.isolate(leader.id);
    await cluster.clock.advance(2_000);
    const { role, stalenessMs } = leader.group.status();
    assert.notEqual(role, "leader");
    assert.ok(stalenessMs >= 1_900 && stalenessMs <= 2_200, `${stalenessMs} ms`);
  });

  it("a stall of this process alone causes no election (R59)", async () => {
    const cluster = await RaftCluster.start(3);
    const { group } = await cluster.untilLed();
    const { term } = group.status();
    for (let i = 0; i < 10; i++) {
      cluster.clock.stall(700);
      await cluster.clock.advance(300);
    }
    assert.deepEqual(
      cluster.running.map((node) => node.group.status().term),
      [term, term, term],
    );
  });

  it("heartbeats that came during a stall longer than any excuse are heard before the timers (R59)", async () => {
    const cluster = await RaftCluster.start(3);
    // So that each member has some in its buffer at any time.
    cluster.network.delayMs = 1.2 * RAFT_DEFAULTS.heartbeatMs;
    const { group } = await cluster.untilLed();
    await cluster.clock.advance(1_000);
    const { term } = group.status();
    for (let i = 0; i < 10; i++) {
      cluster.clock.stall(3_000);
      await cluster.clock.advance(1_000 + 7 * i);
    }
    assert.deepEqual(
      cluster.running.map((node) => node.group.status().term),
      [term, term, term],
    );
  });

  it("tells of each change of leader, to those who still listen", async () => {
    const cluster = await RaftCluster.start(3);
    const leader = await cluster.untilLed();
    const [follower] = cluster.followers;
    const heard: (NodeId | null)[] = [];
    const unsubscribe = follower!.group.onStatusChange((status) => heard.push(status.leader));
    cluster.crash(leader.id);
    await cluster.untilLed();
    assert.ok(heard.includes(cluster.leader!.id));
    unsubscribe();
    const { length } = heard;
    await cluster.startNode(leader.id);
    cluster.crash(cluster.leader!.id);
    await cluster.untilLed();
    assert.equal(heard.length, length);
  });
});
