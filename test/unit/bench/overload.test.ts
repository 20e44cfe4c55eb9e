import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KINDS, type Window } from "../../../bench/overload/generator.ts";
import {
  closestTwo,
  highestBorne,
  searched,
  sumOf,
  trialOf,
  windowsUntilRecovered,
} from "../../../bench/overload/judge.ts";
import type { Outcome } from "../../../bench/overload/tally.ts";
import { Tally } from "../../../bench/overload/tally.ts";

const QUIET = { ...new Tally().outcome(), planned: 100, acknowledged: 100, p50Ms: 2, p99Ms: 5 };

/** A window in which all kinds fared alike. */
function windowOf(more: Partial<Outcome> = {}): Window {
  const outcomes = Object.fromEntries(KINDS.map((kind) => [kind, { ...QUIET, ...more }]));
  return { said: "window", outcomes, behindMs: 0 };
}

const times = (count: number, more?: Partial<Outcome>) => Array.from({ length: count }, () => windowOf(more));

describe("the search for the rate that a node bears", () => {
  it("counts a rate only when nothing was refused, and 99 of 100 answers were soon there", () => {
    assert.equal(trialOf(times(6)), "borne");
    assert.equal(trialOf([...times(6), windowOf({ refused: 1 })]), "not borne");
    assert.equal(trialOf([...times(6), windowOf({ failures: { TIMEOUT: 1 } })]), "not borne");
    assert.equal(trialOf(times(6, { p99Ms: 400 })), "not borne");
    assert.equal(trialOf([...times(6), windowOf({ p99Ms: 400 })]), "borne", "one window is the machine's");
  });

  it("does not blame the node for what the generator was too late with", () => {
    assert.equal(trialOf([...times(6), windowOf({ late: 1 })]), "unknown");
  });

  it("finds the same rate again, within its step, wherever that lies", async () => {
    for (const bears of [700, 1_000, 3_333, 12_000]) {
      const found = await highestBorne(600, async (rate) => (rate <= bears ? "borne" : "not borne"));
      assert.ok(found <= bears && found > bears / 1.15, `${found} of ${bears}`);
    }
    assert.equal(await highestBorne(600, async () => "not borne"), 0);
  });

  it("tries a rate again that was not borne", async () => {
    let tries = 0;
    const found = await highestBorne(600, async (rate) => (rate <= 600 && ++tries > 1 ? "borne" : "not borne"));
    assert.equal(found, 600);
  });

  it("is repeated until two agree, and no more than four times", async () => {
    const results = [1_000, 2_000, 1_100, 5_000];
    assert.deepEqual(await searched(async (i) => results[i]!), [1_000, 2_000, 1_100]);
    assert.deepEqual(closestTwo([1_000, 2_000, 1_100]), [1_000, 1_100]);
    assert.equal((await searched(async (i) => 2 ** i)).length, 4);
  });
});

describe("what an overload shows", () => {
  it("is over when three windows in a row are as they were before, give or take", () => {
    const before = times(8, { p99Ms: 20 });
    const bad = windowOf({ p99Ms: 90 });
    const good = windowOf({ p99Ms: 35 });
    assert.equal(windowsUntilRecovered(before, [bad, good, good, bad, good, good, good]), 4);
    assert.equal(windowsUntilRecovered(before, [good, good, good]), 0);
    assert.equal(windowsUntilRecovered(before, [good, good]), null);
    for (const more of [{ refused: 1 }, { refusedBarely: 1 }, { unknown: 1 }, { unsent: 1 }]) {
      assert.equal(windowsUntilRecovered(before, times(9, more)), null);
    }
    assert.equal(windowsUntilRecovered(before, times(9, { acknowledged: 0, p99Ms: Number.NaN })), null);
  });

  it("sums up what became of each request, what was late apart", () => {
    const windows = [windowOf({ refused: 2, late: 3 }), windowOf({ failures: { TIMEOUT: 4 }, unsent: 5 })];
    const sum = sumOf(windows, "renewal");
    assert.deepEqual([sum.planned, sum.ended, sum.acknowledged, sum.late], [200, 211, 200, 3]);
    assert.deepEqual([...sum.failures], [["TIMEOUT", 4]]);
  });

  it("tells refusals with a time to come again from bare ones, and from an agent that is not known", () => {
    const tally = new Tally();
    tally.take({ status: 200, hasRetryAfter: false }, 7);
    tally.take({ status: 503, hasRetryAfter: true }, 1);
    tally.take({ status: 429, hasRetryAfter: false }, 1);
    tally.take({ status: 410, hasRetryAfter: false }, 1);
    tally.take({ status: 0, hasRetryAfter: false, failure: "TIMEOUT" }, 1);
    const { acknowledged, refused, refusedBarely, unknown, failures, p99Ms } = tally.outcome();
    assert.deepEqual([acknowledged, refused, refusedBarely, unknown, failures], [1, 1, 1, 1, { TIMEOUT: 1 }]);
    assert.ok(Math.abs(p99Ms - 7) < 0.2, `${p99Ms}`);
  });
});
