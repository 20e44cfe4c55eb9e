/**
 * Raft messages on the wire: arrays of fields, without the sender and the receiver, which the stream's preamble names once
 * and the connection proves.
 *
 * Decoding is the door of R15: what passes it has the right type, integers from 0 to 2^53 - 1, and entries that follow each
 * other without a gap, because an entry's index is not sent but counted.
 */

import { asNodeId, type ClusterId, type NodeId } from "../types/ids.ts";
import { decodeMembership, encodeMembership, type Membership } from "../types/membership.ts";
import type { EntryKind, LogEntry, ProposalId, RaftMessage, SnapshotHeader } from "../types/raft.ts";
import { invariant, messageOf } from "../util/errors.ts";
import { asArray, asBoolean, asBytes, asCount, asText, asTraceparent, DecodeError, pack, unpack } from "./codec.ts";

/** A message's code is its place here: append only. */
const MESSAGE_TYPES = [
  "preVote",
  "vote",
  "preVoteResponse",
  "voteResponse",
  "append",
  "appendResponse",
  "heartbeat",
  "heartbeatResponse",
  "propose",
  "proposeRefused",
  "readIndex",
  "readIndexResponse",
  "timeoutNow",
  "removed",
] as const satisfies readonly RaftMessage["type"][];

/** Likewise. */
const ENTRY_KINDS = ["empty", "command", "membership"] as const satisfies readonly EntryKind[];
const REFUSALS = ["not-leader", "overloaded"] as const;

const ID_LENGTH_MAX = 128;

/** The fields of a message, without its envelope. */
type Body<Message = RaftMessage> = Message extends RaftMessage ? Omit<Message, "from" | "to" | "term"> : never;

export function encodeRaftMessage(message: RaftMessage): Uint8Array {
  return pack([MESSAGE_TYPES.indexOf(message.type), message.term, ...encodeBody(message)]);
}

/**
 * @param from - the authenticated sender
 * @param to - this node
 * @throws DecodeError
 */
export function decodeRaftMessage(bytes: Uint8Array, from: NodeId, to: NodeId): RaftMessage {
  const [code, term, ...fields] = asArray(unpack(bytes), "message");
  const type = MESSAGE_TYPES[asCount(code, "type")];
  if (type === undefined) throw new DecodeError(`message type ${code} is unknown`);
  return { from, to, term: asCount(term, "term"), ...decodeBody(type, fields) } as RaftMessage;
}

function encodeBody(message: RaftMessage): readonly unknown[] {
  switch (message.type) {
    case "preVote":
    case "vote":
      return [message.lastIndex, message.lastTerm, message.isTransfer];
    case "preVoteResponse":
    case "voteResponse":
      return [message.granted];
    case "append":
      return [message.prevIndex, message.prevTerm, message.commit, encodeEntries(message.prevIndex, message.entries)];
    case "appendResponse":
      return [message.accepted, message.index, message.hintIndex, message.hintTerm];
    case "heartbeat":
      return [
        ...[message.commit, message.leaderCommit, message.sinceQuorumMs, message.readRound],
        ...[message.sentAt, message.echo, message.echoHeldMs],
      ];
    case "heartbeatResponse":
      return [message.readRound, message.sentAt, message.echo];
    case "propose":
      return message.traces === undefined ? [message.entries] : [message.entries, message.traces];
    case "proposeRefused": {
      const proposals = message.proposals.map(({ session, sequence }) => [session, sequence]);
      return [REFUSALS.indexOf(message.reason), message.leader, proposals];
    }
    case "readIndex":
      return [message.requests];
    case "readIndexResponse":
      return [message.requests, message.index, message.refused];
    case "timeoutNow":
      return [message.lastIndex];
    case "removed":
      return [];
  }
}

function encodeEntries(prevIndex: number, entries: readonly LogEntry[]): unknown[] {
  return entries.map(({ index, term, kind, data }, place) => {
    invariant(index === prevIndex + 1 + place, `entry ${index} does not follow ${prevIndex + place}`);
    return [term, ENTRY_KINDS.indexOf(kind), data];
  });
}

function decodeBody(type: RaftMessage["type"], fields: readonly unknown[]): Body {
  switch (type) {
    case "preVote":
    case "vote": {
      const [lastIndex, lastTerm, isTransfer] = asArray(fields, type, 3);
      return {
        type,
        lastIndex: asCount(lastIndex, "lastIndex"),
        lastTerm: asCount(lastTerm, "lastTerm"),
        isTransfer: asBoolean(isTransfer, "isTransfer"),
      };
    }
    case "preVoteResponse":
    case "voteResponse": {
      const [granted] = asArray(fields, type, 1);
      return { type, granted: asBoolean(granted, "granted") };
    }
    case "append":
      return decodeAppend(fields);
    case "appendResponse": {
      const [accepted, index, hintIndex, hintTerm] = asArray(fields, type, 4);
      return {
        type,
        accepted: asBoolean(accepted, "accepted"),
        index: asCount(index, "index"),
        hintIndex: asCount(hintIndex, "hintIndex"),
        hintTerm: asCount(hintTerm, "hintTerm"),
      };
    }
    case "heartbeat": {
      const [commit, leaderCommit, sinceQuorumMs, readRound, sentAt, echo, echoHeldMs] = asArray(fields, type, 7);
      return {
        type,
        commit: asCount(commit, "commit"),
        leaderCommit: asCount(leaderCommit, "leaderCommit"),
        sinceQuorumMs: asCount(sinceQuorumMs, "sinceQuorumMs"),
        readRound: asCount(readRound, "readRound"),
        sentAt: asCount(sentAt, "sentAt"),
        echo: asCount(echo, "echo"),
        echoHeldMs: asCount(echoHeldMs, "echoHeldMs"),
      };
    }
    case "heartbeatResponse": {
      const [readRound, sentAt, echo] = asArray(fields, type, 3);
      return {
        type,
        readRound: asCount(readRound, "readRound"),
        sentAt: asCount(sentAt, "sentAt"),
        echo: asCount(echo, "echo"),
      };
    }
    case "propose":
      return decodePropose(fields);
    case "proposeRefused":
      return decodeProposeRefused(fields);
    case "readIndex": {
      const [requests] = asArray(fields, type, 1);
      return { type, requests: asCounts(requests, "requests") };
    }
    case "readIndexResponse": {
      const [requests, index, refused] = asArray(fields, type, 3);
      return {
        type,
        requests: asCounts(requests, "requests"),
        index: asCount(index, "index"),
        refused: asBoolean(refused, "refused"),
      };
    }
    case "timeoutNow": {
      const [lastIndex] = asArray(fields, type, 1);
      return { type, lastIndex: asCount(lastIndex, "lastIndex") };
    }
    case "removed":
      asArray(fields, type, 0);
      return { type };
  }
}

function decodeAppend(fields: readonly unknown[]): Body {
  const [prevIndex, prevTerm, commit, list] = asArray(fields, "append", 4);
  const base = asCount(prevIndex, "prevIndex");
  const rows = asArray(list, "entries");
  asCount(base + rows.length, "the last entry's index");
  return {
    type: "append",
    prevIndex: base,
    prevTerm: asCount(prevTerm, "prevTerm"),
    commit: asCount(commit, "commit"),
    entries: rows.map((row, place) => decodeEntry(row, base + 1 + place)),
  };
}

function decodeEntry(row: unknown, index: number): LogEntry {
  const [term, code, data] = asArray(row, "entry", 3);
  const kind = ENTRY_KINDS[asCount(code, "entry kind")];
  if (kind === undefined) throw new DecodeError(`entry kind ${code} is unknown`);
  const entry = { index, term: asCount(term, "entry term"), kind, data: asBytes(data, "entry data") };
  if (kind === "membership") asMembership(entry.data);
  return entry;
}

function decodePropose(fields: readonly unknown[]): Body {
  const [list, traceList] = asArray(fields, "propose", fields.length === 2 ? 2 : 1);
  const entries = asArray(list, "entries").map((entry) => asBytes(entry, "entry"));
  if (traceList === undefined) return { type: "propose", entries };
  const traces = asArray(traceList, "traces", entries.length).map((trace) =>
    trace === null ? null : asTraceparent(trace),
  );
  return { type: "propose", entries, traces };
}

function decodeProposeRefused(fields: readonly unknown[]): Body {
  const [code, leader, list] = asArray(fields, "proposeRefused", 3);
  const reason = REFUSALS[asCount(code, "reason")];
  if (reason === undefined) throw new DecodeError(`reason ${code} is unknown`);
  const proposals = asArray(list, "proposals").map((row): ProposalId => {
    const [session, sequence] = asArray(row, "proposal", 2);
    return { session: asText(session, "session", ID_LENGTH_MAX), sequence: asCount(sequence, "sequence") };
  });
  return { type: "proposeRefused", reason, leader: asNodeIdOrNull(leader, "leader"), proposals };
}

const asCounts = (value: unknown, what: string): number[] => asArray(value, what).map((one) => asCount(one, what));

const asNodeIdOrNull = (value: unknown, what: string): NodeId | null =>
  value === null ? null : asNodeId(asText(value, what, ID_LENGTH_MAX));

export function encodeSnapshotHeader(header: SnapshotHeader): Uint8Array {
  const { cluster, term, lastIndex, lastTerm, membership } = header;
  return pack([cluster, term, lastIndex, lastTerm, encodeMembership(membership)]);
}

/** @throws DecodeError, also when the snapshot is of another cluster */
export function decodeSnapshotHeader(bytes: Uint8Array, ours: ClusterId): SnapshotHeader {
  const [cluster, term, lastIndex, lastTerm, membership] = asArray(unpack(bytes), "snapshot header", 5);
  if (cluster !== ours) throw new DecodeError("the snapshot is another cluster's");
  return {
    cluster: ours,
    term: asCount(term, "term"),
    lastIndex: asCount(lastIndex, "lastIndex"),
    lastTerm: asCount(lastTerm, "lastTerm"),
    membership: asMembership(asBytes(membership, "membership")),
  };
}

function asMembership(bytes: Uint8Array): Membership {
  try {
    return decodeMembership(bytes);
  } catch (error) {
    throw new DecodeError(messageOf(error));
  }
}
