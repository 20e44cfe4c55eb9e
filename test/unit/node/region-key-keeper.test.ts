import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { ClusterError } from "../../../src/api/cluster-error.ts";
import { keysReplaced, toHex } from "../../../src/federation/key-succession.ts";
import { RegionKeyKeeper, type RegionKeyKeeperParts } from "../../../src/node/region-key-keeper.ts";
import { asClusterId, asFederationId, asRegionId } from "../../../src/types/ids.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { type TestNode, TestRegion } from "../registry/fixtures.ts";

const SCOPE = {
  federation: asFederationId("federation"),
  region: asRegionId("region"),
  cluster: asClusterId("cluster"),
};
const PSK = Buffer.from("a key that the federation shares");

interface Keeping {
  readonly service: RegionKeyKeeperParts["registry"];
  readonly group: TestNode["group"];
}

let region: TestRegion;
let leader: TestNode;
let follower: TestNode;
beforeEach(() => {
  region = new TestRegion(2);
  [leader, follower] = region.nodes as [TestNode, TestNode];
});

function keeperOf(
  { service, group }: Keeping,
  psk: Uint8Array = PSK,
  formerPsks: readonly Uint8Array[] = [],
): RegionKeyKeeper {
  const keeper = new RegionKeyKeeper({
    registry: service,
    group,
    psk,
    formerPsks,
    scope: SCOPE,
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

  it("P11: outlives the shared key: it is read under the former one, and wrapped under the new one", async () => {
    const next = Buffer.from("another key that they share");
    const before = keeperOf(leader);
    await region.clock.advance(10);
    const pair = before.pair();
    before.stop();
    const waiting = keeperOf(follower, PSK, [next]);
    const between = keeperOf(leader, next, [PSK]);
    await region.clock.advance(10);
    assert.deepEqual(between.pair(), pair);
    assert.deepEqual(waiting.pair(), pair, "whoever still proves the former key reads it too");
    const after = keeperOf(leader, next);
    assert.deepEqual(after.pair(), pair);
    assert.equal(keeperOf(follower, PSK).pair(), undefined, "the former key opens nothing any more");
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

  it("is replaced through any member, once, and the old key vouches for the new one", async () => {
    const [first, second] = [keeperOf(leader), keeperOf(follower)];
    await region.clock.advance(10);
    const before = first.pair()!;
    const next = await second.rotate();
    assert.deepEqual([first.pair()?.publicKey, second.pair()?.publicKey], [next, next]);
    const [from, to] = [toHex(before.publicKey), toHex(next)];
    assert.deepEqual(keysReplaced(SCOPE, from, to, leader.stateMachine.keySuccessions), [from]);
  });

  it("is not replaced by whoever did not see that somebody else was first", async () => {
    const keeper = keeperOf(leader);
    await region.clock.advance(10);
    const { service } = follower;
    const seen = service.regionKey();
    const lagging = keeperOf({
      group: follower.group,
      service: {
        regionKey: () => seen,
        setRegionKey: (wrapped) => service.setRegionKey(wrapped),
        replaceRegionKey: (...asked) => service.replaceRegionKey(...asked),
        rewrapRegionKey: (...asked) => service.rewrapRegionKey(...asked),
      },
    });
    await keeper.rotate();
    await assert.rejects(lagging.rotate(), (error: ClusterError) => error.detail.code === "REGION_KEY_CHANGED");
    assert.equal(follower.stateMachine.keySuccessions.length, 1);
  });

  it("keeps the newest 16 successions", async () => {
    const keeper = keeperOf(leader);
    await region.clock.advance(10);
    for (let i = 0; i < 20; i++) await keeper.rotate();
    const kept = follower.stateMachine.keySuccessions;
    assert.equal(kept.length, 16);
    assert.equal(kept.at(-1)?.next, toHex(keeper.pair()!.publicKey));
  });

  it("can not be replaced before there is one", async () => {
    const alone = keeperOf(leader, new Uint8Array());
    await assert.rejects(alone.rotate(), (error: ClusterError) => error.detail.code === "REGION_KEY_MISSING");
  });

  it("P11: can not be read without the federation's shared key", async () => {
    const stranger = keeperOf(follower, Buffer.from("another key, of somebody else's"));
    keeperOf(leader);
    await region.clock.advance(10);
    assert.equal(stranger.pair(), undefined);
  });
});
