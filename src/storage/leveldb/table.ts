/**
 * Proves one of LevelDB's sorted files (`*.ldb`): every byte that LevelDB will ever rely on lies in a block with a checksum.
 *
 * LevelDB itself does not look at these checksums when it reads, and takes damage for a bug of its own: one flipped bit may
 * abort the process. The file ends with a footer that leads to the index, which leads to every block of records, and to the
 * meta index, which leads to the filter (LevelDB, doc/table_format.md).
 */

import { type FileHandle, open } from "node:fs/promises";
import { corrupt } from "../records.ts";
import { ByteReader } from "./byte-reader.ts";
import { crc32c, unmask } from "./crc32c.ts";
import { unpackSnappy } from "./snappy.ts";

const FOOTER_BYTES = 48;
const MAGIC = 0xdb4775248b80fb57n;
const MAGIC_BYTES = 8;
/** Behind each block: how it is compressed (1), masked checksum of the block and that byte (4). */
const TRAILER_BYTES = 5;
const COMPRESSION = { none: 0, snappy: 1 } as const;
/** The index of a file of 2 MiB has some 20 KiB; a single record of any size LevelDB takes keeps it far below this. */
const INDEX_BYTES_MAX = 64 * 1024 * 1024;
const RESTART_BYTES = 4;
/** Blocks lie one behind the other; so many are read and proved at once before the event loop turns. */
const READ_BYTES = 256 * 1024;

interface BlockHandle {
  readonly offset: number;
  readonly size: number;
}

/**
 * @param name - names the file in errors
 * @throws StorageError CORRUPT naming file and byte
 */
export async function proveTable(path: string, name: string): Promise<void> {
  const file = await open(path);
  try {
    const footerAt = (await file.stat()).size - FOOTER_BYTES;
    if (footerAt < 0) throw corrupt(`${name} is cut off`);
    const { metaIndex, index } = readFooter(await read(file, footerAt, FOOTER_BYTES, name), name);
    const handles = [];
    for (const handle of [index, metaIndex])
      handles.push(...handlesIn(await readIndex(file, handle, footerAt, name), name));
    handles.sort((a, b) => a.offset - b.offset);
    for (const run of runsOf(handles)) await proveRun(file, run, footerAt, name);
  } finally {
    await file.close();
  }
}

function readFooter(footer: Buffer, name: string): { metaIndex: BlockHandle; index: BlockHandle } {
  if (footer.readBigUInt64LE(FOOTER_BYTES - MAGIC_BYTES) !== MAGIC) throw corrupt(`${name} does not end as it should`);
  const reader = new ByteReader(footer, name);
  const metaIndex = readHandle(reader);
  return { metaIndex, index: readHandle(reader) };
}

function readHandle(reader: ByteReader): BlockHandle {
  const offset = reader.varint();
  return { offset, size: reader.varint() };
}

/** Reads one of the two blocks that lead to all others, and proves it. */
async function readIndex(file: FileHandle, handle: BlockHandle, end: number, name: string): Promise<Uint8Array> {
  checkBounds(handle, end, name);
  const block = await read(file, handle.offset, handle.size + TRAILER_BYTES, name);
  proveBlock(block, handle, name);
  const content = block.subarray(0, handle.size);
  if (block[handle.size] === COMPRESSION.none) return content;
  return unpackSnappy(content, INDEX_BYTES_MAX, `${name}: the block at byte ${handle.offset}`);
}

/** The blocks that an index leads to. Its entries end where their "restart points" begin, which are counted at the end. */
function* handlesIn(index: Uint8Array, name: string): Generator<BlockHandle, void, undefined> {
  const countAt = index.length - RESTART_BYTES;
  if (countAt < 0) throw corrupt(`${name} has an empty index`);
  const view = new DataView(index.buffer, index.byteOffset, index.byteLength);
  const entriesEnd = countAt - RESTART_BYTES * view.getUint32(countAt, true);
  if (entriesEnd < 0) throw corrupt(`${name} has an impossible index`);
  const entries = new ByteReader(index.subarray(0, entriesEnd), name);
  while (!entries.isAtEnd) {
    // How much of the key is that of the entry before; how much follows here.
    entries.varint();
    const keyBytes = entries.varint();
    const valueBytes = entries.varint();
    entries.take(keyBytes);
    yield readHandle(new ByteReader(entries.take(valueBytes), name));
  }
}

/** Neighbouring blocks, as many as are read at once. */
function* runsOf(handles: readonly BlockHandle[]): Generator<readonly BlockHandle[], void, undefined> {
  let run: BlockHandle[] = [];
  for (const handle of handles) {
    const first = run[0] ?? handle;
    if (run.length > 0 && handle.offset + handle.size > first.offset + READ_BYTES) {
      yield run;
      run = [];
    }
    run.push(handle);
  }
  if (run.length > 0) yield run;
}

async function proveRun(file: FileHandle, run: readonly BlockHandle[], end: number, name: string): Promise<void> {
  for (const handle of run) checkBounds(handle, end, name);
  const start = run[0]!.offset;
  const last = run.at(-1)!;
  const bytes = await read(file, start, last.offset + last.size + TRAILER_BYTES - start, name);
  for (const handle of run) {
    const at = handle.offset - start;
    proveBlock(bytes.subarray(at, at + handle.size + TRAILER_BYTES), handle, name);
  }
}

function checkBounds({ offset, size }: BlockHandle, end: number, name: string): void {
  if (offset + size + TRAILER_BYTES > end) throw corrupt(`${name} leads to a block behind its end, at byte ${offset}`);
}

function proveBlock(block: Buffer, { offset, size }: BlockHandle, name: string): void {
  const isIntact = crc32c(block.subarray(0, size + 1)) === unmask(block.readUInt32LE(size + 1));
  if (!isIntact) throw corrupt(`${name} is damaged in the block at byte ${offset}`);
}

async function read(file: FileHandle, offset: number, length: number, name: string): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(buffer, 0, length, offset);
  if (bytesRead < length) throw corrupt(`${name} ends too early`);
  return buffer;
}
