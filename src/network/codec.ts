/**
 * Bytes to values and back: length-prefixed frames of msgpack.
 *
 * Promises that bytes from outside never do more than throw a `DecodeError`: lengths are checked before memory is spent,
 * and the structure is walked before it is unpacked, because an unpacker believes the counts it reads (five bytes can ask
 * for an array of 2^32 places). Extension types are refused: nothing here needs them, and some build objects of a class.
 *
 * Values are maps and arrays, never msgpackr records, so that any reader of msgpack can take part.
 */

import { Packr } from "msgpackr";
import { isTraceparent, TRACEPARENT_LENGTH } from "../types/tracing.ts";
import { messageOf } from "../util/errors.ts";

/** Bytes from outside that mean nothing here. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

const packr = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: "number",
  encodeUndefinedAsNil: true,
  // Absent and undefined are the same to our schemas; nil is not.
  ...{ skipValues: [undefined] },
});

/** Deepest nesting of arrays and maps. */
const DEPTH_MAX = 32;

/** A fresh copy: the packer's own buffer is used again. */
export function pack(value: unknown): Uint8Array {
  return packr.pack(value);
}

/**
 * Reads one value that fills all of `bytes`. Binary values are views of `bytes`.
 *
 * @throws DecodeError
 */
export function unpack(bytes: Uint8Array): unknown {
  checkStructure(bytes);
  try {
    return packr.unpack(bytes);
  } catch (error) {
    throw new DecodeError(`not a msgpack value: ${messageOf(error)}`, { cause: error });
  }
}

/** What a msgpack tag promises: bytes that follow it, and then values. */
interface Shape {
  readonly bytes: number;
  readonly values: number;
  readonly isMap: boolean;
  readonly isText: boolean;
}

/** Walks the structure without building anything. */
function checkStructure(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // For each open container the values that must still come; those of a map count keys too.
  const missing = [1];
  const isMap = [false];
  let at = 0;
  while (missing.length > 0) {
    const open = missing.length - 1;
    const left = missing[open]!;
    if (left === 0) {
      missing.pop();
      isMap.pop();
      continue;
    }
    missing[open] = left - 1;
    const head = headLength(view, at);
    const shape = readShape(view, at, head);
    at += head + shape.bytes;
    if (at > bytes.length) throw new DecodeError("the value is cut off");
    if (isMap[open] && left % 2 === 0 && !shape.isText) throw new DecodeError("a map key is not text");
    if (shape.values === 0) continue;
    if (shape.values > bytes.length - at) throw new DecodeError("a container counts more than there is");
    if (missing.length > DEPTH_MAX) throw new DecodeError(`nested deeper than ${DEPTH_MAX}`);
    missing.push(shape.values);
    isMap.push(shape.isMap);
  }
  if (at !== bytes.length) throw new DecodeError("bytes follow the value");
}

/** Length of the tag and of the count behind it. */
function headLength(view: DataView, at: number): number {
  if (at >= view.byteLength) throw new DecodeError("the value is cut off");
  const tag = view.getUint8(at);
  const length = 1 + countLength(tag);
  if (at + length > view.byteLength) throw new DecodeError("the value is cut off");
  return length;
}

function countLength(tag: number): number {
  if (tag === 0xc4 || tag === 0xd9) return 1;
  if (tag === 0xc5 || tag === 0xda || tag === 0xdc || tag === 0xde) return 2;
  if (tag === 0xc6 || tag === 0xdb || tag === 0xdd || tag === 0xdf) return 4;
  return 0;
}

function readShape(view: DataView, at: number, head: number): Shape {
  const tag = view.getUint8(at);
  if (tag < 0x80 || tag >= 0xe0) return scalar(0);
  if (tag < 0x90) return map(tag & 0x0f);
  if (tag < 0xa0) return array(tag & 0x0f);
  if (tag < 0xc0) return text(tag & 0x1f);
  const count =
    head === 5 ? view.getUint32(at + 1) : head === 3 ? view.getUint16(at + 1) : head === 2 ? view.getUint8(at + 1) : 0;
  switch (tag) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return scalar(0);
    case 0xc4: // bin 8, 16, 32
    case 0xc5:
    case 0xc6:
      return scalar(count);
    case 0xcc: // uint 8, int 8
    case 0xd0:
      return scalar(1);
    case 0xcd: // uint 16, int 16
    case 0xd1:
      return scalar(2);
    case 0xca: // float 32, uint 32, int 32
    case 0xce:
    case 0xd2:
      return scalar(4);
    case 0xcb: // float 64, uint 64, int 64
    case 0xcf:
    case 0xd3:
      return scalar(8);
    case 0xd9: // str 8, 16, 32
    case 0xda:
    case 0xdb:
      return text(count);
    case 0xdc: // array 16, 32
    case 0xdd:
      return array(count);
    case 0xde: // map 16, 32
    case 0xdf:
      return map(count);
    default:
      throw new DecodeError(`type 0x${tag.toString(16)} is not used here`);
  }
}

const scalar = (bytes: number): Shape => ({ bytes, values: 0, isMap: false, isText: false });
const text = (bytes: number): Shape => ({ bytes, values: 0, isMap: false, isText: true });
const array = (values: number): Shape => ({ bytes: 0, values, isMap: false, isText: false });
const map = (pairs: number): Shape => ({ bytes: 0, values: 2 * pairs, isMap: true, isText: false });

/** Bytes of the length before each frame. */
export const FRAME_HEADER_BYTES = 4;

/** Cuts a stream of bytes into frames: 4 bytes of length, big-endian, then the payload. */
export class FrameDecoder {
  readonly #frameBytesMax: number;
  /** The beginning of a frame that is not complete yet, in a buffer that grows by doubling. */
  #buffer = new Uint8Array(0);
  #filled = 0;

  /** @param frameBytesMax - longest payload that is waited for */
  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes kept of a frame that is not complete yet. */
  get bufferedBytes(): number {
    return this.#filled;
  }

  /**
   * Takes the next bytes and hands out each payload they complete, in order. Payloads may be kept.
   *
   * @throws DecodeError when a frame is longer than the limit, as soon as its length is read
   */
  push(chunk: Uint8Array, onFrame: (payload: Uint8Array) => void): void {
    const bytes = this.#filled === 0 ? chunk : this.#append(chunk);
    let at = 0;
    for (let end = this.#frameEnd(bytes, at); end <= bytes.length; end = this.#frameEnd(bytes, at)) {
      const payload = bytes.subarray(at + FRAME_HEADER_BYTES, end);
      at = end;
      onFrame(payload);
    }
    if (at === 0 && this.#filled > 0) return;
    this.#buffer = new Uint8Array(0);
    this.#filled = 0;
    if (at < bytes.length) this.#append(bytes.subarray(at));
  }

  /** Infinity while the length itself is not complete. */
  #frameEnd(bytes: Uint8Array, at: number): number {
    if (bytes.length - at < FRAME_HEADER_BYTES) return Number.POSITIVE_INFINITY;
    const length = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER_BYTES).getUint32(0);
    if (length > this.#frameBytesMax) {
      throw new DecodeError(`a frame of ${length} bytes, at most ${this.#frameBytesMax} are allowed`);
    }
    return at + FRAME_HEADER_BYTES + length;
  }

  /** Doubling keeps the copying linear, also when bytes come one by one. */
  #append(chunk: Uint8Array): Uint8Array {
    const needed = this.#filled + chunk.length;
    if (needed > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = grown;
    }
    this.#buffer.set(chunk, this.#filled);
    this.#filled = needed;
    return this.#buffer.subarray(0, needed);
  }
}

/** Checks of decoded values; each throws a `DecodeError` that names the field. */
export function asArray(value: unknown, what: string, length?: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new DecodeError(`${what} is not an array`);
  if (length !== undefined && value.length !== length) {
    throw new DecodeError(`${what} has ${value.length} fields instead of ${length}`);
  }
  return value;
}

/** An integer from 0 to 2^53 - 1 (R15). */
export function asCount(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0)
    throw new DecodeError(`${what} is not an integer from 0 to 2^53 - 1`);
  return value as number;
}

export function asBoolean(value: unknown, what: string): boolean {
  if (typeof value !== "boolean") throw new DecodeError(`${what} is not a boolean`);
  return value;
}

/** Text of 1 to `lengthMax` UTF-16 units, without control characters. */
export function asText(value: unknown, what: string, lengthMax: number): string {
  if (typeof value !== "string" || value.length === 0 || value.length > lengthMax) {
    throw new DecodeError(`${what} is not text of 1 to ${lengthMax} characters`);
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(value)) throw new DecodeError(`${what} has control characters`);
  return value;
}

/** A plain view, so that equal bytes compare as equal whoever made them. */
export function asBytes(value: unknown, what: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new DecodeError(`${what} is not binary`);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** What another node's work is part of, as W3C Trace Context writes it. */
export function asTraceparent(value: unknown): string {
  const text = asText(value, "traceparent", TRACEPARENT_LENGTH);
  if (!isTraceparent(text)) throw new DecodeError("a traceparent can not be read");
  return text;
}
