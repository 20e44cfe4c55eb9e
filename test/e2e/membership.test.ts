/** Regions of real processes under load, whose members come and go, are restarted, frozen, wiped and damaged. */

import assert from "node:assert/strict";
import { cp, open, readdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import type { MembersView } from "../../src/cli/api-client.ts";
import { RegistrationLoad, RenewingAgents } from "../support/load.ts";
import { type CommandEnd, type NodeProcess, ProcessGroup, startRegion } from "../support/node-process.ts";

const CLIENTS = 6;
/** Registrations between two changes: each change meets clients that are in the middle of something. */
const WRITES = 30;
/** As long as an election takes at most, with the default times. */
const ELECTION_MS_MAX = 600;
const FROZEN_MS = 3_000;
/** Shorter than a restart takes on a busy machine. */
const LEASE_MS = 4_000;

/** It ends with the test, however that ends. */
function loadOf(t: TestContext, name: string, nodes: readonly NodeProcess[]): RegistrationLoad {
  const load = new RegistrationLoad({ nodes: nodes.map(({ http }) => http), clients: CLIENTS, name });
  t.after(() => load.stop());
  return load;
}

/** Ends a load of which nothing may have failed, and looks for everything that it was promised on one node. */
async function assertNothingLost(load: RegistrationLoad, name: string, node: NodeProcess): Promise<void> {
  await load.stop();
  assert.deepEqual([load.failedWrites, load.failedLookups, load.unanswered], [[], [], []]);
  const held = await idsOffering(name, node);
  const lost = load.acknowledged.filter((id) => !held.has(id));
  assert.deepEqual(lost, [], `${node.name} holds ${held.size} of ${load.acknowledged.length}`);
}

/** Read so that whatever was acknowledged before is seen. */
async function idsOffering(capability: string, { api }: NodeProcess): Promise<Set<string>> {
  const ids = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await api.agents({ capability, consistency: "linearizable", limit: 1_000, cursor });
    for (const { id } of page.agents) ids.add(id);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return ids;
}

/** The members after a command that was done. */
function done({ exitCode, answer, said }: CommandEnd): MembersView {
  assert.equal(exitCode, 0, said);
  return answer as MembersView;
}

function assertRefused({ exitCode, said }: CommandEnd, code: string): void {
  assert.match(said, new RegExp(`\\b${code}\\b`));
  assert.equal(exitCode, 1);
}

function rolesIn({ members }: MembersView): Record<string, string> {
  return Object.fromEntries(members.map(({ name, role }) => [name, role]));
}

async function leaderOf(nodes: readonly NodeProcess[]): Promise<NodeProcess> {
  let leader: NodeProcess | undefined;
  await nodes[0]!.untilRunning(async () => {
    const { leader: name } = await nodes[0]!.api.members();
    leader = nodes.find((node) => node.name === name);
    return leader !== undefined;
  }, "a leader that runs");
  return leader!;
}

/** Until a node holds what was committed when it came. */
async function caughtUp(node: NodeProcess, other: NodeProcess): Promise<void> {
  const { commitIndex } = await other.api.cluster();
  await node.untilRunning(
    async () => (await node.api.cluster()).appliedIndex >= commitIndex,
    `${node.name} to apply ${commitIndex}`,
  );
}

describe("a region that grows and shrinks", () => {
  let group: ProcessGroup;
  /** Who is left. */
  let last: NodeProcess;
  before(async () => {
    group = await ProcessGroup.create({ region: "us", httpBase: 19_000 });
  });
  after(() => group?.destroy());

  it("P1, P6: 1 -> 3 -> 5 -> 3 -> 1 under load loses nothing and fails no write", async (t) => {
    const [first, ...newcomers] = ["us-1", "us-2", "us-3", "us-4", "us-5"].map((name) => group.add(name));
    const present = [first!];
    first!.start();
    await first!.ready();
    const load = loadOf(t, "scaled", present);
    await load.acknowledgements(WRITES);
    const note = (what: string) => t.diagnostic(`${what}: longest write gap ${load.takeLongestGapMs()} ms`);
    note("one node");

    const grow = async (...nodes: NodeProcess[]) => {
      const startedAt = performance.now();
      for (const node of nodes) node.start(present);
      await Promise.all(nodes.map((node) => node.logged("JOIN_WAITS")));
      for (const node of nodes) {
        const addedAt = performance.now();
        const members = done(await first!.atoll("members", "add", node.name));
        assert.equal(rolesIn(members)[node.name], "voter");
        const [sinceStart, sinceAdd] = [startedAt, addedAt].map((at) => Math.round(performance.now() - at));
        t.diagnostic(`${node.name} votes ${sinceStart} ms after its start, ${sinceAdd} ms after the command began`);
        await node.ready();
        load.join(node.http);
        present.push(node);
        await load.acknowledgements(WRITES);
      }
      note(`growing to ${present.length}`);
    };

    const shrink = async (node: NodeProcess, asked: NodeProcess) => {
      load.leave(node.http);
      done(await asked.atoll("members", "remove", node.name));
      assert.equal(await node.exited(), 0, node.output);
      assert.ok(node.hasLogged("MEMBER_REMOVED"), node.output);
      present.splice(present.indexOf(node), 1);
      await load.acknowledgements(WRITES);
      note(`without ${node.name}, shrunk to ${present.length}`);
    };

    await grow(newcomers[0]!, newcomers[1]!);
    await grow(newcomers[2]!, newcomers[3]!);
    const formerLeader = await leaderOf(present);
    await shrink(formerLeader, formerLeader);
    const leader = await leaderOf(present);
    await shrink(present.find((node) => node !== leader)!, leader);
    const follower = present.find((node) => node !== leader)!;
    await shrink(follower, follower);
    await shrink(leader, present.find((node) => node !== leader)!);

    last = present[0]!;
    await assertNothingLost(load, "scaled", last);
    t.diagnostic(`${load.acknowledged.length} registrations and ${load.lookups} lookups were acknowledged`);
    assert.deepEqual(rolesIn(done(await last.atoll("members", "ls"))), { [last.name]: "leader" });

    formerLeader.start([last]);
    assert.equal(await formerLeader.exited(), 78);
    assert.match(formerLeader.output, /MEMBER_REMOVED/);
  });

  it("a learner stays one until it is promoted, and what can not be done is refused with its code", async () => {
    const edge = group.add("us-edge");
    edge.start([last]);
    await edge.logged("JOIN_WAITS");
    const waiting = done(await last.atoll("members", "ls"));
    assert.deepEqual([rolesIn(waiting), waiting.waiting[0]?.name], [{ [last.name]: "leader" }, edge.name]);
    const [unknown, lastVoter, notWaiting] = await Promise.all([
      last.atoll("members", "promote", "us-9"),
      last.atoll("members", "remove", last.name),
      last.atoll("members", "add", "us-9"),
    ]);
    assertRefused(unknown, "MEMBER_UNKNOWN");
    assertRefused(lastVoter, "LAST_VOTER");
    assertRefused(notWaiting, "MEMBER_NOT_WAITING");

    assert.equal(rolesIn(done(await last.atoll("members", "add", edge.name, "--learner")))[edge.name], "learner");
    await edge.ready();
    await caughtUp(edge, last);
    const [asked, hasNoVote] = await Promise.all([
      edge.atoll("members", "ls"),
      last.atoll("members", "transfer", edge.name),
    ]);
    assert.deepEqual(rolesIn(done(asked)), { [last.name]: "leader", [edge.name]: "learner" });
    assertRefused(hasNoVote, "NOT_A_VOTER");

    edge.signal("SIGSTOP");
    await last.untilRunning(
      async () => ((await edge.member(last))?.silentMs ?? 0) > ELECTION_MS_MAX,
      `${edge.name} to fall silent`,
    );
    assertRefused(await last.atoll("members", "promote", edge.name), "NOT_CAUGHT_UP");
    edge.signal("SIGCONT");
    await last.untilRunning(async () => {
      const { lagEntries, silentMs } = (await edge.member(last))!;
      return lagEntries === 0 && silentMs! < ELECTION_MS_MAX;
    }, `${edge.name} to answer again`);
    const promoted = done(await edge.atoll("members", "promote", edge.name));
    assert.deepEqual(rolesIn(promoted), { [last.name]: "leader", [edge.name]: "voter" });
    assertRefused(await edge.atoll("members", "promote", edge.name), "NOT_A_LEARNER");
    assert.equal(done(await last.atoll("members", "transfer", edge.name)).leader, edge.name);
  });
});

describe("a region of three", () => {
  let group: ProcessGroup;
  let nodes: readonly NodeProcess[];
  before(async () => {
    group = await ProcessGroup.create({ region: "us", httpBase: 19_200 });
    nodes = ["us-1", "us-2", "us-3"].map((name) => group.add(name));
    await startRegion(nodes);
  });
  after(() => group?.destroy());

  const others = (node: NodeProcess) => nodes.filter((other) => other !== node);

  /** What every election and every change of leader shows in. */
  const leadership = (seenBy: readonly NodeProcess[]) =>
    Promise.all(
      seenBy.map(async (node) => ({
        node: node.name,
        term: await node.metric("atoll_raft_term"),
        elections: await node.metric("atoll_raft_elections_total"),
        leaderChanges: await node.metric("atoll_raft_leader_changes_total"),
      })),
    );

  /** Until a node is a voter again, under a new identity. @returns milliseconds since it was started */
  const rejoined = async (node: NodeProcess, former: string, startedAt: number) => {
    const witness = others(node).find(({ isRunning }) => isRunning)!;
    await node.untilRunning(async () => {
      const { members } = await witness.api.members();
      const [member, twin] = members.filter(({ name }) => name === node.name);
      return member!.role === "voter" && member!.nodeId !== former && twin === undefined;
    }, `${node.name} to vote again`);
    const tookMs = Math.round(performance.now() - startedAt);
    await node.ready();
    return tookMs;
  };

  it("P6, F22: a rolling restart under load fails nothing, loses nothing and ends no lease", async (t) => {
    const load = loadOf(t, "rolled", nodes);
    const renewing = await RenewingAgents.start({
      name: "renewing",
      count: 10,
      leaseMs: LEASE_MS,
      nodes: () => load.nodes,
    });
    t.after(() => renewing.stop());
    await load.acknowledgements(WRITES);
    load.takeLongestGapMs();
    for (const node of nodes) {
      const startedAt = performance.now();
      load.leave(node.http);
      assert.equal(await node.stop(), 0, node.output);
      node.start(others(node));
      await node.ready();
      await caughtUp(node, others(node)[0]!);
      load.join(node.http);
      const tookMs = Math.round(performance.now() - startedAt);
      await load.acknowledgements(WRITES);
      t.diagnostic(`${node.name} back after ${tookMs} ms: longest write gap ${load.takeLongestGapMs()} ms`);
    }
    await renewing.stop();
    assert.deepEqual(renewing.refused, []);
    for (const node of nodes) {
      await assertNothingLost(load, "rolled", node);
      assert.equal((await idsOffering("renewing", node)).size, renewing.ids.length);
      assert.equal((await node.api.cluster()).agents.unhealthy, 0);
      assert.equal(await node.metric("atoll_registry_leases_expired_total"), 0);
    }
    t.diagnostic(`${load.acknowledged.length} registrations, ${renewing.renewals} renewals`);
  });

  it("F9: a follower that is frozen for 3 s comes back and disturbs nobody", async (t) => {
    const leader = await leaderOf(nodes);
    const follower = others(leader)[0]!;
    const load = loadOf(t, "frozen", others(follower));
    await load.acknowledgements(WRITES);
    load.takeLongestGapMs();
    const calm = await leadership(nodes);
    follower.signal("SIGSTOP");
    await leader.untilRunning(
      async () => ((await follower.member(leader))?.silentMs ?? 0) >= FROZEN_MS,
      `${follower.name} to be silent for ${FROZEN_MS} ms`,
    );
    follower.signal("SIGCONT");
    await follower.ready();
    await caughtUp(follower, leader);
    await load.acknowledgements(WRITES);
    t.diagnostic(`longest write gap ${load.takeLongestGapMs()} ms`);
    assert.deepEqual(
      await leadership(others(follower)),
      calm.filter(({ node }) => node !== follower.name),
    );
    assert.equal((await follower.api.cluster()).term, (await leader.api.cluster()).term);
    await assertNothingLost(load, "frozen", follower);
  });

  it("F5: a store that was damaged is refused and moved aside, and its node takes everything anew", async (t) => {
    const leader = await leaderOf(nodes);
    const [first, second] = others(leader) as [NodeProcess, NodeProcess];
    const load = loadOf(t, "damaged", nodes);
    await load.acknowledgements(WRITES);
    load.takeLongestGapMs();
    const damages = [
      { node: first, end: () => first.stop(), damage: flipByte, kinds: [".ldb", ".log"] },
      { node: second, end: () => second.kill(), damage: cutInHalf, kinds: [".log"] },
    ];
    for (const { node, end, damage, kinds } of damages) {
      const calm = await leadership(others(node));
      const { nodeId: former } = (await node.member())!;
      load.leave(node.http);
      await end();
      await damage(await largestFile(node, kinds));
      const startedAt = performance.now();
      node.start(others(node));
      assert.match(String((await node.logged("STORE_DAMAGED")).what), /\.(ldb|log)|acknowledged/);
      await node.logged("STORE_SET_ASIDE");
      await node.logged("REGION_JOINED");
      const tookMs = await rejoined(node, former, startedAt);
      t.diagnostic(`${node.name} votes ${tookMs} ms after its start: longest write gap ${load.takeLongestGapMs()} ms`);
      load.join(node.http);
      await load.acknowledgements(WRITES);
      assert.deepEqual(await leadership(others(node)), calm);
    }
    for (const node of [first, second]) await assertNothingLost(load, "damaged", node);
  });

  it("F7: a voter whose disk was wiped votes again by itself, as somebody new, and counts", async (t) => {
    const victim = await leaderOf(nodes);
    const { nodeId: former } = (await victim.member())!;
    const load = loadOf(t, "wiped", nodes);
    await load.acknowledgements(WRITES);
    load.takeLongestGapMs();
    load.leave(victim.http);
    await victim.kill();
    const revenant = group.add(victim.name);
    await cp(victim.dataDir, revenant.dataDir, { recursive: true });
    await rm(victim.dataDir, { recursive: true });
    const startedAt = performance.now();
    victim.start(others(victim));
    const tookMs = await rejoined(victim, former, startedAt);
    t.diagnostic(`${victim.name} votes ${tookMs} ms after its start: longest write gap ${load.takeLongestGapMs()} ms`);
    load.join(victim.http);
    await load.acknowledgements(WRITES);

    // The disk that was lost turns up again: whoever it was is removed.
    revenant.start(others(victim));
    assert.equal(await revenant.exited(), 0);
    assert.ok(revenant.hasLogged("MEMBER_REMOVED"), revenant.output);

    const [dead, alive] = others(victim) as [NodeProcess, NodeProcess];
    load.leave(dead.http);
    await dead.kill();
    await load.acknowledgements(WRITES);
    t.diagnostic(`without ${dead.name}: longest write gap ${load.takeLongestGapMs()} ms`);
    await assertNothingLost(load, "wiped", victim);

    const atRisk = await victim.atoll("members", "remove", alive.name);
    assertRefused(atRisk, "QUORUM_AT_RISK");
    const left = done(await victim.atoll("members", "remove", dead.name));
    assert.deepEqual(Object.keys(rolesIn(left)).sort(), [alive.name, victim.name].sort());
  });
});

/** Of the first kind that its store has: LevelDB makes sorted files at a restart, or once there is much to sort. */
async function largestFile({ dataDir }: NodeProcess, kinds: readonly string[]): Promise<string> {
  const folder = join(dataDir, "store");
  const names = await readdir(folder);
  const kind = kinds.find((extension) => names.some((name) => name.endsWith(extension)));
  assert.ok(kind !== undefined, `no ${kinds.join(" or ")} in ${folder}`);
  const paths = names.filter((name) => name.endsWith(kind)).map((name) => join(folder, name));
  const files = await Promise.all(paths.map(async (path) => ({ path, size: (await stat(path)).size })));
  return files.sort((a, b) => b.size - a.size)[0]!.path;
}

async function flipByte(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    const position = Math.floor(size / 2);
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, position);
    await file.write(Buffer.of(byte[0]! ^ 0xff), 0, 1, position);
  } finally {
    await file.close();
  }
}

async function cutInHalf(path: string): Promise<void> {
  await truncate(path, Math.floor((await stat(path)).size / 2));
}
