/** What happens to the files of a real LevelDB while nobody looks, and that no node goes on with less than it had. */

import assert from "node:assert/strict";
import { cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { encodeBatchNumber } from "../../src/storage/acknowledged-mark.ts";
import { StorageError } from "../../src/storage/interface.ts";
import { LevelStore } from "../../src/storage/level-store.ts";
import { BLOCK_BYTES, LogScanner } from "../../src/storage/leveldb/log-scanner.ts";
import { proveTable } from "../../src/storage/leveldb/table.ts";
import { NodeFactsStore } from "../../src/storage/node-facts.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import { type LogEvent, type Logger, silentLogger } from "../../src/util/logger.ts";
import { logFileOf } from "../support/leveldb-log.ts";
import { CLUSTER, entriesOf, MEMBERS, recovered } from "../support/raft-data.ts";
import { withTemporaryFolder } from "../support/stores.ts";

const MARK = "ACKNOWLEDGED";
const BATCH = 20;
/** Of bits in each file; every file is damaged at its first and last byte as well. */
const SAMPLES = 14;

const isCorrupt = (error: unknown) => error instanceof StorageError && error.detail.code === "CORRUPT";
const saysCorrupt = (what: RegExp) => (error: unknown) => isCorrupt(error) && what.test((error as Error).message);

/** What a region and a node write; `batches` batches after what is there. */
async function write(path: string, batches: number): Promise<void> {
  const store = await LevelStore.open(path, silentLogger);
  const raft = new RaftStore(store, silentLogger);
  const found = await raft.load();
  if (found === null) {
    await raft.found(CLUSTER, MEMBERS);
    await new NodeFactsStore(store).put("key", Buffer.from("the node's key"));
  }
  const first = found?.entries.length ?? 0;
  for (let last = first + BATCH; last <= first + batches * BATCH; last += BATCH) {
    const agent = { key: `agent/${(last / BATCH) % 37}`, value: { last, body: "b".repeat(last % 401) } };
    await raft.write({
      hardState: { term: 1, votedFor: null, commit: last },
      entries: entriesOf(last - BATCH + 1, last, 1),
      state: { writes: [agent], appliedIndex: last, membership: MEMBERS },
    });
  }
  await store.close();
}

/** Everything a node would go on with. */
async function everything(path: string) {
  const store = await LevelStore.open(path, silentLogger);
  try {
    const raft = new RaftStore(store, silentLogger);
    await raft.load();
    const state = [];
    for await (const page of raft.readState()) state.push(...page);
    const key = new NodeFactsStore(store).get("key");
    return { raft: await recovered(store), state, key: key && Buffer.from(key).toString() };
  } finally {
    await store.close();
  }
}

/** A store with sorted files, a MANIFEST and a log that is in use; closed. */
async function withStore(test: (path: string, damagedCopy: DamagedCopy) => Promise<void>): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    const path = join(folder, "store");
    await write(path, 60);
    await write(path, 60);
    let copies = 0;
    await test(path, async (damage) => {
      const copy = join(folder, `copy${copies++}`);
      await cp(path, copy, { recursive: true });
      await damage(copy);
      return copy;
    });
  });
}
type DamagedCopy = (damage: (path: string) => Promise<void>) => Promise<string>;

async function nameOf(path: string, pattern: RegExp): Promise<string> {
  const name = (await readdir(path)).find((file) => pattern.test(file));
  assert.ok(name !== undefined, `${pattern} is in ${await readdir(path)}`);
  return name;
}

/** The batches in one of LevelDB's logs, as it wrote them. */
async function batchesIn(file: string): Promise<Uint8Array[]> {
  const scanner = new LogScanner(Number.POSITIVE_INFINITY);
  const content = await readFile(file);
  const batches: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += BLOCK_BYTES) {
    for (const finding of scanner.scan(content.subarray(at, at + BLOCK_BYTES))) {
      assert.ok(finding.kind === "record");
      batches.push(finding.head);
    }
  }
  return batches;
}

async function flip(file: string, byte: number, bit = 4): Promise<void> {
  const content = await readFile(file);
  content[byte]! ^= 1 << bit;
  await writeFile(file, content);
}

/** The files that are the store; LOCK and LOG are not. */
async function filesOf(path: string): Promise<string[]> {
  return (await readdir(path)).filter((name) => !name.startsWith("LO"));
}

describe("integration: store-damage", () => {
  it("R9, R10, F5: a flipped bit, a cut and a loss of any file is found, or nothing is missing", () =>
    withStore(async (path, damagedCopy) => {
      const whole = await everything(await damagedCopy(async () => {}));
      assert.equal(whole.raft.entries.length, 120 * BATCH);
      const outcome = async (what: string, damage: (path: string) => Promise<void>) => {
        const copy = await damagedCopy(damage);
        try {
          assert.ok(
            isDeepStrictEqual(await everything(copy), whole),
            `${what}: something is missing, without an error`,
          );
          return "whole";
        } catch (error) {
          assert.ok(isCorrupt(error), `${what}: ${error}`);
          return "corrupt";
        } finally {
          await rm(copy, { recursive: true });
        }
      };
      const files = await filesOf(path);
      for (const kind of [/^CURRENT$/, /^MANIFEST-\d+$/, /\.log$/, /\.ldb$/, /^ACKNOWLEDGED$/]) {
        assert.equal(files.filter((name) => kind.test(name)).length, 1, `${kind} in ${files}`);
      }
      for (const name of files) {
        const { length } = await readFile(join(path, name));
        const outcomes = [await outcome(`${name} is missing`, (copy) => rm(join(copy, name)))];
        for (let i = 0; i <= SAMPLES; i++) {
          const byte = Math.round(((length - 1) * i) / SAMPLES);
          outcomes.push(
            await outcome(`${name}, byte ${byte} of ${length}`, (copy) => flip(join(copy, name), byte, i % 8)),
            await outcome(`${name} cut after ${byte} of ${length} bytes`, (copy) => truncate(join(copy, name), byte)),
          );
        }
        assert.deepEqual(new Set(outcomes), new Set([name === MARK ? "whole" : "corrupt"]), name);
      }
    }));

  it("R9: says which file is damaged and where, before LevelDB touches it", () =>
    withStore(async (path, damagedCopy) => {
      for (const [kind, byte] of [[/\.log$/, 20_000] as const, [/^MANIFEST/, 20] as const]) {
        const name = await nameOf(path, kind);
        const copy = await damagedCopy((copy) => flip(join(copy, name), byte));
        const before = await readdir(copy);
        const expected = new RegExp(`${name} is damaged at byte \\d+ .*rejoin as a new member`);
        await assert.rejects(LevelStore.open(copy, silentLogger), saysCorrupt(expected));
        await assert.rejects(LevelStore.open(copy, silentLogger), saysCorrupt(expected));
        assert.deepEqual((await readdir(copy)).sort(), before.sort());
      }
    }));

  it("R9: every byte of a sorted file that LevelDB relies on is proved", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      await write(path, 1);
      await write(path, 1);
      const name = await nameOf(path, /\.ldb$/);
      const intact = await readFile(join(path, name));
      const file = join(folder, name);
      const harmless: number[] = [];
      for (let byte = 0; byte < intact.length; byte++) {
        const damaged = Buffer.from(intact);
        damaged[byte]! ^= 1 << (byte % 8);
        await writeFile(file, damaged);
        const isFound = await proveTable(file, name).then(() => false, isCorrupt);
        if (!isFound) harmless.push(byte);
      }
      // The footer pads its two handles.
      assert.ok(harmless.every((byte) => byte >= intact.length - 48 + 4 && byte < intact.length - 8));
    }));

  it("R9: batches that are missing, repeated or swapped are damage, although every checksum fits", () =>
    withStore(async (path, damagedCopy) => {
      const log = await nameOf(path, /\.log$/);
      const batches = await batchesIn(join(path, log));
      const rewritten = (changed: readonly Uint8Array[]) =>
        damagedCopy((copy) => writeFile(join(copy, log), logFileOf(changed)));
      await everything(await rewritten(batches));
      const changes: Record<string, Uint8Array[]> = {
        missing: batches.toSpliced(20, 1),
        repeated: batches.toSpliced(20, 0, batches[19]!),
        swapped: batches.with(20, batches[21]!).with(21, batches[20]!),
        "no batch": batches.with(20, Buffer.alloc(5)),
      };
      for (const [what, changed] of Object.entries(changes)) {
        const expected = new RegExp(`${log}.*(was to follow|too short for a batch)`);
        await assert.rejects(LevelStore.open(await rewritten(changed), silentLogger), saysCorrupt(expected), what);
      }
    }));

  it("R9: the end of one log and the beginning of the next one belong together", () =>
    withStore(async (path, damagedCopy) => {
      const log = await nameOf(path, /\.log$/);
      const batches = await batchesIn(join(path, log));
      const next = log.replace(/\d+/, (number) => String(Number(number) + 3).padStart(6, "0"));
      const split = (first: readonly Uint8Array[], second: readonly Uint8Array[]) =>
        damagedCopy(async (copy) => {
          await writeFile(join(copy, log), logFileOf(first));
          await writeFile(join(copy, next), logFileOf(second));
        });
      const whole = await everything(await split(batches.slice(0, 20), batches.slice(20)));
      assert.equal(whole.raft.entries.length, 120 * BATCH);
      const cut = await split(batches.slice(0, 19), batches.slice(20));
      await assert.rejects(LevelStore.open(cut, silentLogger), saysCorrupt(new RegExp(`${next}: change`)));
      const torn = await split(batches.slice(0, 20), batches.slice(20));
      await truncate(join(torn, log), (await readFile(join(torn, log))).length - 1);
      await assert.rejects(LevelStore.open(torn, silentLogger), saysCorrupt(new RegExp(`${log} is damaged`)));
    }));

  it("R10: what an older log left on the disk behind a torn end is not taken for what follows", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      await write(path, 3);
      const old = await batchesIn(join(path, await nameOf(path, /\.log$/)));
      const oldMark = await readFile(join(path, MARK));
      await write(path, 3);
      const log = await nameOf(path, /\.log$/);
      const content = await readFile(join(path, log));
      content[content.length - 1]! ^= 1;
      await writeFile(join(path, log), Buffer.concat([content, logFileOf(old)]));
      await writeFile(join(path, MARK), oldMark);
      assert.equal((await everything(path)).raft.entries.length, 5 * BATCH);
    }));

  it("R9: files that are gone are missed before LevelDB makes do without them, also with a mark of old", () =>
    withStore(async (path, damagedCopy) => {
      const files = { CURRENT: /CURRENT is missing/, log: /log \d+ is missing/, ldb: /sorted file \d+ is missing/ };
      for (const [kind, expected] of Object.entries(files)) {
        const name = await nameOf(path, new RegExp(`${kind}$`));
        const copy = await damagedCopy(async (copy) => {
          await rm(join(copy, name));
          await writeFile(join(copy, MARK), encodeBatchNumber(1));
        });
        const before = (await readdir(copy)).sort();
        await assert.rejects(LevelStore.open(copy, silentLogger), saysCorrupt(expected), kind);
        assert.deepEqual((await readdir(copy)).sort(), before);
      }
    }));

  it("R10: damage to the last batch is told from a torn one by the mark of what was acknowledged", () =>
    withStore(async (path, damagedCopy) => {
      const log = await nameOf(path, /\.log$/);
      const { length } = await readFile(join(path, log));
      const copy = await damagedCopy((copy) => flip(join(copy, log), length - 1));
      const expected = /ends with batch \d+, batch \d+ was acknowledged/;
      for (let start = 0; start < 3; start++) {
        await assert.rejects(LevelStore.open(copy, silentLogger), saysCorrupt(expected), `start ${start}`);
      }
    }));

  it("R10: after power loss, with a mark of old, a torn end is cut off in whole batches and nothing else is", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      await write(path, 10);
      const oldMark = await readFile(join(path, MARK));
      await write(path, 50);
      const log = await nameOf(path, /\.log$/);
      const { length } = await readFile(join(path, log));
      const seen = new Set<number>();
      for (let i = 0; i <= SAMPLES; i++) {
        const copy = join(folder, `copy${i}`);
        await cp(path, copy, { recursive: true });
        await writeFile(join(copy, MARK), oldMark);
        await truncate(join(copy, log), Math.floor((length * i) / SAMPLES));
        const { raft, state, key } = await everything(copy);
        const last = raft.entries.length;
        assert.deepEqual(raft.entries, entriesOf(1, last, 1));
        assert.ok(last >= 10 * BATCH && last % BATCH === 0, `${last} entries`);
        assert.deepEqual([raft.appliedIndex, raft.hardState.commit], [last, last]);
        assert.equal(state.length, Math.min(last / BATCH, 37));
        assert.equal(key, "the node's key");
        seen.add(last);
      }
      assert.ok(seen.has(10 * BATCH) && seen.has(60 * BATCH) && seen.size > SAMPLES / 2, `${[...seen]}`);
    }));

  it("R10: a batch over many blocks, of which some pages never reached the disk, is a torn end", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      await write(path, 3);
      const oldMark = await readFile(join(path, MARK));
      const store = await LevelStore.open(path, silentLogger);
      await store.write([{ type: "put", key: Buffer.of(1), value: Buffer.alloc(150_000, 7) }]);
      await store.close();
      const log = await nameOf(path, /\.log$/);
      const intact = await readFile(join(path, log));
      for (let page = 0; page < intact.length; page += 3 * 4_096) {
        const copy = join(folder, `copy${page}`);
        await cp(path, copy, { recursive: true });
        await writeFile(join(copy, MARK), oldMark);
        await writeFile(join(copy, log), Buffer.from(intact).fill(0, page, Math.min(page + 4_096, intact.length)));
        const { raft } = await everything(copy);
        assert.equal(raft.entries.length, 3 * BATCH, `page at ${page}`);
      }
    }));

  it("R10: a mark that is damaged or gone is said, made anew, and costs nothing", () =>
    withStore(async (path, damagedCopy) => {
      const whole = await everything(await damagedCopy(async () => {}));
      const damages: Record<string, (copy: string) => Promise<void>> = {
        missing: (copy) => rm(join(copy, MARK)),
        empty: (copy) => truncate(join(copy, MARK)),
        damaged: (copy) => flip(join(copy, MARK), 7),
      };
      for (const [what, damage] of Object.entries(damages)) {
        const copy = await damagedCopy(damage);
        const events: LogEvent[] = [];
        const logger: Logger = { ...silentLogger, warn: (event) => events.push(event) };
        await (await LevelStore.open(copy, logger)).close();
        await (await LevelStore.open(copy, logger)).close();
        assert.deepEqual(
          events.map(({ code }) => code),
          ["STORE_MARK_LOST"],
          what,
        );
        assert.deepEqual(await everything(copy), whole);
        await (await LevelStore.open(`${copy}-fresh`, logger)).close();
        assert.equal(events.length, 1, "a fresh store has lost nothing");
        assert.deepEqual(await readFile(join(copy, MARK)), await readFile(join(path, MARK)));
      }
    }));

  it("STORE_LOCKED: does not take for damage what a running node is writing", () =>
    withStore(async (_, damagedCopy) => {
      const copy = await damagedCopy(async () => {});
      const running = await LevelStore.open(copy, silentLogger);
      await flip(join(copy, "CURRENT"), 3);
      await assert.rejects(LevelStore.open(copy, silentLogger), (error) => {
        assert.ok(error instanceof StorageError);
        assert.equal(error.detail.code, "STORE_LOCKED");
        return true;
      });
      await running.close();
      await assert.rejects(LevelStore.open(copy, silentLogger), saysCorrupt(/CURRENT names no MANIFEST/));
    }));

  it("is not put off by LevelDB merging its sorted files and removing the old ones", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      const starts = 14;
      for (let start = 0; start < starts; start++) await write(path, 1);
      const tables = (await readdir(path)).filter((name) => name.endsWith(".ldb"));
      assert.ok(tables.length < starts / 2, `each start makes one, and ${tables.length} are left`);
      assert.equal((await everything(path)).raft.entries.length, starts * BATCH);
    }));

  it("is not put off by what a crash within the first opening, or within a compaction, leaves behind", () =>
    withTemporaryFolder(async (folder) => {
      const path = join(folder, "store");
      await write(path, 3);
      await writeFile(join(path, "000777.ldb"), "half a sorted file");
      const leftOver = logFileOf([1, 2, 3].map((number) => Buffer.alloc(100, number)));
      await writeFile(join(path, "000001.log"), leftOver.fill(0, 20, 30));
      assert.equal((await everything(path)).raft.entries.length, 3 * BATCH);
      const fresh = join(folder, "fresh");
      await (await LevelStore.open(fresh, silentLogger)).close();
      for (const name of await readdir(fresh)) if (!name.startsWith("MANIFEST")) await rm(join(fresh, name));
      await write(fresh, 1);
      assert.equal((await everything(fresh)).raft.entries.length, BATCH);
    }));
});
