import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeptAgent } from "../../../src/registry/agent-index.ts";
import { LeaseClock, LeaseTable } from "../../../src/registry/leases.ts";
import { agentId, aRecord } from "./fixtures.ts";

const kept = (incarnation: number, health: KeptAgent["health"] = "healthy"): KeptAgent => ({
  id: agentId("a"),
  record: aRecord({ leaseMs: 1_000 }),
  incarnation,
  health,
  revision: incarnation,
  registeredAtMs: 0,
  changedAtMs: 77,
  incarnatedAtMs: 0,
});

const at = (now: number, heardAt: number | null = now) => ({ now, heardAt, wallMs: 1_000_000 + now });

describe("LeaseClock", () => {
  it("passes as the clock does, from wherever that begins", () => {
    const clock = new LeaseClock(5_000, 500);
    assert.equal(clock.read(5_300), 300);
    assert.equal(clock.read(5_700), 700);
  });

  it("P7: charges no more of a stall than one gap", () => {
    const clock = new LeaseClock(0, 500);
    clock.read(400);
    assert.equal(clock.read(60_000), 900);
    assert.equal(clock.read(60_100), 1_000);
  });

  it("P7: charges nothing of a span that is skipped", () => {
    const clock = new LeaseClock(0, 500);
    clock.read(400);
    assert.equal(clock.skip(700), 400);
    assert.equal(clock.read(800), 500);
  });

  it("never runs backwards", () => {
    const clock = new LeaseClock(1_000, 500);
    clock.read(1_400);
    assert.equal(clock.read(900), 400);
  });
});

describe("LeaseTable", () => {
  it("opens a lease with the registration, and ends it exactly when its time is over", () => {
    const table = new LeaseTable();
    table.follow(undefined, kept(1), at(0));
    assert.deepEqual(table.due(999), []);
    assert.deepEqual(
      table.due(1_000).map(({ incarnation }) => incarnation),
      [1],
    );
  });

  it("keeps the latest sign of life, whatever order they come in", () => {
    const table = new LeaseTable();
    table.follow(undefined, kept(1), at(0));
    table.renewed(1, 600, 0);
    table.renewed(1, 300, 0);
    assert.equal(table.remaining(table.get(1)!, 600), 1_000);
  });

  it("F21: knows nothing of a lease that was followed by another", () => {
    const table = new LeaseTable();
    table.follow(undefined, kept(1), at(0));
    table.follow(kept(1), kept(5), at(100));
    assert.equal(table.renewed(1, 200, 0), undefined);
    assert.equal(table.get(5)?.renewedAt, 100);
    assert.equal(table.running, 1);
  });

  it("F21: does not revive a lease that ended", () => {
    const table = new LeaseTable();
    table.follow(undefined, kept(1), at(0));
    table.follow(kept(1), kept(1, "unhealthy"), at(2_000));
    assert.equal(table.renewed(1, 2_500, 0), undefined);
    assert.deepEqual([table.running, table.due(9_000)], [0, []]);
    assert.equal(table.get(1)?.endedAt, 2_000);
  });

  it("holds what was only read back from disk until time is granted, and grants it once", () => {
    const table = new LeaseTable();
    table.follow(undefined, kept(1), at(0, null));
    assert.deepEqual(table.due(1_000_000), []);
    assert.equal(table.get(1)?.lastSeenMs, 77);
    table.grantUnheard(5_000);
    table.grantUnheard(5_900);
    assert.equal(table.due(5_999).length, 0);
    assert.equal(table.due(6_000).length, 1);
  });

  it("takes a new length of the lease from the next registration", () => {
    const table = new LeaseTable();
    table.follow(undefined, kept(1), at(0));
    const longer = { ...kept(1), record: aRecord({ leaseMs: 9_000 }) };
    table.follow(kept(1), longer, at(500));
    assert.equal(table.remaining(table.get(1)!, 500), 9_000);
  });

  it("forgets an agent that was removed, running or not", () => {
    const table = new LeaseTable();
    table.follow(undefined, kept(1), at(0));
    table.follow(kept(1), undefined, at(1));
    assert.deepEqual([table.running, table.get(1)], [0, undefined]);
    table.follow(undefined, kept(2, "unhealthy"), at(2));
    table.follow(kept(2, "unhealthy"), undefined, at(3));
    assert.deepEqual([table.running, table.get(2)], [0, undefined]);
  });

  it("remembers the highest revision that an agent was told of", () => {
    const table = new LeaseTable();
    table.follow(undefined, kept(1), at(0));
    table.informed(1, 9);
    table.informed(1, 4);
    assert.equal(table.get(1)?.informedRevision, 9);
  });
});
