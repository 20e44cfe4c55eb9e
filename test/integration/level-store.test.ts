/** What only a real LevelDB in a real folder can show. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, rename, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it, type TestContext } from "node:test";
import { Level } from "level";
import { StorageError, type StorageErrorDetail } from "../../src/storage/interface.ts";
import { LevelStore } from "../../src/storage/level-store.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { entriesOf, recovered } from "../support/raft-data.ts";
import { contentOf, withTemporaryFolder } from "../support/stores.ts";

const WRITER = join(import.meta.dirname, "../support/store-writer.ts");

const refuses = (code: StorageErrorDetail["code"], message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof StorageError, String(error));
  assert.equal(error.detail.code, code);
  assert.match(error.message, message);
  return true;
};

/** Appends batches until killed; returns what was acknowledged by then. */
async function writeUntilKilled(folder: string, batches: number): Promise<number> {
  const child = spawn(process.execPath, [WRITER, folder], { stdio: ["ignore", "pipe", "inherit"] });
  let acknowledged = 0;
  let lines = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = Number(line);
    if (++lines === batches) child.kill("SIGKILL");
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  assert.equal(child.signalCode, "SIGKILL", "the writer runs until it is killed");
  return acknowledged;
}

/** Tells of the options of each batch that any LevelDB of this process begins to write, and of its end, until the test ends. */
async function onBatchWrites(t: TestContext, folder: string, tell: (what: unknown) => void): Promise<void> {
  const level = new Level<Uint8Array, Uint8Array>(folder);
  await level.open();
  const batch = level.batch();
  let owner = Object.getPrototypeOf(batch);
  while (!Object.hasOwn(owner, "write")) owner = Object.getPrototypeOf(owner);
  const write: typeof batch.write = owner.write;
  t.mock.method(owner, "write", async function (this: typeof batch, ...args: Parameters<typeof batch.write>) {
    tell(args[0]);
    await write.apply(this, args);
    tell("written");
  });
  await batch.close();
  await level.close();
}

describe("integration: level-store", () => {
  it("makes the folder, parents included, for its owner alone: the node's key lies in it", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "a", "b");
      const store = await LevelStore.open(path, silentLogger);
      await store.close();
      assert.equal((await stat(path)).mode & 0o777, 0o700);
    }));

  it("STORE_LOCKED: says that another one has the folder, and opens once that one has closed", () =>
    withTemporaryFolder(async (folder) => {
      const first = await LevelStore.open(folder, silentLogger);
      await assert.rejects(
        LevelStore.open(folder, silentLogger),
        refuses("STORE_LOCKED", /in use: stop the other node/),
      );
      await first.close();
      await (await LevelStore.open(folder, silentLogger)).close();
    }));

  it("STORE_UNAVAILABLE: says what is wrong with a path that can not be a folder of ours", () =>
    withTemporaryFolder(async (folder) => {
      const file = join(folder, "file");
      await writeFile(file, "");
      // Not even root may make a folder in these.
      const unwritable = process.platform === "linux" ? ["/sys/atoll", "/proc/atoll"] : [];
      for (const path of [file, join(file, "below"), ...unwritable]) {
        await assert.rejects(
          LevelStore.open(path, silentLogger),
          refuses("STORE_UNAVAILABLE", /can not be used .*must be a folder that this user may write/),
          path,
        );
      }
    }));

  it("CORRUPT: says that LevelDB's own files are damaged", () =>
    withTemporaryFolder(async (folder) => {
      await (await LevelStore.open(folder, silentLogger)).close();
      const manifest = (await readdir(folder)).find((file) => file.startsWith("MANIFEST"))!;
      await writeFile(join(folder, manifest), Buffer.alloc(100, 0xff));
      await assert.rejects(
        LevelStore.open(folder, silentLogger),
        refuses("CORRUPT", /is damaged .*rejoin as a new member/),
      );
    }));

  it("R2, R5: has LevelDB sync every batch before it says that it is on disk, one after the other", (t) =>
    withTemporaryFolder(async (folder) => {
      const store = await LevelStore.open(join(folder, "store"), silentLogger);
      // Only the power could show the difference, so LevelDB's side is asked what it was told.
      const told: unknown[] = [];
      await onBatchWrites(t, join(folder, "probe"), (what) => told.push(what));
      const put = (value: number) => store.write([{ type: "put", key: Buffer.of(1), value: Buffer.of(value) }]);
      await Promise.all([put(1), put(2)]);
      await store.clear({ from: Buffer.of(0), to: Buffer.of(2) });
      await store.close();
      const oneBatch = [{ sync: true }, "written"];
      assert.deepEqual(told, [oneBatch, oneBatch, oneBatch].flat());
    }));

  it("closes only after the writes that were handed over", () =>
    withTemporaryFolder(async (folder) => {
      const store = await LevelStore.open(folder, silentLogger);
      const keys = [1, 2, 3, 4, 5];
      const writes = keys.map((key) => store.write([{ type: "put", key: Buffer.of(key), value: Buffer.of(key) }]));
      await Promise.all([store.close(), ...writes]);
      await assert.rejects(store.write([]), refuses("WRITE_FAILED", /not open/));
      const reopened = await LevelStore.open(folder, silentLogger);
      const found = await contentOf(reopened);
      await reopened.close();
      assert.deepEqual(
        found.map(([key]) => key[0]),
        keys,
      );
    }));

  it("F4: kill -9 while writing loses nothing that was acknowledged, several times over", () =>
    withTemporaryFolder(async (folder) => {
      for (let round = 0; round < 3; round++) {
        const acknowledged = await writeUntilKilled(folder, 30);
        assert.ok(acknowledged > 0);
        const store = await LevelStore.open(folder, silentLogger);
        const found = await recovered(store);
        const raft = new RaftStore(store, silentLogger);
        await raft.load();
        const state = [];
        for await (const page of raft.readState()) state.push(...page);
        await store.close();
        assert.ok(found.entries.length >= acknowledged, `${found.entries.length} of ${acknowledged} entries`);
        assert.deepEqual(found.entries, entriesOf(1, found.entries.length, 1));
        assert.deepEqual(state, [["applied", found.appliedIndex]], "F6: the state is that of its applied index");
      }
    }));

  it("R10: after kill -9, what was acknowledged and is no longer in LevelDB's log is damage, not a torn end", () =>
    withTemporaryFolder(async (folder) => {
      await writeUntilKilled(folder, 30);
      const log = (await readdir(folder)).find((file) => file.endsWith(".log"))!;
      const { size } = await stat(join(folder, log));
      await truncate(join(folder, log), Math.floor(size / 2));
      await assert.rejects(LevelStore.open(folder, silentLogger), refuses("CORRUPT", /batch \d+ was acknowledged/));
    }));

  it("R8: after a write that failed none is taken any more, whatever the disk would do", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      const store = await LevelStore.open(path, silentLogger);
      const put = (key: number, value: Uint8Array) => store.write([{ type: "put", key: Buffer.of(key), value }]);
      // LevelDB begins a new log file with the write after this one, and finds no folder for it.
      await put(1, Buffer.alloc(20 * 1024 * 1024));
      await rename(path, `${path}.away`);
      const failed = put(2, Buffer.of(2));
      const behind = put(3, Buffer.of(3));
      await assert.rejects(failed, refuses("WRITE_FAILED", /the disk did not take a write/));
      await assert.rejects(behind, refuses("WRITE_FAILED", /the disk did not take a write/));
      await rename(`${path}.away`, path);
      await assert.rejects(put(4, Buffer.of(4)), refuses("WRITE_FAILED", /the disk did not take a write/));
      await assert.rejects(store.clear({ from: Buffer.of(1), to: Buffer.of(9) }), refuses("WRITE_FAILED", /./));
      await store.close();
      const reopened = await LevelStore.open(path, silentLogger);
      const found = await contentOf(reopened);
      await reopened.close();
      assert.deepEqual(
        found.map(([key]) => key[0]),
        [1],
      );
    }));
});
