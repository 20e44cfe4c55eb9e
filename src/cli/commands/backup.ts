/** `atoll backup FILE`: everything that a node's region holds, in a file. */

import { saveBackup } from "../../node/backup-file.ts";
import { sharedKeysFromEnvironment } from "../backup-keys.ts";
import { CommandError, EXIT } from "../errors.ts";
import { type Output, printJson } from "../output.ts";
import { describeBackup, showBar } from "./backup-progress.ts";
import { type ClientOptions, connect } from "./client-options.ts";

export interface BackupOptions extends ClientOptions {
  /** A file of that name may be replaced. */
  readonly force: boolean;
}

/** @throws CommandError INTERRUPTED, UNREACHABLE; what the node refused; see `saveBackup` for the rest */
export async function backup(file: string, options: BackupOptions, output: Output): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => stop.abort(new Error("interrupted"));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  const bar = showBar(output, `backing up to ${file}`);
  try {
    const proved = await saveBackup(bytesOf(options, stop.signal), file, {
      mayReplace: options.force,
      sharedKeys: sharedKeysFromEnvironment(),
      onProgress: (progress) => bar.update(progress),
    });
    bar.end();
    if (options.json) return printJson(output, { file, ...proved });
    output.print(`${file} holds a backup of\n${describeBackup(proved)}`);
  } catch (error) {
    bar.end();
    if (!stop.signal.aborted) throw error;
    const message = `the backup was interrupted; nothing of ${file} is left`;
    throw new CommandError("INTERRUPTED", message, { exitCode: EXIT.interrupted, cause: error });
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** Nothing is asked for before there is a file to write to. */
async function* bytesOf(options: BackupOptions, stop: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  yield* await connect(options).backup(stop);
}
