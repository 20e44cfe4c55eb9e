/** Folders that outlive a power failure. */

import { mkdir, open, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** The folder holds the node's private key. */
const FOLDER_MODE = 0o700;

/**
 * Makes the folder and those above it, one by one: `recursive` never returns where nothing can be made, as in /proc (Node 24).
 *
 * @throws the system's error
 */
export async function makeFolder(path: string): Promise<void> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path, { mode: FOLDER_MODE });
  await syncFolder(dirname(path));
}

/**
 * Brings to disk which names a folder has: a new name, or one that was changed, is otherwise lost with power.
 *
 * @throws the system's error
 */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
