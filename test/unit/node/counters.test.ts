import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Counters } from "../../../src/node/counters.ts";
import type { GroupStatus } from "../../../src/raft/index.ts";
import type { KeptAgent } from "../../../src/registry/agent-index.ts";
import { asNodeId } from "../../../src/types/ids.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const led = { role: "follower", term: 1, leader: asNodeId("n1") } as GroupStatus;
const leaderless = { role: "follower", term: 1, leader: null } as GroupStatus;

const LEASE_MS = 20_000;
const healthy = (changedAtMs: number) =>
  ({ health: "healthy", changedAtMs, record: { leaseMs: LEASE_MS } }) as KeptAgent;
const expired = (changedAtMs: number) =>
  ({ ...healthy(changedAtMs), health: "unhealthy", unhealthyReason: "lease-expired" }) as KeptAgent;

describe("node/counters", () => {
  it("P6: adds up the time without a leader, that before the first one and that which lasts included", async () => {
    const clock = new VirtualClock();
    const counters = new Counters(clock);
    await clock.advance(300);
    counters.follow(led);
    await clock.advance(1_000);
    assert.equal(counters.leaderlessMs, 300);
    counters.follow(leaderless);
    counters.follow({ ...leaderless, term: 2 });
    await clock.advance(50);
    assert.equal(counters.leaderlessMs, 350);
    counters.follow(led);
    await clock.advance(1_000);
    assert.equal(counters.leaderlessMs, 350);
  });

  it("P7: counts agents that were back within a lease of its end, and no others", () => {
    const counters = new Counters(new VirtualClock());
    const changed = counters.registry.agentChanged!;
    changed(healthy(0), expired(50_000));
    assert.deepEqual([counters.leasesExpired, counters.quickReturns], [1, 0]);
    changed(expired(50_000), healthy(50_000 + LEASE_MS));
    changed(undefined, healthy(50_000));
    assert.equal(counters.quickReturns, 0);
    changed(expired(50_000), healthy(50_000 + LEASE_MS - 1));
    assert.equal(counters.quickReturns, 1);
  });
});
