import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Fleet } from "../../../../bench/soak/leases.ts";

const LEASE_MS = 10_000;

/** One agent, whose last acknowledged renewal was sent at 1,000 and acknowledged at 1,100. */
function fleetOfOne() {
  const fleet = new Fleet(LEASE_MS);
  fleet.joined("a", 7, { sentMs: 0, acknowledgedMs: 50 });
  const agent = fleet.next();
  assert.ok(agent);
  fleet.renewed(agent, 1_000, 1_100);
  return { fleet, agent };
}

function counts({ verdicts: { wrong, starved, early, late, delaysMs } }: Fleet): number[] {
  return [wrong, starved, early, late, delaysMs].map(({ length }) => length);
}

describe("leases of a soak", () => {
  it("calls it wrong when an agent that renewed in time is gone", () => {
    const { fleet } = fleetOfOne();
    fleet.seenEnded("a", 10_999, "told 410");
    assert.deepEqual(counts(fleet), [1, 0, 0, 0, 0]);
    assert.match(fleet.verdicts.wrong[0] ?? "", /a: told 410, 9999 ms after/);
  });

  it("tells that apart from an agent that nobody let renew for a whole lease", () => {
    const { fleet, agent } = fleetOfOne();
    agent.tries = 3;
    fleet.seenEnded("a", 11_000, "told 410");
    assert.deepEqual(counts(fleet), [0, 1, 0, 0, 0]);
    assert.equal(fleet.verdicts.untried.length, 0);
  });

  it("blames nobody for an agent that was itself held up", () => {
    const { fleet } = fleetOfOne();
    fleet.seenEnded("a", 11_000, "told 410");
    assert.deepEqual(counts(fleet), [0, 0, 0, 0, 0]);
    assert.equal(fleet.verdicts.untried.length, 1);
  });

  it("does not take an old answer for a later sign of life", () => {
    const { fleet, agent } = fleetOfOne();
    fleet.renewed(agent, 500, 1_200);
    assert.equal(agent.sentMs, 1_000);
  });

  it("counts an agent once, however often it is seen to be gone", () => {
    const { fleet } = fleetOfOne();
    fleet.seenEnded("a", 5_000, "told 410");
    fleet.seenEnded("a", 6_000, "told unhealthy");
    assert.deepEqual(counts(fleet), [1, 0, 0, 0, 0]);
    assert.equal(fleet.next(), undefined);
  });

  it("lets a silent agent end after its lease, and not before", () => {
    for (const [atMs, expected] of [
      [10_999, [0, 0, 1, 0, 0]],
      [11_250, [0, 0, 0, 0, 1]],
    ] as const) {
      const { fleet } = fleetOfOne();
      fleet.silenceOne();
      assert.equal(fleet.next(), undefined, "it does not renew any more");
      fleet.seenEnded("a", atMs, "told unhealthy");
      assert.deepEqual(counts(fleet), expected);
      assert.deepEqual(
        fleet.takeEnded().map(({ id }) => id),
        ["a"],
      );
      assert.deepEqual(fleet.takeEnded(), []);
    }
  });

  it("silences nobody whose renewal is under way: it may yet arrive", () => {
    const { fleet, agent } = fleetOfOne();
    agent.underWay = 1;
    assert.equal(fleet.silenceOne(), undefined);
  });

  it("expects a silent agent to be gone one lease after the region was last whole", () => {
    const { fleet } = fleetOfOne();
    fleet.silenceOne();
    assert.equal(fleet.overdue(16_100, 0).length, 0);
    assert.equal(fleet.overdue(16_101, 0).length, 1);
    assert.equal(fleet.overdue(16_101, 5_000).length, 0);
    assert.equal(fleet.overdue(1e9, Number.POSITIVE_INFINITY).length, 0, "a fault is under way");
  });
});
