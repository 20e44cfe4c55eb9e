import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DecodeError, pack, unpack } from "../../../src/network/codec.ts";
import {
  decodeRaftMessage,
  decodeSnapshotHeader,
  encodeRaftMessage,
  encodeSnapshotHeader,
} from "../../../src/network/raft-codec.ts";
import { asClusterId, asNodeId, asNodeName } from "../../../src/types/ids.ts";
import { foundingMembership } from "../../../src/types/membership.ts";
import type { LogEntry, RaftMessage, SnapshotHeader } from "../../../src/types/raft.ts";
import { InvariantViolation } from "../../../src/util/errors.ts";
import { traceparent } from "../../support/fake-tracing.ts";

const from = asNodeId("a");
const to = asNodeId("b");
const envelope = { from, to, term: 7 };
const decode = (fields: unknown) => decodeRaftMessage(pack(fields), from, to);
const APPEND = 4;
const PROPOSE = 8;

describe("Raft messages", () => {
  it("name the sender and the receiver of the stream they came on", () => {
    const heartbeat: RaftMessage = {
      ...envelope,
      type: "heartbeat",
      commit: 3,
      leaderCommit: 4,
      sinceQuorumMs: 40,
      readRound: 5,
      sentAt: 6,
      echo: 7,
      echoHeldMs: 8,
    };
    const other = decodeRaftMessage(encodeRaftMessage(heartbeat), asNodeId("c"), asNodeId("d"));
    assert.deepEqual(other, { ...heartbeat, from: "c", to: "d" });
  });

  it("carry entries without their indexes, and count them again", () => {
    const entry = (index: number): LogEntry => ({ index, term: 6, kind: "command", data: Uint8Array.of(index) });
    const append: RaftMessage = {
      ...envelope,
      type: "append",
      prevIndex: 9,
      prevTerm: 6,
      commit: 9,
      entries: [entry(10), entry(11)],
    };
    assert.deepEqual(decodeRaftMessage(encodeRaftMessage(append), from, to), append);
  });

  it("name the traces that proposals are part of, one for each or none at all", () => {
    const entries = [Uint8Array.of(1), Uint8Array.of(2)];
    const plain: RaftMessage = { ...envelope, type: "propose", entries };
    assert.deepEqual(unpack(encodeRaftMessage(plain)), [PROPOSE, 7, entries.map((entry) => Buffer.from(entry))]);
    const traced: RaftMessage = { ...plain, traces: [traceparent(1), null] };
    assert.deepEqual(decodeRaftMessage(encodeRaftMessage(traced), from, to), traced);
    for (const traces of [[traceparent(1)], [traceparent(1), "x"], [null, "x".repeat(55)], "x", [1, null]]) {
      assert.throws(() => decode([PROPOSE, 7, entries, traces]), DecodeError);
    }
  });

  it("are a bug of ours when their entries leave a gap", () => {
    const entries: LogEntry[] = [{ index: 12, term: 6, kind: "empty", data: new Uint8Array(0) }];
    const append: RaftMessage = { ...envelope, type: "append", prevIndex: 9, prevTerm: 6, commit: 9, entries };
    assert.throws(() => encodeRaftMessage(append), InvariantViolation);
  });

  const refused: readonly (readonly [string, unknown])[] = [
    ["a value that is not an array", { type: "vote" }],
    ["an unknown type", [99, 1]],
    ["a negative term", [2, -1, true]],
    ["a term beyond 2^53 - 1", [2, 2 ** 53, true]],
    ["a fractional term", [2, 1.5, true]],
    ["a field too few", [0, 1, 5, 5]],
    ["a field too many", [2, 1, true, true]],
    ["a flag that is a number", [2, 1, 1]],
    ["entries past the last index", [APPEND, 1, Number.MAX_SAFE_INTEGER, 1, 1, [[1, 0, new Uint8Array(0)]]]],
    ["an entry of unknown kind", [APPEND, 1, 0, 0, 0, [[1, 3, new Uint8Array(0)]]]],
    ["an entry whose data is text", [APPEND, 1, 0, 0, 0, [[1, 1, "data"]]]],
    ["a proposal that is not binary", [9, 1, ["x"]]],
    ["a refusal for an unknown reason", [10, 1, 2, null, []]],
    ["a leader that is not a name", [10, 1, 0, 5, []]],
    ["read requests that are not integers", [11, 1, [1, "2"]]],
  ];
  it("R15: refuse a membership entry that says nothing of members", () => {
    const entry = (membership: string) => [4, 1, 0, 0, 0, [[1, 2, Buffer.from(membership)]]];
    const none = '"voters":[],"outgoing":[],"learners":[]';
    decode(entry(`{${none},"removed":[]}`));
    const damaged = [
      "",
      "[]",
      `{${none}}`,
      `{${none},"removed":[""]}`,
      `{${none},"removed":[],"voters":[{"id":"a"}]}`,
      `{${none},"removed":[],"learners":[{"id":"a","name":"a","becomes":"king","replaces":null}]}`,
    ];
    for (const membership of damaged) assert.throws(() => decode(entry(membership)), DecodeError, membership);
  });

  for (const [what, fields] of refused) {
    it(`R15: refuse ${what}`, () => assert.throws(() => decode(fields), DecodeError));
  }
});

describe("snapshot headers", () => {
  const header: SnapshotHeader = {
    cluster: asClusterId("c1"),
    term: 3,
    lastIndex: 100,
    lastTerm: 2,
    membership: {
      voters: [{ id: from, name: asNodeName("one") }],
      outgoing: [],
      learners: [{ id: to, name: asNodeName("two"), becomes: "voter", replaces: from }],
      removed: [asNodeId("QmGone")],
    },
  };

  it("come back as they were sent", () => {
    assert.deepEqual(decodeSnapshotHeader(encodeSnapshotHeader(header), header.cluster), header);
  });

  it("F17: are refused for another cluster", () => {
    assert.throws(() => decodeSnapshotHeader(encodeSnapshotHeader(header), asClusterId("c2")), DecodeError);
  });

  it("are refused with more members than any region has", () => {
    const voters = Array.from({ length: 200 }, (_, i) => ({ id: asNodeId(`id${i}`), name: asNodeName(`n${i}`) }));
    const crowd = encodeSnapshotHeader({ ...header, membership: foundingMembership(voters) });
    assert.throws(() => decodeSnapshotHeader(crowd, header.cluster), DecodeError);
  });
});
