/** What only a real LevelDB in a real folder can show. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { StorageError, type StorageErrorDetail } from "../../src/storage/interface.ts";
import { LevelStore } from "../../src/storage/level-store.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { CLUSTER, entriesOf, MEMBERS, recovered } from "../support/raft-data.ts";
import { withTemporaryFolder } from "../support/stores.ts";

const WRITER = join(import.meta.dirname, "../support/store-writer.ts");
/** LevelDB drops the rest of a block of its log from the first damaged record on. */
const LEVELDB_BLOCK_BYTES = 32 * 1024;
const BATCH = 20;

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

describe("integration: level-store", () => {
  it("makes the folder, parents included, for its owner alone: the node's key lies in it", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "a", "b");
      const store = await LevelStore.open(path);
      await store.close();
      assert.equal((await stat(path)).mode & 0o777, 0o700);
    }));

  it("STORE_LOCKED: says that another one has the folder, and opens once that one has closed", () =>
    withTemporaryFolder(async (folder) => {
      const first = await LevelStore.open(folder);
      await assert.rejects(LevelStore.open(folder), refuses("STORE_LOCKED", /in use: stop the other node/));
      await first.close();
      await (await LevelStore.open(folder)).close();
    }));

  it("STORE_UNAVAILABLE: says what is wrong with a path that can not be a folder of ours", () =>
    withTemporaryFolder(async (folder) => {
      const file = join(folder, "file");
      await writeFile(file, "");
      // Not even root may make a folder in these.
      const unwritable = process.platform === "linux" ? ["/sys/atoll", "/proc/atoll"] : [];
      for (const path of [file, join(file, "below"), ...unwritable]) {
        await assert.rejects(
          LevelStore.open(path),
          refuses("STORE_UNAVAILABLE", /can not be used .*must be a folder that this user may write/),
          path,
        );
      }
    }));

  it("CORRUPT: says that LevelDB's own files are damaged", () =>
    withTemporaryFolder(async (folder) => {
      await (await LevelStore.open(folder)).close();
      const manifest = (await readdir(folder)).find((file) => file.startsWith("MANIFEST"))!;
      await writeFile(join(folder, manifest), Buffer.alloc(100, 0xff));
      await assert.rejects(LevelStore.open(folder), refuses("CORRUPT", /is damaged .*rejoin as a new member/));
    }));

  it("F4: kill -9 while writing loses nothing that was acknowledged, several times over", () =>
    withTemporaryFolder(async (folder) => {
      for (let round = 0; round < 3; round++) {
        const acknowledged = await writeUntilKilled(folder, 30);
        assert.ok(acknowledged > 0);
        const store = await LevelStore.open(folder);
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

  it("R9: one flipped bit in LevelDB's own log is found, or it takes only batches off the end, out of one last block", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      const store = await LevelStore.open(path);
      const raft = new RaftStore(store, silentLogger);
      await raft.found(CLUSTER, MEMBERS);
      await raft.write({ hardState: { term: 1, votedFor: null, commit: 0 } });
      for (let batch = 0; batch < 120; batch++) {
        await raft.write({ entries: entriesOf(batch * BATCH + 1, batch * BATCH + BATCH, 1) });
      }
      await store.close();
      const name = (await readdir(path)).find((file) => file.endsWith(".log"))!;
      const intact = await readFile(join(path, name));
      const lastBlock = Math.floor(intact.length / LEVELDB_BLOCK_BYTES) * LEVELDB_BLOCK_BYTES;
      assert.ok(lastBlock >= 4 * LEVELDB_BLOCK_BYTES, `LevelDB's log has ${intact.length} bytes`);

      for (let i = 0; i < 32; i++) {
        const at = Math.floor((intact.length * (i + 0.5)) / 32);
        const damaged = Buffer.from(intact);
        damaged[at]! ^= 16;
        const copy = join(folder, `copy${i}`);
        await cp(path, copy, { recursive: true });
        await writeFile(join(copy, name), damaged);
        const outcome = await outcomeOf(copy);
        if (at < lastBlock) assert.equal(outcome, "corrupt", `byte ${at} of ${intact.length}`);
      }
    }));
});

/** @throws when the damage shows as anything but an error or the end of the log */
async function outcomeOf(path: string): Promise<"corrupt" | "shorter"> {
  const store = await LevelStore.open(path);
  try {
    const { entries } = await recovered(store);
    assert.deepEqual(entries, entriesOf(1, entries.length, 1));
    assert.equal(entries.length % BATCH, 0, "batches are whole");
    return "shorter";
  } catch (error) {
    if (error instanceof StorageError && error.detail.code === "CORRUPT") return "corrupt";
    throw error;
  } finally {
    await store.close();
  }
}
