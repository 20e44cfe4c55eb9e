import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeCommand } from "../../../src/registry/commands.ts";
import { LeaseKeeper, RENEWALS_METHOD, RENEWALS_PER_MESSAGE } from "../../../src/registry/lease-keeper.ts";
import { RegistryStateMachine } from "../../../src/registry/registry-state-machine.ts";
import type { StateRecord } from "../../../src/storage/interface.ts";
import type { AgentId } from "../../../src/types/ids.ts";
import { asNodeId } from "../../../src/types/ids.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { InstantRegion } from "../../support/instant-group.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { agentId, aRecord, HOME, LEASE_MS, TestRegion } from "./fixtures.ts";

/** Within this long after its lease an agent that fell silent is unhealthy: check, grace, batch. */
const SLACK_MS = 1_000;

async function register(region: TestRegion, count: number): Promise<AgentId[]> {
  const ids = Array.from({ length: count }, (_, i) => agentId(String(i).padStart(4, "0")));
  for (const id of ids) await region.nodes[0]!.service.register(id, aRecord());
  return ids;
}

async function* pagesOf(pages: readonly (readonly StateRecord[])[]): AsyncGenerator<readonly StateRecord[]> {
  yield* pages;
}

/** The region's nodes come back with what is on disk: the state, and no memory of renewals. */
async function restart(region: TestRegion): Promise<void> {
  for (const { stateMachine, keeper } of region.nodes) {
    const records = [...stateMachine.index.agents()].map((agent) => [`agent/${agent.id}`, agent] as const);
    await keeper.stop();
    await stateMachine.restore(pagesOf([]));
    await stateMachine.restore(pagesOf([records]));
    keeper.start();
  }
}

/** The keeper of a region of one, whose broadcasts are kept; `records` are on its disk when it starts. */
async function aLoneKeeper({ records = [] }: { records?: readonly StateRecord[] } = {}) {
  const clock = new VirtualClock();
  const region = new InstantRegion();
  const stateMachine = new RegistryStateMachine(HOME);
  await stateMachine.restore(pagesOf([records]));
  const group = region.join(stateMachine);
  const sent: { method: string; payload: unknown }[] = [];
  const onFatal = (error: unknown) => assert.fail(String(error));
  const broadcast = { send: (method: string, payload: unknown) => sent.push({ method, payload }) };
  const keeper = new LeaseKeeper({ group, stateMachine, broadcast, clock, logger: silentLogger, onFatal });
  keeper.start();
  return { clock, group, stateMachine, keeper, sent };
}

async function registerHere({ group }: Awaited<ReturnType<typeof aLoneKeeper>>, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const command = {
      kind: "register",
      id: agentId(i),
      record: aRecord(),
      atMs: 0,
      agentsMax: 1e6,
      eventsMax: 100,
    } as const;
    await group.propose(encodeCommand(command));
  }
}

describe("expiry", () => {
  it("ends the lease of an agent that fell silent, and only that", async () => {
    const region = new TestRegion(3);
    const [silent, alive] = await register(region, 2);
    await region.renewAll([alive!], LEASE_MS - 500, 4_875);
    assert.deepEqual(region.healthyIds(), [silent, alive]);
    await region.clock.advance(500 + SLACK_MS);
    for (const node of region.nodes) assert.deepEqual(region.healthyIds(node), [alive]);
    assert.equal(region.nodes[1]!.service.get(silent!)?.unhealthyReason, "lease-expired");
  });

  it("counts renewals taken by other nodes", async () => {
    const region = new TestRegion(3);
    const ids = await register(region, 5);
    await region.renewAll(ids, 60_000, 5_000, () => region.nodes[2]!);
    assert.deepEqual(region.healthyIds(), ids);
  });

  it("F1: a leader that can not prove itself expires nobody", async () => {
    const region = new TestRegion(3);
    const ids = await register(region, 5);
    region.nodes[0]!.group.canConfirm = false;
    await region.clock.advance(10 * LEASE_MS);
    assert.deepEqual(region.healthyIds(), ids);
    assert.equal(region.region.log.length, ids.length);
  });

  it("F1: a leader deposed while it asks its quorum proposes nothing", async () => {
    const region = new TestRegion(3);
    const ids = await register(region, 5);
    const { group } = region.nodes[0]!;
    const confirm = group.confirmLeadership.bind(group);
    group.confirmLeadership = async () => ({ term: (await confirm()).term + 1 });
    await region.clock.advance(2 * LEASE_MS);
    assert.deepEqual(region.healthyIds(), ids);
  });

  it("F2: a wall clock that jumps expires and purges nobody", async () => {
    const region = new TestRegion(3);
    const ids = await register(region, 5);
    await region.nodes[0]!.service.deregister(ids[4]!, "keep");
    for (const jumpMs of [3_600_000, -7_200_000, 86_400_000]) {
      region.clock.jumpWall(jumpMs);
      await region.renewAll(ids.slice(0, 4), 10_000);
    }
    assert.deepEqual(region.healthyIds(), ids.slice(0, 4));
    assert.notEqual(region.nodes[0]!.service.get(ids[4]!), undefined);
  });

  it("F2: a wall clock that runs at twice the speed expires nobody", async () => {
    const region = new TestRegion(3);
    const ids = await register(region, 3);
    for (let passedMs = 0; passedMs < 3 * LEASE_MS; passedMs += 100) {
      // Each agent renews well within its lease, and too late by that clock.
      if (passedMs % 15_000 === 0) for (const id of ids) await region.nodes[0]!.service.renew(id, null);
      region.clock.jumpWall(100);
      await region.clock.advance(100);
    }
    assert.deepEqual(region.healthyIds(), ids);
  });

  it("F3: though leaders change faster than the lease, a dead agent dies and a live one never does", async () => {
    const region = new TestRegion(3);
    const [dead, ...alive] = await register(region, 4);
    let diedAfterMs: number | null = null;
    for (let passedMs = 0; passedMs < 120_000; passedMs += 3_000) {
      region.region.elect(region.nodes[(passedMs / 3_000) % 3]!.group);
      await region.renewAll(alive, 3_000, 3_000, () => region.nodes[(passedMs / 3_000 + 1) % 3]!);
      if (diedAfterMs === null && !region.healthyIds().includes(dead!)) diedAfterMs = passedMs + 3_000;
      assert.deepEqual(
        region.healthyIds().filter((id) => id !== dead),
        alive,
      );
    }
    assert.ok(diedAfterMs !== null && diedAfterMs <= LEASE_MS + 3_000 + SLACK_MS, `died after ${diedAfterMs} ms`);
    for (const id of alive) assert.ok(region.nodes[0]!.service.get(id)!.incarnation <= 4, "no lease was opened anew");
  });

  it("F3: after a restart of every node as well, with leaders that change faster than the lease", async () => {
    const region = new TestRegion(3);
    const [dead, ...alive] = await register(region, 3);
    await restart(region);
    for (let passedMs = 0; passedMs < 60_000; passedMs += 3_000) {
      region.region.elect(region.nodes[(passedMs / 3_000) % 3]!.group);
      await region.renewAll(alive, 3_000, 3_000);
    }
    assert.deepEqual(region.healthyIds(), alive);
    assert.equal(region.nodes[0]!.service.get(dead!)?.health, "unhealthy");
  });

  it("P7, F22: a restarted leader gives those it never heard of one whole lease", async () => {
    const region = new TestRegion(1);
    const ids = await register(region, 3);
    await region.clock.advance(LEASE_MS - 1_000);
    await restart(region);
    await region.clock.advance(LEASE_MS - 1_000);
    assert.deepEqual(region.healthyIds(), ids);
    await region.clock.advance(1_000 + SLACK_MS);
    assert.deepEqual(region.healthyIds(), []);
  });

  it("P7, F22: a node that starts from its disk and leads gives those it never heard of one whole lease", async () => {
    const former = await aLoneKeeper();
    await registerHere(former, 2);
    const records = [...former.stateMachine.index.agents()].map((agent) => [`agent/${agent.id}`, agent] as const);
    const started = await aLoneKeeper({ records });
    const health = () => [0, 1].map((i) => started.stateMachine.index.get(agentId(i))?.health);
    await started.clock.advance(LEASE_MS - 500);
    assert.deepEqual(health(), ["healthy", "healthy"]);
    await started.clock.advance(500 + SLACK_MS);
    assert.deepEqual(health(), ["unhealthy", "unhealthy"]);
  });

  it("P7: a renewal that waits in a socket while the check is late saves its agent (R59)", async () => {
    const node = await aLoneKeeper();
    await registerHere(node, 1);
    await node.clock.advance(LEASE_MS - 100);
    // It arrives after the next check is due, and before the process, which stalls now, can look at either.
    node.clock.schedule(110, () => node.keeper.renew(1));
    node.clock.stall(300);
    await node.clock.advance(1_000);
    assert.equal(node.stateMachine.index.get(agentId(0))?.health, "healthy");
  });

  it("P7: a renewal that comes while the quorum is asked saves its agent", async () => {
    const node = await aLoneKeeper();
    await registerHere(node, 1);
    const confirm = node.group.confirmLeadership.bind(node.group);
    node.group.confirmLeadership = async () => {
      node.keeper.renew(1);
      return confirm();
    };
    await node.clock.advance(LEASE_MS + SLACK_MS);
    assert.equal(node.stateMachine.index.get(agentId(0))?.health, "healthy");
  });

  it("P7: the time in which our process stood still is not charged", async () => {
    const region = new TestRegion(1);
    const ids = await register(region, 3);
    await region.clock.advance(10_000);
    region.clock.stall(120_000);
    await region.clock.advance(1_000);
    assert.deepEqual(region.healthyIds(), ids);
    await region.renewAll(ids.slice(1), 15_000);
    assert.deepEqual(region.healthyIds(), ids.slice(1), "and the one that stayed silent is not spared for ever");
  });

  it("P7: the time without a leader is not charged", async () => {
    const region = new TestRegion(3);
    const ids = await register(region, 3);
    await region.clock.advance(15_000);
    region.region.elect(null);
    await region.clock.advance(60_000);
    region.region.elect(region.nodes[1]!.group);
    await region.clock.advance(3_000);
    assert.deepEqual(region.healthyIds(), ids);
    await region.clock.advance(LEASE_MS);
    assert.deepEqual(region.healthyIds(), []);
  });

  it("P7: a member that was cut off learns what it missed from the others before it ends anything", async () => {
    const region = new TestRegion(3);
    const ids = await register(region, 3);
    const [, , cutOff] = region.nodes;
    cutOff!.isCutOff = true;
    await region.renewAll(ids, 2 * LEASE_MS);
    cutOff!.isCutOff = false;
    region.region.elect(cutOff!.group);
    await region.clock.advance(4_000);
    assert.deepEqual(region.healthyIds(), ids);
  });

  it("a new leader ends nothing before its grace is over", async () => {
    const region = new TestRegion(2, { leases: { leaseGraceMs: 5_000 } });
    const ids = await register(region, 1);
    await region.clock.advance(LEASE_MS - 1_000);
    region.region.elect(region.nodes[1]!.group);
    await region.clock.advance(4_500);
    assert.deepEqual(region.healthyIds(), ids);
    await region.clock.advance(500 + SLACK_MS);
    assert.deepEqual(region.healthyIds(), []);
  });

  it("goes on in batches when more ran out than one command takes", async () => {
    const region = new TestRegion(1, { leases: { expireBatchMax: 4, brakeLeasesMin: 1_000 } });
    await register(region, 10);
    await region.clock.advance(LEASE_MS + SLACK_MS);
    assert.deepEqual(region.healthyIds(), []);
    assert.equal(region.region.log.length, 10 + 3);
  });
});

describe("the brake", () => {
  it("F20: when most agents were only cut off, most are still registered as they come back", async () => {
    const region = new TestRegion(3);
    const ids = await register(region, 1_000);
    const cut = ids.slice(0, 600);
    const reachable = ids.slice(600);
    await region.renewAll(reachable, LEASE_MS + 20_000);
    const survivors = region.healthyIds();
    assert.ok(survivors.length >= 790 && survivors.length < 1_000, `${survivors.length} of 1000 are left`);
    const back = cut.filter((id) => survivors.includes(id));
    await region.renewAll([...back, ...reachable], 60_000);
    assert.deepEqual(region.healthyIds(), survivors);
  });

  it("F20: when they are really gone, it lets go by itself", async () => {
    const region = new TestRegion(3, { leases: { brakeRatePerSecond: 1 } });
    const ids = await register(region, 300);
    const alive = ids.slice(200);
    await region.renewAll(alive, LEASE_MS + 55_000);
    assert.ok(region.healthyIds().length > 200, "it still holds");
    await region.renewAll(alive, 10_000);
    assert.deepEqual(region.healthyIds(), alive);
  });
});

describe("retention", () => {
  it("removes an agent that was unhealthy for the whole of it", async () => {
    const region = new TestRegion(3, { leases: { retentionMs: 30_000, purgeCheckMs: 1_000 } });
    const [id] = await register(region, 1);
    await region.nodes[0]!.service.deregister(id!, "keep");
    await region.clock.advance(29_000);
    // Every node counts, so a change of leader starts nothing anew.
    region.region.elect(region.nodes[1]!.group);
    assert.equal(region.nodes[2]!.service.get(id!)?.unhealthyReason, "deregistered");
    await region.clock.advance(3_000);
    for (const { service } of region.nodes) assert.equal(service.get(id!), undefined);
  });

  it("starts anew when the agent was back in between", async () => {
    const region = new TestRegion(1, { leases: { retentionMs: 30_000, purgeCheckMs: 1_000 } });
    const { service } = region.nodes[0]!;
    const [id] = await register(region, 1);
    await service.deregister(id!, "keep");
    await region.clock.advance(20_000);
    await service.register(id!, aRecord());
    await service.deregister(id!, "keep");
    await region.clock.advance(20_000);
    assert.notEqual(service.get(id!), undefined);
  });

  it("0 keeps them", async () => {
    const region = new TestRegion(1, { leases: { retentionMs: 0 } });
    const [id] = await register(region, 1);
    await region.nodes[0]!.service.deregister(id!, "keep");
    await region.clock.advance(100_000);
    assert.notEqual(region.nodes[0]!.service.get(id!), undefined);
  });
});

describe("renewals between nodes", () => {
  it("travel in one message per batch, as ages, with what the agent was told", async () => {
    const node = await aLoneKeeper();
    await registerHere(node, 2);
    node.keeper.renew(1);
    await node.clock.advance(10);
    node.keeper.renew(1);
    node.keeper.renew(2);
    node.keeper.markInformed(2, 9);
    assert.deepEqual(node.sent, []);
    await node.clock.advance(15);
    assert.deepEqual(node.sent, [
      {
        method: RENEWALS_METHOD,
        payload: [
          [1, 15],
          [2, 15, 9],
        ],
      },
    ]);
    await node.clock.advance(1_000);
    assert.equal(node.sent.length, 1);
  });

  it("are cut into messages of bounded size", async () => {
    const node = await aLoneKeeper();
    await registerHere(node, RENEWALS_PER_MESSAGE + 1);
    for (let incarnation = 1; incarnation <= RENEWALS_PER_MESSAGE + 1; incarnation++) node.keeper.renew(incarnation);
    await node.clock.advance(25);
    assert.deepEqual(
      node.sent.map(({ payload }) => (payload as unknown[]).length),
      [RENEWALS_PER_MESSAGE, 1],
    );
  });

  it("are sent once more when the node stops", async () => {
    const node = await aLoneKeeper();
    await registerHere(node, 1);
    node.keeper.renew(1);
    await node.keeper.stop();
    assert.equal(node.sent.length, 1);
    await node.clock.advance(100_000);
    assert.equal(node.stateMachine.index.get(agentId(0))?.health, "healthy", "and nothing is decided afterwards");
  });

  it("are left out when malformed, and taken from members alone", async () => {
    const node = await aLoneKeeper();
    await registerHere(node, 1);
    const told = (payload: unknown, from = node.group.self) => {
      node.keeper.receive(payload, from);
      return node.keeper.informedRevision(1);
    };
    for (const payload of [null, "x", {}, [1], [[1]], [[1, -5, 7]], [[1, 0.5, 7]], [["1", 0, 7]], [[1, 0, "7"]]]) {
      assert.equal(told(payload), null, JSON.stringify(payload));
    }
    assert.equal(told(Array(RENEWALS_PER_MESSAGE + 1).fill([1, 0, 7])), null);
    assert.equal(told([[1, 0, 7]], asNodeId("stranger")), null);
    assert.equal(told([[99, 0, 7], null, [1, 0, 7]]), 7);
  });

  it("F21: of an earlier incarnation revive nobody", async () => {
    const region = new TestRegion(2);
    const [id] = await register(region, 1);
    await region.clock.advance(LEASE_MS + SLACK_MS);
    region.nodes[0]!.keeper.receive([[1, 0]], region.nodes[1]!.group.self);
    region.nodes[0]!.keeper.renew(1);
    await region.clock.advance(1_000);
    assert.equal(region.nodes[0]!.service.get(id!)?.health, "unhealthy");
  });

  it("tell every node when an agent was last seen", async () => {
    const region = new TestRegion(2);
    const [id] = await register(region, 1);
    await region.clock.advance(5_000);
    await region.nodes[1]!.service.renew(id!, null);
    const seenAt = region.clock.wallTime();
    await region.clock.advance(5_000);
    for (const { service } of region.nodes) assert.equal(service.get(id!)?.lastSeenMs, seenAt);
  });
});

describe("a failure that is no refusal of the group", () => {
  it("is a bug, and reaches whoever stops the node", async () => {
    const clock = new VirtualClock();
    const stateMachine = new RegistryStateMachine(HOME);
    const group = new InstantRegion().join(stateMachine);
    const failures: unknown[] = [];
    const keeper = new LeaseKeeper({
      group,
      stateMachine,
      broadcast: { send() {} },
      clock,
      logger: silentLogger,
      onFatal: (error) => failures.push(error),
    });
    keeper.start();
    await group.propose(
      encodeCommand({ kind: "register", id: agentId(1), record: aRecord(), atMs: 0, agentsMax: 10, eventsMax: 100 }),
    );
    const bug = new Error("not a RaftError");
    group.confirmLeadership = async () => {
      throw bug;
    };
    await clock.advance(LEASE_MS + 100);
    assert.deepEqual(failures, [bug]);
  });
});
