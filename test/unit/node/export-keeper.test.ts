import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { ExportKeeper } from "../../../src/node/export-keeper.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { type TestNode, TestRegion } from "../registry/fixtures.ts";

let region: TestRegion;
let leader: TestNode;
let follower: TestNode;
let warned: string[];
beforeEach(() => {
  region = new TestRegion(2);
  [leader, follower] = region.nodes as [TestNode, TestNode];
  warned = [];
});

function keeperOf({ service, group }: TestNode, ...configured: string[]): ExportKeeper {
  const keeper = new ExportKeeper({
    registry: service,
    group,
    configured,
    clock: region.clock,
    logger: { ...silentLogger, warn: (event) => void warned.push(`${(event as { code: string }).code} ${configured}`) },
  });
  keeper.start();
  return keeper;
}

describe("the region's export policy", () => {
  it("is the leader's, and is written once", async () => {
    keeperOf(leader, "b", "!c", "b");
    keeperOf(follower, "!c", "b");
    await region.clock.advance(5_000);
    assert.deepEqual(follower.service.exportPolicy(), ["!c", "b"]);
    assert.equal(region.region.log.length, 1);
    assert.deepEqual(warned, []);
  });

  it("that is not a node's own is said once by that node, and becomes that node's when it leads", async () => {
    keeperOf(leader, "*");
    keeperOf(follower, "!private");
    await region.clock.advance(5_000);
    assert.deepEqual(warned, ["EXPORT_DIFFERS !private"]);
    region.region.elect(follower.group);
    await region.clock.advance(5_000);
    assert.deepEqual(leader.service.exportPolicy(), ["!private"]);
    assert.deepEqual(warned, ["EXPORT_DIFFERS !private", "EXPORT_DIFFERS *"]);
  });

  it("is set later when it could not be written", async () => {
    leader.group.outcomeUnknown = "lost";
    keeperOf(leader, "!private");
    await region.clock.advance(100);
    assert.equal(leader.service.exportPolicy(), undefined);
    leader.group.outcomeUnknown = null;
    await region.clock.advance(1_000);
    assert.deepEqual(leader.service.exportPolicy(), ["!private"]);
  });

  it("is left alone by a node that stops", async () => {
    const keeper = keeperOf(follower, "!private");
    keeper.stop();
    region.region.elect(follower.group);
    await region.clock.advance(5_000);
    assert.equal(leader.service.exportPolicy(), undefined);
  });
});
