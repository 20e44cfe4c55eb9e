/**
 * What regions say to each other, byte for byte: its schema, its bounds, and which bytes a signature covers.
 *
 * A statement is signed over its encoded body, under a context of its own, so that what was said in gossip can not be
 * played back as the answer to a pull. Bodies are JSON: they are read before the speaker is known to be honest, and five
 * bytes of msgpack can ask an unpacker for gigabytes. A gossip message is framed by hand, so that nothing in it is parsed
 * before its signature was found good. Requests and answers travel as the network's payloads, decoded there.
 *
 * Everything is checked before use; unknown fields are ignored, so that a newer node can say more.
 */

import Type, { type Static } from "typebox";
import { Compile } from "typebox/compile";
import type { FoundAgent } from "../types/agent.ts";
import { asRegionId, type RegionId } from "../types/ids.ts";
import type { RegionQuery } from "../types/lookup.ts";
import { FAREWELLS_MAX, type Farewell, type KeySuccession, SUCCESSIONS_MAX } from "../types/region-standing.ts";
import type { SummaryEntry, SummaryHeader, SummaryNode } from "../types/summary.ts";
import { messageOf } from "../util/errors.ts";
import { BUCKETS } from "./capability-summary.ts";
import { FederationError } from "./errors.ts";

export const GOSSIP_CONTEXT = "atoll/summary/gossip/1";
export const PULL_CONTEXT = "atoll/summary/pull/1";

/** Names of the requests between regions; a change an older node can not read gets a new name. */
export const DIGESTS_METHOD = "summary/digests";
export const BUCKETS_METHOD = "summary/buckets";
export const PULSE_METHOD = "summary/pulse";
export const FAREWELLS_METHOD = "region/farewells";
export const LOOKUP_METHOD = "lookup";

export const GOSSIP_BYTES_MAX = 48 * 1024;
/** Buckets are added to an answer until it passes this; one bucket always goes, whatever its size. */
export const PULL_ANSWER_BYTES = 512 * 1024;
/** Agents are left out of an answer, and `hasMore` set, beyond this; a request carries at most 1 MiB. */
export const LOOKUP_ANSWER_BYTES = 900 * 1024;
export const CAPABILITIES_MAX = 500_000;
export const SUMMARY_NODES_MAX = 16;
/** Stands for a list of versions or tags that is too long to be told: anything may be on it. */
export const ANY = "*";

const NAME_LENGTH_MAX = 512;
const TAGS_MAX = 128;
const TAGS_LENGTH_MAX = 2_048;
const VERSIONS_MAX = 64;
const VERSIONS_LENGTH_MAX = 1_024;
const NODE_ADDRESSES_MAX = 8;
const JSON_DEPTH_MAX = 64;

const SIGNATURE_BYTES = 64;
/** JSON has no infinity: a lag that is not known is told as a very long one. */
const STALENESS_MS_MAX = 1e12;

const bytes = (minLength: number, maxLength: number) =>
  Type.Refine(
    Type.Unsafe<Uint8Array>({}),
    (value) => value instanceof Uint8Array && value.length >= minLength && value.length <= maxLength,
  );
const text = (maxLength: number) => Type.String({ maxLength });
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const durationMs = Type.Number({ minimum: 0 });
/** 16 random bytes, in hex. */
const nonce = Type.String({ pattern: "^[0-9a-f]{32}$" });
/** Ed25519, raw, in hex. */
const keyHex = Type.String({ pattern: "^[0-9a-f]{64}$" });
const digestHex = Type.String({ pattern: "^[0-9a-f]{16}$" });
const signatureHex = Type.String({ pattern: "^[0-9a-f]{128}$" });
const regionName = Type.String({ minLength: 1, maxLength: 128 });
const json = Type.Refine(Type.Unsafe<FoundAgent["metadata"]>({}), (value) => isJsonObject(value));

const Entry = Type.Object({
  name: Type.String({ minLength: 1, maxLength: NAME_LENGTH_MAX }),
  healthy: count,
  total: count,
  versions: Type.Array(text(VERSIONS_LENGTH_MAX), { maxItems: VERSIONS_MAX }),
  tags: Type.Array(text(TAGS_LENGTH_MAX), { maxItems: TAGS_MAX }),
  revision: count,
});

const Header = Type.Object({
  federation: text(256),
  region: regionName,
  cluster: text(128),
  term: count,
  revision: count,
  rootDigest: digestHex,
  capabilities: Type.Integer({ minimum: 0, maximum: CAPABILITIES_MAX }),
  agents: count,
  nodesDigest: digestHex,
  retired: Type.Optional(Type.Literal(true)),
});

const Nodes = Type.Array(
  Type.Object({
    name: text(128),
    nodeId: text(128),
    addresses: Type.Array(text(256), { maxItems: NODE_ADDRESSES_MAX }),
    http: text(512),
  }),
  { maxItems: SUMMARY_NODES_MAX },
);

const GossipBody = Type.Object({
  header: Header,
  /** Counts the messages of one leadership, so that (term, sequence) orders all messages of a region. */
  sequence: count,
  stalenessMs: durationMs,
  entries: Type.Array(Entry, { maxItems: GOSSIP_BYTES_MAX / 8 }),
});

const PullBody = Type.Object({
  header: Header,
  /** The asker's: proves that the statement was made for this request. */
  nonce,
  stalenessMs: durationMs,
  nodes: Nodes,
});

const PullRequest = Type.Object({
  nonce,
  /** Of what the asker holds: equal digests need not be told. */
  rootDigest: Type.Optional(digestHex),
  buckets: Type.Array(Type.Integer({ minimum: 0, maximum: BUCKETS - 1 }), { maxItems: BUCKETS }),
});

const Succession = Type.Object({ previous: keyHex, next: keyHex, signature: signatureHex });

const FarewellSchema = Type.Object({
  region: regionName,
  cluster: text(128),
  publicKey: keyHex,
  successions: Type.Array(Succession, { maxItems: SUCCESSIONS_MAX }),
  signature: signatureHex,
});
const Farewells = Type.Array(FarewellSchema, { maxItems: FAREWELLS_MAX });

const ToldFarewells = Type.Object({ farewells: Farewells });

const PullAnswer = Type.Object({
  publicKey: bytes(32, 32),
  /** Absent in the answers of older nodes. */
  successions: Type.Optional(Type.Array(Succession, { maxItems: SUCCESSIONS_MAX })),
  farewells: Type.Optional(Farewells),
  body: bytes(1, GOSSIP_BYTES_MAX),
  signature: bytes(64, 64),
  /** Absent when the asker's root digest is the region's. */
  digests: Type.Optional(bytes(BUCKETS * 8, BUCKETS * 8)),
  buckets: Type.Array(
    Type.Object({
      bucket: Type.Integer({ minimum: 0, maximum: BUCKETS - 1 }),
      entries: Type.Array(Entry, { maxItems: CAPABILITIES_MAX }),
    }),
    { maxItems: BUCKETS },
  ),
});

const TagConstraint = Type.Union([text(512), Type.Array(text(512), { maxItems: 64 })]);

const LookupRequest = Type.Object({
  query: Type.Object({
    capability: Type.String({ minLength: 1, maxLength: NAME_LENGTH_MAX }),
    tags: Type.Array(TagConstraint, { maxItems: 128 }),
    version: text(512),
    namespace: Type.Optional(text(512)),
    schema: Type.Optional(
      Type.Object({
        matchMode: Type.Optional(Type.Union([Type.Literal("subset"), Type.Literal("strict")])),
        expectedSchemaHash: Type.Optional(text(512)),
        expectedSchemaCanonical: Type.Optional(json),
      }),
    ),
    health: Type.Union([Type.Literal("healthy"), Type.Literal("any")]),
    limit: Type.Integer({ minimum: 1, maximum: 1_000 }),
    after: Type.Optional(
      Type.Object({
        score: Type.Number(),
        version: text(512),
        id: text(512),
        functionName: text(512),
        region: text(128),
      }),
    ),
  }),
  consistency: Type.Union([Type.Literal("stale"), Type.Literal("linearizable")]),
});

const Found = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 512 }),
  name: text(512),
  namespace: text(512),
  type: text(64),
  runtime: text(64),
  endpoint: text(4_096),
  zone: Type.Optional(text(512)),
  labels: Type.Record(Type.String(), text(4_096)),
  metadata: json,
  region: regionName,
  capability: text(NAME_LENGTH_MAX),
  functionName: text(512),
  version: text(512),
  tags: Type.Array(text(512), { maxItems: 1_024 }),
  description: Type.Optional(text(64 * 1024)),
  kwargs: Type.Optional(json),
  health: Type.Union([Type.Literal("healthy"), Type.Literal("unhealthy")]),
  revision: count,
  registeredAtMs: Type.Number(),
  score: Type.Number(),
});

const LookupReply = Type.Object({
  revision: count,
  stalenessMs: durationMs,
  hasMore: Type.Boolean(),
  agents: Type.Array(Found, { maxItems: 1_000 }),
});

const RegionPins = Type.Record(
  Type.String(),
  Type.Object({ cluster: text(128), publicKey: keyHex, replaced: Type.Optional(Type.Array(keyHex)) }),
);

export type PullRequest = Static<typeof PullRequest>;
export type RegionPins = Static<typeof RegionPins>;
/** A gossip message: who is said to speak, and what must be proven before it is read. */
export interface Envelope {
  readonly region: RegionId;
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}
export interface GossipBody {
  readonly header: SummaryHeader;
  readonly sequence: number;
  readonly stalenessMs: number;
  readonly entries: readonly SummaryEntry[];
}
export interface PullBody {
  readonly header: SummaryHeader;
  readonly nonce: string;
  readonly stalenessMs: number;
  readonly nodes: readonly SummaryNode[];
}
export interface PullAnswer {
  readonly publicKey: Uint8Array;
  /** From older keys of the region to this one. */
  readonly successions?: readonly KeySuccession[];
  /** Of all regions that the answering node knows to be gone. */
  readonly farewells?: readonly Farewell[];
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
  /** Of all buckets; absent when the asker's root digest is that of the signed header. */
  readonly digests?: Uint8Array;
  readonly buckets: readonly { readonly bucket: number; readonly entries: readonly SummaryEntry[] }[];
}
export interface LookupRequest {
  readonly query: RegionQuery;
  readonly consistency: "stale" | "linearizable";
}
export interface LookupReply {
  readonly revision: number;
  readonly stalenessMs: number;
  readonly hasMore: boolean;
  readonly agents: readonly FoundAgent[];
}

const gossipBodies = Compile(GossipBody);
const pullBodies = Compile(PullBody);
const pullRequests = Compile(PullRequest);
const pullAnswers = Compile(PullAnswer);
const lookupRequests = Compile(LookupRequest);
const lookupReplies = Compile(LookupReply);
const regionPins = Compile(RegionPins);
const farewells = Compile(Farewells);
const toldFarewells = Compile(ToldFarewells);

/*
 * Readers throw a FederationError MALFORMED. The brands of `types/ids.ts` exist only for the compiler, so a checked string
 * may take one.
 */
export const readGossipBody = (body: Uint8Array): GossipBody =>
  checked<GossipBody>(gossipBodies, decode(body), "gossip");
export const readPullBody = (body: Uint8Array): PullBody => checked<PullBody>(pullBodies, decode(body), "statement");
export const readRegionPins = (bytes: Uint8Array): RegionPins => checked<RegionPins>(regionPins, decode(bytes), "pins");
export const readFarewells = (bytes: Uint8Array): readonly Farewell[] =>
  checked<readonly Farewell[]>(farewells, decode(bytes), "farewells");
export const readToldFarewells = (value: unknown): readonly Farewell[] =>
  checked<{ readonly farewells: readonly Farewell[] }>(toldFarewells, value, "farewells").farewells;
export const readPullRequest = (value: unknown): PullRequest => checked<PullRequest>(pullRequests, value, "request");
export const readPullAnswer = (value: unknown): PullAnswer => checked<PullAnswer>(pullAnswers, value, "answer");
export const readLookupRequest = (value: unknown): LookupRequest =>
  checked<LookupRequest>(lookupRequests, value, "lookup request");
export const readLookupReply = (value: unknown): LookupReply => checked<LookupReply>(lookupReplies, value, "lookup");

/** How statements are written: the bytes that are signed, and kept. */
export function encode(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Signature, length of the region's name, name, body. */
export function encodeEnvelope({ region, body, signature }: Envelope): Uint8Array {
  const name = Buffer.from(region);
  return Uint8Array.from(Buffer.concat([signature, Buffer.of(name.length), name, body]));
}

/** @throws FederationError MALFORMED */
export function readEnvelope(message: Uint8Array): Envelope {
  const nameStart = SIGNATURE_BYTES + 1;
  const bodyStart = nameStart + (message[SIGNATURE_BYTES] ?? 0);
  if (message.length <= bodyStart) throw malformed("the message ends before its body");
  const region = asRegionId(Buffer.from(message.subarray(nameStart, bodyStart)).toString());
  return { region, body: message.subarray(bodyStart), signature: message.subarray(0, SIGNATURE_BYTES) };
}

/** A lag as it may be told: never negative, never infinite. */
export function tellableMs(ms: number): number {
  return Math.min(Math.max(0, ms), STALENESS_MS_MAX);
}

/** Shortens what would make an entry too large: a list over its bound becomes `ANY`, which rules nothing out. */
export function boundedEntry(entry: SummaryEntry): SummaryEntry {
  const versions = isWithin(entry.versions, VERSIONS_MAX, VERSIONS_LENGTH_MAX) ? entry.versions : [ANY];
  const tags = isWithin(entry.tags, TAGS_MAX, TAGS_LENGTH_MAX) ? entry.tags : [ANY];
  const { name, healthy, total, revision } = entry;
  return { name, healthy, total, versions, tags, revision };
}

function isWithin(list: readonly string[], itemsMax: number, lengthMax: number): boolean {
  return list.length <= itemsMax && list.reduce((sum, item) => sum + item.length, 0) <= lengthMax;
}

function decode(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch (error) {
    throw malformed(messageOf(error), error);
  }
}

function checked<T>(schema: { Check(value: unknown): boolean }, value: unknown, what: string): T {
  if (!schema.Check(value)) throw malformed(`the ${what} does not have its form, or is over a bound`);
  return value as T;
}

function malformed(reason: string, cause?: unknown): FederationError {
  return new FederationError(reason, { code: "MALFORMED", reason }, { cause });
}

/** What msgpack can carry and JSON can not (dates, bytes, big integers) would fail later, in an HTTP answer. */
function isJsonObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && isJson(value, 0);
}

function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || depth > JSON_DEPTH_MAX) return false;
  if (Array.isArray(value)) return value.every((item) => isJson(item, depth + 1));
  return (
    Object.getPrototypeOf(value) === Object.prototype && Object.values(value).every((item) => isJson(item, depth + 1))
  );
}
