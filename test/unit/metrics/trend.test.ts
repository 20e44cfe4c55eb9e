import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LatencyCounts, quantileMs } from "../../../src/metrics/latency-counts.ts";
import { Trend, type TrendNumbers } from "../../../src/metrics/trend.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const BOUNDS = { intervalMs: 10_000, samplesMax: 3 };

/** A trend of numbers that the test sets. */
function aTrend() {
  const clock = new VirtualClock();
  const latencies = new LatencyCounts();
  const numbers: { -readonly [Name in keyof TrendNumbers]: TrendNumbers[Name] } = {
    agents: 4,
    healthyAgents: 3,
    lookupsTotal: 1_000,
    renewalsTotal: 0,
    writesTotal: 0,
    latencies: [],
    term: 2,
    hasLeader: true,
    lagRevisions: 0,
  };
  const trend = new Trend({ clock, read: () => ({ ...numbers, latencies: latencies.read() }), bounds: BOUNDS });
  trend.start();
  return { clock, latencies, numbers, trend };
}

describe("the trend of a node", () => {
  it("has a sample for each interval, with rates of that interval alone", async () => {
    const { clock, numbers, trend } = aTrend();
    assert.deepEqual(trend.samples(), []);
    numbers.lookupsTotal += 50;
    numbers.renewalsTotal += 20;
    numbers.writesTotal += 1;
    await clock.advance(10_000);
    numbers.term = 3;
    numbers.hasLeader = false;
    numbers.lagRevisions = 7;
    await clock.advance(10_000);
    const [first, second] = trend.samples();
    assert.deepEqual(first, {
      atMs: 1_700_000_011_000,
      agents: 4,
      healthyAgents: 3,
      lookupsPerSecond: 5,
      renewalsPerSecond: 2,
      writesPerSecond: 0.1,
      p99Ms: null,
      term: 2,
      hasLeader: true,
      lagRevisions: 0,
    });
    assert.deepEqual(
      [second!.lookupsPerSecond, second!.term, second!.hasLeader, second!.lagRevisions],
      [0, 3, false, 7],
    );
  });

  it("gives up the oldest sample for the newest, and never holds more than its bound", async () => {
    const { clock, trend } = aTrend();
    await clock.advance(50_000);
    assert.deepEqual(
      trend.samples().map(({ atMs }) => atMs),
      [1_700_000_031_000, 1_700_000_041_000, 1_700_000_051_000],
    );
  });

  it("answers only what came after a moment that is known already", async () => {
    const { clock, trend } = aTrend();
    await clock.advance(20_000);
    const [first, second] = trend.samples();
    assert.deepEqual(trend.samples(first!.atMs), [second]);
    assert.deepEqual(trend.samples(second!.atMs), []);
  });

  it("F2: reckons rates by the monotonic clock, whatever the wall clock does", async () => {
    const { clock, numbers, trend } = aTrend();
    clock.jumpWall(3_600_000);
    numbers.lookupsTotal += 100;
    await clock.advance(10_000);
    assert.equal(trend.samples()[0]!.lookupsPerSecond, 10);
  });

  it("covers the longer while when the process was stopped", async () => {
    const { clock, numbers, trend } = aTrend();
    clock.stall(90_000);
    numbers.lookupsTotal += 100;
    await clock.advance(1);
    assert.equal(trend.samples().length, 1);
    assert.equal(trend.samples()[0]!.lookupsPerSecond, 100 / 90);
  });

  it("tells the 99th percentile of the interval, not of all time", async () => {
    const { clock, latencies, trend } = aTrend();
    for (let i = 0; i < 100; i++) latencies.observe(0.5);
    await clock.advance(10_000);
    for (let i = 0; i < 99; i++) latencies.observe(0.002);
    latencies.observe(4);
    await clock.advance(10_000);
    const [first, second] = trend.samples();
    assert.ok(first!.p99Ms! >= 500 && first!.p99Ms! <= 500 * Math.SQRT2, `${first!.p99Ms}`);
    assert.ok(second!.p99Ms! >= 2 && second!.p99Ms! <= 2 * Math.SQRT2, `${second!.p99Ms}`);
  });

  it("samples no more once it is stopped", async () => {
    const { clock, trend } = aTrend();
    trend.stop();
    await clock.advance(30_000);
    assert.deepEqual(trend.samples(), []);
  });
});

describe("quantiles of latencies", () => {
  it("take what is faster or slower than any bucket into the outer ones", () => {
    const counts = new LatencyCounts();
    const none = counts.read();
    counts.observe(0);
    assert.equal(quantileMs(none, counts.read(), 0.99), 0.25);
    counts.observe(86_400);
    const slow = quantileMs(none, counts.read(), 0.99)!;
    assert.ok(slow > 60_000 && slow < 120_000, `${slow}`);
  });
});
