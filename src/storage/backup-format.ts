/**
 * What a backup looks like (docs/backup.md, "The file"): a preamble, then frames, of which the last one is the trailer.
 *
 *   preamble   8 bytes that no text file begins with and no copy in text mode leaves alone, and the version of the format
 *   frame      kind, length, payload, CRC-32; each checksum continues that of the frame before, so order is proved as well
 *   header     once, first: `BackupHeader`
 *   chunk      records as they lie on disk and travel in snapshots (`snapshot-chunks.ts`), each with its own checksum
 *   trailer    once, last: what was written, its SHA-256, and the seal
 *
 * The seal is an HMAC over that digest under a key derived from the federation's shared key: checksums find accidents, the
 * seal finds whoever changes records and computes the checksums anew.
 *
 * Both directions are streams with one chunk in memory.
 */

import { createHash, createHmac, type Hash, hkdfSync, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { Packr } from "msgpackr";
import type { BackupHeader, BackupTotals } from "../types/backup.ts";
import { originOf } from "../types/cluster-id.ts";
import { asClusterId } from "../types/ids.ts";
import { AtollError, messageOf } from "../util/errors.ts";
import { CHUNK_BYTES_MAX, ChunkReader, type SealedRecord, type SnapshotIdentity } from "./snapshot-chunks.ts";

export type BackupErrorDetail =
  | { readonly code: "NOT_A_BACKUP" }
  | { readonly code: "BACKUP_FORMAT"; readonly format: number; readonly formatMax: number }
  /** It ends at `offset`, and should not. */
  | { readonly code: "BACKUP_TRUNCATED"; readonly offset: number }
  /** What begins at `offset` is not what was written there. */
  | { readonly code: "BACKUP_DAMAGED"; readonly offset: number; readonly what: string }
  /** It is whole, and none of the keys at hand sealed it. */
  | { readonly code: "BACKUP_SEAL_WRONG" };

/** A file that is no backup, not a whole one, or not one that can be trusted. Nothing of it is to be used. */
export class BackupError extends AtollError<BackupErrorDetail> {}

const MAGIC = Buffer.from("\u0089ATOLB\r\n", "latin1");
/** Grows when the format changes in a way that older programs can not read. */
export const BACKUP_FORMAT = 1;
const PREAMBLE_BYTES = MAGIC.length + 2;
const FRAME_HEAD_BYTES = 5;
const CHECKSUM_BYTES = 4;
const KIND = { header: 1, chunk: 2, trailer: 3 } as const;
/** Of headers and trailers; chunks have a bound of their own. */
const SMALL_BYTES_MAX = 64 * 1024;
const TEXT_LENGTH_MAX = 1_024;
/** Steers a terminal, or can not be seen: whoever looks into a file of a stranger is shown none of it. */
const UNSEEN = /\p{C}/gu;
/** A region counts its events with numbers that end at 2^33 commands: what is near that is no log of ours. */
const REVISION_MAX = 2 ** 32;
/** There are about ten; of a file that has far more, the rest is counted together. */
const KINDS_MAX = 64;

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });

/** Writes a backup. @param sharedKey - seals it; empty where the region has none */
export async function* writeBackup(
  header: BackupHeader,
  chunks: AsyncIterable<Uint8Array>,
  sharedKey: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  const frames = new FrameWriter();
  yield frames.preamble();
  yield frames.frame(KIND.header, packr.pack(header));
  for await (const chunk of chunks) yield frames.frame(KIND.chunk, chunk);
  const digest = frames.digest();
  const seal = sharedKey.length === 0 ? null : sealOf(digest, sharedKey);
  yield frames.frame(KIND.trailer, packr.pack({ sha256: digest, seal }));
}

class FrameWriter {
  readonly #hash: Hash = createHash("sha256");
  #checksum = 0;

  preamble(): Uint8Array {
    const bytes = Buffer.alloc(PREAMBLE_BYTES);
    MAGIC.copy(bytes);
    bytes.writeUInt16BE(BACKUP_FORMAT, MAGIC.length);
    this.#checksum = crc32(bytes);
    this.#hash.update(bytes);
    return bytes;
  }

  frame(kind: number, payload: Uint8Array): Uint8Array {
    const end = FRAME_HEAD_BYTES + payload.length;
    const bytes = Buffer.allocUnsafe(end + CHECKSUM_BYTES);
    bytes.writeUInt8(kind, 0);
    bytes.writeUInt32BE(payload.length, 1);
    bytes.set(payload, FRAME_HEAD_BYTES);
    this.#checksum = crc32(bytes.subarray(0, end), this.#checksum);
    bytes.writeUInt32BE(this.#checksum, end);
    this.#hash.update(bytes);
    return bytes;
  }

  /** Of all that was written so far. */
  digest(): Uint8Array {
    return this.#hash.copy().digest();
  }
}

/** What a backup holds, in the order in which it is read. `offset` is how far that has come, in bytes. */
export type BackupPart =
  | { readonly type: "header"; readonly header: BackupHeader; readonly offset: number }
  | { readonly type: "records"; readonly records: readonly SealedRecord[]; readonly offset: number }
  | { readonly type: "end"; readonly totals: BackupTotals; readonly offset: number };

/**
 * Reads a backup and proves it: every checksum, the order of everything, every record, the totals, the seal. What was yielded
 * is to be used only once the part `end` has come.
 *
 * @param sharedKeys - of which one sealed it; none leaves the seal unproved
 * @throws BackupError, and whatever `source` throws
 */
export async function* readBackup(
  source: AsyncIterable<Uint8Array>,
  sharedKeys: readonly Uint8Array[],
): AsyncGenerator<BackupPart, void, undefined> {
  const frames = new FrameReader(source);
  try {
    await frames.preamble();
    const header =
      asHeader(await frames.next(KIND.header, SMALL_BYTES_MAX)) ?? frames.damaged("the header is malformed");
    yield { type: "header", header, offset: frames.offset };
    const state = new StateReader(header);
    for (;;) {
      const frame = await frames.next(KIND.chunk, CHUNK_BYTES_MAX, KIND.trailer);
      if (frame.kind === KIND.trailer) {
        yield { type: "end", totals: await finish(frames, frame.payload, state, sharedKeys), offset: frames.offset };
        return;
      }
      yield { type: "records", records: takeChunk(frames, state, frame.payload), offset: frames.offset };
    }
  } finally {
    await frames.close();
  }
}

function takeChunk(frames: FrameReader, state: StateReader, chunk: Uint8Array): readonly SealedRecord[] {
  try {
    return state.take(chunk);
  } catch (error) {
    return frames.damaged(messageOf(error).replace(UNSEEN, "?"));
  }
}

async function finish(
  frames: FrameReader,
  payload: Uint8Array,
  state: StateReader,
  sharedKeys: readonly Uint8Array[],
): Promise<BackupTotals> {
  const trailer = asTrailer(payload) ?? frames.damaged("the trailer is malformed");
  if (Buffer.compare(trailer.sha256, frames.digestBefore) !== 0) frames.damaged("the digest is another one");
  if (!state.isComplete) frames.damaged("the last chunk is missing");
  await frames.expectEnd();
  const isSealedBy = (key: Uint8Array) => {
    const expected = sealOf(trailer.sha256, key);
    return trailer.seal?.length === expected.length && timingSafeEqual(expected, trailer.seal);
  };
  if (trailer.seal !== null && sharedKeys.length > 0 && !sharedKeys.some(isSealedBy)) {
    const message =
      "it was sealed with another shared key, or changed since. Give the key that the region had then (ENCRYPTION_KEY " +
      "takes several, separated by commas), or take another copy";
    throw new BackupError(message, { code: "BACKUP_SEAL_WRONG" });
  }
  const seal = trailer.seal === null ? "none" : sharedKeys.length === 0 ? "unproved" : "proved";
  return { ...state.counts(), bytes: frames.offset, sha256: Buffer.from(trailer.sha256).toString("hex"), seal };
}

/** Proves the records and counts them. */
class StateReader {
  readonly #chunks: ChunkReader;
  readonly #kinds = new Map<string, number>();
  #count = 0;
  #isComplete = false;

  constructor({ cluster, revision, term }: BackupHeader) {
    this.#chunks = new ChunkReader(identityOf(cluster, revision, term));
  }

  /** @throws StorageError CORRUPT */
  take(chunk: Uint8Array): readonly SealedRecord[] {
    const records = this.#chunks.read(chunk);
    this.#count++;
    if (records.length === 0) {
      this.#chunks.proof();
      this.#isComplete = true;
    }
    for (const [key] of records) this.#countOne(key);
    return records;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  counts(): Pick<BackupTotals, "chunks" | "records" | "kinds"> {
    const counts = [...this.#kinds];
    const records = counts.reduce((sum, [, count]) => sum + count, 0);
    return { chunks: this.#count, records, kinds: Object.fromEntries(counts) };
  }

  #countOne(key: string): void {
    const first = key.split("/", 1)[0]!;
    const kind = this.#kinds.has(first) || this.#kinds.size < KINDS_MAX ? first : "other";
    this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + 1);
  }
}

/** What the chunks of a backup are bound to. */
export function identityOf(cluster: string, revision: number, term: number): SnapshotIdentity {
  return { cluster: originOf(asClusterId(cluster)), lastIndex: revision, lastTerm: term };
}

interface Frame {
  readonly kind: number;
  readonly payload: Uint8Array;
}

class FrameReader {
  readonly #bytes: ByteReader;
  readonly #hash: Hash = createHash("sha256");
  #checksum = 0;
  /** Where the frame that was read last begins. */
  #frameOffset = 0;
  /** Of all before that frame. */
  #digestBefore: Uint8Array = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#bytes = new ByteReader(source);
  }

  get offset(): number {
    return this.#bytes.offset;
  }

  get digestBefore(): Uint8Array {
    return this.#digestBefore;
  }

  async preamble(): Promise<void> {
    const bytes = await this.#bytes.takeUpTo(PREAMBLE_BYTES);
    const isOurs = MAGIC.subarray(0, bytes.length).equals(bytes.subarray(0, MAGIC.length));
    if (!isOurs || bytes.length === 0) {
      const message = "the file does not begin as one that atoll backup wrote, or was changed by a copy in text mode";
      throw new BackupError(message, { code: "NOT_A_BACKUP" });
    }
    if (bytes.length < PREAMBLE_BYTES) throw this.#truncated();
    const format = bytes.readUInt16BE(MAGIC.length);
    if (format !== BACKUP_FORMAT) {
      const message = `it is in format ${format}, this version reads ${BACKUP_FORMAT}. Take the version of atoll that made it`;
      throw new BackupError(message, { code: "BACKUP_FORMAT", format, formatMax: BACKUP_FORMAT });
    }
    this.#checksum = crc32(bytes);
    this.#hash.update(bytes);
  }

  /**
   * @param kind - what must come, of at most `bytesMax` bytes
   * @param orKind - what may come in its place, and is small
   */
  async next(kind: number, bytesMax: number, orKind = kind): Promise<Frame> {
    this.#frameOffset = this.#bytes.offset;
    const head = await this.#take(FRAME_HEAD_BYTES);
    const found = head.readUInt8(0);
    if (found !== kind && found !== orKind) this.damaged(`a frame of kind ${found} is not expected here`);
    const length = head.readUInt32BE(1);
    const lengthMax = found === kind ? bytesMax : SMALL_BYTES_MAX;
    if (length > lengthMax) this.damaged(`a frame of ${length} bytes is longer than any, ${lengthMax}`);
    const payload = await this.#take(length);
    const written = await this.#take(CHECKSUM_BYTES);
    this.#checksum = crc32(payload, crc32(head, this.#checksum));
    if (written.readUInt32BE(0) !== this.#checksum) this.damaged("the checksum does not match");
    if (found === KIND.trailer) this.#digestBefore = this.#hash.copy().digest();
    for (const part of [head, payload, written]) this.#hash.update(part);
    return { kind: found, payload };
  }

  async expectEnd(): Promise<void> {
    this.#frameOffset = this.#bytes.offset;
    if ((await this.#bytes.takeUpTo(1)).length > 0) this.damaged("something follows the end");
  }

  /** @throws BackupError BACKUP_DAMAGED, of the frame that was read last */
  damaged(what: string): never {
    const offset = this.#frameOffset;
    const message = `damaged or changed at byte ${offset}: ${what}. Nothing of it is used; take another copy, or make another backup`;
    throw new BackupError(message, { code: "BACKUP_DAMAGED", offset, what });
  }

  close(): Promise<void> {
    return this.#bytes.close();
  }

  async #take(count: number): Promise<Buffer> {
    const bytes = await this.#bytes.takeUpTo(count);
    if (bytes.length < count) throw this.#truncated();
    return bytes;
  }

  #truncated(): BackupError {
    const { offset } = this.#bytes;
    const message = `it ends at byte ${offset}, before its trailer. Nothing of it is used; take another copy, or make another backup`;
    return new BackupError(message, { code: "BACKUP_TRUNCATED", offset });
  }
}

/** Takes bytes from a stream in the portions that a reader wants; holds no more than one portion and one piece of the stream. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #left: Uint8Array = Buffer.alloc(0);
  #offset = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Bytes taken so far. */
  get offset(): number {
    return this.#offset;
  }

  /** @returns fewer than `count` only at the end of the stream */
  async takeUpTo(count: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    let missing = count;
    while (missing > 0) {
      if (this.#left.length === 0) {
        const { done = false, value } = await this.#source.next();
        if (done) break;
        this.#left = value;
      }
      const part = this.#left.subarray(0, missing);
      this.#left = this.#left.subarray(part.length);
      parts.push(part);
      missing -= part.length;
    }
    this.#offset += count - missing;
    return Buffer.concat(parts);
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

function sealOf(digest: Uint8Array, sharedKey: Uint8Array): Uint8Array {
  const key = new Uint8Array(hkdfSync("sha256", sharedKey, Buffer.alloc(0), "atoll backup 1", 32));
  return createHmac("sha256", key).update(digest).digest();
}

function unpack(payload: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = packr.unpack(payload);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    // What can not be read lacks every field, which is what the caller says of it.
    return {};
  }
}

function asHeader({ payload }: Frame): BackupHeader | null {
  const { federation, region, cluster, node, version, revision, term, takenAtMs, records } = unpack(payload);
  if (!isText(federation) || !isText(region) || !isText(cluster) || !isText(node) || !isText(version)) return null;
  if (!isCount(revision) || revision > REVISION_MAX || !isCount(term) || !isCount(takenAtMs) || !isCount(records))
    return null;
  return { federation, region, cluster, node, version, revision, term, takenAtMs, records };
}

function asTrailer(payload: Uint8Array): { readonly sha256: Uint8Array; readonly seal: Uint8Array | null } | null {
  const { sha256, seal } = unpack(payload);
  if (!(sha256 instanceof Uint8Array) || !(seal === null || seal instanceof Uint8Array)) return null;
  return { sha256, seal };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= TEXT_LENGTH_MAX && !/\p{C}/u.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
