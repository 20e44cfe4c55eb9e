/** The digest hash of the federation: xxHash64, seed 0. Part of the wire contract, because regions compare digests. */

import xxhash from "xxhash-wasm";
import type { Hash64 } from "./capability-summary.ts";

/** Loads the WebAssembly module once; what it returns is synchronous. */
export async function loadHash64(): Promise<Hash64> {
  const { h64 } = await xxhash();
  return (text) => h64(text);
}
