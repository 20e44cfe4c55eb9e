import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LatencyWindow } from "../../../src/federation/latency-window.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

describe("latency window", () => {
  it("knows nothing before the first answer", () => {
    const window = new LatencyWindow(new VirtualClock());
    assert.equal(window.p95(), undefined);
    assert.equal(window.size, 0);
  });

  it("tells what 95 of 100 answers keep to, whatever the order they came in", () => {
    const window = new LatencyWindow(new VirtualClock());
    for (let i = 0; i < 40; i++) window.note(((i * 7) % 40) + 1);
    assert.equal(window.p95(), 38);
  });

  it("is the slowest of a few answers", () => {
    const window = new LatencyWindow(new VirtualClock());
    for (const ms of [10, 90, 11]) window.note(ms);
    assert.equal(window.p95(), 90);
  });

  it("holds 64 answers: a route that became faster is believed after as many", () => {
    const window = new LatencyWindow(new VirtualClock());
    for (let i = 0; i < 1_000; i++) window.note(80);
    for (let i = 0; i < 64; i++) window.note(10);
    assert.equal(window.size, 64);
    assert.equal(window.p95(), 10);
  });

  it("believes a route that became slower after four answers", () => {
    const window = new LatencyWindow(new VirtualClock());
    for (let i = 0; i < 64; i++) window.note(10);
    for (let i = 0; i < 4; i++) window.note(80);
    assert.equal(window.p95(), 80);
  });

  it("forgets what is older than five minutes", async () => {
    const clock = new VirtualClock();
    const window = new LatencyWindow(clock);
    window.note(80);
    await clock.advance(200_000);
    window.note(10);
    await clock.advance(100_001);
    assert.equal(window.p95(), 10);
    await clock.advance(300_000);
    assert.equal(window.p95(), undefined);
  });
});
