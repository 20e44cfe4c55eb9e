/**
 * The disk as a power failure leaves it: of each file no more than what had been synced.
 *
 * A process that is killed leaves what it wrote in the kernel's page cache, synced or not, so killing it proves nothing about
 * syncs. Here `strace` notes each write and each sync, and whatever was written after the last sync that came to its end
 * is cut off. Changes of names keep their order and are not lost, as on a file system with a journal.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";

const CALLS = "openat,write,pwrite64,writev,fdatasync,fsync,rename,unlink";

/** Why processes can not be traced here, or null when they can. */
export function tracingProblem(): string | null {
  const probe = spawnSync("strace", ["-f", "-e", "trace=none", "-o", "/dev/null", "true"], { encoding: "utf8" });
  if (probe.error !== undefined) return `strace can not be run (${probe.error.message}): apt-get install strace`;
  if (probe.status !== 0) return `strace may not trace here: ${probe.stderr.trim()}`;
  return null;
}

/** Runs a program under `strace`, its standard output a pipe. */
export function spawnTraced(command: readonly string[], traceFile: string): ChildProcess {
  const options = ["-f", "-y", "-s", "0", "-e", `trace=${CALLS}`, "-e", "signal=none", "-o", traceFile];
  return spawn("strace", [...options, ...command], { stdio: ["ignore", "pipe", "inherit"] });
}

/** Kills the program, not `strace`, which then writes down what is left and ends. */
export async function killTraced(strace: ChildProcess): Promise<void> {
  const children = readFileSync(`/proc/${strace.pid}/task/${strace.pid}/children`, "utf8").trim().split(" ");
  const ended = once(strace, "exit");
  for (const child of children) process.kill(Number(child), "SIGKILL");
  await ended;
}

/** Cuts the files in `folder` to what the traced program had synced of those that it made. */
export function dropUnsynced(folder: string, trace: string, tracedFolder: string): void {
  const files = filesIn(trace);
  for (const name of readdirSync(folder)) {
    const file = files.get(join(tracedFolder, name));
    if (file !== undefined) truncateSync(join(folder, name), file.synced);
  }
}

interface TracedFile {
  written: number;
  synced: number;
}

/** A sync covers what was written before it began. */
interface Call {
  readonly name: string;
  readonly file: TracedFile | undefined;
  readonly writtenBefore: number;
}

const STARTED = /^(\d+) +(\w+)\(\d+<([^>]*)>/;
const RESUMED = /^(\d+) +<\.\.\. \w+ resumed>/;
const RESULT = /= (-?\d+)(?:<[^>]*>)?(?: \w+ \(.*\))?$/;
const MADE = /^\d+ +openat\(.*O_TRUNC.* = \d+<([^>]*)>$/;
const RENAMED = /^\d+ +rename\("(.*)", "(.*)"\) += 0$/;
const REMOVED = /^\d+ +unlink\("(.*)"\) += 0$/;

function filesIn(trace: string): Map<string, TracedFile> {
  const files = new Map<string, TracedFile>();
  const underWay = new Map<string, Call>();
  for (const line of trace.split("\n")) {
    const made = MADE.exec(line);
    const renamed = RENAMED.exec(line);
    const removed = REMOVED.exec(line);
    const started = STARTED.exec(line);
    if (made) files.set(made[1]!, { written: 0, synced: 0 });
    else if (removed) files.delete(removed[1]!);
    else if (renamed) {
      const file = files.get(renamed[1]!);
      if (file !== undefined) files.set(renamed[2]!, file);
      files.delete(renamed[1]!);
    } else if (started) {
      const file = files.get(started[3]!);
      underWay.set(started[1]!, { name: started[2]!, file, writtenBefore: file?.written ?? 0 });
    }
    const result = RESULT.exec(line)?.[1];
    const thread = (started ?? RESUMED.exec(line))?.[1];
    if (result === undefined || thread === undefined) continue;
    finish(underWay.get(thread), Number(result));
    underWay.delete(thread);
  }
  return files;
}

function finish(call: Call | undefined, result: number): void {
  if (call?.file === undefined || result < 0) return;
  if (call.name === "write" || call.name === "writev") call.file.written += result;
  else if (call.name === "fsync" || call.name === "fdatasync") call.file.synced = call.writtenBefore;
}
