/**
 * Files that are read again when they change, such as tokens and certificates: what replaces them need not stop the node.
 *
 * They are looked at, not listened to: mounted secrets are replaced by renaming folders, of which watchers hear nothing. What
 * can not be used is said, and what was read before stays in force.
 */

import { readFileSync, statSync } from "node:fs";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";

const LOOK_MS = 2_000;
const FILE_BYTES_MAX = 4 * 1024 * 1024;

export interface WatchedFilesOptions {
  /** Asked each time, because there may be more, or others, by then. */
  readonly paths: () => readonly string[];
  readonly clock: Clock;
  /** Takes the files as they now are. What it throws goes to `onUnusable`, once for each state of the files. */
  readonly onChange: (files: readonly WatchedFile[]) => void;
  readonly onUnusable: (error: unknown) => void;
}

/** One of the files, with what was read from it: by the time it is taken, `paths` may already answer otherwise. */
export interface WatchedFile {
  readonly path: string;
  readonly text: string;
}

export class WatchedFiles {
  readonly #options: WatchedFilesOptions;
  #seen: string;
  #cancel: CancelTimer = () => {};

  /** Takes the files as they are. @throws what reading them, or `onChange`, throws */
  constructor(options: WatchedFilesOptions) {
    this.#options = options;
    this.#seen = this.#stamp();
    options.onChange(this.#read());
  }

  start(): void {
    const { clock, onUnusable } = this.#options;
    this.#cancel = repeat(clock, LOOK_MS, () => {
      try {
        this.look();
      } catch (error) {
        onUnusable(error);
      }
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** Takes the files if they are others than last time. @throws as the constructor, once for each state of the files */
  look(): void {
    try {
      const stamp = this.#stamp();
      if (stamp === this.#seen) return;
      this.#seen = stamp;
    } catch (error) {
      // That they can not be listed is a state like others: it is said once.
      const reason = messageOf(error);
      if (reason === this.#seen) return;
      this.#seen = reason;
      throw error;
    }
    this.#options.onChange(this.#read());
  }

  #stamp(): string {
    return this.#options
      .paths()
      .map((path) => {
        const stats = statSync(path, { throwIfNoEntry: false });
        const state = stats === undefined ? "none" : `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
        return `${path} ${state}`;
      })
      .join("\n");
  }

  #read(): WatchedFile[] {
    return this.#options.paths().map((path) => {
      const { size } = statSync(path);
      if (size > FILE_BYTES_MAX) throw new Error(`${path} has ${size} bytes; at most ${FILE_BYTES_MAX} are read`);
      return { path, text: readFileSync(path, "utf8") };
    });
  }
}
