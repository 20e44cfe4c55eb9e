/** Power loss on a real file system: what was acknowledged is in what was synced (F4). */

import assert from "node:assert/strict";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { LevelStore } from "../../src/storage/level-store.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { dropUnsynced, killTraced, spawnTraced, tracingProblem } from "../support/power-loss.ts";
import { entriesOf, recovered } from "../support/raft-data.ts";
import { contentOf, withTemporaryFolder } from "../support/stores.ts";

const WRITER = join(import.meta.dirname, "../support/store-writer.ts");
const CLEARER = join(import.meta.dirname, "../support/store-clearer.ts");
const WITHOUT_SYNC = join(import.meta.dirname, "../support/without-sync.ts");
const MARK = "ACKNOWLEDGED";
/** So large that LevelDB begins new logs and sorts old ones into files while the power fails. */
const LARGE_BATCH_BYTES = 400_000;

const problem = tracingProblem();
const onlyTraced = { skip: problem === null ? false : `nothing is shown about syncs: ${problem}` };

interface Writer {
  readonly program?: string;
  /** The power fails after so many lines of what it prints. */
  readonly batches: number;
  readonly batchBytes?: number;
  readonly nodeOptions?: readonly string[];
}

/** Writes until the power fails. */
async function losePower(folder: string, { program = WRITER, batches, batchBytes = 0, nodeOptions = [] }: Writer) {
  const path = join(folder, "store");
  // From here on the mark on the disk is an old one: nobody syncs it before the store is closed.
  await (await LevelStore.open(path, silentLogger)).close();
  const syncedMark = await readFile(join(path, MARK));
  const traceFile = join(folder, "trace");
  const command = [process.execPath, ...nodeOptions, program, path, `${batchBytes}`];
  const writer = spawnTraced(command, traceFile);
  let acknowledged = 0;
  let lines = 0;
  for await (const line of createInterface({ input: writer.stdout! })) {
    acknowledged = Number(line);
    if (++lines === batches) await killTraced(writer);
  }
  const image = join(folder, "image");
  await cp(path, image, { recursive: true });
  dropUnsynced(image, await readFile(traceFile, "utf8"), path);
  await writeFile(join(image, MARK), syncedMark);
  return { image, acknowledged };
}

async function checkAcknowledged(image: string, acknowledged: number): Promise<void> {
  const store = await LevelStore.open(image, silentLogger);
  try {
    const { entries } = await recovered(store);
    assert.ok(entries.length >= acknowledged, `${entries.length} of ${acknowledged} entries`);
    assert.deepEqual(entries, entriesOf(1, entries.length, 1));
  } finally {
    await store.close();
  }
}

describe("integration: power-loss", () => {
  it("F4, R2: kill -9 and a dropped page cache lose nothing that was acknowledged", onlyTraced, () =>
    withTemporaryFolder(async (folder) => {
      const { image, acknowledged } = await losePower(folder, { batches: 100 });
      assert.ok(acknowledged >= 100);
      await checkAcknowledged(image, acknowledged);
    }),
  );

  it("F4: nor while LevelDB changes its log and sorts the old one into a file", onlyTraced, () =>
    withTemporaryFolder(async (folder) => {
      const { image, acknowledged } = await losePower(folder, { batches: 130, batchBytes: LARGE_BATCH_BYTES });
      const tables = (await readdir(image)).filter((name) => name.endsWith(".ldb"));
      assert.ok(tables.length > 0, "it came to sorted files");
      await checkAcknowledged(image, acknowledged);
    }),
  );

  it("R10: each batch of a clear is on disk before anything else is written", onlyTraced, () =>
    withTemporaryFolder(async (folder) => {
      const { image } = await losePower(folder, { program: CLEARER, batches: 1 });
      const store = await LevelStore.open(image, silentLogger);
      const left = await contentOf(store);
      await store.close();
      assert.equal(left.length, 0);
    }),
  );

  it("F4: and a store that does not sync is found out in the same way", onlyTraced, () =>
    withTemporaryFolder(async (folder) => {
      const nodeOptions = ["--import", WITHOUT_SYNC];
      const { image, acknowledged } = await losePower(folder, { batches: 100, nodeOptions });
      await assert.rejects(checkAcknowledged(image, acknowledged), /entries|founded/);
    }),
  );
});
