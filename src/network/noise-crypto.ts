/**
 * The primitives of Noise_XX_25519_ChaChaPoly_SHA256, by Node.
 *
 * The library's own would do, but for one thing: they give Node the key of each packet as bytes, of which it makes a key
 * object every time. That takes longer than to encrypt a packet of 8 KiB; here a key becomes one once.
 */

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { type ICryptoInterface, type KeyPair, pureJsCrypto } from "@libp2p/noise";

const CIPHER = "chacha20-poly1305";
const TAG_BYTES = 16;
const TAG = { authTagLength: TAG_BYTES };

/** What stands before the 32 bytes of an X25519 key in PKCS #8 and SPKI (RFC 8410). */
const PRIVATE_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const PUBLIC_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

/** By the very array that Noise holds for as long as it uses the key. */
const keyObjects = new WeakMap<Uint8Array, KeyObject>();

function keyObject(key: Uint8Array): KeyObject {
  let object = keyObjects.get(key);
  if (object === undefined) {
    object = createSecretKey(key);
    keyObjects.set(key, object);
  }
  return object;
}

export const noiseCrypto: ICryptoInterface = {
  getHKDF: pureJsCrypto.getHKDF,

  hashSHA256: (data) => createHash("sha256").update(data.subarray()).digest(),

  chaCha20Poly1305Encrypt(plaintext, nonce, ad, key) {
    const cipher = createCipheriv(CIPHER, keyObject(key), nonce, TAG);
    cipher.setAAD(ad, { plaintextLength: plaintext.byteLength });
    const text = cipher.update(plaintext.subarray());
    cipher.final();
    return Buffer.concat([text, cipher.getAuthTag()], text.length + TAG_BYTES);
  },

  /** @throws Error when the packet is not what was encrypted */
  chaCha20Poly1305Decrypt(packet, nonce, ad, key) {
    const textBytes = packet.byteLength - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, keyObject(key), nonce, TAG);
    decipher.setAAD(ad, { plaintextLength: textBytes });
    decipher.setAuthTag(packet.subarray(textBytes));
    const text = decipher.update(packet.subarray(0, textBytes));
    decipher.final();
    return text;
  },

  generateX25519KeyPair() {
    const { privateKey } = generateKeyPairSync("x25519");
    return pairOf(privateKey.export({ format: "der", type: "pkcs8" }).subarray(PRIVATE_PREFIX.length), privateKey);
  },

  generateX25519KeyPairFromSeed: (seed) => pairOf(seed, privateKeyOf(seed)),

  generateX25519SharedKey(privateKey, publicKey) {
    const key = Buffer.concat([PUBLIC_PREFIX, publicKey.subarray()]);
    return diffieHellman({
      privateKey: privateKeyOf(privateKey.subarray()),
      publicKey: createPublicKey({ key, format: "der", type: "spki" }),
    });
  },
};

function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: "der", type: "pkcs8" });
}

function pairOf(seed: Uint8Array, privateKey: KeyObject): KeyPair {
  const publicKey = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(PUBLIC_PREFIX.length);
  return { publicKey, privateKey: seed };
}
