import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ExpiryBrake } from "../../../src/registry/expiry-brake.ts";

const OPTIONS = { share: 0.3, leasesMin: 20, ratePerSecond: 10, heldMsMax: 60_000 };
const WINDOW_MS = 20_000;

describe("ExpiryBrake", () => {
  it("lets an ordinary share go at once", () => {
    const brake = new ExpiryBrake(OPTIONS);
    assert.equal(brake.allowance(0, { due: 30, running: 100, windowMs: WINDOW_MS }), 30);
    assert.equal(brake.isEngaged, false);
  });

  it("says nothing about a handful of agents", () => {
    const brake = new ExpiryBrake(OPTIONS);
    assert.equal(brake.allowance(0, { due: 19, running: 19, windowMs: WINDOW_MS }), 19);
  });

  it("F20: paces an unlikely share", () => {
    const brake = new ExpiryBrake(OPTIONS);
    assert.equal(brake.allowance(0, { due: 600, running: 1_000, windowMs: WINDOW_MS }), 0);
    assert.equal(brake.allowance(1_000, { due: 600, running: 1_000, windowMs: WINDOW_MS }), 10);
    brake.expired(1_000, 10);
    assert.equal(brake.allowance(1_500, { due: 590, running: 990, windowMs: WINDOW_MS }), 5);
  });

  it("F20: adds up what falls due one after the other within a lease", () => {
    const brake = new ExpiryBrake(OPTIONS);
    let running = 100;
    let at = 0;
    for (; running > 70; at += 100) {
      assert.equal(brake.allowance(at, { due: 1, running, windowMs: WINDOW_MS }), 1);
      brake.expired(at, 1);
      running--;
    }
    assert.equal(brake.allowance(at, { due: 1, running, windowMs: WINDOW_MS }), 0);
  });

  it("forgets what is longer ago than a lease: a steady trickle never adds up", () => {
    const brake = new ExpiryBrake(OPTIONS);
    for (let at = 0; at < 10 * WINDOW_MS; at += 1_000) {
      assert.equal(brake.allowance(at, { due: 1, running: 100, windowMs: WINDOW_MS }), 1, `after ${at} ms`);
      brake.expired(at, 1);
    }
  });

  it("F20: lets go by itself, and stays off until all of it is through", () => {
    const brake = new ExpiryBrake(OPTIONS);
    brake.allowance(0, { due: 600, running: 1_000, windowMs: WINDOW_MS });
    assert.ok(brake.allowance(59_999, { due: 600, running: 1_000, windowMs: WINDOW_MS }) < 600);
    assert.equal(brake.allowance(60_000, { due: 600, running: 1_000, windowMs: WINDOW_MS }), 600);
    brake.expired(60_000, 500);
    assert.equal(brake.allowance(60_250, { due: 100, running: 500, windowMs: WINDOW_MS }), 100);
  });

  it("is free again when the agents come back, and engages anew", () => {
    const brake = new ExpiryBrake(OPTIONS);
    brake.allowance(0, { due: 600, running: 1_000, windowMs: WINDOW_MS });
    brake.allowance(5_000, { due: 3, running: 1_000, windowMs: WINDOW_MS });
    assert.equal(brake.isEngaged, false);
    assert.equal(brake.allowance(300_000, { due: 600, running: 1_000, windowMs: WINDOW_MS }), 0);
  });
});
