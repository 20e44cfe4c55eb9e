/**
 * Proves LevelDB's files before LevelDB opens them, because it forgives too much: it drops what is behind a flipped bit in
 * its write-ahead log, starts from nothing when CURRENT is gone, and aborts the process on a damaged sorted file (R9, R10).
 *
 * Both its logs, the write-ahead log and the MANIFEST, are on disk up to the last record before the next one is written, and
 * are never written again after a restart. So there is an exact line between two kinds of bad record:
 *
 *   a whole record behind it   it was on disk once, and is damaged now
 *   nothing whole behind it    a write that a crash cut off, or damage to the very last record: LevelDB drops it, and
 *                              `acknowledged-mark.ts` tells the one from the other
 *
 * A batch in the write-ahead log names the number of its first change, so a gap between two batches shows as well.
 */

import { type FileHandle, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { StorageError } from "../interface.ts";
import { corrupt } from "../records.ts";
import { BLOCK_BYTES, type LogFinding, LogScanner } from "./log-scanner.ts";
import { Manifest } from "./manifest.ts";
import { proveTable } from "./table.ts";

const CURRENT = "CURRENT";
const CURRENT_CONTENT = /^(MANIFEST-\d+)\n$/;
const LOG_NAME = /^(\d+)\.log$/;
/** Older versions of LevelDB said sst. */
const TABLE_NAME = /^(\d+)\.(?:ldb|sst)$/;
/** What stands before the changes of a batch: the number of the first one (8 bytes), how many there are (4). */
const BATCH_HEAD_BYTES = 12;
/** Read at once; the event loop turns in between. */
const READ_BLOCKS = 8;

/**
 * Reads only. The folder must be at rest: what another process is writing looks like damage.
 *
 * @throws StorageError CORRUPT naming file and byte
 */
export async function proveFiles(folder: string): Promise<void> {
  const names = await readdir(folder);
  const logs = numbered(names, LOG_NAME);
  const tables = numbered(names, TABLE_NAME);
  if (!names.includes(CURRENT)) {
    // A crash within the very first opening leaves no more than a MANIFEST.
    if (logs.size > 0 || tables.size > 0) throw corrupt(`${CURRENT} is missing`);
    return;
  }
  const manifest = await readManifest(folder, names);
  await proveLogs(folder, logs, manifest.logNumber);
  for (const number of manifest.tables) {
    const name = tables.get(number);
    if (name === undefined) throw corrupt(`sorted file ${number} is missing`);
    await proveTable(join(folder, name), name);
  }
}

function numbered(names: readonly string[], pattern: RegExp): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of names) {
    const number = pattern.exec(name)?.[1];
    if (number !== undefined) found.set(Number(number), name);
  }
  return found;
}

async function readManifest(folder: string, names: readonly string[]): Promise<Manifest> {
  const current = await readFile(join(folder, CURRENT), "latin1");
  const file = CURRENT_CONTENT.exec(current)?.[1];
  if (file === undefined || !names.includes(file)) throw corrupt(`${CURRENT} names no MANIFEST that is there`);
  const manifest = new Manifest();
  let bad: BadPlace | null = null;
  await readLog(join(folder, file), Number.POSITIVE_INFINITY, (finding) => {
    if (finding.kind === "bad") bad ??= { file, ...finding };
    else if (bad !== null) throw damaged(bad);
    else manifest.apply(finding.head);
  });
  return manifest;
}

/** Logs of smaller numbers are left over: what they hold is in sorted files. */
async function proveLogs(folder: string, logs: ReadonlyMap<number, string>, firstNumber: number): Promise<void> {
  if (firstNumber > 0 && !logs.has(firstNumber)) throw corrupt(`log ${firstNumber} is missing`);
  const numbers = [...logs.keys()].filter((number) => number >= firstNumber).sort((a, b) => a - b);
  const order = new ChangeOrder();
  for (const number of numbers) {
    const file = logs.get(number)!;
    await readLog(join(folder, file), BATCH_HEAD_BYTES, (finding) => order.take(file, finding));
  }
}

interface BadPlace {
  readonly file: string;
  readonly offset: number;
  readonly reason: string;
}

/** Follows the numbers that LevelDB gives to changes through all of its logs. */
class ChangeOrder {
  #next: number | null = null;
  #bad: BadPlace | null = null;

  /** @throws StorageError CORRUPT when a batch before this one is lost */
  take(file: string, finding: LogFinding): void {
    const { offset } = finding;
    if (finding.kind === "bad") {
      this.#bad ??= { file, ...finding };
    } else if (finding.head.length < BATCH_HEAD_BYTES) {
      this.#bad ??= { file, offset, reason: "the record is too short for a batch" };
    } else {
      this.#batch(file, offset, readBatchHead(finding.head));
    }
  }

  #batch(file: string, offset: number, { first, count }: { first: number; count: number }): void {
    const next = this.#next ?? first;
    if (this.#bad !== null) {
      // Disk space that once held an older log may show behind a torn end.
      if (first < next) return;
      throw damaged(this.#bad);
    }
    if (first !== next) throw corrupt(`${file}: change ${first} follows at byte ${offset}, ${next} was to follow`);
    this.#next = first + count;
  }
}

function readBatchHead(head: Uint8Array): { first: number; count: number } {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return { first: Number(view.getBigUint64(0, true)), count: view.getUint32(8, true) };
}

function damaged({ file, offset, reason }: BadPlace): StorageError {
  return corrupt(`${file} is damaged at byte ${offset} (${reason}), with intact records behind`);
}

async function readLog(path: string, headBytes: number, take: (finding: LogFinding) => void): Promise<void> {
  const scanner = new LogScanner(headBytes);
  const file = await open(path);
  try {
    const buffer = Buffer.allocUnsafe(READ_BLOCKS * BLOCK_BYTES);
    for (let bytes = buffer.length; bytes === buffer.length; ) {
      bytes = await fill(buffer, file);
      for (let at = 0; at < bytes; at += BLOCK_BYTES) {
        for (const finding of scanner.scan(buffer.subarray(at, Math.min(at + BLOCK_BYTES, bytes)))) take(finding);
      }
    }
    for (const finding of scanner.end()) take(finding);
  } finally {
    await file.close();
  }
}

/** @returns how many bytes were read; fewer than fit only at the end of the file */
async function fill(buffer: Buffer, file: FileHandle): Promise<number> {
  let filled = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled);
    filled += bytesRead;
    if (bytesRead === 0 || filled === buffer.length) return filled;
  }
}
