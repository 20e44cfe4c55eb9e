import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ActivityEntry, ActivityEvent, ClusterStatus, NodeStatus, RegionStatus } from "../../../src/api/ports.ts";
import { ActivityLog } from "../../../src/node/activity-log.ts";
import { ActivityObserver } from "../../../src/node/activity-observer.ts";
import type { KeptAgent } from "../../../src/registry/agent-index.ts";
import { createTestApp, type FakeClusterView } from "../../support/api-app.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { agentId } from "../registry/fixtures.ts";

/** Longer than it takes to look once. */
const LOOK_MS = 1_000;

/** An observer of a cluster that the test changes. */
async function observed() {
  const { view: shown } = await createTestApp();
  const state = { cluster: shown.cluster(), nodes: shown.nodes(), regions: shown.regions() };
  const view: FakeClusterView = Object.assign(shown, {
    cluster: () => state.cluster,
    nodes: () => state.nodes,
    regions: () => state.regions,
  });
  const clock = new VirtualClock();
  const log = new ActivityLog(clock);
  const observer = new ActivityObserver({ view, log, clock });
  observer.start();
  const told = (): ActivityEvent[] => {
    return held(log)
      .map(({ event }) => event)
      .slice(1);
  };
  return { view, state, clock, log, observer, told };
}

type Observed = Awaited<ReturnType<typeof observed>>;

function setCluster({ state }: Observed, change: Partial<ClusterStatus>): void {
  state.cluster = { ...state.cluster, ...change };
}

function setAbroad({ state }: Observed, node: Partial<NodeStatus>, region: Partial<RegionStatus>): void {
  state.nodes = [state.nodes[0]!, { ...state.nodes[1]!, ...node }];
  state.regions = [state.regions[0]!, { ...state.regions[1]!, ...region }];
}

function held(log: ActivityLog): ActivityEntry[] {
  const entries = [];
  for (let entry = log.after(0); entry !== undefined; entry = log.after(entry.sequence)) entries.push(entry);
  return entries;
}

describe("a node's activity", () => {
  it("begins with its start, and says nothing while nothing happens", async () => {
    const { log, clock, told } = await observed();
    assert.deepEqual(log.after(0)!.event, { kind: "started", region: "us-east", node: "us-east-1" });
    await clock.advance(10 * LOOK_MS);
    assert.deepEqual(told(), []);
  });

  it("tells that the leader is gone, and who leads in which term, without waiting for the next look", async () => {
    const on = await observed();
    setCluster(on, { leader: null, term: 5 });
    on.observer.follow();
    await on.clock.advance(1);
    setCluster(on, { leader: "us-east-2", term: 6 });
    on.observer.follow();
    await on.clock.advance(1);
    assert.deepEqual(on.told(), [
      { kind: "leader", region: "us-east", leader: null, term: 5 },
      { kind: "leader", region: "us-east", leader: "us-east-2", term: 6 },
    ]);
  });

  it("tells of a leader that was elected anew, and not of candidates' terms", async () => {
    const on = await observed();
    const { leader, term } = on.state.cluster;
    setCluster(on, { term: term + 1 });
    await on.clock.advance(LOOK_MS);
    setCluster(on, { leader: null });
    await on.clock.advance(LOOK_MS);
    setCluster(on, { leader: null, term: term + 2 });
    await on.clock.advance(LOOK_MS);
    assert.deepEqual(
      on.told().map((event) => event.kind === "leader" && [event.leader, event.term]),
      [
        [leader, term + 1],
        [null, term + 1],
      ],
    );
  });

  it("tells who joins, is promoted, is demoted and leaves", async () => {
    const on = await observed();
    const [self] = on.state.cluster.members;
    const other = { name: "us-east-2", nodeId: "n2" };
    for (const members of [
      [self!, { ...other, votes: false }],
      [self!, { ...other, votes: true }],
      [self!, { ...other, votes: false }],
      [self!],
    ]) {
      setCluster(on, { members });
      await on.clock.advance(LOOK_MS);
    }
    assert.deepEqual(
      on.told().map((event) => event.kind === "member" && `${event.node} ${event.change}`),
      ["us-east-2 joined", "us-east-2 promoted", "us-east-2 demoted", "us-east-2 left"],
    );
  });

  it("tells of regions and nodes that are reached, lost, distrusted and led by somebody new", async () => {
    const on = await observed();
    setAbroad(on, { link: "connected" }, { link: "connected", term: 3 });
    await on.clock.advance(LOOK_MS);
    setAbroad(on, { link: "connected" }, { link: "connected", term: 4 });
    await on.clock.advance(LOOK_MS);
    setAbroad(on, { link: "away" }, { link: "away", term: 4, distrust: "its key changed" });
    await on.clock.advance(LOOK_MS);
    on.state.regions = [on.state.regions[0]!];
    await on.clock.advance(LOOK_MS);
    assert.deepEqual(on.told(), [
      { kind: "node", region: "us-west", node: "us-west-1", link: "connected" },
      { kind: "region", region: "us-west", change: "connected" },
      { kind: "leader", region: "us-west", term: 4 },
      { kind: "node", region: "us-west", node: "us-west-1", link: "away" },
      { kind: "region", region: "us-west", change: "away" },
      { kind: "region", region: "us-west", change: "distrusted", reason: "its key changed" },
      { kind: "region", region: "us-west", change: "forgotten" },
    ]);
  });

  it("tells once that the node can not serve, and why, and once that it can again", async () => {
    const on = await observed();
    on.view.reasons = ["no leader of the region is known"];
    await on.clock.advance(5 * LOOK_MS);
    on.view.reasons = [];
    await on.clock.advance(5 * LOOK_MS);
    assert.deepEqual(on.told(), [
      { kind: "readiness", ready: false, reasons: ["no leader of the region is known"] },
      { kind: "readiness", ready: true, reasons: [] },
    ]);
  });

  it("tells what the node does without while it serves the rest, and that it has it again", async () => {
    const on = await observed();
    on.view.degraded = [{ code: "DISK_FULL", message: "the disk is full" }];
    await on.clock.advance(5 * LOOK_MS);
    on.view.degraded = [];
    await on.clock.advance(5 * LOOK_MS);
    assert.deepEqual(on.told(), [
      { kind: "readiness", ready: true, reasons: ["the disk is full"] },
      { kind: "readiness", ready: true, reasons: [] },
    ]);
  });

  it("tells of many agents in one entry for each kind, with the first few named", async () => {
    const on = await observed();
    const agent = (i: number, health: "healthy" | "unhealthy") => ({ id: agentId(i), health }) as KeptAgent;
    for (let i = 0; i < 1_000; i++) on.observer.registry.agentChanged!(undefined, agent(i, "healthy"));
    on.observer.registry.agentChanged!(agent(1, "healthy"), agent(1, "unhealthy"));
    on.observer.registry.agentChanged!(agent(2, "healthy"), agent(2, "healthy"));
    await on.clock.advance(LOOK_MS);
    const [registered, unhealthy, ...rest] = on.told();
    assert.ok(registered?.kind === "agents" && registered.change === "registered");
    assert.deepEqual([registered.count, registered.ids.length], [1_000, 8]);
    assert.deepEqual(unhealthy, { kind: "agents", change: "unhealthy", count: 1, ids: [agentId(1)] });
    assert.deepEqual(rest, []);
  });

  it("holds no more than its bounds, and lets no crowd of agents push out a leader", () => {
    const log = new ActivityLog(new VirtualClock(), { agentEntriesMax: 3, otherEntriesMax: 2 });
    for (let term = 1; term <= 4; term++) {
      log.add([{ kind: "leader", region: "us-east", leader: null, term }]);
      for (let i = 0; i < 10; i++) log.add([{ kind: "agents", change: "registered", count: i, ids: [] }]);
    }
    assert.deepEqual(
      held(log).map(({ sequence, event }) => [sequence, event.kind]),
      [
        [23, "leader"],
        [34, "leader"],
        [42, "agents"],
        [43, "agents"],
        [44, "agents"],
      ],
    );
    assert.deepEqual([log.last, log.lostUpTo], [44, 41]);
  });
});
