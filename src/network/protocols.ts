/**
 * Names and bounds of what travels between nodes: the wire contract (docs/protocol.md).
 *
 * A change that an older node can not read gets a new name or a new protocol version, served beside the old one for one
 * minor release. Every bound is checked before memory is spent on what it bounds.
 */

import type { FederationId } from "../types/ids.ts";

export const HELLO_PROTOCOL = "/atoll/hello/1.0.0";
export const RAFT_PROTOCOL = "/atoll/raft/1.0.0";
export const SNAPSHOT_PROTOCOL = "/atoll/snapshot/1.0.0";
export const REQUEST_PROTOCOL = "/atoll/request/1.0.0";

/** The gossip topic of a federation. */
export const summaryTopic = (federation: FederationId): string => `/atoll/${federation}/summary/1`;

/** Protocol versions, both included. Two nodes speak the highest that both know. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

export const PROTOCOL_VERSIONS: VersionRange = { min: 1, max: 1 };

const KIB = 1024;
const MIB = 1024 * KIB;

/** Yamux cuts what is longer than 64 KiB; frames are gathered up to this before they are encrypted. */
export const CHUNK_BYTES_MAX = 60 * KIB;

export const HELLO_FRAME_BYTES_MAX = 8 * KIB;
export const RAFT_FRAME_BYTES_MAX = 8 * MIB;
export const SNAPSHOT_FRAME_BYTES_MAX = 8 * MIB;
export const REQUEST_PAYLOAD_BYTES_MAX = 1 * MIB;
/** A payload, and the little around it. */
export const REQUEST_FRAME_BYTES_MAX = REQUEST_PAYLOAD_BYTES_MAX + 1 * KIB;
export const SUMMARY_BYTES_MAX = 64 * KIB;

export const METHOD_LENGTH_MAX = 64;
export const ERROR_CODE_LENGTH_MAX = 64;
export const ERROR_MESSAGE_LENGTH_MAX = 512;
