import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { noise, pureJsCrypto } from "@libp2p/noise";
import fc from "fast-check";
import { noiseCrypto } from "../../../src/network/noise-crypto.ts";
import { carry, encryptedPair } from "../../support/encrypted-pair.ts";

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
/** With lengths around the blocks of the cipher, and longer than a packet of Noise. */
const text = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.nat(70_000).map((length) => new Uint8Array(length).fill(length)),
);
const packet = fc.record({ text, key: bytes(32), nonce: bytes(12), ad: fc.uint8Array({ maxLength: 64 }) });

const RUNS = { numRuns: 50 };

describe("noiseCrypto", () => {
  it("encrypts as another implementation does, with one key again and again", () => {
    fc.assert(
      fc.property(packet, bytes(12), ({ text, key, nonce, ad }, nextNonce) => {
        for (const number of [nonce, nextNonce]) {
          const expected = Buffer.from(pureJsCrypto.chaCha20Poly1305Encrypt(text, number, ad, key).subarray());
          assert.deepEqual(
            Buffer.from(noiseCrypto.chaCha20Poly1305Encrypt(text, number, ad, key).subarray()),
            expected,
          );
          const read = noiseCrypto.chaCha20Poly1305Decrypt(expected, number, ad, key);
          assert.deepEqual(Buffer.from(read.subarray()), Buffer.from(text));
        }
      }),
      RUNS,
    );
  });

  it("is understood by the library's own, and understands it", async (test) => {
    const { near, far } = await encryptedPair(test, noise({ crypto: noiseCrypto }), noise());
    const messages = [1, 50, 1_200, 65_000, 300_000].map((length, i) => new Uint8Array(length).fill(i));
    assert.deepEqual(await carry(near, far, messages), Buffer.concat(messages));
    assert.deepEqual(await carry(far, near, messages), Buffer.concat(messages));
  });

  it("takes no packet that was changed, cut, or encrypted for something else", () => {
    fc.assert(
      fc.property(packet, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ text, key, nonce, ad }, at, by) => {
        const sealed = noiseCrypto.chaCha20Poly1305Encrypt(text, nonce, ad, key).subarray();
        const changed = Uint8Array.from(sealed);
        changed[at % changed.length]! ^= by;
        const otherKey = key.map((byte) => byte ^ by);
        const otherNonce = nonce.map((byte) => byte ^ by);
        for (const [given, number, data, secret] of [
          [changed, nonce, ad, key],
          [sealed.subarray(0, at % sealed.length), nonce, ad, key],
          [sealed, otherNonce, ad, key],
          [sealed, nonce, Uint8Array.of(...ad, by), key],
          [sealed, nonce, ad, otherKey],
        ] as const) {
          assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(given, number, data, secret));
        }
      }),
      RUNS,
    );
  });

  it("agrees on keys and hashes as another implementation does", () => {
    fc.assert(
      fc.property(bytes(32), fc.uint8Array(), (seed, data) => {
        const [own, other] = [noiseCrypto.generateX25519KeyPair(), pureJsCrypto.generateX25519KeyPair()];
        assert.deepEqual(
          Buffer.from(noiseCrypto.generateX25519SharedKey(own.privateKey, other.publicKey)),
          Buffer.from(pureJsCrypto.generateX25519SharedKey(other.privateKey, own.publicKey)),
        );
        const fromSeed = (crypto: typeof noiseCrypto) => {
          const { publicKey, privateKey } = crypto.generateX25519KeyPairFromSeed(seed);
          return [Buffer.from(publicKey), Buffer.from(privateKey)];
        };
        assert.deepEqual(fromSeed(noiseCrypto), fromSeed(pureJsCrypto));
        const hash = (crypto: typeof noiseCrypto) => Buffer.from(crypto.hashSHA256(data));
        assert.deepEqual(hash(noiseCrypto), hash(pureJsCrypto));
      }),
      RUNS,
    );
  });

  it("refuses a public key that makes every secret the same", () => {
    const { privateKey } = noiseCrypto.generateX25519KeyPair();
    assert.throws(() => noiseCrypto.generateX25519SharedKey(privateKey, new Uint8Array(32)));
  });
});
