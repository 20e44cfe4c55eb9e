/** A disk of a few megabytes for a node to lie on, which a test can fill: a file system in memory, mounted over its folder. */

import { execFile } from "node:child_process";
import { mkdir, rm, statfs, truncate } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const FILLER = "filler";

export class SmallDisk {
  readonly #folder: string;

  /** Mounts it. @throws Error where this process may not */
  static async at(folder: string, sizeMiB: number): Promise<SmallDisk> {
    await mkdir(folder, { recursive: true });
    await run("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "tmpfs", folder]);
    return new SmallDisk(folder);
  }

  /** Mounts it; the test is skipped where this process may not. Gone when the test ends: stop what writes there before. */
  static async mount(t: TestContext, folder: string, sizeMiB: number): Promise<SmallDisk | null> {
    try {
      const disk = await SmallDisk.at(folder, sizeMiB);
      t.after(() => disk.unmount());
      return disk;
    } catch (error) {
      t.skip(`a file system of its own for the node needs the right to mount one: ${(error as Error).message.trim()}`);
      return null;
    }
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  async unmount(): Promise<void> {
    await run("umount", ["--lazy", this.#folder]);
  }

  /** Takes all room but so much. */
  async leave(bytes: number): Promise<void> {
    await this.makeRoom();
    const { bavail, bsize } = await statfs(this.#folder);
    await run("fallocate", ["--length", `${Math.max(1, bavail * bsize - bytes)}`, join(this.#folder, FILLER)]);
  }

  /** Takes all room, whoever else writes meanwhile. */
  async fill(): Promise<void> {
    await this.makeRoom();
    // It ends when there is no room, which is a failure to it.
    await run("dd", ["if=/dev/zero", "bs=64k", `of=${join(this.#folder, FILLER)}`]).catch(() => {});
  }

  async makeRoom(): Promise<void> {
    const filler = join(this.#folder, FILLER);
    await truncate(filler).catch(() => {});
    await rm(filler, { force: true });
  }
}
