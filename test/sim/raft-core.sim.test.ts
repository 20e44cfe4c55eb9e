/**
 * The Raft core under every fault we know, from seeds (see `test/support/core-simulator.ts`).
 *
 * Seeds that once failed stay for ever; fresh ones differ in each run. ATOLL_SIM_SEEDS sets how many of those.
 */

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, it } from "node:test";
import { simulate } from "../support/core-simulator.ts";

/** What each seed showed when it failed. */
const REGRESSIONS: readonly (readonly [seed: number, what: string])[] = [
  [11, "a single voter appended to its learner in a term that was not on its disk"],
  [294, "a single voter led the same term in two lives"],
  [13, "a lost last append was never sent again"],
  [46, "a lost last append was never sent again, and no read was served"],
  [276255624, "a leader that had removed itself, and alone had the longest log, did not stand any more"],
  [168, "a read waited for ever for the answer of a voter that had left"],
  [281, "a snapshot that was not needed counted as an acknowledgement"],
  [1867213356, "a learner that still caught up was taken for a group at rest that speaks too much"],
];

const FRESH_SEEDS = Number(process.env.ATOLL_SIM_SEEDS ?? 1_000);

/** Fixed, so that what must be reached is reached whatever the fresh seeds are. */
const COVERAGE_SEEDS = [...Array.from({ length: 300 }, (_, i) => i + 1), 496, 2545];

/** Situations that the fixed seeds must reach, or they prove less than they seem to. */
const SOMETIMES = [
  "leader elected",
  "leader stepped down by itself",
  "leadership transferred",
  "pre-vote refused",
  "vote refused",
  "append refused",
  "conflict truncated",
  "entry on a majority replaced (figure 8)",
  "compaction",
  "snapshot sent",
  "snapshot installed",
  "snapshot failed",
  "read confirmed on the leader",
  "read confirmed on a follower",
  "read refused",
  "pause",
  "crash before-send",
  "crash amid-sends",
  "crash before-persist",
  "crash after-persist",
  "crash after-promises",
  "crash after-apply",
  "entries not yet durable at a crash",
  "vote not yet durable at a crash",
  "asked to add",
  "asked to remove",
  "asked to promote",
  "member left",
  "disk lost",
  "joint configuration entered",
  "joint configuration left",
  "snapshot sent during a joint configuration",
  "snapshot left its receiver out",
];

describe("sim raft-core", () => {
  it("gives the same trace for the same seed", () => {
    const first = simulate(4_711);
    const second = simulate(4_711);
    assert.equal(first.traceHash, second.traceHash);
    assert.deepEqual(first, second);
    assert.notEqual(simulate(4_712).traceHash, first.traceHash);
  });

  for (const [seed, what] of REGRESSIONS) {
    it(`seed ${seed}: keeps every promise (once: ${what})`, () => {
      simulate(seed);
    });
  }

  it("keeps every promise on fixed seeds, and reaches every situation worth reaching", () => {
    const reached = new Map<string, number>();
    for (const seed of COVERAGE_SEEDS) {
      for (const [what, times] of simulate(seed).counters) reached.set(what, (reached.get(what) ?? 0) + times);
    }
    assert.deepEqual(
      SOMETIMES.filter((what) => !reached.has(what)),
      [],
    );
  });

  it(`keeps every promise on ${FRESH_SEEDS} fresh seeds`, () => {
    const first = randomInt(2 ** 31);
    for (let seed = first; seed < first + FRESH_SEEDS; seed++) simulate(seed);
  });
});
