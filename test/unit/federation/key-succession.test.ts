import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RegionKeyPair } from "../../../src/federation/interface.ts";
import { keysReplaced, succeedKey, toHex } from "../../../src/federation/key-succession.ts";
import { generateRegionKey } from "../../../src/federation/region-key.ts";
import { asClusterId, asFederationId, asRegionId } from "../../../src/types/ids.ts";

const SCOPE = { federation: asFederationId("f"), region: asRegionId("east"), cluster: asClusterId("c1") };

/** `count` keys, each vouched for by the one before. */
function chainOf(count: number) {
  const keys = Array.from({ length: count }, () => generateRegionKey());
  const successions = keys.slice(1).map((next, i) => succeedKey(SCOPE, keys[i]!, next.publicKey));
  return { names: keys.map(nameOf), keys, successions };
}

const nameOf = ({ publicKey }: RegionKeyPair) => toHex(publicKey);

describe("key succession", () => {
  it("leads from any key of the chain to the newest, in whatever order the statements are", () => {
    const { names, successions } = chainOf(4);
    assert.deepEqual(keysReplaced(SCOPE, names[1]!, names[3]!, successions.toReversed()), names.slice(1, 3));
    assert.deepEqual(keysReplaced(SCOPE, names[3]!, names[3]!, []), []);
  });

  it("does not lead back", () => {
    const { names, successions } = chainOf(2);
    assert.equal(keysReplaced(SCOPE, names[1]!, names[0]!, successions), null);
  });

  it("P11: needs the signature of the key that is replaced", () => {
    const { keys, names } = chainOf(2);
    const thief = generateRegionKey();
    const claimed = { ...succeedKey(SCOPE, thief, thief.publicKey), previous: names[0]! };
    assert.equal(keysReplaced(SCOPE, names[0]!, nameOf(thief), [claimed]), null);
    const altered = { ...succeedKey(SCOPE, keys[0]!, keys[1]!.publicKey), next: nameOf(thief) };
    assert.equal(keysReplaced(SCOPE, names[0]!, nameOf(thief), [altered]), null);
  });

  it("F17: is worth nothing in another federation, region or cluster; an epoch of the cluster is the same cluster", () => {
    const { names, successions } = chainOf(2);
    const [from, to] = names as [string, string];
    for (const other of [
      { ...SCOPE, federation: asFederationId("g") },
      { ...SCOPE, region: asRegionId("west") },
      { ...SCOPE, cluster: asClusterId("c2") },
    ]) {
      assert.equal(keysReplaced(other, from, to, successions), null);
    }
    assert.deepEqual(keysReplaced({ ...SCOPE, cluster: asClusterId("c1.3.salt") }, from, to, successions), [from]);
  });

  it("is followed over 16 keys and no further, and never round in a ring", () => {
    const { names, successions } = chainOf(18);
    assert.equal(keysReplaced(SCOPE, names[0]!, names[16]!, successions)?.length, 16);
    assert.equal(keysReplaced(SCOPE, names[0]!, names[17]!, successions), null);
    const [a, b] = [generateRegionKey(), generateRegionKey()];
    const ring = [succeedKey(SCOPE, a, b.publicKey), succeedKey(SCOPE, b, a.publicKey)];
    assert.equal(keysReplaced(SCOPE, nameOf(a), names[0]!, ring), null);
  });
});
