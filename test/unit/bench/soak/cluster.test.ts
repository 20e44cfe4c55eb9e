import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SoakCluster } from "../../../../bench/soak/cluster.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

/** Two regions of one node each, at ports where nobody listens: they are never started. */
const NOBODY = { regions: "us-east:1,us-west:1", httpBase: 1, dataDir: "/nowhere" };

/** Time goes by only as somebody asks for it, a second at a time. */
class HastyClock extends VirtualClock {
  #askedMs = 0;

  override now(): number {
    this.#askedMs += 1_000;
    return this.#askedMs;
  }
}

describe("what is missing in the cluster of a soak", () => {
  const { signal } = new AbortController();

  it("is what was when the time was up", async () => {
    const cluster = new SoakCluster({ ...NOBODY, clock: new HastyClock() });
    const missing = await cluster.missingAfter(500, signal);
    assert.equal(missing.length, 2);
    assert.match(missing[0] ?? "", /us-east-1 does not answer/);
    await assert.rejects(cluster.untilWhole(500, signal), /after 500 ms: us-east-1 does not answer.*; us-west-1/);
  });

  it("is not said of a run that was interrupted", async () => {
    const cluster = new SoakCluster({ ...NOBODY, clock: new HastyClock() });
    const interrupted = AbortSignal.abort(new Error("interrupted by SIGINT"));
    await assert.rejects(cluster.missingAfter(500, interrupted), /interrupted by SIGINT/);
  });
});
