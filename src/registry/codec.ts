/** How this folder writes msgpack: plain maps that any node, or other language, reads without help. */

import { Packr } from "msgpackr";

const packr = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: "number",
  encodeUndefinedAsNil: true,
});

export function encode(value: unknown): Uint8Array {
  return packr.pack(value);
}

/** @throws Error when the bytes are not one msgpack value */
export function decode(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}
