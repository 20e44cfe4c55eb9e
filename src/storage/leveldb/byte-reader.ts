/** Takes bytes apart in the order in which LevelDB put them together. */

import { corrupt } from "../records.ts";

/** LevelDB's numbers are 64 bits; none that it writes comes near 2^53. */
const VARINT_BYTES_MAX = 8;

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  /** @param what - names the bytes in errors */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** @throws StorageError CORRUPT when there are fewer */
  take(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw corrupt(`${this.#what} ends too early`);
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  byte(): number {
    return this.take(1)[0]!;
  }

  /** Seven bits a byte, the lowest first; the highest bit says that more follow. */
  varint(): number {
    let value = 0;
    for (let position = 0; position < VARINT_BYTES_MAX; position++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * position);
      if (byte < 0x80) return value;
    }
    throw corrupt(`${this.#what} holds an impossible number`);
  }

  /** Bytes behind their own count. */
  prefixed(): Uint8Array {
    return this.take(this.varint());
  }
}
