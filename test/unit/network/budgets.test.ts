import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LogLimiter } from "../../../src/network/log-limiter.ts";
import { asNodeId } from "../../../src/types/ids.ts";
import { TokenBuckets } from "../../../src/util/token-buckets.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

describe("TokenBuckets", () => {
  const peer = asNodeId("a");

  it("F16: lets a burst through, then as much as refills", async () => {
    const clock = new VirtualClock();
    const buckets = new TokenBuckets({ clock, perSecond: 10, burst: 5 });
    const takeMany = (count: number) =>
      Array.from({ length: count }, () => buckets.take(peer, 1)).filter(Boolean).length;
    assert.equal(takeMany(20), 5);
    await clock.advance(300);
    assert.equal(takeMany(20), 3);
    await clock.advance(60_000);
    assert.equal(takeMany(20), 5);
  });

  it("gives each peer its own", () => {
    const buckets = new TokenBuckets({ clock: new VirtualClock(), perSecond: 1, burst: 1 });
    assert.equal(buckets.take(peer, 1), true);
    assert.equal(buckets.take(peer, 1), false);
    assert.equal(buckets.take(asNodeId("b"), 1), true);
  });
});

describe("LogLimiter", () => {
  it("lets each subject log once a minute", async () => {
    const clock = new VirtualClock();
    const limiter = new LogLimiter(clock);
    assert.deepEqual(
      ["a", "a", "b"].map((subject) => limiter.mayLog(subject)),
      [true, false, true],
    );
    await clock.advance(59_999);
    assert.equal(limiter.mayLog("a"), false);
    await clock.advance(1);
    assert.equal(limiter.mayLog("a"), true);
  });
});
