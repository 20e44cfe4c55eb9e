/** Backups in memory, of a state that a test names. */

import type { KeptAgent } from "../../src/registry/agent-index.ts";
import { writeBackup } from "../../src/storage/backup-format.ts";
import type { StateRecord } from "../../src/storage/interface.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import type { BackupHeader } from "../../src/types/backup.ts";
import { asAgentId } from "../../src/types/ids.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { aRecord } from "../unit/registry/fixtures.ts";
import { MemoryStore } from "./memory-store.ts";
import { CLUSTER, MEMBERS } from "./raft-data.ts";

export const SHARED_KEY = Buffer.from("the key that a federation shares");

export const HEADER: BackupHeader = {
  federation: "f",
  region: "r",
  cluster: CLUSTER,
  node: "r-1",
  version: "0.1.0",
  revision: 7,
  term: 3,
  takenAtMs: 1_700_000_000_000,
  records: 3,
};

export const RECORDS: readonly StateRecord[] = [
  ["agent/a", anAgent("a", 2)],
  ["agent/b", anAgent("b", 5)],
  ["capability/c", 5],
];

/** As the registry keeps it. */
export function anAgent(id: string, incarnation: number): KeptAgent {
  const times = { registeredAtMs: 1, changedAtMs: 1, incarnatedAtMs: 1 };
  return { id: asAgentId(id), record: aRecord(), incarnation, health: "healthy", revision: incarnation, ...times };
}

/** A region whose state is this, at the revision of `HEADER`. */
export async function regionOf(records: readonly StateRecord[]): Promise<{ store: MemoryStore; raft: RaftStore }> {
  const store = new MemoryStore();
  const raft = new RaftStore(store, silentLogger);
  const at = { index: HEADER.revision, term: HEADER.term };
  await raft.foundWith({ cluster: CLUSTER, membership: MEMBERS, at }, pageOf(records));
  return { store, raft };
}

export async function backupOf(
  records: readonly StateRecord[] = RECORDS,
  { header = HEADER, sharedKey = SHARED_KEY }: { header?: BackupHeader; sharedKey?: Uint8Array } = {},
): Promise<Buffer> {
  const { raft } = await regionOf(records);
  const view = raft.openSelection(() => true);
  const pieces: Uint8Array[] = [];
  for await (const piece of writeBackup(header, view.chunks(), sharedKey)) pieces.push(piece);
  await view.close();
  return Buffer.concat(pieces);
}

async function* pageOf(records: readonly StateRecord[]): AsyncGenerator<readonly StateRecord[]> {
  yield records;
}

/** A file that arrives in pieces of `size` bytes. */
export async function* inPieces(bytes: Uint8Array, size = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
