/**
 * A hash of a set of records, kept while they change: replicas that hold the same records have the same hash, whatever
 * order they came in (F6, F28).
 *
 * The sum of 64-bit hashes finds accidents, not forgeries: replicas compare it to find each other's bugs and bad memory.
 */

import xxhash from "xxhash-wasm";
import { encode } from "./codec.ts";

const { h64Raw } = await xxhash();

export class ContentHash {
  readonly #hashes = new Map<string, bigint>();
  #sum = 0n;

  /** @param value - any msgpack value; undefined removes the record */
  set(key: string, value: unknown): void {
    this.#sum -= this.#hashes.get(key) ?? 0n;
    if (value === undefined) {
      this.#hashes.delete(key);
    } else {
      const hash = h64Raw(encode([key, value]));
      this.#hashes.set(key, hash);
      this.#sum += hash;
    }
    this.#sum = BigInt.asUintN(64, this.#sum);
  }

  /** 16 hex digits. */
  toString(): string {
    return this.#sum.toString(16).padStart(16, "0");
  }
}
