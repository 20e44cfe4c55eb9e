/** A region's data in the smallest form that shows every part of it. */

import assert from "node:assert/strict";
import type { KeyValueStore, RecoveredRaft } from "../../src/storage/interface.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import { asClusterId, asNodeId, asNodeName } from "../../src/types/ids.ts";
import { foundingMembership, type Member, type Membership, NO_MEMBERS } from "../../src/types/membership.ts";
import type { LogEntry } from "../../src/types/raft.ts";
import { silentLogger } from "../../src/util/logger.ts";

const member = (number: number): Member => ({ id: asNodeId(`node-${number}`), name: asNodeName(`name-${number}`) });

export const CLUSTER = asClusterId("c1c1");
export const MEMBERS: Membership = foundingMembership([member(1), member(2), member(3)]);
export const SOLE: Membership = {
  ...NO_MEMBERS,
  voters: [member(1)],
  outgoing: [member(2)],
  learners: [{ ...member(3), becomes: "voter", replaces: member(2).id }],
};

/** Entries `first` to `last` of one term, each with content of its own. */
export function entriesOf(first: number, last: number, term: number): LogEntry[] {
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const index = first + i;
    return { index, term, kind: "command", data: new TextEncoder().encode(`command ${index} of term ${term}`) };
  });
}

/** What a node finds when it starts on this disk, its bytes as plain arrays of bytes. */
export async function recovered(store: KeyValueStore): Promise<RecoveredRaft> {
  const found = await new RaftStore(store, silentLogger).load();
  assert.ok(found !== null, "the region was founded here");
  return { ...found, entries: found.entries.map((entry) => ({ ...entry, data: Uint8Array.from(entry.data) })) };
}
