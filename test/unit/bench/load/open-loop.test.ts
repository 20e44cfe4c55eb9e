import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { arrivals } from "../../../../bench/load/arrivals.ts";
import { OpenLoop } from "../../../../bench/load/open-loop.ts";
import { sleep } from "../../../../src/util/clock.ts";
import { evenlySpread, seededRandom } from "../../../../src/util/random.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

function take(count: number, from: Iterator<number, never>): number[] {
  return Array.from({ length: count }, () => from.next().value);
}

describe("arrivals", () => {
  it("come at even distances, without drifting", () => {
    const moments = take(30_001, arrivals(300, "even", seededRandom(1)));
    assert.deepEqual(moments.slice(0, 2), [0, 1_000 / 300]);
    assert.ok(Math.abs(moments[30_000]! - 100_000) < 1e-6, `${moments[30_000]}`);
  });

  it("come as those of independent clients: as often, at distances that are distributed exponentially", () => {
    const moments = take(10_001, arrivals(100, "poisson", evenlySpread()));
    const gaps = moments.slice(1).map((moment, i) => moment - moments[i]!);
    assert.ok(gaps.every((gap) => gap >= 0));
    assert.ok(Math.abs(moments.at(-1)! / 10_000 - 10) < 0.1, "the mean is 10 ms");
    const longerThanMean = gaps.filter((gap) => gap > 10).length / gaps.length;
    assert.ok(Math.abs(longerThanMean - Math.exp(-1)) < 0.01, `${longerThanMean}`);
  });

  it("are the same for the same seed", () => {
    const moments = (seed: number) => take(100, arrivals(50, "poisson", seededRandom(seed)));
    assert.deepEqual(moments(7), moments(7));
    assert.notDeepEqual(moments(7), moments(8));
  });
});

describe("open loop", () => {
  function loopOf(clock: VirtualClock, ratePerSecond: number) {
    const issued: { intendedMs: number; atMs: number }[] = [];
    const loop = new OpenLoop({
      clock,
      arrivals: arrivals(ratePerSecond, "even", seededRandom(1)),
      issue: (intendedMs) => void issued.push({ intendedMs, atMs: clock.now() }),
    });
    return { loop, issued };
  }

  it("issues at the rate that it was given, whatever became of what was issued", async () => {
    const clock = new VirtualClock();
    const { loop, issued } = loopOf(clock, 100);
    loop.start();
    await clock.advance(1_000);
    await loop.stop();
    assert.equal(issued.length, 101);
    assert.ok(issued.every(({ intendedMs, atMs }) => intendedMs === atMs));
  });

  it("makes up for what it could not issue in time, and says for when it was meant", async () => {
    const clock = new VirtualClock();
    const { loop, issued } = loopOf(clock, 100);
    loop.start();
    await clock.advance(100);
    clock.stall(500);
    await clock.advance(400);
    await loop.stop();
    assert.equal(issued.length, 101, "none is left out");
    const held = issued.filter(({ intendedMs, atMs }) => atMs > intendedMs);
    assert.equal(held.length, 49);
    assert.equal(held[0]!.atMs - held[0]!.intendedMs, 490);
    assert.equal(loop.behindMs, 490);
  });

  it("is stopped when all that it issued is done", async () => {
    const clock = new VirtualClock();
    const loop = new OpenLoop({
      clock,
      arrivals: arrivals(10, "even", seededRandom(1)),
      issue: () => sleep(clock, 500),
    });
    loop.start();
    await clock.advance(250);
    const stoppedMs = loop.stop().then(() => clock.now());
    const lastMs = clock.now() - 50;
    await clock.advance(2_000);
    assert.equal(await stoppedMs, lastMs + 500);
  });

  it("issues nothing more once it is stopped, also from within", async () => {
    const clock = new VirtualClock();
    const issued: number[] = [];
    const loop = new OpenLoop({
      clock,
      arrivals: arrivals(1_000, "even", seededRandom(1)),
      issue: (intendedMs) => {
        issued.push(intendedMs);
        if (issued.length === 3) void loop.stop();
      },
    });
    loop.start();
    clock.stall(100);
    await clock.advance(100);
    assert.equal(issued.length, 3);
  });
});
