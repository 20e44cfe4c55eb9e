/**
 * Frames on one libp2p stream, both ways, with back-pressure obeyed.
 *
 * Out: what is sent within one turn leaves as few buffers of at most 60 KiB, since each buffer is encrypted on its own.
 * Control frames overtake bulk frames that still wait, never one that has begun (R60). The queue is bounded in bytes, and
 * while the stream is full nothing is handed to it: libp2p would store it without a bound.
 *
 * In: frames are handed out synchronously and in order. Bytes that break the framing, or a frame whose handler throws a
 * `DecodeError`, reset the stream. Other errors of a handler are ours and are not caught here.
 */

import type { Stream } from "@libp2p/interface";
import { messageOf } from "../util/errors.ts";
import { DecodeError, FRAME_HEADER_BYTES, FrameDecoder } from "./codec.ts";
import { CHUNK_BYTES_MAX } from "./protocols.ts";

/** The part of a libp2p stream that is used. */
export type ByteStream = Pick<
  Stream,
  "send" | "abort" | "close" | "pause" | "resume" | "addEventListener" | "writableNeedsDrain" | "status"
>;

export type Priority = "control" | "bulk";

export interface FrameChannelOptions {
  /** Longest payload that is received. */
  readonly frameBytesMax: number;
  /** Most bytes of bulk frames that wait to be sent. Control frames have `CONTROL_BYTES_MAX` of their own. */
  readonly queueBytesMax: number;
  onFrame(payload: Uint8Array): void;
  /** Called once. The error says why; none after an orderly end by either side. */
  onClose(error?: Error): void;
  onBytes?(direction: "in" | "out", bytes: number): void;
}

/** Control frames are small and few: this many bytes of them waiting means that the peer does not read. */
export const CONTROL_BYTES_MAX = 4 * 1024 * 1024;

export class FrameChannel {
  readonly #stream: ByteStream;
  readonly #options: FrameChannelOptions;
  readonly #decoder: FrameDecoder;
  readonly #control = new FrameQueue();
  readonly #bulk = new FrameQueue();
  /** The frame whose first bytes are gone; it must be finished before another begins. */
  #begun: { readonly payload: Uint8Array; sent: number; readonly queue: FrameQueue } | null = null;
  #isFlushScheduled = false;
  #isBlocked = false;
  #isClosed = false;
  #waiters: { readonly bytesMax: number; readonly resolve: () => void }[] = [];

  constructor(stream: ByteStream, options: FrameChannelOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#decoder = new FrameDecoder(options.frameBytesMax);
    stream.addEventListener("drain", () => {
      this.#isBlocked = false;
      this.#flush();
    });
    stream.addEventListener("close", (event) => this.#finish(event.error));
    stream.addEventListener("end", () => this.#onEnd());
    stream.addEventListener("message", (event) => this.#onBytes(event.data.subarray()));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes of payload that wait to be sent. */
  get queuedBytes(): number {
    return this.#control.bytes + this.#bulk.bytes;
  }

  /** @returns false when the frame was not taken: the queue is full, or the channel closed */
  send(payload: Uint8Array, priority: Priority = "control"): boolean {
    if (this.#isClosed) return false;
    const isControl = priority === "control";
    const queue = isControl ? this.#control : this.#bulk;
    const bytesMax = isControl ? CONTROL_BYTES_MAX : this.#options.queueBytesMax;
    // A lone frame is always taken, or one above the limit could never be sent.
    if (queue.bytes > 0 && queue.bytes + payload.length > bytesMax) return false;
    queue.push(payload);
    this.#scheduleFlush();
    return true;
  }

  /** Resolves once at most `bytesMax` wait to be sent, or the channel closed. */
  drained(bytesMax: number): Promise<void> {
    if (this.#isClosed || this.queuedBytes <= bytesMax) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ bytesMax, resolve }));
  }

  /** Stops `onFrame`; after a while the sender is held up. A few frames may still come. */
  pause(): void {
    if (!this.#isClosed) this.#guard(() => this.#stream.pause());
  }

  resume(): void {
    if (!this.#isClosed) this.#guard(() => this.#stream.resume());
  }

  /** Discards what waits and tells the other side that the stream broke. */
  reset(error: Error): void {
    if (this.#isClosed) return;
    // First: aborting announces the end of the stream, and then its closing, before it returns.
    this.#isClosed = true;
    this.#stream.abort(error);
    this.#release(error);
  }

  /** Sends what waits, then closes. Never rejects. */
  async end(): Promise<void> {
    await this.drained(0);
    if (this.#isClosed) return;
    try {
      await this.#stream.close();
      this.#finish();
    } catch (error) {
      this.reset(error instanceof Error ? error : new Error(messageOf(error)));
    }
  }

  /** A stream that ended between our check and the call throws; its close event follows. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.reset(error instanceof Error ? error : new Error(messageOf(error)));
    }
  }

  #onBytes(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#options.onBytes?.("in", bytes.length);
    try {
      this.#decoder.push(bytes, (payload) => {
        if (!this.#isClosed) this.#options.onFrame(payload);
      });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.reset(error);
    }
  }

  /** The other side will send no more. No protocol here goes on in one direction, so this side ends too. */
  #onEnd(): void {
    // A reset and a lost connection are announced as an end too; their close event follows and says more.
    if (this.#isClosed || this.#stream.status !== "open") return;
    if (this.#decoder.bufferedBytes > 0) return this.reset(new DecodeError("the stream ended inside a frame"));
    this.#guard(() => void this.#stream.close().catch((error: Error) => this.#stream.abort(error)));
    this.#finish();
  }

  #finish(error?: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#release(error);
  }

  #release(error?: Error): void {
    this.#begun = null;
    this.#control.clear();
    this.#bulk.clear();
    this.#wake();
    this.#options.onClose(error);
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#isBlocked) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (!this.#isClosed && !this.#isBlocked && this.queuedBytes > 0) {
      const chunk = this.#nextChunk();
      this.#guard(() => {
        const canSendMore = this.#stream.send(chunk);
        // A drain that came during the call is not announced again.
        this.#isBlocked = !canSendMore && this.#stream.writableNeedsDrain;
      });
      this.#options.onBytes?.("out", chunk.length);
    }
    this.#wake();
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    const isReady = (waiter: { readonly bytesMax: number }) => this.#isClosed || this.queuedBytes <= waiter.bytesMax;
    const ready = this.#waiters.filter(isReady);
    this.#waiters = this.#waiters.filter((waiter) => !isReady(waiter));
    for (const { resolve } of ready) resolve();
  }

  /** As many frames as fit into one buffer, the last one perhaps in part. */
  #nextChunk(): Uint8Array {
    const waiting = this.queuedBytes + (this.#control.length + this.#bulk.length) * FRAME_HEADER_BYTES;
    const chunk = Buffer.allocUnsafe(Math.min(waiting, CHUNK_BYTES_MAX));
    let at = 0;
    while (at < chunk.length) {
      if (this.#begun === null) {
        const queue = this.#control.length > 0 ? this.#control : this.#bulk;
        const payload = queue.first();
        if (payload === undefined || chunk.length - at < FRAME_HEADER_BYTES) break;
        at = chunk.writeUInt32BE(payload.length, at);
        this.#begun = { payload, sent: 0, queue };
      }
      const { payload, sent, queue } = this.#begun;
      const part = payload.subarray(sent, sent + chunk.length - at);
      chunk.set(part, at);
      at += part.length;
      this.#begun.sent += part.length;
      if (this.#begun.sent < payload.length) break;
      queue.shift();
      this.#begun = null;
    }
    return chunk.subarray(0, at);
  }
}

const NOTHING = new Uint8Array(0);

/** First in, first out. A plain array's `shift` moves all that waits, and a full queue is 100,000 frames long. */
class FrameQueue {
  #frames: Uint8Array[] = [];
  #head = 0;
  #bytes = 0;

  get length(): number {
    return this.#frames.length - this.#head;
  }

  /** Counts an empty frame as one byte, so that "nothing waits" and "0 bytes" are the same. */
  get bytes(): number {
    return this.#bytes;
  }

  push(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.#bytes += Math.max(1, frame.length);
  }

  first(): Uint8Array | undefined {
    return this.#frames[this.#head];
  }

  shift(): void {
    const frame = this.first();
    if (frame === undefined) return;
    this.#bytes -= Math.max(1, frame.length);
    // The place stays for a while, what it held must not.
    this.#frames[this.#head++] = NOTHING;
    if (this.#head > 1_024 && this.#head * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#frames = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
