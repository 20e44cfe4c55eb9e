import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CircuitBreaker } from "../../../src/federation/circuit-breaker.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function breaker() {
  const clock = new VirtualClock();
  return { clock, breaker: new CircuitBreaker(clock, { failuresMax: 3, openMs: 2_000 }) };
}

describe("circuit breaker", () => {
  it("opens after failures in a row, not before", () => {
    const { breaker: one } = breaker();
    one.failed();
    one.failed();
    one.succeeded();
    one.failed();
    one.failed();
    assert.equal(one.admit(), true);
    one.failed();
    assert.equal(one.state, "open");
    assert.equal(one.admit(), false);
    assert.equal(one.retryAfterMs(), 2_000);
  });

  it("lets one attempt through after its time, and closes when that succeeds", async () => {
    const { clock, breaker: one } = breaker();
    for (let i = 0; i < 3; i++) one.failed();
    await clock.advance(2_000);
    assert.equal(one.state, "half-open");
    assert.equal(one.admit(), true);
    assert.equal(one.admit(), false);
    one.succeeded();
    assert.equal(one.state, "closed");
    assert.equal(one.admit(), true);
  });

  it("opens again when the attempt fails", async () => {
    const { clock, breaker: one } = breaker();
    for (let i = 0; i < 3; i++) one.failed();
    await clock.advance(2_000);
    one.admit();
    one.failed();
    assert.equal(one.state, "open");
    await clock.advance(1_999);
    assert.equal(one.admit(), false);
    await clock.advance(1);
    assert.equal(one.admit(), true);
  });
});
