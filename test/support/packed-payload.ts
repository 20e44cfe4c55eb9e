/**
 * Values as msgpack, for networks of nodes in one process: nothing is shared between nodes by reference, and what can not be
 * encoded does not arrive.
 */

import { Packr } from "msgpackr";
import { NetworkError } from "../../src/network/interface.ts";

const PAYLOAD_BYTES_MAX = 1024 * 1024;
const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

/** @throws NetworkError TOO_LARGE above a MiB */
export function packed(payload: unknown): Uint8Array {
  const bytes = packr.pack(payload);
  if (bytes.length <= PAYLOAD_BYTES_MAX) return Uint8Array.from(bytes);
  throw new NetworkError("too large", { code: "TOO_LARGE", bytes: bytes.length, bytesMax: PAYLOAD_BYTES_MAX });
}

export function unpacked(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}
