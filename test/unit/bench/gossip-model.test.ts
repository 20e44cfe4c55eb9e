import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEGREE, SPREADS, type Spread, spreadChange, type World } from "../../../bench/gossip-model.ts";
import { seededRandom } from "../../../src/util/random.ts";

const REGIONS = 12;
const NODES = 3;

function spread(how: Spread, more: Partial<World> = {}) {
  return spreadChange(how, { regions: REGIONS, nodesPerRegion: NODES, loss: 0, random: seededRandom(1), ...more });
}

describe("gossip model", () => {
  it("reaches everybody by itself, whichever way, when nothing is lost", () => {
    for (const how of SPREADS) {
      const { halfMs, mostMs, allMs, pulled } = spread(how);
      assert.equal(pulled, 0, how);
      assert.ok(0 < halfMs && halfMs <= mostMs && mostMs <= allMs && allMs < 1_000, how);
    }
  });

  it("counts the copies that pass between regions", () => {
    const abroad = (REGIONS - 1) * NODES;
    assert.equal(spread("one per region").wanCopies, REGIONS - 1);
    assert.equal(spread("leader tells all").wanCopies, abroad);
    // Everybody tells everybody abroad, but for whom it heard it from.
    const repeated = REGIONS * NODES * abroad - spread("everybody repeats").wanCopies;
    assert.ok(repeated >= 0 && repeated <= REGIONS * NODES, `${repeated} were not repeated`);
    const { wanCopies } = spread("region graph");
    assert.ok(wanCopies >= REGIONS * DEGREE && wanCopies < REGIONS * (REGIONS - 1));
  });

  it("takes one way abroad at most where the leader tells all or one of each region, and more over a graph", () => {
    const [wanMsMax, lanMs] = [100, 0.5];
    assert.ok(spread("leader tells all").allMs <= wanMsMax + lanMs);
    assert.ok(spread("one per region").allMs <= wanMsMax + lanMs);
    assert.ok(spread("region graph", { regions: 100 }).allMs > wanMsMax);
  });

  it("repairs what was lost with a header's delay, and says how much that was", () => {
    const { pulled, halfMs, allMs } = spread("one per region", { loss: 0.2 });
    assert.ok(0 < pulled && pulled < 0.5, `${pulled} pulled`);
    assert.ok(halfMs < 1_000 && allMs > 1_000 && Number.isFinite(allMs));
    assert.equal(spread("everybody repeats", { loss: 0.2 }).pulled, 0);
  });

  it("says so when somebody is never reached", () => {
    const { allMs, pulled } = spread("leader tells all", { loss: 1 });
    assert.equal(allMs, Number.POSITIVE_INFINITY);
    assert.equal(pulled, 0);
  });

  it("gives the same for the same seed", () => {
    for (const how of SPREADS) {
      const again = () => spread(how, { loss: 0.3, random: seededRandom(5) });
      assert.deepEqual(again(), again());
    }
  });
});
