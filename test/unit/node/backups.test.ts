import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClusterError } from "../../../src/api/cluster-error.ts";
import { Backups } from "../../../src/node/backups.ts";
import { readBackup } from "../../../src/storage/backup-format.ts";
import type { RaftStore } from "../../../src/storage/raft-store.ts";
import type { LogEvent, Logger } from "../../../src/util/logger.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { HEADER, RECORDS, regionOf, SHARED_KEY } from "../../support/backup-data.ts";
import { CLUSTER, MEMBERS } from "../../support/raft-data.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** More than a stream holds ready for its reader. */
const LARGE = Array.from({ length: 60 }, (_, i) => [`agent/${100 + i}`, "x".repeat(50_000)] as const);

async function begin(records: Parameters<typeof regionOf>[0] = RECORDS) {
  const { raft } = await regionOf(records);
  const clock = new VirtualClock();
  const logged: LogEvent[] = [];
  const note = (event: LogEvent) => void logged.push(event);
  const logger: Logger = { ...silentLogger, info: note, warn: note };
  const state = { appliedIndex: HEADER.revision, closedViews: 0 };
  const storage: Pick<RaftStore, "durableAppliedIndex" | "openSelection"> = {
    get durableAppliedIndex() {
      return raft.durableAppliedIndex;
    },
    openSelection: (isTaken) => {
      const view = raft.openSelection(isTaken);
      const close = async () => {
        await view.close();
        state.closedViews++;
      };
      return { ...view, close };
    },
  };
  const backups = new Backups({
    region: () => ({ cluster: CLUSTER, storage }),
    appliedIndex: () => state.appliedIndex,
    place: { federation: "f", region: "r", node: "r-1", version: "0.1.0" },
    sharedKey: SHARED_KEY,
    clock,
    logger,
    timeoutMs: 1_000,
  });
  return { backups, raft, clock, state, logged };
}

async function keysIn(content: AsyncIterable<Uint8Array>): Promise<string[]> {
  const keys: string[] = [];
  for await (const part of readBackup(content, [SHARED_KEY])) {
    if (part.type === "records") keys.push(...part.records.map(([key]) => key));
  }
  return keys;
}

const isRefused = (code: string) => (error: unknown) => error instanceof ClusterError && error.detail.code === code;
const turns = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe("backups of a region", () => {
  it("hold the state at one revision, whatever is written meanwhile, and give up their view", async () => {
    const { backups, raft, state, logged } = await begin();
    const { revision, content } = await backups.open();
    const entry = { index: 8, term: 3, kind: "command", data: Buffer.from("x") } as const;
    const writes = [
      { key: "agent/late", value: {} },
      { key: "agent/a", value: undefined },
    ];
    await raft.write({ entries: [entry], state: { writes, appliedIndex: 8, membership: MEMBERS } });
    assert.deepEqual(await keysIn(content), ["agent/a", "agent/b", "capability/c"]);
    await turns();
    assert.deepEqual([revision, state.closedViews], [HEADER.revision, 1]);
    assert.deepEqual(logged, [{ code: "BACKUP_SENT", revision }]);
  });

  it("leave out the region's key and all that is its own as long as it is the same cluster", async () => {
    const own = ["region/export", "region/farewell", "region/key", "region/retired", "region/successions", "session/4"];
    const { backups } = await begin([
      ...RECORDS,
      ...own.map((key) => [key, "x"] as const),
      ["token/t", { sha256: "…" }],
    ]);
    const { content } = await backups.open();
    const expected = [...RECORDS.map(([key]) => key), "region/export", "region/retired", "token/t"];
    assert.deepEqual(await keysIn(content), expected);
  });

  it("wait until what was applied is on disk, and say so when it takes too long", async () => {
    const { backups, raft, state, clock } = await begin();
    state.appliedIndex = 8;
    const late = backups.open();
    await clock.advance(50);
    const entry = { index: 8, term: 3, kind: "command", data: Buffer.from("x") } as const;
    const written = { writes: [{ key: "agent/late", value: {} }], appliedIndex: 8, membership: MEMBERS };
    await raft.write({ entries: [entry], state: written });
    await clock.advance(50);
    assert.ok((await keysIn((await late).content)).includes("agent/late"));

    state.appliedIndex = 9;
    const refused = assert.rejects(backups.open(), isRefused("BACKUP_LAGS"));
    await clock.advance(1_100);
    await refused;
  });

  it("are two at a time", async () => {
    const { backups, state } = await begin();
    const [first] = await Promise.all([backups.open(), backups.open()]);
    await assert.rejects(backups.open(), isRefused("TOO_MANY_BACKUPS"));
    first!.content.destroy();
    await turns();
    assert.equal(state.closedViews, 1);
    assert.equal((await backups.open()).revision, HEADER.revision);
  });

  it("read ahead of a slow reader only so far, and give up one that reads nothing", async () => {
    const { backups, clock, state, logged } = await begin(LARGE);
    const { content } = await backups.open();
    content.read(1);
    for (let i = 0; i < 20; i++) await turns();
    assert.ok(content.readableLength < 1_200_000, `${content.readableLength} bytes wait for the reader`);
    await clock.advance(60_000);
    await turns();
    assert.deepEqual([content.destroyed, state.closedViews, logged[0]?.code], [true, 1, "BACKUP_NOT_SENT"]);
  });

  it("end with an error when the node stops, so that nobody takes them for whole", async () => {
    const { backups, logged } = await begin(LARGE);
    const { content } = await backups.open();
    const reading = keysIn(content);
    backups.close();
    await assert.rejects(reading, /this node is stopping/);
    await turns();
    assert.equal(logged[0]?.reason, "this node is stopping");
  });
});
