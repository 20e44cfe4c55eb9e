import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { figuresOf, type Round, spreadOf } from "../../../../bench/failover/figures.ts";
import type { OperationRecord } from "../../../../bench/failover/workload.ts";

const ROUND: Round = {
  fault: "kill-leader",
  round: 1,
  victim: "us-east-1",
  injectedMs: 1_000,
  releasedMs: 2_000,
  wholeMs: 2_400,
  endMs: 3_000,
  elections: 1,
};
const LATE_MS = 250;

function write(intendedMs: number, doneMs: number, facts: Partial<OperationRecord> = {}): OperationRecord {
  return { operation: "register", intendedMs, doneMs, isAcknowledged: true, isFirstAcknowledged: true, ...facts };
}

function lookup(intendedMs: number, facts: Partial<OperationRecord> = {}): OperationRecord {
  return { ...write(intendedMs, intendedMs + 1, facts), operation: "lookup" };
}

const figures = (...records: OperationRecord[]) => figuresOf(ROUND, records, [], LATE_MS);

describe("first acknowledged write", () => {
  it("counts from the fault to the acknowledgement, of writes that were meant to be sent after the fault", () => {
    const held = write(990, 1_200);
    assert.equal(figures(held, write(1_010, 1_650), write(1_500, 1_640)).firstWriteMs, 640);
  });

  it("is missing when no such write was acknowledged", () => {
    const failed = { isAcknowledged: false, isFirstAcknowledged: false };
    assert.equal(figures(write(990, 1_200), write(1_010, 2_900, failed)).firstWriteMs, null);
  });
});

describe("longest write gap", () => {
  it("begins with the last acknowledgement before the fault", () => {
    assert.equal(
      figures(write(900, 950), write(1_010, 1_700), write(2_000, 2_100), write(2_200, 2_990)).writeGapMs,
      750,
    );
    assert.equal(figures(write(900, 950), write(1_010, 1_900), write(2_000, 2_010)).writeGapMs, 950);
  });

  it("begins with the fault when nothing was acknowledged before", () => {
    assert.equal(figures(write(1_010, 2_500), write(2_600, 2_990)).writeGapMs, 1_500);
  });

  it("counts the acknowledgement of a write that hung since before the fault", () => {
    assert.equal(figures(write(900, 990), write(991, 1_500), write(1_400, 2_200), write(2_201, 2_960)).writeGapMs, 700);
  });

  it("ends with the window where no write comes through any more", () => {
    assert.equal(figures(write(900, 990), write(1_000, 1_001)).writeGapMs, 1_999);
  });

  it("is told apart from what it costs to mend the fault: a gap belongs to where it began", () => {
    const { writeGapMs, mendingGapMs } = figures(
      write(900, 1_000),
      write(1_010, 1_700),
      write(1_900, 1_990),
      write(2_000, 2_200),
      write(2_300, 2_650),
      write(2_700, 2_990),
    );
    assert.deepEqual([writeGapMs, mendingGapMs], [700, 450]);
  });

  it("knows nothing of renewals and lookups", () => {
    assert.equal(figures(write(900, 990), lookup(1_500), lookup(2_000), write(2_500, 2_990)).writeGapMs, 2_000);
  });
});

describe("figures of a round", () => {
  it("count operations by the moment they were meant for", () => {
    const before = write(999.9, 2_000, { isAcknowledged: false });
    const after = write(3_000, 3_001);
    assert.equal(figures(before, write(1_000, 1_001), write(2_999, 3_500), after).operations, 2);
  });

  it("tell those that failed for good from those whose first attempt failed", () => {
    const { failed, failedFirst, writesFailed, lookupsFailed } = figures(
      write(1_100, 1_200, { isFirstAcknowledged: false }),
      write(1_100, 1_200, { isAcknowledged: false, isFirstAcknowledged: false }),
      lookup(1_300, { isAcknowledged: false, isFirstAcknowledged: false }),
      lookup(1_400),
    );
    assert.deepEqual([failed, failedFirst, writesFailed, lookupsFailed], [2, 3, 1, 1]);
  });

  it("count as late what was done, but late: what failed is counted once", () => {
    const failed = { isAcknowledged: false, isFirstAcknowledged: false };
    assert.equal(figures(write(1_000, 1_250), write(1_000, 1_251), write(1_000, 2_900, failed)).late, 1);
  });

  it("tell how stale lookups were, and how stale they said they may be", () => {
    const { lookupsStale, staleMs, saidStalenessMs } = figures(
      lookup(1_100, { staleByMs: 40, saidStalenessMs: 90 }),
      lookup(1_200, { staleByMs: 70, saidStalenessMs: 80 }),
      lookup(1_300, { saidStalenessMs: Number.MAX_SAFE_INTEGER }),
    );
    assert.deepEqual([lookupsStale, staleMs, saidStalenessMs], [2, 70, 90]);
  });

  it("count answers that are staler than they said: those that say nothing promise nothing", () => {
    const { understated } = figures(
      lookup(1_100, { staleByMs: 40, saidStalenessMs: 40 }),
      lookup(1_200, { staleByMs: 41, saidStalenessMs: 40 }),
      lookup(1_300, { staleByMs: 41 }),
      lookup(1_400, { saidStalenessMs: 0 }),
    );
    assert.equal(understated, 1);
  });

  it("count as lost what was acknowledged in the window, and as unknown what nobody looked for", () => {
    const missing = [999, 1_000, 2_999, 3_000].map((atMs, agent) => ({ agent, atMs }));
    assert.equal(figuresOf(ROUND, [], missing, LATE_MS).lost, 2);
    assert.equal(figuresOf(ROUND, [], null, LATE_MS).lost, null);
  });
});

describe("spread over rounds", () => {
  it("has the median, the 99th percentile and the maximum, and says how many rounds are without", () => {
    assert.deepEqual(spreadOf([3, null, 1, 2]), { median: 2, p99: 3, max: 3, missing: 1 });
    assert.equal(spreadOf([1, 4])?.median, 2.5);
    const hundred = Array.from({ length: 200 }, (_, i) => 200 - i);
    assert.deepEqual(spreadOf(hundred), { median: 100.5, p99: 199, max: 200, missing: 0 });
  });

  it("is none of nothing", () => {
    assert.equal(spreadOf([null, null]), null);
  });
});
