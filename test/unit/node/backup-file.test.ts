import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  BackupFileError,
  type BackupFiles,
  examineBackup,
  type ReadOptions,
  saveBackup,
  systemFiles,
} from "../../../src/node/backup-file.ts";
import { BackupError } from "../../../src/storage/backup-format.ts";
import { backupOf, HEADER, inPieces, SHARED_KEY } from "../../support/backup-data.ts";
import { withTemporaryFolder } from "../../support/stores.ts";

const READ: ReadOptions = { sharedKeys: [SHARED_KEY] };
const KEEP = { ...READ, mayReplace: false };

const isRefused = (code: string) => (error: unknown) =>
  (error instanceof BackupFileError || error instanceof BackupError) && error.detail.code === code;

function withBackupFolder(test: (folder: string, file: string) => Promise<void>): Promise<void> {
  return withTemporaryFolder((folder) => test(folder, join(folder, "region.backup")));
}

/** The system's files, one of whose calls fails as a full disk does. */
function fullDisk(call: "write" | "sync" | "create" | "publish"): BackupFiles {
  const full = async () => {
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  };
  if (call === "create" || call === "publish") return { ...systemFiles, [call]: full };
  return { ...systemFiles, create: async (path) => ({ ...(await systemFiles.create(path)), [call]: full }) };
}

describe("a backup that is saved", () => {
  it("lies there whole, for its owner alone, and is read again as it was", async () => {
    await withBackupFolder(async (folder, file) => {
      const bytes = await backupOf();
      const seen: number[] = [];
      const onProgress = ({ records }: { records: number }) => void seen.push(records);
      const saved = await saveBackup(inPieces(bytes, 100), file, { ...KEEP, onProgress });
      assert.deepEqual([saved.header, seen.at(-1)], [HEADER, 3]);
      assert.deepEqual(await readFile(file), bytes);
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      assert.deepEqual(await readdir(folder), ["region.backup"]);
      assert.deepEqual(await examineBackup(file, READ), saved);
    });
  });

  it("replaces no file, unless it is told to, and then only with a whole one", async () => {
    await withBackupFolder(async (folder, file) => {
      await writeFile(file, "of yesterday");
      const bytes = await backupOf();
      await assert.rejects(saveBackup(inPieces(bytes), file, KEEP), isRefused("FILE_EXISTS"));
      const cut = inPieces(bytes.subarray(0, -1));
      await assert.rejects(saveBackup(cut, file, { ...KEEP, mayReplace: true }), isRefused("BACKUP_TRUNCATED"));
      assert.equal(await readFile(file, "utf8"), "of yesterday");
      await saveBackup(inPieces(bytes), file, { ...KEEP, mayReplace: true });
      assert.deepEqual([await readFile(file), await readdir(folder)], [bytes, ["region.backup"]]);
    });
  });

  it("replaces no file that came while it was written", async () => {
    await withBackupFolder(async (folder, file) => {
      async function* slow() {
        yield* inPieces(await backupOf());
        await writeFile(file, "somebody else's");
      }
      await assert.rejects(saveBackup(slow(), file, KEEP), isRefused("FILE_EXISTS"));
      assert.deepEqual([await readFile(file, "utf8"), await readdir(folder)], ["somebody else's", ["region.backup"]]);
    });
  });

  it("leaves nothing when the disk is full, at whatever moment, and says so", async () => {
    for (const call of ["create", "write", "sync", "publish"] as const) {
      await withBackupFolder(async (folder, file) => {
        const saving = saveBackup(inPieces(await backupOf()), file, { ...KEEP, files: fullDisk(call) });
        await assert.rejects(
          saving,
          /BACKUP_NOT_WRITTEN: .*region\.backup was not written: no room is left for it \(ENOSPC\)/,
        );
        assert.deepEqual(await readdir(folder), [], call);
      });
    }
  });

  it("leaves nothing when the node falls silent in the middle, and says how far it came", async () => {
    await withBackupFolder(async (folder, file) => {
      const bytes = await backupOf();
      async function* broken() {
        yield bytes.subarray(0, 150);
        throw new TypeError("terminated", { cause: new Error("other side closed") });
      }
      await assert.rejects(saveBackup(broken(), file, KEEP), (error) => {
        assert.ok(error instanceof BackupFileError);
        assert.deepEqual(error.detail, { code: "BACKUP_INCOMPLETE", bytes: 150, reason: "other side closed" });
        return true;
      });
      assert.deepEqual(await readdir(folder), []);
    });
  });

  it("leaves nothing when it arrives damaged", async () => {
    await withBackupFolder(async (folder, file) => {
      const bytes = await backupOf();
      bytes[200]! ^= 1;
      await assert.rejects(saveBackup(inPieces(bytes), file, KEEP), isRefused("BACKUP_DAMAGED"));
      assert.deepEqual(await readdir(folder), []);
    });
  });

  it("goes nowhere when there is no such folder", async () => {
    await withBackupFolder(async (folder) => {
      const nowhere = join(folder, "nowhere", "region.backup");
      await assert.rejects(saveBackup(inPieces(await backupOf()), nowhere, KEEP), isRefused("BACKUP_NOT_WRITTEN"));
    });
  });
});

describe("a backup that is examined", () => {
  it("must be there, and be a file", async () => {
    await withBackupFolder(async (folder, file) => {
      await assert.rejects(examineBackup(file, READ), isRefused("BACKUP_UNREADABLE"));
      await assert.rejects(examineBackup(folder, READ), isRefused("BACKUP_UNREADABLE"));
    });
  });
});
