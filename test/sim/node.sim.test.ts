/**
 * Regions of whole nodes under every fault we know, from seeds (see `test/support/node-sim-world.ts`), and the failures that
 * happened to others, each told as a story. Those about leases are in `leases.sim.test.ts`.
 *
 * Seeds that once failed stay for ever; fresh ones differ in each run. ATOLL_SIM_SEEDS sets how long those run: a hundred of
 * it are a simulated minute.
 */

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, it } from "node:test";
import { asAgentId, type NodeId } from "../../src/types/ids.ts";
import { assertLinearizable } from "../support/linearizability.ts";
import { simulateApart } from "../support/node-sim-apart.ts";
import { recordOf } from "../support/node-sim-ledger.ts";
import type { LinkEnds } from "../support/node-sim-network.ts";
import { drawNodePlan, type Mask, masked, type NodeSimulationPlan, quietPlan } from "../support/node-sim-plan.ts";
import { CRASH_POINTS } from "../support/node-sim-process.ts";
import { simulateNodes } from "../support/node-sim-run.ts";
import { aRegion, around, ask, between, electionsOf, PATIENCE_MS, untilLed } from "../support/node-sim-scenarios.ts";
import type { NodeWorld } from "../support/node-sim-world.ts";
import { streamOf } from "../support/raft-sim-plan.ts";

/** What each seed showed when it failed, by the smallest part of its plan that still did. */
const REGRESSIONS: readonly { readonly seed: number; readonly mask: Mask; readonly what: string }[] = [
  {
    seed: 179,
    mask: { faults: [1, 15, 17, 19, 20, 21, 22, 23, 24, 26, 27, 33, 34, 35, 36, 41, 42, 43] },
    what: "a node whose disk took no chunk of a snapshot lived on, and stayed behind for ever",
  },
];

const MINUTE_MS = 60_000;
const FRESH_MINUTES = Number(process.env.ATOLL_SIM_SEEDS ?? 1_000) / 100;
/** Fixed, so that what must be reached is reached whatever the fresh seeds are. */
const COVERAGE_SEEDS = 40;

/** Situations that the fixed seeds must reach, or they prove less than they seem to. */
const SOMETIMES = [
  "leader elected",
  "leader stepped down by itself",
  "leadership transferred",
  "pre-vote refused",
  "vote refused",
  "append refused",
  "conflict truncated",
  "snapshot installed",
  "vote lost at a crash",
  "entries lost at a crash",
  "stopped by its disk",
  "damaged disk refused",
  "crash at: send",
  "crash at: write begins",
  "crash at: write done",
  "crash at: apply",
  "configuration begun",
  "joint configuration begun",
  "leader left itself out",
  "left the region",
  "members changed by an operator",
  "lease ended",
  "ok: register",
  "ok: purge",
  "ok: read",
  "ok: read here",
  "ok: lease renewed",
  "error: OUTCOME_UNKNOWN",
  "error: NO_LEADER",
  "error: OVERLOADED",
  "no answer",
];

describe("sim node", () => {
  it("gives the same trace for the same seed", async () => {
    const planOf = (seed: number): NodeSimulationPlan => ({ ...drawNodePlan(seed), durationMs: 10_000 });
    const [first, second] = [await simulateNodes(planOf(3)), await simulateNodes(planOf(3))];
    assert.deepEqual(first, second);
    assert.notEqual((await simulateNodes(planOf(4))).traceHash, first.traceHash);
  });

  for (const { seed, mask, what } of REGRESSIONS) {
    it(`seed ${seed}: keeps every promise (once: ${what})`, async () => {
      await simulateNodes(masked(drawNodePlan(seed), mask));
    });
  }

  it("keeps every promise on fixed seeds, and reaches every situation worth reaching", async () => {
    const range = { first: 1, seedsMax: COVERAGE_SEEDS, virtualMsMax: Number.POSITIVE_INFINITY };
    const reached = await simulateApart(range);
    assert.deepEqual(
      SOMETIMES.filter((what) => !reached.has(what)),
      [],
    );
  });

  it(`keeps every promise on ${FRESH_MINUTES} minutes' worth of fresh seeds`, async () => {
    const virtualMsMax = FRESH_MINUTES * MINUTE_MS;
    await simulateApart({ first: randomInt(2 ** 31), seedsMax: Number.POSITIVE_INFINITY, virtualMsMax });
  });
});

/** Registers one agent with a value that a read shows. */
async function write(world: NodeWorld, id: NodeId, value: string): Promise<void> {
  await ask(world, id, (registry) => registry.register(AGENT, recordOf(value, 3_600_000)));
}

async function readValue(world: NodeWorld, id: NodeId): Promise<string | undefined> {
  return ask(world, id, async (registry) => {
    await registry.read("linearizable");
    return registry.get(AGENT)?.record.version;
  });
}

const AGENT = asAgentId("the-agent");

describe("sim node: failures that happened to others", () => {
  it("F4: what was acknowledged survives the loss of power everywhere at once", async () => {
    const world = await aRegion(3, { writeMs: 5 });
    for (let round = 1; round <= 10; round++) {
      await write(world, world.machines[round % 3]!.id, `value ${round}`);
      for (const machine of world.running) world.crash(machine, { downMs: 50, isSeen: false });
      await world.time.run(60);
      await untilLed(world);
      assert.equal(await readValue(world, world.machines[(round + 1) % 3]!.id), `value ${round}`);
    }
  });

  it("F5: a node with a damaged disk is refused by its own disk, and comes back as somebody new", async () => {
    const world = await aRegion(3);
    await write(world, world.leader!.id, "kept");
    const { machine } = world.leader!;
    world.crash(machine, { downMs: 100, isSeen: true });
    world.damage(machine, 200, streamOf(5, "disk"));
    await world.time.run(10_000);
    assert.equal(world.counters.get("damaged disk refused"), 1);
    const leader = await untilLed(world);
    assert.ok(leader.core!.membership.removed.includes(machine.id));
    assert.equal(leader.core!.membership.voters.length, 3);
    for (const { id } of world.running) assert.equal(await readValue(world, id), "kept");
  });

  it("R8: a follower whose disk is full when a snapshot comes stops, and catches up when there is room", async () => {
    const world = await aRegion(3, { raft: { ...quietPlan(3).raft, logEntriesMax: 5, logTailEntries: 0 } });
    const follower = world.machines.find(({ id }) => id !== world.leader!.id)!;
    const mend = world.network.cut(around(world, follower.id));
    for (let i = 1; i <= 20; i++) await write(world, world.leader!.id, `value ${i}`);
    await world.time.run(1_000);
    // Nothing else is left to be written there.
    follower.disk.setFull(true);
    mend();
    await world.time.run(2_000);
    assert.ok((world.counters.get("stopped by its disk") ?? 0) > 0);
    follower.disk.setFull(false);
    await world.time.run(3_000);
    assert.equal(await readValue(world, follower.id), "value 20");
    assert.equal(world.counters.get("snapshot installed"), 1);
  });

  for (const point of CRASH_POINTS) {
    it(`F6: a death at "${point}" leaves replicas that agree`, async () => {
      const raft = { ...quietPlan(3).raft, logEntriesMax: 5, logTailEntries: 0, effectsFlushMs: 20 };
      const clients = { ...drawNodePlan(1).clients, clients: 2, thinkMs: 60, patienceMs: 2_000 };
      const world = await aRegion(3, { raft, clients, writeMs: 3 });
      world.unleash();
      for (let round = 0; round < 6; round++) {
        const machine = world.machines[round % 3]!;
        world.crash(machine, { downMs: Number.POSITIVE_INFINITY, isSeen: true });
        // Long enough to fall behind the log of the others, and to need a snapshot.
        await world.time.run(1_500);
        world.start(machine);
        machine.process!.crashAt = { point, passes: 1 + (round % 4) };
        await world.time.run(2_000);
      }
      assert.ok(world.counters.has(`crash at: ${point}`), "nobody died there");
      for (const client of world.clients) client.stop();
      world.heal();
      await untilLed(world);
      await world.time.run(5_000);
      const hashes = world.running.map(({ process }) => process!.stateMachine.stateHash());
      assert.deepEqual(new Set(hashes).size, 1);
      assert.equal(hashes.length, 3);
      assertLinearizable(world.history.events);
    });
  }

  it("F7: a voter whose disk was wiped comes back as a learner with a new identity, and takes its own place", async () => {
    const world = await aRegion(3);
    await write(world, world.leader!.id, "kept");
    const victim = world.machines.find(({ id }) => id !== world.leader!.id)!;
    world.wipe(victim, 200);
    await world.time.run(10_000);
    const { voters, removed, learners } = world.leader!.core!.membership;
    assert.deepEqual(removed, [victim.id]);
    assert.deepEqual(learners, []);
    assert.deepEqual(voters.map(({ name }) => name).sort(), ["n1", "n2", "n3"]);
    const successor = world.running.find(({ member }) => member.name === victim.member.name)!;
    assert.notEqual(successor.id, victim.id);
    assert.equal(await readValue(world, successor.id), "kept");
  });

  const LEADERS_LINK = "the link between leader and follower";
  const FOLLOWERS_LINK = "the link between followers";
  for (const shape of [
    LEADERS_LINK,
    `one way of ${LEADERS_LINK}`,
    `the other way of ${LEADERS_LINK}`,
    FOLLOWERS_LINK,
  ]) {
    it(`F8: with ${shape} cut, while both reach the third, the leader stays and writes go on`, async () => {
      const world = await aRegion(3);
      const leader = world.leader!;
      const [near, far] = world.machines.map(({ id }) => id).filter((id) => id !== leader.id) as [NodeId, NodeId];
      const cuts: Record<string, LinkEnds[]> = {
        [LEADERS_LINK]: between(leader.id, far),
        [`one way of ${LEADERS_LINK}`]: [[leader.id, far]],
        [`the other way of ${LEADERS_LINK}`]: [[far, leader.id]],
        [FOLLOWERS_LINK]: between(near, far),
      };
      const before = electionsOf(world);
      const mend = world.network.cut(cuts[shape]!);
      for (let i = 0; i < 20; i++) {
        await world.time.run(3_000);
        await write(world, i % 2 === 0 ? leader.id : near, `value ${i}`);
      }
      mend();
      await world.time.run(5_000);
      assert.equal(world.leader, leader);
      assert.equal(electionsOf(world), before);
      assert.equal(await readValue(world, far), "value 19");
    });
  }

  it("F8: in a ring of five, where two do not reach the leader, it stays", async () => {
    const world = await aRegion(5);
    const leader = world.leader!;
    const ids = world.machines.map(({ id }) => id);
    const isNeighbour = (a: number, b: number) => [1, 4].includes(Math.abs(a - b));
    const chords = ids.flatMap((a, i) =>
      ids.slice(i + 1).flatMap((b, j) => (isNeighbour(i, i + 1 + j) ? [] : between(a, b))),
    );
    const before = electionsOf(world);
    world.network.cut(chords);
    await world.time.run(60_000);
    assert.equal(world.leader, leader);
    assert.equal(electionsOf(world), before);
  });

  it("F9: a member that returns from a partition causes no election", async () => {
    const world = await aRegion(3);
    const leader = world.leader!;
    const lonely = world.machines.find(({ id }) => id !== leader.id)!;
    const before = electionsOf(world);
    for (let i = 0; i < 5; i++) {
      const mend = world.network.cut(around(world, lonely.id));
      await world.time.run(20_000);
      mend();
      await world.time.run(5_000);
    }
    assert.equal(electionsOf(world), before);
    assert.equal(world.leader, leader);
    assert.equal(lonely.core!.term, leader.core!.term);
  });

  it("F10: a leader that was deposed behind a partition serves no linearizable read", async () => {
    const world = await aRegion(3);
    const former = world.leader!;
    await write(world, former.id, "old");
    const mend = world.network.cut(around(world, former.id));
    // It still believes that it leads, and others do not yet.
    await assert.rejects(readValue(world, former.id), {
      detail: { code: "NO_LEADER", region: "sim", waitedMs: 2_000 },
    });
    assert.ok(await world.time.until(() => world.leader !== undefined && world.leader !== former, PATIENCE_MS));
    await write(world, world.leader!.id, "new");
    const stale = former.call(async ({ registry }) => {
      await registry.read("linearizable");
      return registry.get(AGENT)?.record.version;
    });
    await world.time.run(500);
    mend();
    assert.equal(await world.time.settled(stale, PATIENCE_MS), "new");
  });

  it("R51: a leader that removes itself hands over, and leaves", async () => {
    const world = await aRegion(3);
    const former = world.leader!;
    // It changes nothing before it has committed an entry of its own term.
    await write(world, former.id, "before");
    world.removeDirectly(former.id);
    await world.time.run(5_000);
    assert.ok(former.machine.isGone);
    const leader = await untilLed(world);
    assert.deepEqual(leader.core!.membership.removed, [former.id]);
    assert.equal(leader.core!.membership.voters.length, 2);
    await write(world, leader.id, "goes on");
  });
});
