/**
 * Unpacks what LevelDB compressed (google/snappy, format_description.txt): the size, then literals and copies.
 *
 * Ours, because only the index of a sorted file is unpacked here, and the packages are native or no longer kept.
 */

import { corrupt } from "../records.ts";
import { ByteReader } from "./byte-reader.ts";

const TAG = { literal: 0, copy1: 1, copy2: 2 } as const;
/** A literal this long, or longer, has its length in bytes of its own. */
const LITERAL_INLINE_MAX = 60;

/**
 * @param what - names the bytes in errors
 * @throws StorageError CORRUPT
 */
export function unpackSnappy(packed: Uint8Array, bytesMax: number, what: string): Uint8Array {
  const reader = new ByteReader(packed, what);
  const size = reader.varint();
  if (size > bytesMax) throw corrupt(`${what} unpacks to ${size} bytes, more than ${bytesMax}`);
  const unpacked = Buffer.alloc(size);
  let at = 0;
  const copy = (distance: number, count: number) => {
    if (distance === 0 || distance > at || at + count > size) throw corrupt(`${what} can not be unpacked`);
    // What is copied may overlap what it makes: then it repeats.
    for (const end = at + count; at < end; at++) unpacked[at] = unpacked[at - distance]!;
  };
  while (!reader.isAtEnd) {
    const tag = reader.byte();
    const high = tag >> 2;
    switch (tag & 3) {
      case TAG.literal: {
        const count = (high < LITERAL_INLINE_MAX ? high : littleEndian(reader.take(high - LITERAL_INLINE_MAX + 1))) + 1;
        if (at + count > size) throw corrupt(`${what} can not be unpacked`);
        unpacked.set(reader.take(count), at);
        at += count;
        break;
      }
      case TAG.copy1:
        copy(((tag >> 5) << 8) | reader.byte(), (high & 7) + 4);
        break;
      default:
        copy(littleEndian(reader.take((tag & 3) === TAG.copy2 ? 2 : 4)), high + 1);
    }
  }
  if (at !== size) throw corrupt(`${what} can not be unpacked`);
  return unpacked;
}

function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}
