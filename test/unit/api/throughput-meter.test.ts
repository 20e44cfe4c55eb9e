import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ThroughputMeter } from "../../../src/api/throughput-meter.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** A meter that is looked at every 50 ms. */
function createMeter() {
  const clock = new VirtualClock();
  const meter = new ThroughputMeter(clock);
  const pass = (ms: number, each: () => void = () => {}) => {
    for (let i = 0; i < ms / 50; i++) {
      each();
      clock.stall(50);
      meter.sample();
    }
  };
  const times = (count: number, what: () => void) => {
    for (let i = 0; i < count; i++) what();
  };
  return {
    meter,
    pass,
    begin: (n: number) => times(n, () => meter.begin()),
    end: (n: number) => times(n, () => meter.end()),
  };
}

describe("the meter of what is done", () => {
  it("says how many were done in a second, and of the last five the best", () => {
    const { meter, pass, begin, end } = createMeter();
    assert.equal(meter.perSecond, 0);
    const work = (n: number) => () => {
      begin(n);
      end(n);
    };
    pass(1_000, work(10));
    assert.equal(meter.perSecond, 200);
    pass(4_000, work(1));
    assert.equal(meter.perSecond, 200);
    pass(1_000, work(1));
    assert.equal(meter.perSecond, 20);
  });

  it("says that work waits once the oldest that is not done is a quarter of a second old, and no longer", () => {
    const { meter, pass, begin, end } = createMeter();
    begin(3);
    pass(250);
    assert.equal(meter.isWaiting, false);
    pass(100);
    assert.equal(meter.isWaiting, true);
    begin(5);
    pass(50);
    end(3);
    pass(50);
    assert.equal(meter.isWaiting, false, "those that are left are younger");
    pass(250);
    assert.equal(meter.isWaiting, true);
    end(5);
    pass(50);
    assert.equal(meter.isWaiting, false);
  });
});
