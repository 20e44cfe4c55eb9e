/**
 * A backup as a file: written so that there is a whole one under its name or none, and read to be proved.
 *
 * What arrives is proved while it is written. It lies under another name until it is whole and on disk.
 */

import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { BackupError, readBackup } from "../storage/backup-format.ts";
import { syncFolder } from "../storage/folder.ts";
import type { BackupHeader, BackupTotals } from "../types/backup.ts";
import { AtollError, messageOf } from "../util/errors.ts";

export type BackupFileErrorDetail =
  | { readonly code: "FILE_EXISTS"; readonly file: string }
  /** Nothing is left of it. */
  | { readonly code: "BACKUP_NOT_WRITTEN"; readonly file: string; readonly reason: string }
  /** The node fell silent after so many bytes; nothing is left of them. */
  | { readonly code: "BACKUP_INCOMPLETE"; readonly bytes: number; readonly reason: string }
  | { readonly code: "BACKUP_UNREADABLE"; readonly file: string; readonly reason: string };

export class BackupFileError extends AtollError<BackupFileErrorDetail> {}

/** What a backup holds, once all of it was proved. */
export interface ProvedBackup {
  readonly header: BackupHeader;
  readonly totals: BackupTotals;
}

/** How far reading has come. */
export interface BackupProgress {
  readonly header: BackupHeader;
  readonly records: number;
  readonly bytes: number;
}

export interface ReadOptions {
  /** Of which one sealed it; with none the seal stays unproved. */
  readonly sharedKeys: readonly Uint8Array[];
  readonly onProgress?: (progress: BackupProgress) => void;
}

/** The file system, as far as a backup needs it. */
export interface BackupFiles {
  exists(path: string): Promise<boolean>;
  /** A new file that its owner alone may read. */
  create(path: string): Promise<OpenFile>;
  /** Gives a file its name, durably. Fails with EEXIST when there is one of that name and it may not be replaced. */
  publish(path: string, name: string, mayReplace: boolean): Promise<void>;
  remove(path: string): Promise<void>;
}

export interface OpenFile {
  /** Writes all of it. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything is on disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Reads a backup to its end.
 *
 * @throws BackupFileError BACKUP_UNREADABLE; BackupError
 */
export async function examineBackup(file: string, options: ReadOptions): Promise<ProvedBackup> {
  return prove(backupBytes(file), options);
}

/** The bytes of a file. @throws BackupFileError BACKUP_UNREADABLE */
export async function* backupBytes(file: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    const reason = messageOf(error);
    const detail = { code: "BACKUP_UNREADABLE", file, reason } as const;
    throw new BackupFileError(`${file} can not be read: ${reason}`, detail, { cause: error });
  }
}

/**
 * Writes a backup that arrives to a file. Whatever goes wrong, there is no such file then, or the one that was there before.
 *
 * @param mayReplace - a file of that name, once the new one is whole
 * @throws BackupFileError FILE_EXISTS, BACKUP_NOT_WRITTEN, BACKUP_INCOMPLETE; BackupError BACKUP_DAMAGED on the way here
 */
export async function saveBackup(
  source: AsyncIterable<Uint8Array>,
  file: string,
  { mayReplace, files = systemFiles, ...options }: ReadOptions & { mayReplace: boolean; files?: BackupFiles },
): Promise<ProvedBackup> {
  if (!mayReplace && (await files.exists(file))) throw fileExists(file);
  const partial = `${file}.partial-${randomBytes(4).toString("hex")}`;
  const target = await asNotWritten(file, () => files.create(partial));
  try {
    const proved = await saveTo(target, file, source, options);
    await asNotWritten(file, () => files.publish(partial, file, mayReplace));
    return proved;
  } catch (error) {
    await files.remove(partial);
    throw error;
  }
}

async function saveTo(
  target: OpenFile,
  file: string,
  source: AsyncIterable<Uint8Array>,
  options: ReadOptions,
): Promise<ProvedBackup> {
  try {
    const proved = await prove(
      written(source, (bytes) => asNotWritten(file, () => target.write(bytes))),
      options,
    );
    await asNotWritten(file, () => target.sync());
    return proved;
  } finally {
    await target.close();
  }
}

/** Passes on what was written. What ends early is incomplete, however it ends, unless `source` itself says what it is. */
async function* written(
  source: AsyncIterable<Uint8Array>,
  write: (bytes: Uint8Array) => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let count = 0;
  const pieces = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const piece = await pieces.next().catch((error: unknown) => {
        if (error instanceof AtollError) throw error;
        throw incomplete(count, messageOf((error as Error).cause ?? error), error);
      });
      if (piece.done) return;
      await write(piece.value);
      count += piece.value.length;
      yield piece.value;
    }
  } finally {
    await pieces.return?.();
  }
}

async function prove(
  source: AsyncIterable<Uint8Array>,
  { sharedKeys, onProgress }: ReadOptions,
): Promise<ProvedBackup> {
  let header: BackupHeader | undefined;
  let records = 0;
  for await (const part of readBackup(source, sharedKeys)) {
    if (part.type === "end") return { header: header!, totals: part.totals };
    if (part.type === "header") header = part.header;
    else records += part.records.length;
    onProgress?.({ header: header!, records, bytes: part.offset });
  }
  throw new BackupError("it has no end", { code: "BACKUP_TRUNCATED", offset: 0 });
}

/** The real one. */
export const systemFiles: BackupFiles = {
  exists: (path) =>
    stat(path).then(
      () => true,
      () => false,
    ),
  async create(path) {
    const handle = await open(path, "wx", 0o600);
    return {
      write: (bytes) => handle.writeFile(bytes),
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },
  async publish(path, name, mayReplace) {
    if (mayReplace) await rename(path, name);
    else await renameToNew(path, name);
    await syncFolder(dirname(name));
  },
  remove: (path) => rm(path, { force: true }),
};

/** Unlike a rename, a link never replaces anything, whoever was faster; file systems without links have a moment in which it may. */
async function renameToNew(path: string, name: string): Promise<void> {
  try {
    await link(path, name);
    await rm(path);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(code)) throw error;
    if (await systemFiles.exists(name)) throw Object.assign(new Error("it exists"), { code: "EEXIST" });
    await rename(path, name);
  }
}

async function asNotWritten<Result>(file: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw fileExists(file);
    const isFull = code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG";
    const reason = isFull ? `no room is left for it (${code})` : messageOf(error);
    const message = `${file} was not written: ${reason}. Nothing of it is left; free some room, or name another file`;
    throw new BackupFileError(message, { code: "BACKUP_NOT_WRITTEN", file, reason }, { cause: error });
  }
}

function fileExists(file: string): BackupFileError {
  return new BackupFileError(`${file} exists; name another file, or say --force`, { code: "FILE_EXISTS", file });
}

function incomplete(bytes: number, reason: string, cause: unknown): BackupFileError {
  const message =
    `the backup is incomplete: it ended after ${bytes} bytes (${reason}). No file is left of it. ` +
    "Repeat it, of another node with --url if this one is gone";
  return new BackupFileError(message, { code: "BACKUP_INCOMPLETE", bytes, reason }, { cause });
}
