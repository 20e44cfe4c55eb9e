/**
 * The disk of a real process: one LevelDB in one folder.
 *
 * A write is one LevelDB batch, synced: all of it is on disk when the promise resolves, or none of it ever shows. LevelDB
 * does not notice every damage to its files, so what is stored here proves itself (`records.ts`).
 */

import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Level } from "level";
import { messageOf } from "../util/errors.ts";
import {
  type KeyRange,
  type KeyValueReader,
  type KeyValueSnapshot,
  type KeyValueStore,
  StorageError,
  type WriteOperation,
} from "./interface.ts";

type Database = Level<Uint8Array, Uint8Array>;
type View = ReturnType<Database["snapshot"]>;

/** A page of a scan ends at whichever comes first; both are crossed into JavaScript at once. */
const PAGE_RECORDS_MAX = 1_000;
const PAGE_BYTES = 1024 * 1024;
/** The log's entries are deleted soon after they were written; most die here and are never sorted into a file. */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024;
const SYNCED = { sync: true };
/** The folder holds the node's private key. */
const FOLDER_MODE = 0o700;

export class LevelStore implements KeyValueStore {
  readonly #db: Database;
  readonly #reader: LevelReader;

  /**
   * Opens the store in `path`, making the folder when there is none.
   *
   * @throws StorageError
   *   STORE_LOCKED       another process has it open
   *   STORE_UNAVAILABLE  no folder can be had there, or it can not be written
   *   CORRUPT            LevelDB's own files are damaged
   */
  static async open(path: string): Promise<KeyValueStore> {
    try {
      await makeFolder(resolve(path));
      const db: Database = new Level(path, {
        keyEncoding: "view",
        valueEncoding: "view",
        writeBufferSize: WRITE_BUFFER_BYTES,
      });
      await db.open();
      return new LevelStore(db);
    } catch (error) {
      throw openError(path, error);
    }
  }

  private constructor(db: Database) {
    this.#db = db;
    this.#reader = new LevelReader(db, undefined);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#reader.get(key);
  }

  scan(range: KeyRange) {
    return this.#reader.scan(range);
  }

  async write(operations: readonly WriteOperation[]): Promise<void> {
    try {
      // Three times cheaper than the array form: 100 entries take 0.46 ms instead of 1.2 ms.
      const batch = this.#db.batch();
      for (const operation of operations) {
        if (operation.type === "put") batch.put(operation.key, operation.value);
        else batch.del(operation.key);
      }
      await batch.write(SYNCED);
    } catch (error) {
      throw writeError(error);
    }
  }

  async clear({ from, to }: KeyRange): Promise<void> {
    try {
      await this.#db.clear({ gte: from, lt: to });
    } catch (error) {
      throw writeError(error);
    }
  }

  snapshot(): KeyValueSnapshot {
    const view = this.#db.snapshot();
    const reader = new LevelReader(this.#db, view);
    return {
      get: (key) => reader.get(key),
      scan: (range) => reader.scan(range),
      close: () => view.close(),
    };
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}

/** Reads the newest state, or that of a view. */
class LevelReader implements KeyValueReader {
  readonly #db: Database;
  readonly #options: { readonly snapshot?: View };

  constructor(db: Database, view: View | undefined) {
    this.#db = db;
    this.#options = view === undefined ? {} : { snapshot: view };
  }

  get(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.#db.getSync(key, this.#options);
    } catch (error) {
      throw readError(error);
    }
  }

  async *scan({ from, to }: KeyRange) {
    const range = { gte: from, lt: to, highWaterMarkBytes: PAGE_BYTES, fillCache: false };
    const iterator = this.#db.iterator({ ...range, ...this.#options });
    try {
      for (;;) {
        const page = await iterator.nextv(PAGE_RECORDS_MAX).catch((error) => {
          throw readError(error);
        });
        if (page.length === 0) return;
        yield page;
      }
    } finally {
      await iterator.close();
    }
  }
}

/** LevelDB wraps what happened: the outer error only says that the database is not open. */
function rootCause(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? rootCause(error.cause) : error;
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}

function openError(path: string, thrown: unknown): StorageError {
  const cause = rootCause(thrown);
  const reason = messageOf(cause);
  const code = codeOf(cause);
  if (code === "LEVEL_LOCKED") {
    const message = `the data folder ${path} is in use: stop the other node, or give this one a folder of its own (ATOLL_DATA_DIR)`;
    return new StorageError(message, { code: "STORE_LOCKED", path }, { cause });
  }
  if (code === "LEVEL_CORRUPTION") {
    const message = `the data folder ${path} is damaged (${reason}): move it away and let the node rejoin as a new member`;
    return new StorageError(message, { code: "CORRUPT", what: `LevelDB: ${reason}` }, { cause });
  }
  const message = `the data folder ${path} can not be used (${reason}): it must be a folder that this user may write, on a disk with space`;
  return new StorageError(message, { code: "STORE_UNAVAILABLE", path, reason }, { cause });
}

/** A read that LevelDB itself refuses is damage; anything else, such as a closed store, is the caller's mistake. */
function readError(thrown: unknown): unknown {
  const cause = rootCause(thrown);
  const code = codeOf(cause);
  if (code !== "LEVEL_CORRUPTION" && code !== "LEVEL_IO_ERROR") return thrown;
  const what = `LevelDB: ${messageOf(cause)}`;
  return new StorageError(`the data folder can not be read (${what})`, { code: "CORRUPT", what }, { cause });
}

function writeError(thrown: unknown): StorageError {
  const cause = rootCause(thrown);
  const reason = messageOf(cause);
  const message = `the disk did not take a write (${reason}): what it holds now is only known after a restart`;
  return new StorageError(message, { code: "WRITE_FAILED", reason }, { cause });
}

/** Makes the folder and those above it, one by one: `recursive` never returns where nothing can be made, as in /proc (Node 24). */
async function makeFolder(path: string): Promise<void> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path, { mode: FOLDER_MODE });
}
