/** Files in LevelDB's log format, as its own writer leaves them. */

import { crc32c } from "../../src/storage/leveldb/crc32c.ts";
import { BLOCK_BYTES } from "../../src/storage/leveldb/log-scanner.ts";

const HEADER_BYTES = 7;
const TYPE = { full: 1, first: 2, middle: 3, last: 4 };

export function logFileOf(records: readonly Uint8Array[]): Buffer {
  const parts: Buffer[] = [];
  let offset = 0;
  const push = (part: Buffer) => {
    parts.push(part);
    offset += part.length;
  };
  for (const record of records) {
    let at = 0;
    do {
      const left = BLOCK_BYTES - (offset % BLOCK_BYTES);
      if (left < HEADER_BYTES) push(Buffer.alloc(left));
      const room = BLOCK_BYTES - (offset % BLOCK_BYTES) - HEADER_BYTES;
      const payload = record.subarray(at, at + room);
      const isFirst = at === 0;
      at += payload.length;
      const isLast = at === record.length;
      push(fragment(isFirst ? (isLast ? TYPE.full : TYPE.first) : isLast ? TYPE.last : TYPE.middle, payload));
    } while (at < record.length);
  }
  return Buffer.concat(parts);
}

export function fragment(type: number, payload: Uint8Array): Buffer {
  const checksum = crc32c(Buffer.concat([Buffer.of(type), payload]));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE((((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0);
  header.writeUInt16LE(payload.length, 4);
  header[6] = type;
  return Buffer.concat([header, payload]);
}
