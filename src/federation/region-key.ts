/**
 * A region's Ed25519 key: made once per region, kept wrapped in its replicated state, used by all its members.
 *
 * The private half lies in snapshots and logs only as AES-256-GCM ciphertext under a key derived from the federation's
 * shared secret, so that a copied disk signs nothing.
 */

import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import { FederationError } from "./errors.ts";
import type { RegionKeyPair } from "./interface.ts";

// DER around a raw 32-byte Ed25519 key (RFC 8410): node:crypto takes keys in no shorter form.
const PRIVATE_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const PUBLIC_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

const WRAP_VERSION = 1;
const SALT_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const SEED_BYTES = 32;
const WRAPPED_BYTES = 1 + SALT_BYTES + IV_BYTES + TAG_BYTES + SEED_BYTES;

export function generateRegionKey(): RegionKeyPair {
  const { privateKey } = generateKeyPairSync("ed25519");
  const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(PRIVATE_PREFIX.length);
  return { publicKey: publicKeyOf(seed), seed: Uint8Array.from(seed) };
}

/**
 * Encrypts the private half for the replicated state.
 *
 * @param psk - the federation's shared key
 * @param context - what the key is for, such as federation, region and cluster; unwrapping needs the same
 * @returns 77 bytes; every call gives others
 */
export function wrapRegionKey(pair: RegionKeyPair, psk: Uint8Array, context: string): Uint8Array {
  const salt = randomBytes(SALT_BYTES);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", wrappingKey(psk, salt), iv).setAAD(Buffer.from(context));
  const ciphertext = Buffer.concat([cipher.update(pair.seed), cipher.final()]);
  return Uint8Array.from(Buffer.concat([Buffer.of(WRAP_VERSION), salt, iv, cipher.getAuthTag(), ciphertext]));
}

/** @throws FederationError KEY_UNREADABLE: another shared key, another context, or damaged */
export function unwrapRegionKey(wrapped: Uint8Array, psk: Uint8Array, context: string): RegionKeyPair {
  if (wrapped.length !== WRAPPED_BYTES || wrapped[0] !== WRAP_VERSION)
    throw unreadable("it does not have the form of one");
  const ivStart = 1 + SALT_BYTES;
  const tagStart = ivStart + IV_BYTES;
  const seedStart = tagStart + TAG_BYTES;
  const key = wrappingKey(psk, wrapped.subarray(1, ivStart));
  const iv = wrapped.subarray(ivStart, tagStart);
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context)).setAuthTag(wrapped.subarray(tagStart, seedStart));
  try {
    const seed = Buffer.concat([decipher.update(wrapped.subarray(seedStart)), decipher.final()]);
    return { publicKey: publicKeyOf(seed), seed: Uint8Array.from(seed) };
  } catch (error) {
    throw unreadable("the shared key (ENCRYPTION_KEY) is not the one it was wrapped with, or it is damaged", error);
  }
}

/** Signs as one region, and knows its signatures. Key objects are built once, not per message. */
export class RegionSigner {
  readonly #pair: () => RegionKeyPair | undefined;
  #built: { readonly seed: Uint8Array; readonly key: KeyObject; readonly verifier: RegionVerifier } | undefined;

  /** @param pair - asked at each use, because the region makes its key some time after the node started */
  constructor(pair: () => RegionKeyPair | undefined) {
    this.#pair = pair;
  }

  publicKey(): Uint8Array | undefined {
    return this.#pair()?.publicKey;
  }

  /** The signature, 64 bytes; undefined while the region has no key. */
  sign(context: string, body: Uint8Array): Uint8Array | undefined {
    const built = this.#keys();
    return built && sign(null, signedBytes(context, body), built.key);
  }

  /** True when this region's own key signed exactly this. */
  verifies(context: string, body: Uint8Array, signature: Uint8Array): boolean {
    return this.#keys()?.verifier.verifies(context, body, signature) ?? false;
  }

  #keys() {
    const pair = this.#pair();
    if (pair === undefined) return undefined;
    if (this.#built === undefined || !equalBytes(this.#built.seed, pair.seed)) {
      this.#built = {
        seed: pair.seed,
        key: privateKeyObject(pair.seed),
        verifier: new RegionVerifier(pair.publicKey),
      };
    }
    return this.#built;
  }
}

/** A public key ready to verify with. */
export class RegionVerifier {
  readonly publicKey: Uint8Array;
  readonly #key: KeyObject;

  /** @param publicKey - raw, 32 bytes */
  constructor(publicKey: Uint8Array) {
    // What arrives is often a view of a larger buffer, and a pin lives long.
    this.publicKey = Uint8Array.from(publicKey);
    this.#key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, publicKey]), format: "der", type: "spki" });
  }

  verifies(context: string, body: Uint8Array, signature: Uint8Array): boolean {
    return verify(null, signedBytes(context, body), this.#key, signature);
  }
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function signedBytes(context: string, body: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`${context}\0`), body]);
}

function privateKeyObject(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: "der", type: "pkcs8" });
}

function publicKeyOf(seed: Uint8Array): Uint8Array {
  const der = createPublicKey(privateKeyObject(seed)).export({ format: "der", type: "spki" });
  return Uint8Array.from(der.subarray(PUBLIC_PREFIX.length));
}

function wrappingKey(psk: Uint8Array, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", psk, salt, "atoll region key 1", 32));
}

function unreadable(reason: string, cause?: unknown): FederationError {
  return new FederationError(
    `the region's signing key can not be read: ${reason}`,
    { code: "KEY_UNREADABLE", reason },
    { cause },
  );
}
