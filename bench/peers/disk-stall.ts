/**
 * Disks that can be made to stall, under processes that are what they are everywhere else.
 *
 * A small library, compiled when it is needed and loaded before a node's own (LD_PRELOAD), lets fsync and fdatasync wait for
 * as long as a file named by the process lies in a folder: a write is taken, and its sync does not return, as with a disk that
 * stopped answering. Programs that call the kernel themselves (Go's) are not held by it, and need another way.
 */

import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "../../src/util/errors.ts";
import type { NotInjected } from "./peer.ts";

/** Not ATOLL_...: nodes refuse options that they do not know. */
const STALL_FOLDER = "DISK_STALL_FOLDER";
const COMPILE_TIMEOUT_MS = 20_000;

const SOURCE = `
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_for_disk(void) {
  const char *folder = getenv("${STALL_FOLDER}");
  char path[4096];
  if (folder == NULL) return;
  snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
  while (access(path, F_OK) == 0) {
    struct timespec pause = {0, 2000000};
    nanosleep(&pause, NULL);
  }
}

int fdatasync(int fd) {
  wait_for_disk();
  return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
  wait_for_disk();
  return (int)syscall(SYS_fsync, fd);
}
`;

export interface StallableDisks {
  /** Of the processes whose disks are to be stalled. */
  readonly environment: Readonly<Record<string, string>>;
  stall(pid: number): Promise<void>;
  release(pid: number): Promise<void>;
}

/** @param folder - for the library, and for what tells it to wait */
export async function prepareStallableDisks(folder: string): Promise<StallableDisks | NotInjected> {
  if (process.platform !== "linux") return { notInjected: `no way to stall a disk is known on ${process.platform}` };
  const [source, library] = [join(folder, "disk-stall.c"), join(folder, "disk-stall.so")];
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(source, SOURCE);
    await promisify(execFile)("cc", ["-shared", "-fPIC", "-O2", "-o", library, source], {
      timeout: COMPILE_TIMEOUT_MS,
    });
  } catch (error) {
    const isAbsent = (error as { code?: unknown }).code === "ENOENT";
    const why = isAbsent ? "no C compiler (cc) is installed" : messageOf(error);
    return { notInjected: `the library that holds syncs up was not compiled: ${why}` };
  }
  const flag = (pid: number) => join(folder, String(pid));
  return {
    environment: { LD_PRELOAD: library, [STALL_FOLDER]: folder },
    stall: (pid) => writeFile(flag(pid), ""),
    release: (pid) => rm(flag(pid), { force: true }),
  };
}
