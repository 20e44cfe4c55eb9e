import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { calibrate } from "../../../../bench/soak/calibration.ts";
import type { OperationRecord } from "../../../../bench/soak/workload.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

/** Calibrates a region in which one operation of each step takes so long. */
async function calibrated(tookMs: (perSecond: number) => number) {
  const clock = new VirtualClock();
  let take = (_: OperationRecord) => {};
  const load = {
    start(perSecond: number) {
      const times = { intendedMs: 0, doneMs: tookMs(perSecond) };
      take({ operation: "write", ...times, isAcknowledged: true, isFirstAcknowledged: true });
    },
    async stop() {},
  };
  const calibrating = calibrate({
    loads: [load],
    clock,
    signal: new AbortController().signal,
    tell: () => {},
    listen: (listener) => {
      take = listener;
    },
  });
  calibrating.catch(() => {});
  await clock.advance(3_600_000);
  return calibrating;
}

describe("calibration of a soak", () => {
  it("finds the last rate before one that is not sustained twice", async () => {
    const { sustainedPerSecond, steps } = await calibrated((perSecond) => (perSecond > 100 ? 900 : 5));
    assert.equal(sustainedPerSecond, 60 * 1.35);
    assert.deepEqual(
      steps.map(({ isSustained }) => isSustained),
      [true, true, false, false],
    );
  });

  it("calls nothing sustained where not even the first rate is", async () => {
    await assert.rejects(
      calibrated(() => 900),
      /not even 60 requests\/s are sustained here .*--rate/,
    );
  });
});
