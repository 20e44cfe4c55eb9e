/**
 * The first exchange on a connection: proves the shared key and compares what must fit. Nothing else is served before it
 * (P11, F17).
 *
 *     dialer                                responder
 *       | -- versions, nonce ------------------> |
 *       | <------------- versions, nonce, proof  |   HMAC-SHA256(key, role, both PeerIds, both nonces, both versions)
 *       | -- proof, identity ------------------> |
 *       | <------------------ accept, identity   |   or refuse { code }, at any step, by either side
 *
 * Keys before names: an identity is told only to who has proved the key. The proof names both PeerIds, which Noise has
 * authenticated, so it can not be replayed on another connection, and the role, so it can not be reflected. An empty key
 * proves nothing. While the key is replaced a node has several: it proves the first, and accepts any. The federation id still keeps strangers by accident apart.
 *
 * Pure: bytes in, bytes and an outcome out. Deadlines and the stream are `libp2p-host.ts`.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import {
  asClusterId,
  asFederationId,
  asNodeName,
  asRegionId,
  type ClusterId,
  type FederationId,
  type NodeId,
  type NodeName,
  type RegionId,
} from "../types/ids.ts";
import { asArray, asBytes, asCount, asText, DecodeError, pack, unpack } from "./codec.ts";
import type { RefusalCode } from "./metrics.ts";
import type { VersionRange } from "./protocols.ts";

/** What a node says of itself. */
export interface HelloIdentity {
  readonly federation: FederationId;
  readonly region: RegionId;
  readonly name: NodeName;
  readonly cluster: ClusterId | null;
  readonly http: string;
  readonly addresses: readonly string[];
}

export interface HelloTerms {
  /** As Noise authenticated them. */
  readonly self: NodeId;
  readonly peer: NodeId;
  readonly identity: HelloIdentity;
  readonly versions: VersionRange;
  /** The shared key; may be empty. */
  readonly psk: Uint8Array;
  /** Keys that are as good when somebody else proves them: the former or the next one, while the key is replaced. */
  readonly alsoAccepted?: readonly Uint8Array[];
  /** 32 bytes that were never used before, from a cryptographic source. */
  readonly nonce: Uint8Array;
}

export type HelloOutcome =
  | { readonly type: "admitted"; readonly identity: HelloIdentity; readonly version: number }
  | { readonly type: "refused"; readonly by: "us" | "them"; readonly code: RefusalCode };

export interface HelloStep {
  readonly send: Uint8Array | null;
  /** Null while the exchange goes on. */
  readonly outcome: HelloOutcome | null;
}

/** One side of the exchange. */
export interface Hello {
  /** What this side sends unasked. */
  readonly opening: Uint8Array | null;
  /** @throws DecodeError when the message is not what must come now */
  receive(message: Uint8Array): HelloStep;
}

const OFFER = 1;
const CHALLENGE = 2;
const PROOF = 3;
const ACCEPT = 4;
const REFUSE = 5;

const NONCE_BYTES = 32;
const NAME_LENGTH_MAX = 128;
const URL_LENGTH_MAX = 512;
const ADDRESS_LENGTH_MAX = 262;
const ADDRESSES_MAX = 16;
const SENDABLE_REFUSALS = ["WRONG_KEY", "WRONG_FEDERATION", "WRONG_CLUSTER", "PROTOCOL_VERSION", "MALFORMED"] as const;

interface Offer {
  readonly versions: VersionRange;
  readonly nonce: Uint8Array;
}

export function dialerHello(terms: HelloTerms): Hello {
  const ours: Offer = { versions: terms.versions, nonce: terms.nonce };
  let version: number | null = null;

  function onChallenge(fields: readonly unknown[]): HelloStep {
    const [, min, max, nonce, proof] = asArray(fields, "challenge", 5);
    const theirs = asOffer(min, max, nonce);
    version = commonVersion(ours.versions, theirs.versions);
    if (version === null) return refuse("PROTOCOL_VERSION");
    const links = { dialer: terms.self, responder: terms.peer };
    const shared = keysOf(terms).find((psk) => isProof(proof, prove(psk, "responder", links, ours, theirs)));
    if (shared === undefined) return refuse("WRONG_KEY");
    // With the key that the responder is known to have.
    const ourProof = prove(shared, "dialer", links, ours, theirs);
    return { send: pack([PROOF, ourProof, encodeIdentity(terms.identity)]), outcome: null };
  }

  function onAccept(fields: readonly unknown[], agreed: number): HelloStep {
    const [, identity] = asArray(fields, "accept", 2);
    const theirs = asIdentity(identity);
    const code = misfit(terms.identity, theirs);
    if (code !== null) return refuse(code);
    return { send: null, outcome: { type: "admitted", identity: theirs, version: agreed } };
  }

  return {
    opening: pack([OFFER, ours.versions.min, ours.versions.max, ours.nonce]),
    receive(message) {
      const fields = asArray(unpack(message), "hello");
      if (fields[0] === REFUSE) return onRefuse(fields);
      if (fields[0] === CHALLENGE && version === null) return onChallenge(fields);
      if (fields[0] === ACCEPT && version !== null) return onAccept(fields, version);
      throw new DecodeError(`hello message ${fields[0]} is out of turn`);
    },
  };
}

export function responderHello(terms: HelloTerms): Hello {
  const ours: Offer = { versions: terms.versions, nonce: terms.nonce };
  const links = { dialer: terms.peer, responder: terms.self };
  let agreed: { readonly version: number; readonly offer: Offer } | null = null;

  function onOffer(fields: readonly unknown[]): HelloStep {
    const [, min, max, nonce] = asArray(fields, "offer", 4);
    const offer = asOffer(min, max, nonce);
    const version = commonVersion(ours.versions, offer.versions);
    if (version === null) return refuse("PROTOCOL_VERSION");
    agreed = { version, offer };
    const proof = prove(terms.psk, "responder", links, offer, ours);
    return { send: pack([CHALLENGE, ours.versions.min, ours.versions.max, ours.nonce, proof]), outcome: null };
  }

  function onProof(fields: readonly unknown[], { version, offer }: { version: number; offer: Offer }): HelloStep {
    const [, proof, identity] = asArray(fields, "proof", 3);
    const isShared = keysOf(terms).some((psk) => isProof(proof, prove(psk, "dialer", links, offer, ours)));
    if (!isShared) return refuse("WRONG_KEY");
    const theirs = asIdentity(identity);
    const code = misfit(terms.identity, theirs);
    if (code !== null) return refuse(code);
    return {
      send: pack([ACCEPT, encodeIdentity(terms.identity)]),
      outcome: { type: "admitted", identity: theirs, version },
    };
  }

  return {
    opening: null,
    receive(message) {
      const fields = asArray(unpack(message), "hello");
      if (fields[0] === REFUSE) return onRefuse(fields);
      if (fields[0] === OFFER && agreed === null) return onOffer(fields);
      if (fields[0] === PROOF && agreed !== null) return onProof(fields, agreed);
      throw new DecodeError(`hello message ${fields[0]} is out of turn`);
    },
  };
}

/** Why two nodes may not talk, or null. Also asked when a cluster becomes known later. */
export function misfit(
  ours: HelloIdentity,
  theirs: Pick<HelloIdentity, "federation" | "region" | "cluster">,
): RefusalCode | null {
  if (ours.federation !== theirs.federation) return "WRONG_FEDERATION";
  if (ours.region !== theirs.region) return null;
  const areBothFounded = ours.cluster !== null && theirs.cluster !== null;
  return areBothFounded && ours.cluster !== theirs.cluster ? "WRONG_CLUSTER" : null;
}

/** The message that refuses with `code`. */
export function encodeRefusal(code: RefusalCode): Uint8Array {
  return pack([REFUSE, code]);
}

function refuse(code: RefusalCode): HelloStep {
  return { send: encodeRefusal(code), outcome: { type: "refused", by: "us", code } };
}

function onRefuse(fields: readonly unknown[]): HelloStep {
  const [, said] = asArray(fields, "refuse", 2);
  const code = SENDABLE_REFUSALS.find((known) => known === said);
  if (code === undefined) throw new DecodeError("the refusal has no known code");
  return { send: null, outcome: { type: "refused", by: "them", code } };
}

function commonVersion(ours: VersionRange, theirs: VersionRange): number | null {
  const highest = Math.min(ours.max, theirs.max);
  return highest >= Math.max(ours.min, theirs.min) ? highest : null;
}

function prove(
  psk: Uint8Array,
  role: "dialer" | "responder",
  links: { readonly dialer: NodeId; readonly responder: NodeId },
  dialer: Offer,
  responder: Offer,
): Uint8Array {
  const offers = [dialer, responder].map(({ versions, nonce }) => [versions.min, versions.max, nonce]);
  const transcript = pack(["atoll hello 1", role, links.dialer, links.responder, offers]);
  return createHmac("sha256", psk).update(transcript).digest();
}

function keysOf({ psk, alsoAccepted = [] }: HelloTerms): readonly Uint8Array[] {
  return [psk, ...alsoAccepted];
}

function isProof(value: unknown, expected: Uint8Array): boolean {
  const proof = asBytes(value, "proof");
  return proof.length === expected.length && timingSafeEqual(proof, expected);
}

function asOffer(min: unknown, max: unknown, nonce: unknown): Offer {
  const bytes = asBytes(nonce, "nonce");
  if (bytes.length !== NONCE_BYTES) throw new DecodeError(`a nonce of ${bytes.length} bytes instead of ${NONCE_BYTES}`);
  return { versions: { min: asCount(min, "lowest version"), max: asCount(max, "highest version") }, nonce: bytes };
}

function encodeIdentity({ federation, region, name, cluster, http, addresses }: HelloIdentity): readonly unknown[] {
  return [federation, region, name, cluster, http, addresses];
}

function asIdentity(value: unknown): HelloIdentity {
  const [federation, region, name, cluster, http, addresses] = asArray(value, "identity", 6);
  const list = asArray(addresses, "addresses");
  if (list.length > ADDRESSES_MAX)
    throw new DecodeError(`${list.length} addresses, at most ${ADDRESSES_MAX} are allowed`);
  return {
    federation: asFederationId(asText(federation, "federation", NAME_LENGTH_MAX)),
    region: asRegionId(asText(region, "region", NAME_LENGTH_MAX)),
    name: asNodeName(asText(name, "name", NAME_LENGTH_MAX)),
    cluster: cluster === null ? null : asClusterId(asText(cluster, "cluster", NAME_LENGTH_MAX)),
    http: asText(http, "http", URL_LENGTH_MAX),
    addresses: list.map((address) => asText(address, "address", ADDRESS_LENGTH_MAX)),
  };
}
