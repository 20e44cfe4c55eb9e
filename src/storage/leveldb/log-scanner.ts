/**
 * Reads LevelDB's log format, which its write-ahead log (`*.log`) and its MANIFEST share, to tell damage from a torn end.
 *
 * A file is a row of blocks of 32 KiB. A block holds fragments, and a rest shorter than a header is padding. A fragment is
 *
 *   checksum (4 bytes, masked CRC-32C of type and payload) · length (2) · type (1) · payload      numbers little-endian
 *
 * and a record is one FULL fragment, or FIRST, any MIDDLE, LAST (LevelDB, doc/log_format.md).
 *
 * Behind a bad fragment LevelDB drops the rest of the block. This reader goes on where the fragment says that it ends, or
 * would say but for one flipped bit. It does not search: a payload may hold bytes that somebody made to look like a record.
 */

import { crc32c, unmask } from "./crc32c.ts";

export const BLOCK_BYTES = 32 * 1024;

const HEADER_BYTES = 7;
const LENGTH_AT = 4;
const LENGTH_BITS = 16;
const TYPE_AT = 6;
const TYPE = { full: 1, first: 2, middle: 3, last: 4 } as const;

export type LogFinding =
  /** A whole record, every fragment of it intact. `head` is the beginning of its payload, or all of it. */
  | { readonly kind: "record"; readonly offset: number; readonly head: Uint8Array }
  /** A place that a finished write never leaves. `offset` counts from the beginning of the file. */
  | { readonly kind: "bad"; readonly offset: number; readonly reason: string };

type Fragment =
  | { readonly at: number; readonly type: number; readonly payload: Uint8Array }
  | { readonly at: number; readonly reason: string };

interface OpenRecord {
  readonly offset: number;
  head: Uint8Array;
}

/** Takes the blocks of one file in their order. */
export class LogScanner {
  readonly #headBytes: number;
  #offset = 0;
  #open: OpenRecord | null = null;

  /** @param headBytes - how much of each payload is of interest */
  constructor(headBytes: number) {
    this.#headBytes = headBytes;
  }

  /** @param block - 32 KiB; less only at the end of the file */
  *scan(block: Uint8Array): Generator<LogFinding, void, undefined> {
    for (const fragment of fragmentsOf(block)) yield* this.#take(fragment);
    this.#offset += block.length;
  }

  /** The file ends here. */
  *end(): Generator<LogFinding, void, undefined> {
    if (this.#open !== null) yield this.#bad(this.#open.offset, "the record has no end");
    this.#open = null;
  }

  *#take(fragment: Fragment): Generator<LogFinding, void, undefined> {
    const offset = this.#offset + fragment.at;
    if ("reason" in fragment) {
      this.#open = null;
      yield this.#bad(offset, fragment.reason);
      return;
    }
    const { type, payload } = fragment;
    if (type === TYPE.full || type === TYPE.first) {
      yield* this.end();
      this.#open = { offset, head: this.#headOf(payload) };
    } else if (this.#open === null) {
      yield this.#bad(offset, "the record has no beginning");
      return;
    } else if (this.#open.head.length < this.#headBytes) {
      this.#open.head = this.#headOf(Buffer.concat([this.#open.head, payload]));
    }
    if (type !== TYPE.full && type !== TYPE.last) return;
    yield { kind: "record", ...this.#open };
    this.#open = null;
  }

  #headOf(payload: Uint8Array): Uint8Array {
    return Uint8Array.prototype.slice.call(payload, 0, this.#headBytes);
  }

  #bad(offset: number, reason: string): LogFinding {
    return { kind: "bad", offset, reason };
  }
}

function* fragmentsOf(block: Uint8Array): Generator<Fragment, void, undefined> {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  let at = 0;
  let isTrusted = true;
  while (block.length - at >= HEADER_BYTES) {
    const length = view.getUint16(at + LENGTH_AT, true);
    const type = block[at + TYPE_AT]!;
    const isIntact = type >= TYPE.full && type <= TYPE.last && matches(block, view, at, length);
    if (isIntact) {
      yield { at, type, payload: block.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length) };
      at += HEADER_BYTES + length;
      isTrusted = true;
      continue;
    }
    yield { at, reason: "a checksum does not match" };
    const claimed = lengthBeforeFlip(block, view, at, length) ?? length;
    // A header of zeros was never written, and one end that proved wrong is enough: the bytes behind could be anybody's.
    if (!isTrusted || claimed === 0) return;
    isTrusted = false;
    at += HEADER_BYTES + claimed;
  }
  const isCutOff = at < block.length && block.length < BLOCK_BYTES;
  if (isCutOff) yield { at, reason: "the file ends within a header" };
}

/** Whether the checksum at `at` is that of a fragment with a payload of this length. */
function matches(block: Uint8Array, view: DataView, at: number, length: number): boolean {
  const end = at + HEADER_BYTES + length;
  if (end > block.length) return false;
  return unmask(view.getUint32(at, true)) === crc32c(block.subarray(at + TYPE_AT, end));
}

/** The length that fits the checksum, should one bit of the length be what is wrong. */
function lengthBeforeFlip(block: Uint8Array, view: DataView, at: number, length: number): number | undefined {
  for (let bit = 0; bit < LENGTH_BITS; bit++) {
    const candidate = length ^ (1 << bit);
    if (matches(block, view, at, candidate)) return candidate;
  }
  return undefined;
}
