/** What LevelDB's errors mean to a node. */

import { messageOf } from "../util/errors.ts";
import { StorageError } from "./interface.ts";

/** Something went wrong before the store was open. */
export function openError(path: string, thrown: unknown): StorageError {
  if (thrown instanceof StorageError && thrown.detail.code === "CORRUPT")
    return damagedFolder(path, thrown.detail.what);
  const cause = rootCause(thrown);
  const reason = messageOf(cause);
  const code = codeOf(cause);
  if (code === "LEVEL_LOCKED") {
    const message = `the data folder ${path} is in use: stop the other node, or give this one a folder of its own (ATOLL_DATA_DIR)`;
    return new StorageError(message, { code: "STORE_LOCKED", path }, { cause });
  }
  if (code === "LEVEL_CORRUPTION") return damagedFolder(path, `LevelDB: ${reason}`, cause);
  const message = `the data folder ${path} can not be used (${reason}): it must be a folder that this user may write, on a disk with space`;
  return new StorageError(message, { code: "STORE_UNAVAILABLE", path, reason }, { cause });
}

/** A read that LevelDB itself refuses is damage; anything else, such as a closed store, is the caller's mistake. */
export function readError(thrown: unknown): unknown {
  const cause = rootCause(thrown);
  const code = codeOf(cause);
  if (code !== "LEVEL_CORRUPTION" && code !== "LEVEL_IO_ERROR") return thrown;
  const what = `LevelDB: ${messageOf(cause)}`;
  return new StorageError(`the data folder can not be read (${what})`, { code: "CORRUPT", what }, { cause });
}

export function writeError(thrown: unknown): StorageError {
  const cause = rootCause(thrown);
  const reason = messageOf(cause);
  const message = `the disk did not take a write (${reason}): what it holds now is only known after a restart`;
  return new StorageError(message, { code: "WRITE_FAILED", reason }, { cause });
}

/** Whether LevelDB refused because another process has the folder open. */
export function isLocked(thrown: unknown): boolean {
  return codeOf(rootCause(thrown)) === "LEVEL_LOCKED";
}

function damagedFolder(path: string, what: string, cause?: unknown): StorageError {
  const message = `the data folder ${path} is damaged (${what}): move it away and let the node rejoin as a new member`;
  return new StorageError(message, { code: "CORRUPT", what }, { cause });
}

/** LevelDB wraps what happened: the outer error only says that the database is not open. */
function rootCause(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? rootCause(error.cause) : error;
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}
