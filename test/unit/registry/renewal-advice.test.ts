import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { adviseRenewal, RenewalMeter } from "../../../src/registry/renewal-advice.ts";
import { seededRandom } from "../../../src/util/random.ts";

const LEASE_MS = 20_000;
const random = seededRandom(7);
const advice = (load: number) => Array.from({ length: 1_000 }, () => adviseRenewal(LEASE_MS, load, random));
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("adviseRenewal", () => {
  it("F19: asks for four renewals within a lease, spread by a fifth to both sides", () => {
    const intervals = advice(0.5);
    assert.ok(Math.min(...intervals) >= LEASE_MS * 0.2);
    assert.ok(Math.max(...intervals) < LEASE_MS * 0.3);
    assert.ok(Math.abs(mean(intervals) - LEASE_MS / 4) < LEASE_MS / 100);
    assert.ok(Math.max(...intervals) - Math.min(...intervals) > LEASE_MS * 0.09);
  });

  it("changes nothing up to the budget", () => {
    assert.ok(Math.abs(mean(advice(1)) - mean(advice(0))) < LEASE_MS / 100);
  });

  it("F19: asks for as much fewer as there are too many", () => {
    assert.ok(Math.abs(mean(advice(1.4)) - 1.4 * mean(advice(1))) < LEASE_MS / 100);
  });

  it("P7: leaves room for two renewals within the lease, whatever the load", () => {
    for (const load of [2, 10, 1e9, Number.POSITIVE_INFINITY]) {
      for (const interval of advice(load)) assert.ok(2 * interval < LEASE_MS, `${interval} at ${load}`);
    }
  });

  it("gives whole milliseconds for every lease", () => {
    for (const leaseMs of [1_000, 1_001, 86_400_000]) assert.ok(Number.isInteger(adviseRenewal(leaseMs, 1.1, random)));
  });
});

describe("RenewalMeter", () => {
  const BUDGET = { perSecond: 100, windowMs: 2_000 };
  const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 0.02, `${actual}`);

  /** `perSecond` renewals at even distances, from `from` on for `ms`. */
  function renew(meter: RenewalMeter, perSecond: number, from: number, ms: number): void {
    for (let now = from; now < from + ms; now += 1_000 / perSecond) meter.note(now);
  }

  it("says nothing of a node that nobody asks", () => {
    assert.equal(new RenewalMeter(BUDGET, 50).load(1_000_000), 0);
  });

  it("shows a steady rate as its share of the budget, at any point of a window", () => {
    const meter = new RenewalMeter(BUDGET, 0);
    for (let second = 0; second < 10; second++) {
      renew(meter, 250, second * 1_000, 1_000);
      if (second >= 3) near(meter.load((second + 1) * 1_000), 2.5);
    }
    near(meter.load(10_000 + 1_000), 1.25);
  });

  it("forgets a burst within two windows", () => {
    const meter = new RenewalMeter(BUDGET, 0);
    for (let i = 0; i < 1_000; i++) meter.note(100);
    near(meter.load(100), 5);
    assert.ok(meter.load(3_000) < 5);
    assert.equal(meter.load(4_000), 0);
  });

  it("does not count what came before a pause of its own", () => {
    const meter = new RenewalMeter(BUDGET, 0);
    renew(meter, 250, 0, 2_000);
    meter.note(60_000);
    near(meter.load(60_000), 1 / 200);
  });
});
