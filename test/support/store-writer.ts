/**
 * A process that appends entries to the store in a folder until it is killed, and prints the last index of each batch once it
 * was acknowledged: `node store-writer.ts FOLDER [BYTES]`, where BYTES is what each batch writes beside its entries.
 */

import { LevelStore } from "../../src/storage/level-store.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { CLUSTER, entriesOf, MEMBERS } from "./raft-data.ts";

const BATCH = 20;
const fillerBytes = Number(process.argv[3] ?? 0);
const filler = fillerBytes > 0 ? [{ key: "filler", value: Buffer.alloc(fillerBytes) }] : [];

const raft = new RaftStore(await LevelStore.open(process.argv[2]!, silentLogger), silentLogger);
const found = await raft.load();
if (found === null) await raft.found(CLUSTER, MEMBERS);
let last = (found?.logStart.index ?? 0) + (found?.entries.length ?? 0);
for (;;) {
  const applied = last;
  last += BATCH;
  await raft.write({
    hardState: { term: 1, votedFor: null, commit: applied },
    entries: entriesOf(applied + 1, last, 1),
    state: { writes: [{ key: "applied", value: applied }, ...filler], appliedIndex: applied, membership: MEMBERS },
  });
  process.stdout.write(`${last}\n`);
}
