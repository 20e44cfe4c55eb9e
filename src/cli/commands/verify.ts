/** `atoll verify FILE`: whether a backup is whole, and what it holds. */

import { examineBackup } from "../../node/backup-file.ts";
import { sharedKeysFromEnvironment } from "../backup-keys.ts";
import { type Output, printJson } from "../output.ts";
import { describeBackup, showBar } from "./backup-progress.ts";

/** @throws BackupError, BackupFileError BACKUP_UNREADABLE */
export async function verify(file: string, { json }: { readonly json: boolean }, output: Output): Promise<void> {
  const bar = showBar(output, `reading ${file}`);
  try {
    const sharedKeys = sharedKeysFromEnvironment();
    const proved = await examineBackup(file, { sharedKeys, onProgress: (progress) => bar.update(progress) });
    bar.end();
    if (json) return printJson(output, { file, ...proved });
    output.print(`${file} is whole: a backup of\n${describeBackup(proved)}`);
  } finally {
    bar.end();
  }
}
