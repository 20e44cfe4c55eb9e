/** A new region from a backup, on a real folder. */

import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { REVISION_GAP, RestoreError, type RestoreOptions, restoreRegion } from "../../src/node/restore.ts";
import { clusterOf, readStatement } from "../../src/raft/founding-statement.ts";
import { BackupError } from "../../src/storage/backup-format.ts";
import { type StateRecord, StorageError } from "../../src/storage/interface.ts";
import { LevelStore } from "../../src/storage/level-store.ts";
import { NodeFactsStore } from "../../src/storage/node-facts.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { backupOf, HEADER, RECORDS, SHARED_KEY } from "../support/backup-data.ts";
import { CLUSTER } from "../support/raft-data.ts";
import { withTemporaryFolder } from "../support/stores.ts";

interface Place {
  readonly file: string;
  readonly dataDir: string;
  readonly options: RestoreOptions;
}

async function withBackup(bytes: Uint8Array, test: (place: Place) => Promise<void>): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    const [file, dataDir] = [join(folder, "region.backup"), join(folder, "data")];
    await writeFile(file, bytes);
    const node = { dataDir, federation: "f", region: "r", name: "r-1" };
    const options: RestoreOptions = {
      file,
      node,
      sharedKeys: [SHARED_KEY],
      isRenamed: false,
      mayBeUnsealed: false,
      logger: silentLogger,
    };
    await test({ file, dataDir, options });
  });
}

const yes = () => true;
const isRefused = (code: string) => (error: unknown) =>
  (error instanceof RestoreError || error instanceof BackupError || error instanceof StorageError) &&
  error.detail.code === code;

/** What a node finds when it starts on the folder. */
async function foundIn(dataDir: string) {
  const store = await LevelStore.open(join(dataDir, "store"), silentLogger);
  try {
    const raft = new RaftStore(store, silentLogger);
    const recovered = (await raft.load())!;
    const records: StateRecord[] = [];
    for await (const page of raft.readState()) records.push(...page);
    const { lastIndex, lastTerm } = raft.openSnapshot();
    return { recovered, records, lastIndex, lastTerm, statement: readStatement(new NodeFactsStore(store))! };
  } finally {
    await store.close();
  }
}

describe("atoll restore", () => {
  it("founds another cluster with the records, its log beginning far behind every revision of the old one (P10, F21)", async () => {
    await withBackup(await backupOf(), async ({ dataDir, options }) => {
      const { cluster, revision, totals } = (await restoreRegion(options, yes))!;
      const { recovered, records, lastIndex, lastTerm, statement } = await foundIn(dataDir);
      assert.deepEqual(records, RECORDS);
      assert.deepEqual([revision, totals.records], [HEADER.revision + REVISION_GAP, 3]);
      assert.ok(REVISION_GAP >= 2 ** 28, "the old region may have gone on for long");
      assert.deepEqual([lastIndex, lastTerm, recovered.appliedIndex], [revision, HEADER.term, revision]);
      assert.deepEqual([recovered.entries, recovered.logStart.index], [[], revision]);
      assert.deepEqual(recovered.membership.voters, [statement.self]);
      assert.deepEqual([statement.stage, statement.region, statement.self.name], ["founded", "r", "r-1"]);
      assert.deepEqual([cluster, clusterOf(statement)], [cluster, cluster]);
      assert.notEqual(cluster, CLUSTER);
      assert.deepEqual(await readdir(dataDir), ["store"]);
    });
  });

  it("founds another cluster each time", async () => {
    const bytes = await backupOf();
    const clusters = new Set<string>();
    for (let i = 0; i < 2; i++) {
      await withBackup(bytes, async ({ options }) => {
        clusters.add((await restoreRegion(options, yes))!.cluster);
      });
    }
    assert.equal(clusters.size, 2);
  });

  it("takes over no key, farewell or session, should a backup hold one", async () => {
    const own = ["region/farewell", "region/key", "session/4"].map((key) => [key, "x"] as const);
    await withBackup(await backupOf([...RECORDS, ...own]), async ({ dataDir, options }) => {
      await restoreRegion(options, yes);
      assert.deepEqual((await foundIn(dataDir)).records, RECORDS);
    });
  });

  it("changes nothing until it is told to", async () => {
    await withBackup(await backupOf(), async ({ dataDir, options }) => {
      const shown: unknown[] = [];
      assert.equal(await restoreRegion(options, (header) => shown.push(header) === 0), null);
      assert.deepEqual(shown, [HEADER]);
      await assert.rejects(readdir(dataDir), { code: "ENOENT" });
    });
  });

  it("goes over no region, be it running or not, and over nothing else", async () => {
    await withBackup(await backupOf(), async ({ dataDir, options }) => {
      await restoreRegion(options, yes);
      await assert.rejects(restoreRegion(options, yes), isRefused("FOLDER_NOT_EMPTY"));
      const store = await LevelStore.open(join(dataDir, "store"), silentLogger);
      await assert.rejects(restoreRegion(options, yes), isRefused("FOLDER_NOT_EMPTY"));
      await store.close();
    });
    await withBackup(await backupOf(), async ({ dataDir, options }) => {
      await mkdir(dataDir);
      await writeFile(join(dataDir, "notes.txt"), "mine");
      await assert.rejects(restoreRegion(options, yes), isRefused("FOLDER_NOT_EMPTY"));
      assert.deepEqual(await readdir(dataDir), ["notes.txt"]);
    });
  });

  it("leaves nothing of a backup that turns out not to be whole, and can be repeated", async () => {
    const bytes = await backupOf();
    const damaged = Buffer.from(bytes);
    damaged[bytes.length - 50]! ^= 1;
    for (const [broken, code] of [
      [bytes.subarray(0, -1), "BACKUP_TRUNCATED"],
      [damaged, "BACKUP_DAMAGED"],
    ] as const) {
      await withBackup(broken, async ({ file, dataDir, options }) => {
        await assert.rejects(restoreRegion(options, yes), isRefused(code));
        assert.deepEqual(await readdir(dataDir), []);
        await writeFile(file, bytes);
        await restoreRegion(options, yes);
        assert.deepEqual((await foundIn(dataDir)).records, RECORDS);
      });
    }
  });

  it("begins anew where one was killed, and leaves alone one that is under way", async () => {
    await withBackup(await backupOf(), async ({ dataDir, options }) => {
      const workplace = join(dataDir, "store.restoring");
      const other = await LevelStore.open(workplace, silentLogger);
      await assert.rejects(restoreRegion(options, yes), isRefused("STORE_LOCKED"));
      await other.write([{ type: "put", key: Buffer.of(0x40, 1), value: Buffer.of(1) }]);
      await other.close();
      await writeFile(join(workplace, "000099.ldb"), "cut off");
      await restoreRegion(options, yes);
      assert.deepEqual((await foundIn(dataDir)).records, RECORDS);
      assert.deepEqual(await readdir(dataDir), ["store"]);
    });
  });

  it("P11: takes no backup of another federation, nor one that was sealed there", async () => {
    await withBackup(await backupOf(RECORDS, { header: { ...HEADER, federation: "g" } }), async ({ options }) => {
      await assert.rejects(restoreRegion(options, yes), isRefused("BACKUP_OTHER_FEDERATION"));
    });
    await withBackup(await backupOf(RECORDS, { sharedKey: Buffer.from("theirs") }), async ({ dataDir, options }) => {
      await assert.rejects(restoreRegion(options, yes), isRefused("BACKUP_SEAL_WRONG"));
      assert.deepEqual(await readdir(dataDir), []);
    });
  });

  it("takes one that nobody sealed only when it is told to", async () => {
    await withBackup(await backupOf(RECORDS, { sharedKey: Buffer.alloc(0) }), async ({ dataDir, options }) => {
      await assert.rejects(restoreRegion(options, yes), isRefused("BACKUP_UNSEALED"));
      await restoreRegion({ ...options, mayBeUnsealed: true }, yes);
      assert.deepEqual((await foundIn(dataDir)).records, RECORDS);
    });
  });

  it("leaves nothing of records that no node could start with", async () => {
    const made = [["agent/c", { id: "c", record: {} }]] as const;
    await withBackup(await backupOf(made), async ({ dataDir, options }) => {
      await assert.rejects(restoreRegion(options, yes), isRefused("BACKUP_UNUSABLE"));
      assert.deepEqual(await readdir(dataDir), []);
    });
  });

  it("gives the region another name only when it is told to", async () => {
    await withBackup(await backupOf(), async ({ dataDir, options }) => {
      const renamed = { ...options, node: { ...options.node, region: "s" } };
      await assert.rejects(restoreRegion(renamed, yes), isRefused("BACKUP_OTHER_REGION"));
      await restoreRegion({ ...renamed, isRenamed: true }, yes);
      assert.equal((await foundIn(dataDir)).statement.region, "s");
    });
  });
});
