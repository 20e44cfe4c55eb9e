/**
 * Whole federations under every fault we know, from seeds (see `test/support/federation-sim-world.ts`). The failures that
 * happened to others are told in `federation-stories.sim.test.ts`.
 *
 * Fresh seeds differ in each run; ATOLL_SIM_SEEDS sets how many there are: one for twenty-five of it.
 */

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, it } from "node:test";
import { drawFederationPlan, FEDERATION_FAULTS, type FederationPlan } from "../support/federation-sim-plan.ts";
import { simulateFederationPlan } from "../support/federation-sim-run.ts";
import { simulateApart } from "../support/node-sim-apart.ts";

const FRESH_SEEDS = Math.round(Number(process.env.ATOLL_SIM_SEEDS ?? 1_000) / 25);
/** Fixed, so that what must be reached is reached whatever the fresh seeds are. */
const COVERAGE_SEEDS = 50;

/** Situations that the fixed seeds must reach, or they prove less than they seem to. */
const SOMETIMES = [
  ...FEDERATION_FAULTS.map((kind) => `fault: ${kind}`),
  "many regions",
  "agent moves",
  "agent leaves: keep",
  "agent leaves: purge",
  "agent falls silent",
  "renew: LEASE_LOST",
  "renew: UNKNOWN_AGENT",
  "lease ran out",
  "clocks that drift",
  "wall clocks that differ",
  "ring of names",
  "key replaced",
  "export narrowed",
  "export widened",
  "recovered by force",
  "region admitted again",
  "region gone",
  "introduced to who is gone",
  "member of none before",
  "twin raised",
  "leader elected",
  "gap",
  "gossip accepted",
  "gossip relayed",
  "lost: gossip",
  "lost: request",
  "pull: in-sync",
  "pull: repaired",
  "pull: behind",
  "pull: failed",
  "answer: live",
  "answer: cached",
  "answer: none",
  "answer: local",
  "answer: cached, NO_LINK",
  "answer: none, NO_LINK",
  "answer: none, NO_SUMMARY",
  "answer: none, DEADLINE",
  "answer: none, REGION_FAILING",
  "answer: none, PEER_LOST",
  "answer: none, TOO_STALE",
  "lie: gossip bit flipped",
  "lie: gossip cut short",
  "lie: gossip oversized",
  "lie: gossip wrong region",
  "lie: gossip signed by a stranger",
  "lie: gossip foreign federation",
  "lie: gossip replayed",
  "lie: gossip signed with a replaced key",
  "refused: bad-signature",
  "refused: cluster-mismatch",
  "refused: foreign",
  "refused: key-mismatch",
  "refused: malformed",
  "refused: oversized",
  "refused: retired",
  "refused: stale",
  "refused: unpinned",
  "refused: wrong-region",
  "hostile request: MALFORMED",
  "hostile request: RATE_LIMITED",
];

describe("sim federation", () => {
  it("gives the same trace for the same seed", async () => {
    const planOf = (seed: number): FederationPlan => ({ ...drawFederationPlan(seed), durationMs: 5_000 });
    const [first, second] = [await simulateFederationPlan(planOf(3)), await simulateFederationPlan(planOf(3))];
    assert.equal(first.traceHash, second.traceHash);
    assert.notEqual((await simulateFederationPlan(planOf(4))).traceHash, first.traceHash);
  });

  it("seed 5012: keeps every promise (once: a farewell that one node heard was kept from its mates)", async () => {
    await simulateFederationPlan(drawFederationPlan(5_012));
  });

  it("seed 711510319: keeps every promise (once: who could only ask a member that lags was to know of a replaced key)", async () => {
    await simulateFederationPlan(drawFederationPlan(711_510_319));
  });

  it("P8, P9, P10, P11: keeps every promise on fixed seeds, and reaches every situation worth reaching", async () => {
    const virtualMsMax = Number.POSITIVE_INFINITY;
    const reached = await simulateApart({ level: "federation", first: 1, seedsMax: COVERAGE_SEEDS, virtualMsMax });
    assert.deepEqual(
      SOMETIMES.filter((what) => !reached.has(what)),
      [],
    );
  });

  it(`P8, P9, P10, P11: keeps every promise on ${FRESH_SEEDS} fresh seeds`, async () => {
    const virtualMsMax = Number.POSITIVE_INFINITY;
    await simulateApart({ level: "federation", first: randomInt(2 ** 31), seedsMax: FRESH_SEEDS, virtualMsMax });
  });
});
