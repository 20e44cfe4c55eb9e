import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Sender } from "../../../../bench/load/client-pool.ts";
import { SoakCluster } from "../../../../bench/soak/cluster.ts";
import { RegionLoad } from "../../../../bench/soak/workload.ts";
import { evenlySpread } from "../../../../src/util/random.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const NOBODY = { regions: "us-east:3,us-west:3", httpBase: 1, dataDir: "/nowhere" };

/** The load of a region in which every request is answered so, a millisecond later. */
function loadOf(status: number, body = "") {
  const clock = new VirtualClock();
  const http: Sender = {
    send: () => new Promise((resolve) => clock.schedule(1, () => resolve({ status, headers: {}, body }))),
  };
  const [region] = new SoakCluster({ ...NOBODY, clock }).regions;
  assert.ok(region);
  const findings = { undone: [], understated: [], refused: [] };
  const options = { leaseMs: 15_000, population: 10, findings, beganMs: 0, record: () => {} };
  return { clock, load: new RegionLoad({ region, http, clock, random: evenlySpread(), ...options }) };
}

describe("the fleet of a soak", () => {
  it("grows until so many agents renew", async () => {
    const { clock, load } = loadOf(201, JSON.stringify({ incarnation: 7 }));
    const growing = load.growFleet(40, new AbortController().signal);
    await clock.advance(1_000);
    await growing;
    assert.equal(load.fleet.renewing.length, 40);
  });

  it("is given up when nobody takes its agents", async () => {
    const { clock, load } = loadOf(503);
    const growing = load.growFleet(40, new AbortController().signal);
    growing.catch(() => {});
    await clock.advance(120_000);
    await assert.rejects(growing, /us-east has 0 of 40 agents after 60000 ms/);
  });

  it("does not keep a run from being interrupted", async () => {
    const { clock, load } = loadOf(503);
    const controller = new AbortController();
    const growing = load.growFleet(40, controller.signal);
    growing.catch(() => {});
    controller.abort(new Error("interrupted by SIGINT"));
    await clock.advance(20_000);
    await assert.rejects(growing, /interrupted by SIGINT/);
  });
});
