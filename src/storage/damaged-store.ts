/**
 * What a node does with a damaged store when its region can give it everything anew: it moves the store aside and starts with
 * an empty one, as a new member with a new identity (F5, F7). What the old identity had voted and acknowledged is with it.
 *
 * The damaged store is kept for people to look at; of several, the newest.
 */

import { readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { syncFolder } from "./folder.ts";
import { StorageError } from "./interface.ts";

/** A disk that damages one store may damage the next; each has the size of a region. */
const KEPT = 3;
const NUMBER = /^\d{1,9}$/;

/**
 * Renames the folder to `<path>.damaged-<n>`, durably and at once, so that there is no store at `path` any more, and removes the
 * oldest of more than three of them.
 *
 * Nobody may have the store open: it must have been closed, or `LevelStore.open` must have said CORRUPT.
 *
 * @returns where the store is now
 * @throws StorageError STORE_UNAVAILABLE: the folder is where it was
 */
export async function setAsideDamagedStore(path: string, logger: Logger): Promise<string> {
  const parent = dirname(resolve(path));
  const prefix = `${basename(resolve(path))}.damaged-`;
  const numbers = await asUnavailable(path, () => numbersOf(parent, prefix));
  const number = (numbers.at(-1) ?? 0) + 1;
  const target = join(parent, `${prefix}${number}`);
  await asUnavailable(path, async () => {
    await rename(path, target);
    await syncFolder(parent);
  });
  logger.warn({ code: "STORE_SET_ASIDE", path, target }, "the damaged store was moved aside");
  for (const old of [...numbers, number].slice(0, -KEPT)) await remove(join(parent, `${prefix}${old}`), logger);
  return target;
}

/** Whether a damaged store of this node was moved aside, and nobody has taken it away since. */
export async function hasDamagedStoreAside(path: string): Promise<boolean> {
  const prefix = `${basename(resolve(path))}.damaged-`;
  const numbers = await numbersOf(dirname(resolve(path)), prefix).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return numbers.length > 0;
}

/** Ascending. */
async function numbersOf(parent: string, prefix: string): Promise<number[]> {
  const suffixes = (await readdir(parent)).flatMap((name) =>
    name.startsWith(prefix) ? [name.slice(prefix.length)] : [],
  );
  return suffixes
    .filter((suffix) => NUMBER.test(suffix))
    .map(Number)
    .sort((a, b) => a - b);
}

/** The node can start all the same when there is no way to remove it. */
async function remove(path: string, logger: Logger): Promise<void> {
  try {
    await rm(path, { recursive: true });
    logger.warn({ code: "STORE_SET_ASIDE_REMOVED", path }, "an older damaged store was removed to make room");
  } catch (error) {
    const reason = messageOf(error);
    logger.warn({ code: "STORE_SET_ASIDE_STAYS", path, reason }, "an older damaged store could not be removed");
  }
}

async function asUnavailable<Result>(path: string, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (cause) {
    const reason = messageOf(cause);
    const message = `the damaged store ${path} can not be moved aside (${reason}): move it away by hand`;
    throw new StorageError(message, { code: "STORE_UNAVAILABLE", path, reason }, { cause });
  }
}
