import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { NodeFederationAdmin } from "../../../src/node/federation-admin.ts";
import { RegionKeyKeeper } from "../../../src/node/region-key-keeper.ts";
import { asClusterId, asFederationId } from "../../../src/types/ids.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { HOME, type TestNode, TestRegion } from "../registry/fixtures.ts";

let region: TestRegion;
let node: TestNode;
let keeper: RegionKeyKeeper;
let admin: NodeFederationAdmin;
let known: Map<string, { cluster: string; publicKey: string }>;

beforeEach(async () => {
  known = new Map([["us-west", { cluster: "c1.2.salt", publicKey: "ab" }]]);
  region = new TestRegion(2);
  // A follower: any node may be asked.
  node = region.nodes[1]!;
  const scope = { federation: asFederationId("f"), region: HOME, cluster: asClusterId("c0.1.salt") };
  const parts = { psk: Buffer.from("a key that all share"), scope, clock: region.clock, logger: silentLogger };
  const keepers = region.nodes.map(({ service, group }) => new RegionKeyKeeper({ ...parts, registry: service, group }));
  for (const each of keepers) each.start();
  keeper = keepers[1]!;
  admin = adminWith(keeper);
  await region.clock.advance(10);
});

const adminWith = (keyKeeper: RegionKeyKeeper | undefined) =>
  new NodeFederationAdmin({
    region: HOME,
    registry: node.service,
    stateMachine: node.stateMachine,
    keyKeeper: () => keyKeeper,
    federation: () => ({ standingOf: (name) => known.get(name) }),
  });

const codeOf = async (refused: Promise<unknown>) =>
  refused.then(
    () => "done",
    (error) => error.detail.code,
  );

describe("how a region stands to others", () => {
  it("is changed by retiring another one, as of its cluster's origin, for all nodes of this region", async () => {
    assert.deepEqual(await admin.retire("us-west"), { region: "us-west", cluster: "c1" });
    const [gone] = region.nodes[0]!.stateMachine.retirements;
    assert.deepEqual([gone?.region, gone?.cluster, gone?.publicKey], ["us-west", "c1", "ab"]);
    assert.deepEqual(await admin.admit("us-west"), { region: "us-west" });
    assert.deepEqual(region.nodes[0]!.stateMachine.retirements, []);
  });

  it("is not changed for a region that nobody knows, its own, or one that was not retired", async () => {
    assert.equal(await codeOf(admin.retire("atlantis")), "UNKNOWN_REGION");
    assert.equal(await codeOf(admin.retire(HOME)), "REGION_IS_OWN");
    assert.equal(await codeOf(admin.admit("us-west")), "REGION_NOT_RETIRED");
    assert.equal(await codeOf(adminWith(undefined).retireSelf()), "REGION_KEY_MISSING");
    assert.equal(await codeOf(adminWith(undefined).rotateKey()), "REGION_KEY_MISSING");
    const { retirements, farewell } = node.stateMachine;
    assert.deepEqual([retirements, farewell], [[], undefined]);
  });

  it("says what is forgotten already", async () => {
    await admin.retire("us-west");
    known.delete("us-west");
    assert.deepEqual(await admin.retire("us-west"), { region: "us-west", cluster: "c1" });
  });

  it("ends with a farewell, under the key of that day, after which the key stays", async () => {
    const { publicKey } = await admin.rotateKey();
    assert.deepEqual(await admin.retireSelf(), { region: HOME, cluster: "c0" });
    const { farewell } = region.nodes[0]!.stateMachine;
    assert.equal(farewell?.publicKey, publicKey);
    assert.equal(farewell?.successions.length, 1);
    assert.equal(await codeOf(admin.rotateKey()), "REGION_RETIRED");
    assert.deepEqual(await admin.retireSelf(), { region: HOME, cluster: "c0" });
    assert.equal(region.nodes[0]!.stateMachine.farewell, farewell);
  });
});
