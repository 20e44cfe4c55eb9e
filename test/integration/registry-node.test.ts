/** How a whole node starts, on a real disk. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { RegistryNode } from "../../src/node/registry-node.ts";
import { LevelStore } from "../../src/storage/level-store.ts";
import { type Logger, silentLogger } from "../../src/util/logger.ts";
import { withTemporaryFolder } from "../support/stores.ts";

/** A node that exports traces, and must not get as far as to serve anybody. */
function start(dataDir: string, flags: Record<string, string>, logger: Logger = silentLogger): Promise<RegistryNode> {
  const all = { "node.dataDir": dataDir, "tracing.endpoint": "http://127.0.0.1:9", ...flags };
  const { config } = loadConfig({ env: {}, flags: all, hostname: "here" });
  const onFatal = (error: unknown) => assert.ifError(error);
  return RegistryNode.start({ config, version: "0", logger, onFatal, onRemoved: () => assert.fail() });
}

describe("a node that can not start", () => {
  it("has not begun to export traces when its store is in use", () =>
    withTemporaryFolder(async (folder) => {
      const codes: string[] = [];
      const store = await LevelStore.open(join(folder, "store"), silentLogger);
      const logger = { ...silentLogger, info: ({ code }: { code: string }) => void codes.push(code) };
      await assert.rejects(start(folder, {}, logger), /STORE_LOCKED/);
      assert.deepEqual(codes, []);
      await store.close();
    }));

  it("gives its store back when a file that it was told of is missing", () =>
    withTemporaryFolder(async (folder) => {
      await assert.rejects(start(folder, { "security.tokens": join(folder, "none") }), /security\.tokens/);
      const store = await LevelStore.open(join(folder, "store"), silentLogger);
      await store.close();
    }));
});
