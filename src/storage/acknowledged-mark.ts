/**
 * The number of the last batch that was acknowledged, kept outside LevelDB (R10).
 *
 * When the last batch of a log is unreadable, LevelDB takes it for a write that a crash cut off. It is right unless the batch
 * had been acknowledged, and only something outside the log can tell. So each batch carries its number, and once it is on
 * disk, before anybody hears of it, the number is written here, in place. It is synced only when the store opens and closes:
 *
 *   after kill -9      the kernel has every write, so a batch that is missing in the store was lost to damage
 *   after power loss   the number may be older than the last acknowledged batch: it proves less, and never what is not so
 *
 * A number ahead of the store is damage. A missing or damaged mark proves nothing, and takes nothing away.
 */

import { constants, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";

/** LevelDB leaves a file of this name alone. */
const FILE_NAME = "ACKNOWLEDGED";
const FILE_MODE = 0o600;
const NUMBER_BYTES = 8;
const BYTES = NUMBER_BYTES + 4;

/** The form of a batch number in the mark and in the store: 8 bytes, big-endian, and their CRC-32. */
export function encodeBatchNumber(number: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(BYTES);
  bytes.writeBigUInt64BE(BigInt(number));
  bytes.writeUInt32BE(crc32(bytes.subarray(0, NUMBER_BYTES)), NUMBER_BYTES);
  return bytes;
}

/** @returns null when the bytes are not a batch number, or damaged */
export function decodeBatchNumber(bytes: Uint8Array): number | null {
  if (bytes.length !== BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, BYTES);
  if (view.getUint32(NUMBER_BYTES) !== crc32(bytes.subarray(0, NUMBER_BYTES))) return null;
  return Number(view.getBigUint64(0));
}

export class AcknowledgedMark {
  readonly #file: FileHandle;
  /** What the mark said when it was opened; null when it is missing or damaged. */
  readonly found: number | null;

  private constructor(file: FileHandle, found: number | null) {
    this.#file = file;
    this.found = found;
  }

  /**
   * Opens the mark of a store, making it when there is none.
   *
   * @throws the system's error
   */
  static async open(folder: string): Promise<AcknowledgedMark> {
    const file = await open(join(folder, FILE_NAME), constants.O_RDWR | constants.O_CREAT, FILE_MODE);
    const bytes = Buffer.alloc(BYTES);
    const { bytesRead } = await file.read(bytes, 0, BYTES, 0);
    return new AcknowledgedMark(file, decodeBatchNumber(bytes.subarray(0, bytesRead)));
  }

  /**
   * Notes that a batch is on disk. Blocks, for about 5 us: a turn through the thread pool takes five times as long.
   *
   * @throws the system's error
   */
  set(batchNumber: number): void {
    writeSync(this.#file.fd, encodeBatchNumber(batchNumber), 0, BYTES, 0);
  }

  /** @throws the system's error */
  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
