import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { RegionKeyKeeper } from "../../../src/node/region-key-keeper.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { type TestNode, TestRegion } from "../registry/fixtures.ts";

const PSK = Buffer.from("a key that the federation shares");

let region: TestRegion;
let leader: TestNode;
let follower: TestNode;
beforeEach(() => {
  region = new TestRegion(2);
  [leader, follower] = region.nodes as [TestNode, TestNode];
});

function keeperOf({ service, group }: TestNode, psk: Uint8Array = PSK): RegionKeyKeeper {
  const keeper = new RegionKeyKeeper({
    registry: service,
    group,
    psk,
    context: "federation/region/cluster",
    clock: region.clock,
    logger: silentLogger,
  });
  keeper.start();
  return keeper;
}

describe("the region's signing key", () => {
  it("is made by the leader once, and read by every member", async () => {
    const [first, second] = [keeperOf(leader), keeperOf(follower)];
    await region.clock.advance(10);
    const pair = first.pair();
    assert.notEqual(pair, undefined);
    assert.deepEqual(second.pair(), pair);
    region.region.elect(follower.group);
    await region.clock.advance(10);
    assert.deepEqual(second.pair(), pair);
  });

  it("is not made by a follower", async () => {
    const keeper = keeperOf(follower);
    await region.clock.advance(5_000);
    assert.equal(keeper.pair(), undefined);
  });

  it("is made later when there was no leader to write it", async () => {
    region.region.elect(null);
    const keeper = keeperOf(leader);
    await region.clock.advance(10_000);
    assert.equal(keeper.pair(), undefined);
    region.region.elect(leader.group);
    await region.clock.advance(2_000);
    assert.notEqual(keeper.pair(), undefined);
  });

  it("is not made without a shared key, so that it can be made under one later", async () => {
    const alone = keeperOf(leader, new Uint8Array());
    await region.clock.advance(5_000);
    assert.equal(alone.pair(), undefined);
    alone.stop();
    const keeper = keeperOf(leader);
    await region.clock.advance(10);
    assert.notEqual(keeper.pair(), undefined);
  });

  it("P11: can not be read without the federation's shared key", async () => {
    const stranger = keeperOf(follower, Buffer.from("another key, of somebody else's"));
    keeperOf(leader);
    await region.clock.advance(10);
    assert.equal(stranger.pair(), undefined);
  });
});
