/** A forced recovery on a real folder. */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { recoverRegion } from "../../src/node/recovery.ts";
import { writeStatement } from "../../src/raft/founding-statement.ts";
import { RecoveryError } from "../../src/raft/recovery.ts";
import { StorageError } from "../../src/storage/interface.ts";
import { LevelStore } from "../../src/storage/level-store.ts";
import { NodeFactsStore } from "../../src/storage/node-facts.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import { epochOf } from "../../src/types/cluster-id.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { CLUSTER, MEMBERS } from "../support/raft-data.ts";
import { withTemporaryFolder } from "../support/stores.ts";

const isRefused = (code: string) => (error: unknown) => error instanceof RecoveryError && error.detail.code === code;

async function open(dataDir: string) {
  const store = await LevelStore.open(join(dataDir, "store"), silentLogger);
  return { store, raft: new RaftStore(store, silentLogger) };
}

async function found(dataDir: string): Promise<void> {
  const { store, raft } = await open(dataDir);
  const place = { federation: "f", region: "r", names: [], self: MEMBERS.voters[0]!, members: MEMBERS.voters };
  await writeStatement(new NodeFactsStore(store), { stage: "founded", ...place, cluster: null });
  await raft.found(CLUSTER, MEMBERS);
  await store.close();
}

describe("atoll recover", () => {
  it("R52: shows what the node has and changes it only when told to", async () => {
    await withTemporaryFolder(async (dataDir) => {
      await found(dataDir);
      const shown: number[] = [];
      const confirm = (is: boolean) =>
        recoverRegion(dataDir, silentLogger, ({ lastIndex }) => shown.push(lastIndex) > 0 && is);
      assert.equal(await confirm(false), null);
      const cluster = await confirm(true);
      assert.equal(epochOf(cluster!), 1);
      assert.deepEqual(shown, [0, 0]);

      const { store, raft } = await open(dataDir);
      const { hardState, entries } = (await raft.load())!;
      assert.deepEqual([hardState.term, hardState.commit, entries.map(({ kind }) => kind)], [1, 1, ["membership"]]);
      await store.close();
      await assert.rejects(confirm(true), isRefused("ONLY_VOTER"));
    });
  });

  it("leaves a node that runs alone", async () => {
    await withTemporaryFolder(async (dataDir) => {
      await found(dataDir);
      const { store } = await open(dataDir);
      await assert.rejects(
        recoverRegion(dataDir, silentLogger, () => true),
        (error) => error instanceof StorageError && error.detail.code === "STORE_LOCKED",
      );
      await store.close();
    });
  });

  it("makes no folder where there is none", async () => {
    await withTemporaryFolder(async (dataDir) => {
      await assert.rejects(
        recoverRegion(join(dataDir, "elsewhere"), silentLogger, () => true),
        isRefused("NOT_A_MEMBER"),
      );
      assert.equal(existsSync(join(dataDir, "elsewhere")), false);
    });
  });
});
