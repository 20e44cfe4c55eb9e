import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FederationError } from "../../../src/federation/errors.ts";
import {
  generateRegionKey,
  RegionSigner,
  RegionVerifier,
  unwrapRegionKey,
  wrapRegionKey,
} from "../../../src/federation/region-key.ts";

const PSK = Buffer.from("a shared key of the federation");
const isUnreadable = (error: FederationError) => error.detail.code === "KEY_UNREADABLE";

describe("region key", () => {
  it("signs what its public half verifies", () => {
    const pair = generateRegionKey();
    assert.equal(pair.publicKey.length, 32);
    assert.equal(pair.seed.length, 32);
    const body = Buffer.from("a statement");
    const signature = new RegionSigner(() => pair).sign("context", body)!;
    assert.equal(new RegionVerifier(pair.publicKey).verifies("context", body, signature), true);
  });

  it("P11: refuses a flipped bit, another key and another context", () => {
    const pair = generateRegionKey();
    const body = Buffer.from("a statement");
    const signature = new RegionSigner(() => pair).sign("gossip", body)!;
    const verifier = new RegionVerifier(pair.publicKey);
    const flipped = Buffer.from(body);
    flipped[3]! ^= 1;
    assert.equal(verifier.verifies("gossip", flipped, signature), false);
    assert.equal(verifier.verifies("pull", body, signature), false);
    assert.equal(new RegionVerifier(generateRegionKey().publicKey).verifies("gossip", body, signature), false);
  });

  it("signs with the new key after the region changed it, and not at all before it has one", () => {
    let pair: ReturnType<typeof generateRegionKey> | undefined;
    const signer = new RegionSigner(() => pair);
    assert.equal(signer.sign("c", Buffer.from("x")), undefined);
    pair = generateRegionKey();
    signer.sign("c", Buffer.from("x"));
    pair = generateRegionKey();
    const signature = signer.sign("c", Buffer.from("x"))!;
    assert.equal(new RegionVerifier(pair.publicKey).verifies("c", Buffer.from("x"), signature), true);
    assert.equal(signer.verifies("c", Buffer.from("x"), signature), true);
  });

  it("comes back from its wrapped form, which does not show it", () => {
    const pair = generateRegionKey();
    const wrapped = wrapRegionKey(pair, PSK, "fed/east/cluster");
    assert.deepEqual(unwrapRegionKey(wrapped, PSK, "fed/east/cluster"), pair);
    assert.equal(Buffer.from(wrapped).includes(Buffer.from(pair.seed)), false);
    assert.notDeepEqual(wrapRegionKey(pair, PSK, "fed/east/cluster"), wrapped);
  });

  it("is not unwrapped with another shared key, for another region, or after any damage", () => {
    const wrapped = wrapRegionKey(generateRegionKey(), PSK, "fed/east/cluster");
    assert.throws(() => unwrapRegionKey(wrapped, Buffer.from("another"), "fed/east/cluster"), isUnreadable);
    assert.throws(() => unwrapRegionKey(wrapped, PSK, "fed/west/cluster"), isUnreadable);
    assert.throws(() => unwrapRegionKey(wrapped.subarray(1), PSK, "fed/east/cluster"), isUnreadable);
    for (let at = 0; at < wrapped.length; at++) {
      const damaged = Uint8Array.from(wrapped);
      damaged[at]! ^= 0x10;
      assert.throws(() => unwrapRegionKey(damaged, PSK, "fed/east/cluster"), isUnreadable, `byte ${at}`);
    }
  });
});
