/**
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4): the checksum inside LevelDB's own files.
 *
 * Ours, because zlib knows only CRC-32, and the packages for this one are native or four times slower than the eight tables
 * here ("slicing-by-8", Kounavis and Berry 2005), which matters when a whole store is read at a start.
 */

const POLYNOMIAL_REFLECTED = 0x82f63b78;
const TABLE_SIZE = 256;
const SLICES = 8;

/** Table `n` holds the remainder of each byte with `n` zero bytes behind. */
const TABLES = new Int32Array(SLICES * TABLE_SIZE);
for (let byte = 0; byte < TABLE_SIZE; byte++) {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL_REFLECTED : remainder >>> 1;
  }
  TABLES[byte] = remainder;
}
for (let at = TABLE_SIZE; at < TABLES.length; at++) {
  const shorter = TABLES[at - TABLE_SIZE]!;
  TABLES[at] = TABLES[shorter & 0xff]! ^ (shorter >>> 8);
}

/** Unsigned, 32 bits. */
export function crc32c(data: Uint8Array): number {
  let remainder = -1;
  let at = 0;
  for (; at + SLICES <= data.length; at += SLICES) {
    remainder ^= data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
    remainder =
      TABLES[7 * TABLE_SIZE + (remainder & 0xff)]! ^
      TABLES[6 * TABLE_SIZE + ((remainder >>> 8) & 0xff)]! ^
      TABLES[5 * TABLE_SIZE + ((remainder >>> 16) & 0xff)]! ^
      TABLES[4 * TABLE_SIZE + (remainder >>> 24)]! ^
      TABLES[3 * TABLE_SIZE + data[at + 4]!]! ^
      TABLES[2 * TABLE_SIZE + data[at + 5]!]! ^
      TABLES[TABLE_SIZE + data[at + 6]!]! ^
      TABLES[data[at + 7]!]!;
  }
  for (; at < data.length; at++) remainder = TABLES[(remainder ^ data[at]!) & 0xff]! ^ (remainder >>> 8);
  return ~remainder >>> 0;
}

const MASK_DELTA = 0xa282ead8;

/** The checksum in the form in which LevelDB writes it into its files. */
export function unmask(masked: number): number {
  const rotated = (masked - MASK_DELTA) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}
