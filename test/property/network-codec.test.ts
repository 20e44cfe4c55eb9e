import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { DecodeError, FrameDecoder, pack, unpack } from "../../src/network/codec.ts";
import { dialerHello, responderHello } from "../../src/network/hello.ts";
import {
  decodeRaftMessage,
  decodeSnapshotHeader,
  encodeRaftMessage,
  encodeSnapshotHeader,
} from "../../src/network/raft-codec.ts";
import { asClusterId, asFederationId, asNodeId, asNodeName, asRegionId } from "../../src/types/ids.ts";
import { encodeMembership, type Membership } from "../../src/types/membership.ts";
import type { LogEntry, RaftMessage } from "../../src/types/raft.ts";

const from = asNodeId("sender");
const to = asNodeId("receiver");

const count = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER));
const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const nodeId = name.map(asNodeId);
const bytes = fc.uint8Array({ maxLength: 300 });
const flag = fc.boolean();

const members = fc.array(fc.record({ id: nodeId, name: name.map(asNodeName) }, { noNullPrototype: true }), {
  maxLength: 9,
});
const learners = fc.array(
  fc.record(
    {
      id: nodeId,
      name: name.map(asNodeName),
      becomes: fc.constantFrom("voter", "learner"),
      replaces: fc.option(nodeId),
    },
    { noNullPrototype: true },
  ),
  { maxLength: 9 },
);
const membership: fc.Arbitrary<Membership> = fc.record(
  { voters: members, outgoing: members, learners, removed: fc.array(nodeId, { maxLength: 9 }) },
  { noNullPrototype: true },
);

const entries = (prevIndex: number): fc.Arbitrary<LogEntry[]> =>
  fc
    .array(
      fc.oneof(
        fc.record(
          { term: count, kind: fc.constantFrom("empty" as const, "command" as const), data: bytes },
          { noNullPrototype: true },
        ),
        fc.record(
          { term: count, kind: fc.constant("membership" as const), data: membership.map(encodeMembership) },
          { noNullPrototype: true },
        ),
      ),
    )
    .map((rows) => rows.map((row, place) => ({ index: prevIndex + 1 + place, ...row })));

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const trace = fc
  .tuple(hex(31), hex(15), hex(2))
  .map(([traceId, spanId, flags]) => `00-1${traceId}-1${spanId}-${flags}`);

const append = fc.nat().chain((prevIndex) =>
  fc.record({
    type: fc.constant("append" as const),
    prevIndex: fc.constant(prevIndex),
    prevTerm: count,
    commit: count,
    entries: entries(prevIndex),
  }),
);

const body = fc.oneof(
  fc.record({
    type: fc.constantFrom("preVote" as const, "vote" as const),
    lastIndex: count,
    lastTerm: count,
    isTransfer: flag,
  }),
  fc.record({ type: fc.constantFrom("preVoteResponse" as const, "voteResponse" as const), granted: flag }),
  append,
  fc.record({
    type: fc.constant("appendResponse" as const),
    accepted: flag,
    index: count,
    hintIndex: count,
    hintTerm: count,
  }),
  fc.record({
    type: fc.constant("heartbeat" as const),
    commit: count,
    leaderCommit: count,
    sinceQuorumMs: count,
    readRound: count,
    sentAt: count,
    echo: count,
    echoHeldMs: count,
  }),
  fc.record({ type: fc.constant("heartbeatResponse" as const), readRound: count, sentAt: count, echo: count }),
  fc.record({ type: fc.constant("propose" as const), entries: fc.array(bytes) }),
  fc.array(fc.tuple(bytes, fc.option(trace))).map((traced) => ({
    type: "propose" as const,
    entries: traced.map(([entry]) => entry),
    traces: traced.map(([, of]) => of),
  })),
  fc.record({
    type: fc.constant("proposeRefused" as const),
    reason: fc.constantFrom("not-leader" as const, "overloaded" as const),
    leader: fc.option(nodeId),
    proposals: fc.array(fc.record({ session: name, sequence: count }, { noNullPrototype: true })),
  }),
  fc.record({ type: fc.constant("readIndex" as const), requests: fc.array(count) }),
  fc.record({
    type: fc.constant("readIndexResponse" as const),
    requests: fc.array(count),
    index: count,
    refused: flag,
  }),
  fc.record({ type: fc.constant("timeoutNow" as const), lastIndex: count }),
  fc.record({ type: fc.constant("removed" as const) }),
);

const message: fc.Arbitrary<RaftMessage> = fc
  .tuple(count, body)
  .map(([term, fields]) => ({ from, to, term, ...fields }));

/** Plain data as the codec carries it. */
const value = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    fc.integer(),
    fc.double({ noNaN: true }).filter((number) => !Object.is(number, -0)),
    fc.string(),
    flag,
    fc.constant(null),
    fc.array(tie("tree"), { maxLength: 20 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tie("tree"), { maxKeys: 20, noNullPrototype: true }),
  ),
})).tree;

/** Either nothing, or a complaint about the bytes. */
function decodesOrComplains(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    assert.ok(error instanceof DecodeError, `${error}`);
  }
}

describe("network codec", () => {
  it("brings every value back", () => {
    fc.assert(fc.property(value, (tree) => assert.deepEqual(unpack(pack(tree)), tree)));
  });

  it("brings every Raft message back", () => {
    fc.assert(
      fc.property(message, (sent) => assert.deepEqual(decodeRaftMessage(encodeRaftMessage(sent), from, to), sent)),
      {
        numRuns: 500,
      },
    );
  });

  it("brings every snapshot header back", () => {
    const header = fc.record(
      {
        cluster: name.map(asClusterId),
        term: count,
        lastIndex: count,
        lastTerm: count,
        membership,
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(header, (sent) =>
        assert.deepEqual(decodeSnapshotHeader(encodeSnapshotHeader(sent), sent.cluster), sent),
      ),
    );
  });

  it("throws nothing but a DecodeError, whatever the bytes", () => {
    const cluster = asClusterId("c");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        decodesOrComplains(() => unpack(noise));
        decodesOrComplains(() => decodeRaftMessage(noise, from, to));
        decodesOrComplains(() => decodeSnapshotHeader(noise, cluster));
      }),
      { numRuns: 3_000 },
    );
  });

  it("throws nothing but a DecodeError for a message with one byte changed", () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (sent, place, change) => {
        const flipped = Uint8Array.from(encodeRaftMessage(sent));
        flipped[place % flipped.length]! ^= change;
        decodesOrComplains(() => decodeRaftMessage(flipped, from, to));
      }),
      { numRuns: 2_000 },
    );
  });

  it("throws nothing but a DecodeError for fields of any kind", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(count, value), { maxLength: 8 }), (fields) => {
        decodesOrComplains(() => decodeRaftMessage(pack(fields), from, to));
      }),
      { numRuns: 2_000 },
    );
  });

  it("hello throws nothing but a DecodeError, whatever the bytes", () => {
    const identity = {
      federation: asFederationId("f"),
      region: asRegionId("r"),
      name: asNodeName("n"),
      cluster: null,
      http: "http://n",
      addresses: [],
    };
    const terms = {
      self: from,
      peer: to,
      identity,
      versions: { min: 1, max: 1 },
      psk: new Uint8Array(0),
      nonce: new Uint8Array(32),
    };
    fc.assert(
      fc.property(
        fc.oneof(bytes, fc.tuple(fc.integer({ min: 1, max: 5 }), value, value, value, value).map(pack)),
        (noise) => {
          decodesOrComplains(() => dialerHello(terms).receive(noise));
          decodesOrComplains(() => responderHello(terms).receive(noise));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("finds the same frames however the bytes are cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 })),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
        (frames, cuts) => {
          const parts = frames.map((frame) => Buffer.concat([Buffer.of(0, 0, 0, frame.length), frame]));
          const stream = Buffer.concat(parts);
          const decoder = new FrameDecoder(50);
          const found: Uint8Array[] = [];
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const end = at + cuts[turn % cuts.length]!;
            decoder.push(stream.subarray(at, end), (payload) => found.push(Uint8Array.from(payload)));
            at = end;
          }
          assert.deepEqual(
            found,
            frames.map((frame) => Uint8Array.from(frame)),
          );
        },
      ),
    );
  });
});
