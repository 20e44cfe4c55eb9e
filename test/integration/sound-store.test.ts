/** A node whose store is damaged, on a real folder. */

import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { startOnSoundStore } from "../../src/node/sound-store.ts";
import { StorageError } from "../../src/storage/interface.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { withTemporaryFolder } from "../support/stores.ts";

class Starts {
  readonly path: string;
  readonly mayFound: boolean[] = [];
  readonly said: string[] = [];

  constructor(folder: string) {
    this.path = join(folder, "store");
  }

  /** Makes the folder, as opening a store does, and fails when it holds damage. */
  async run(hasOthers: boolean): Promise<string> {
    const error = ({ code }: { code: string }) => void this.said.push(code);
    return startOnSoundStore({ path: this.path, hasOthers, logger: { ...silentLogger, error } }, async (mayFound) => {
      this.mayFound.push(mayFound);
      mkdirSync(this.path, { recursive: true });
      if (!existsSync(join(this.path, "damage"))) return "started";
      throw new StorageError("damaged", { code: "CORRUPT", what: "log entry 7" });
    });
  }

  damage(): void {
    writeFileSync(join(this.path, "damage"), "");
  }
}

describe("a node on a damaged store", () => {
  it("F5: moves it aside and starts as somebody new, who founds nothing until people took it away", async () => {
    await withTemporaryFolder(async (folder) => {
      const starts = new Starts(folder);
      assert.equal(await starts.run(true), "started");
      starts.damage();
      assert.equal(await starts.run(true), "started");
      assert.deepEqual(starts.said, ["STORE_DAMAGED"]);
      assert.ok(existsSync(join(folder, "store.damaged-1", "damage")));
      assert.equal(await starts.run(true), "started");
      await rm(join(folder, "store.damaged-1"), { recursive: true });
      assert.equal(await starts.run(true), "started");
      assert.deepEqual(starts.mayFound, [true, true, false, false, true]);
    });
  });

  it("leaves it alone where the region has nobody else", async () => {
    await withTemporaryFolder(async (folder) => {
      const starts = new Starts(folder);
      await starts.run(false);
      starts.damage();
      await assert.rejects(starts.run(false), StorageError);
      assert.ok(existsSync(join(folder, "store", "damage")));
    });
  });

  it("lets a node that is now configured to be alone found its region beside what lies aside", async () => {
    await withTemporaryFolder(async (folder) => {
      const starts = new Starts(folder);
      await starts.run(true);
      starts.damage();
      await starts.run(true);
      await starts.run(false);
      assert.equal(starts.mayFound.at(-1), true);
    });
  });

  it("passes on what is no damage", async () => {
    const parts = { path: "/nonexistent/store", hasOthers: true, logger: silentLogger };
    await assert.rejects(
      startOnSoundStore(parts, () => Promise.reject(new Error("port in use"))),
      /port in use/,
    );
  });
});
