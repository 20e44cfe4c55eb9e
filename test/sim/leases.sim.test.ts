/**
 * Who is expired, and who is not, in regions of whole nodes: the failures of other registries that had to do with leases,
 * each told as a story. What must hold of leases at every moment is checked beside it (`test/support/node-sim-agents.ts`).
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LEASE_DEFAULTS } from "../../src/registry/lease-keeper.ts";
import { type AgentId, asAgentId, type NodeId } from "../../src/types/ids.ts";
import { codeOf } from "../support/node-sim-clients.ts";
import { recordOf } from "../support/node-sim-ledger.ts";
import type { Machine } from "../support/node-sim-machine.ts";
import { drawNodePlan, FAULT_CLASSES, masked, NOISES, type NodeSimulationPlan } from "../support/node-sim-plan.ts";
import { simulateNodes } from "../support/node-sim-run.ts";
import { aRegion, around, ask, electionsOf, PATIENCE_MS, untilLed } from "../support/node-sim-scenarios.ts";
import type { NodeWorld } from "../support/node-sim-world.ts";

const LEASE_MS = 4_000;
const AGENTS = { agents: 6, leaseMs: LEASE_MS, mortality: 0, stickiness: 0, patienceMs: 1_000 };
const HOUR_MS = 3_600_000;

/** A region whose agents have all registered. */
async function aRegionOfAgents(changes: Partial<NodeSimulationPlan> = {}): Promise<NodeWorld> {
  const world = await aRegion(3, { agents: AGENTS, ...changes });
  world.unleash();
  await world.time.run(2 * world.plan.agents.leaseMs);
  assert.equal(healthyAgents(world), world.agents.length);
  return world;
}

const healthOf = (world: NodeWorld, id: AgentId) => world.leader?.stateMachine.index.get(id)?.health;
const healthyAgents = (world: NodeWorld) => world.agents.filter(({ id }) => healthOf(world, id) === "healthy").length;
const ended = (world: NodeWorld) => world.counters.get("lease ended") ?? 0;
const renewed = (world: NodeWorld) => world.counters.get("ok: lease renewed") ?? 0;

function assertNobodyWasExpired(world: NodeWorld): void {
  assert.equal(ended(world), 0);
  assert.equal(world.counters.get("lease lost"), undefined);
  assert.equal(healthyAgents(world), world.agents.length);
}

/** How a request ended: "ok", or the code of the refusal. */
async function outcomeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => "ok", codeOf);
}

const renewal = (world: NodeWorld, node: NodeId, id: AgentId, incarnation: number | null) =>
  outcomeOf(ask(world, node, (registry) => registry.renew(id, incarnation)));

describe("sim leases", () => {
  describe("P7: who keeps renewing is never expired, whatever the nodes go through", () => {
    const PROCESS_FAULTS: readonly string[] = [
      ...FAULT_CLASSES.process,
      ...FAULT_CLASSES.clock,
      "slow-disk",
      "stalled-disk",
    ];
    for (let seed = 1; seed <= 8; seed++) {
      it(`seed ${seed}`, async () => {
        const drawn = drawNodePlan(seed, { nodes: 3, heartbeatMs: 50 });
        const faults = drawn.faults.filter(({ kind }) => PROCESS_FAULTS.includes(kind)).map(({ number }) => number);
        const plan = masked(drawn, { faults, without: NOISES.filter((noise) => noise !== "clock") });
        const agents = { ...AGENTS, agents: 12, leaseMs: 12_000 };
        const { counters } = await simulateNodes({ ...plan, agents });
        assert.ok((counters.get("ok: lease renewed") ?? 0) > 0);
        assert.equal(counters.get("lease lost"), undefined);
      });
    }
  });

  describe("F1: a leader that can not prove that it leads ends no lease", () => {
    it("because its disk hangs: it steps down", async () => {
      const world = await aRegionOfAgents();
      const { machine } = world.leader!;
      machine.disk.stall();
      world.writeSomething(machine.process!);
      await world.time.run(30_000);
      assert.notEqual(world.leader!.id, machine.id);
      machine.disk.goOn();
      await world.time.run(10_000);
      assertNobodyWasExpired(world);
    });

    for (const [what, isFrozen] of [
      ["because it was paused, as by SIGSTOP or a collector of garbage", false],
      ["because its machine slept, and its clock with it", true],
    ] as const) {
      it(what, async () => {
        // Agents that do not wait for a paused node until their own time is up.
        const world = await aRegionOfAgents({ agents: { ...AGENTS, patienceMs: 250 } });
        for (const leases of [0.5, 1.5, 5]) {
          const { machine } = world.leader!;
          machine.process!.pause(isFrozen);
          await world.time.run(leases * LEASE_MS);
          machine.process!.resume();
          await world.time.run(LEASE_MS);
          await untilLed(world);
          assertNobodyWasExpired(world);
        }
      });
    }

    it("because it is cut off with agents that reach nobody else: these are not its to judge", async () => {
      const world = await aRegionOfAgents();
      const former = world.leader!;
      const mend = world.network.cut(around(world, former.id));
      await world.time.run(5 * LEASE_MS);
      assert.notEqual(world.leader!.id, former.id);
      mend();
      await world.time.run(2 * LEASE_MS);
      assertNobodyWasExpired(world);
    });
  });

  describe("F2: wall clocks that jump", () => {
    it("by an hour, to and fro, end no lease", async () => {
      const world = await aRegionOfAgents();
      for (let i = 0; i < 20; i++) {
        world.machines[i % 3]!.hardware.wallOffsetMs += (i % 2 === 0 ? 1 : -1) * HOUR_MS;
        await world.time.run(2_000);
      }
      assertNobodyWasExpired(world);
    });

    it("back by an hour keep none", async () => {
      const world = await aRegionOfAgents();
      world.agents[0]!.stop();
      for (const { hardware } of world.machines) hardware.wallOffsetMs -= HOUR_MS;
      await world.time.run(1.5 * LEASE_MS);
      assert.equal(healthyAgents(world), AGENTS.agents - 1);
    });
  });

  it("F3: leaders that change faster than leases run out lose no live agent, and keep no dead one", async () => {
    const world = await aRegionOfAgents();
    const changeLeaders = async (ms: number) => {
      for (const end = world.now + ms; world.now < end; ) {
        world.transferLeadership(null);
        await world.time.run(LEASE_MS / 4);
      }
    };
    await changeLeaders(40_000);
    assert.ok(electionsOf(world) > 20, `${electionsOf(world)} elections`);
    assertNobodyWasExpired(world);
    world.agents[0]!.stop();
    await changeLeaders(2 * LEASE_MS);
    assert.equal(healthyAgents(world), AGENTS.agents - 1);
  });

  it("F3: the same where each leader crashes, and forgets what it heard", async () => {
    const world = await aRegionOfAgents();
    world.agents[0]!.stop();
    for (let i = 0; i < 8; i++) {
      world.crash(world.leader!.machine, { downMs: LEASE_MS / 4, isSeen: true });
      await world.time.run(LEASE_MS / 2);
      await untilLed(world);
    }
    assert.equal(healthOf(world, world.agents[0]!.id), "unhealthy");
    assert.equal(healthyAgents(world), AGENTS.agents - 1);
    assert.equal(ended(world), 1);
  });

  describe("F18: what a node can not know it does not say", () => {
    const AGENT = asAgentId("the-agent");

    async function aRegionWithAnAgent(): Promise<{ world: NodeWorld; incarnation: number; lonely: Machine }> {
      const world = await aRegion(3);
      const { agent } = await ask(world, world.leader!.id, (registry) =>
        registry.register(AGENT, recordOf("value", HOUR_MS)),
      );
      const lonely = world.machines.find(({ id }) => id !== world.leader!.id)!;
      return { world, incarnation: agent.incarnation, lonely };
    }

    it("a node without a live path to a leader acknowledges no renewal, and does so again when it has one", async () => {
      const { world, incarnation, lonely } = await aRegionWithAnAgent();
      await world.time.run(500);
      const mend = world.network.cut(around(world, lonely.id));
      await world.time.run(world.plan.raft.electionMsMax);
      assert.equal(await renewal(world, lonely.id, AGENT, incarnation), "NO_LEADER");
      assert.equal(await renewal(world, lonely.id, AGENT, null), "NO_LEADER");
      mend();
      await untilLed(world);
      assert.equal(await renewal(world, lonely.id, AGENT, incarnation), "ok");
    });

    it("a leader that is cut off acknowledges none either", async () => {
      const { world, incarnation } = await aRegionWithAnAgent();
      const former = world.leader!;
      world.network.cut(around(world, former.id));
      await world.time.run(2 * world.plan.raft.electionMsMax);
      assert.equal(await renewal(world, former.id, AGENT, incarnation), "NO_LEADER");
    });

    it("a node that missed the registration says neither that the agent is unknown nor that its lease is lost", async () => {
      const world = await aRegion(3);
      const lonely = world.machines.find(({ id }) => id !== world.leader!.id)!;
      const mend = world.network.cut(around(world, lonely.id));
      const { agent } = await ask(world, world.leader!.id, (registry) =>
        registry.register(AGENT, recordOf("value", HOUR_MS)),
      );
      // First it believes that it has a path still, then it knows that it has none.
      for (let i = 0; i < 5; i++) {
        assert.equal(await renewal(world, lonely.id, AGENT, agent.incarnation), "NO_LEADER");
        await world.time.run(300);
      }
      mend();
      await untilLed(world);
      assert.equal(await renewal(world, lonely.id, AGENT, agent.incarnation), "ok");
      assert.equal(await renewal(world, lonely.id, asAgentId("nobody"), null), "UNKNOWN_AGENT");
    });

    it("a region that restarted without its majority sends nobody to register anew", async () => {
      const { world, incarnation, lonely } = await aRegionWithAnAgent();
      for (const machine of [...world.running])
        world.crash(machine, { downMs: Number.POSITIVE_INFINITY, isSeen: true });
      world.start(lonely);
      await world.time.run(5_000);
      assert.equal(await renewal(world, lonely.id, AGENT, incarnation), "NO_LEADER");
      assert.equal(await renewal(world, lonely.id, asAgentId("nobody"), null), "NO_LEADER");
      for (const machine of world.machines) world.start(machine);
      await world.time.run(1_000);
      await untilLed(world);
      assert.equal(await renewal(world, lonely.id, AGENT, incarnation), "ok");
    });
  });

  describe("F19: many that come at once", () => {
    const MANY = { ...AGENTS, agents: 150, leaseMs: 8_000 };
    const BUCKET_MS = 100;

    /** Renewals in each bucket of the next `ms`. */
    async function renewalsWithin(world: NodeWorld, ms: number): Promise<number[]> {
      const counts: number[] = [];
      for (const end = world.now + ms; world.now < end; ) {
        const before = renewed(world);
        await world.time.run(BUCKET_MS);
        counts.push(renewed(world) - before);
      }
      return counts;
    }
    const mean = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0) / counts.length;

    it("are told to come back at different times, so that a herd dissolves", async () => {
      const world = await aRegionOfAgents({ agents: MANY });
      for (const agent of world.agents) agent.cutOff(true);
      await world.time.run(MANY.leaseMs / 2);
      for (const agent of world.agents) agent.cutOff(false);
      const herd = await renewalsWithin(world, 500);
      assert.ok(Math.max(...herd) > MANY.agents / 4, `${herd}`);
      await world.time.run(5 * MANY.leaseMs);
      const dissolved = await renewalsWithin(world, MANY.leaseMs);
      assert.ok(Math.max(...dissolved) < 3 * mean(dissolved), `${dissolved}`);
      assertNobodyWasExpired(world);
    });

    it("are asked to come less often while they are more than the nodes are to take, and lose no lease by it", async () => {
      // A budget that they exceed threefold: 75 renewals per second on three nodes.
      const world = await aRegionOfAgents({ agents: MANY, leases: { renewalsPerSecond: 8 } });
      const perSecond = mean(await renewalsWithin(world, 3 * MANY.leaseMs)) * (1_000 / BUCKET_MS);
      const unasked = (4 * MANY.agents) / (MANY.leaseMs / 1_000);
      assert.ok(perSecond < 0.7 * unasked, `${perSecond} renewals per second of ${unasked}`);
      assertNobodyWasExpired(world);
    });

    it("after their whole region restarted keep their leases, though it was away for longer than these", async () => {
      const world = await aRegionOfAgents({ agents: MANY });
      for (const machine of [...world.running]) world.crash(machine, { downMs: 2 * MANY.leaseMs, isSeen: true });
      await world.time.run(2 * MANY.leaseMs + 100);
      await untilLed(world);
      await world.time.run(MANY.leaseMs / 4);
      const counts = await renewalsWithin(world, 3 * MANY.leaseMs);
      assert.ok(mean(counts) > 0);
      assertNobodyWasExpired(world);
    });
  });

  describe("F20: most of the agents fall silent at once", () => {
    const MANY = { ...AGENTS, agents: 200, leaseMs: 10_000 };
    const { brakeShare, brakeRatePerSecond, brakeMaxMs } = LEASE_DEFAULTS;

    it("because they are cut off: few are expired while it lasts, and none once they are back", async () => {
      const world = await aRegionOfAgents({ agents: MANY });
      for (const agent of world.agents) agent.cutOff(true);
      const outageMs = 1.5 * MANY.leaseMs;
      await world.time.run(outageMs);
      assert.ok(ended(world) > brakeShare * MANY.agents);
      // Up to that share nothing was unlikely about it.
      const mostExpired = brakeShare * MANY.agents + (outageMs / 1_000) * brakeRatePerSecond;
      assert.ok(ended(world) <= mostExpired, `${ended(world)} of ${mostExpired}`);
      assert.ok(healthyAgents(world) > MANY.agents / 4);
      for (const agent of world.agents) agent.cutOff(false);
      await world.time.run(1_000);
      const expired = ended(world);
      await world.time.run(2 * MANY.leaseMs);
      assert.equal(ended(world), expired);
      assert.equal(healthyAgents(world), MANY.agents);
    });

    it("because they are gone: the brake paces, and lets go within the time it states", async () => {
      const agents = { ...MANY, agents: 800, leaseMs: 20_000 };
      const world = await aRegionOfAgents({ agents });
      for (const agent of world.agents) agent.stop();
      const stoppedAt = world.now;
      let [before, most] = [0, 0];
      while (ended(world) < agents.agents && world.now < stoppedAt + agents.leaseMs + 2 * brakeMaxMs) {
        await world.time.run(1_000);
        if (world.now < stoppedAt + brakeMaxMs) most = Math.max(most, ended(world) - before);
        before = ended(world);
      }
      assert.equal(healthyAgents(world), 0);
      assert.ok(most <= brakeShare * agents.agents, `${most} in a second`);
      assert.ok(world.now - stoppedAt >= brakeMaxMs, "it paced nobody");
      const boundMs = agents.leaseMs + brakeMaxMs + 5_000;
      assert.ok(world.now - stoppedAt <= boundMs, `${world.now - stoppedAt} ms`);
    });

    it("and a few more die on another day: the brake is ready again, and out of the way", async () => {
      const world = await aRegionOfAgents({ agents: MANY });
      for (const agent of world.agents) agent.cutOff(true);
      await world.time.run(1.2 * MANY.leaseMs);
      for (const agent of world.agents) agent.cutOff(false);
      await world.time.run(3 * MANY.leaseMs);
      for (const agent of world.agents.slice(0, 10)) agent.stop();
      await world.time.run(1.3 * MANY.leaseMs);
      assert.equal(healthyAgents(world), MANY.agents - 10);
    });
  });

  describe("F21: a lease that ended", () => {
    const AGENT = asAgentId("the-agent");
    const register = (world: NodeWorld, value: string, place: number) =>
      ask(world, world.leader!.id, (registry) => registry.register(AGENT, recordOf(value, LEASE_MS, { place })));
    const onEach = async (world: NodeWorld, incarnation: number | null) => {
      const outcomes: string[] = [];
      for (const { id } of world.running) outcomes.push(await renewal(world, id, AGENT, incarnation));
      return outcomes;
    };

    it("is not revived by a renewal, on no node, also when all of them restarted", async () => {
      const world = await aRegion(3);
      const { agent } = await register(world, "first", 1);
      await world.time.run(2 * LEASE_MS);
      assert.equal(healthOf(world, AGENT), "unhealthy");
      for (const incarnation of [agent.incarnation, null]) {
        assert.deepEqual(await onEach(world, incarnation), ["LEASE_LOST", "LEASE_LOST", "LEASE_LOST"]);
      }
      for (const machine of [...world.running]) world.crash(machine, { downMs: 100, isSeen: true });
      await world.time.run(1_000);
      await untilLed(world);
      assert.deepEqual(await onEach(world, agent.incarnation), ["LEASE_LOST", "LEASE_LOST", "LEASE_LOST"]);
      assert.equal(healthOf(world, AGENT), "unhealthy");
    });

    it("does not keep the next one alive, which dies though the old agent goes on", async () => {
      const world = await aRegion(3);
      const zombie = (await register(world, "first", 1)).agent.incarnation;
      const successor = (await register(world, "second", 2)).agent.incarnation;
      assert.notEqual(successor, zombie);
      await world.time.run(100);
      for (const end = world.now + 1.5 * LEASE_MS; world.now < end; ) {
        assert.deepEqual(await onEach(world, zombie), ["LEASE_LOST", "LEASE_LOST", "LEASE_LOST"]);
        await world.time.run(500);
      }
      assert.equal(healthOf(world, AGENT), "unhealthy");
    });

    it("is not revived by a renewal that another node took before, and that arrives late", async () => {
      const world = await aRegion(3);
      const { incarnation } = (await register(world, "first", 1)).agent;
      const follower = world.machines.find(({ id }) => id !== world.leader!.id)!;
      // For some time less than it takes to notice that the leader is away.
      const flow = world.network.clog(around(world, follower.id).filter(([from]) => from === follower.id));
      await world.time.run(LEASE_MS - 250);
      assert.equal(await renewal(world, follower.id, AGENT, incarnation), "ok");
      await world.time.run(1_000);
      assert.equal(healthOf(world, AGENT), "unhealthy");
      flow();
      await world.time.run(LEASE_MS);
      assert.equal(healthOf(world, AGENT), "unhealthy");
      assert.equal(await renewal(world, follower.id, AGENT, incarnation), "LEASE_LOST");
    });
  });

  describe("F22: a short restart is not a death", () => {
    it("of one node after the other: nobody is expired, refused for good, or registered anew", async () => {
      const world = await aRegionOfAgents({ agents: { ...AGENTS, agents: 20 } });
      const committed = world.committed;
      for (const machine of [...world.machines, ...world.machines]) {
        world.restart(machine, 500);
        assert.ok(await world.time.until(() => machine.process === null, PATIENCE_MS));
        await world.time.run(2_000);
        await untilLed(world);
      }
      await world.time.run(2 * LEASE_MS);
      assertNobodyWasExpired(world);
      // Nothing but what each new leader writes for itself.
      assert.ok(world.committed - committed <= electionsOf(world), `${world.committed - committed} entries`);
    });

    it("of the whole region, however long it takes", async () => {
      for (const leases of [0.5, 1, 10]) {
        const world = await aRegionOfAgents();
        for (const machine of [...world.running]) world.crash(machine, { downMs: leases * LEASE_MS, isSeen: true });
        await world.time.run(leases * LEASE_MS + 1_000);
        await untilLed(world);
        await world.time.run(3 * LEASE_MS);
        assertNobodyWasExpired(world);
      }
    });

    it("of an agent: back within its lease with the same record, it was never away, and nothing is written", async () => {
      const world = await aRegion(3);
      const id = asAgentId("restarting");
      const record = recordOf("same", LEASE_MS);
      const first = await ask(world, world.leader!.id, (registry) => registry.register(id, record));
      await world.time.run(0.8 * LEASE_MS);
      const again = await ask(world, world.machines[2]!.id, (registry) => registry.register(id, record));
      assert.equal(again.change, "unchanged");
      assert.equal(again.agent.incarnation, first.agent.incarnation);
      await world.time.run(0.8 * LEASE_MS);
      assert.equal(healthOf(world, id), "healthy");
      assert.equal(ended(world), 0);
    });
  });
});
