import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setAsideDamagedStore } from "../../src/storage/damaged-store.ts";
import { StorageError } from "../../src/storage/interface.ts";
import { LevelStore } from "../../src/storage/level-store.ts";
import { type LogEvent, type Logger, silentLogger } from "../../src/util/logger.ts";
import { withTemporaryFolder } from "../support/stores.ts";

/** A store that holds `content`, as far as these tests can tell. */
async function makeStore(path: string, content: string): Promise<void> {
  await mkdir(join(path, "below"), { recursive: true });
  await writeFile(join(path, "below", "file"), content);
}

const contentAt = (path: string) => readFile(join(path, "below", "file"), "utf8");

function listening(): { logger: Logger; events: LogEvent[] } {
  const events: LogEvent[] = [];
  return { events, logger: { ...silentLogger, warn: (event) => events.push(event) } };
}

describe("integration: damaged-store", () => {
  it("F5: moves the damaged store aside as it is, says where, and leaves room for an empty one", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      const store = await LevelStore.open(path, silentLogger);
      await store.write([{ type: "put", key: Buffer.of(1), value: Buffer.of(1) }]);
      await store.close();
      await writeFile(join(path, "CURRENT"), "damaged");
      await assert.rejects(LevelStore.open(path, silentLogger), StorageError);
      const before = (await readdir(path)).sort();

      const { logger, events } = listening();
      const target = await setAsideDamagedStore(path, logger);
      assert.equal(target, `${path}.damaged-1`);
      assert.deepEqual(events, [{ code: "STORE_SET_ASIDE", path, target }]);
      assert.deepEqual((await readdir(target)).sort(), before);
      assert.equal((await stat(target)).mode & 0o777, 0o700, "the old key is as secret as it was");

      const fresh = await LevelStore.open(path, silentLogger);
      assert.equal(fresh.get(Buffer.of(1)), undefined);
      await fresh.close();
    }));

  it("keeps the newest three and removes the oldest, one log line each", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      const { logger, events } = listening();
      for (let round = 1; round <= 12; round++) {
        await makeStore(path, `${round}`);
        assert.equal(await setAsideDamagedStore(path, logger), `${path}.damaged-${round}`);
      }
      assert.deepEqual((await readdir(folder)).sort(), ["store.damaged-10", "store.damaged-11", "store.damaged-12"]);
      assert.equal(await contentAt(`${path}.damaged-11`), "11");
      const removed = events.filter(({ code }) => code === "STORE_SET_ASIDE_REMOVED").map((event) => event.path);
      assert.deepEqual(
        removed,
        Array.from({ length: 9 }, (_, i) => `${path}.damaged-${i + 1}`),
      );
    }));

  it("clears up what a crash left of an earlier removal", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      for (const number of [2, 3, 5, 7, 9]) await makeStore(`${path}.damaged-${number}`, `${number}`);
      await makeStore(path, "new");
      assert.equal(await setAsideDamagedStore(path, silentLogger), `${path}.damaged-10`);
      assert.deepEqual((await readdir(folder)).sort(), ["store.damaged-10", "store.damaged-7", "store.damaged-9"]);
      assert.equal(await contentAt(`${path}.damaged-10`), "new");
    }));

  it("leaves alone whatever else lies there, however similar its name", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      const others = ["store2.damaged-1", "store.damaged-", "store.damaged-1.bak", "store.damaged-x", "facts"];
      for (const name of others) await makeStore(join(folder, name), name);
      for (let round = 0; round < 5; round++) {
        await makeStore(path, "new");
        await setAsideDamagedStore(path, silentLogger);
      }
      for (const name of others) assert.equal(await contentAt(join(folder, name)), name);
    }));

  it("STORE_UNAVAILABLE: says so when the store can not be moved, and changes nothing", () =>
    withTemporaryFolder(async (folder) => {
      for (const path of [join(folder, "nothing"), join(folder, "no", "such", "folder")]) {
        await assert.rejects(setAsideDamagedStore(path, silentLogger), (error) => {
          assert.ok(error instanceof StorageError);
          assert.equal(error.detail.code, "STORE_UNAVAILABLE");
          assert.match(error.message, /can not be moved aside .*by hand/);
          return true;
        });
      }
      assert.deepEqual(await readdir(folder), []);
    }));
});
