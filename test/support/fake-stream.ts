/** Two ends of a stream in memory, with the events and the back-pressure of a libp2p stream. */

import type { ByteStream } from "../../src/network/frame-channel.ts";

class DataEvent extends Event {
  readonly data: Uint8Array;
  constructor(data: Uint8Array) {
    super("message");
    this.data = data;
  }
}

class CloseEvent extends Event {
  readonly error: Error | undefined;
  constructor(error?: Error) {
    super("close");
    this.error = error;
  }
}

export class FakeStream extends EventTarget {
  /** Every buffer that was handed to `send`, in order. */
  readonly sent: Uint8Array[] = [];
  writableNeedsDrain = false;
  /** What this side was reset with. */
  abortedWith: Error | null = null;
  isClosed = false;
  /** Bytes that may be sent before `send` answers false; `allow` gives more. */
  #window: number;
  #other: FakeStream | null = null;
  #isPaused = false;
  #unread: Uint8Array[] = [];
  #hasOtherEnded = false;
  #isReset = false;

  constructor(windowBytes = Number.POSITIVE_INFINITY) {
    super();
    this.#window = windowBytes;
  }

  static pair(windowBytes?: number): [FakeStream, FakeStream] {
    const ends: [FakeStream, FakeStream] = [new FakeStream(windowBytes), new FakeStream(windowBytes)];
    ends[0].#other = ends[1];
    ends[1].#other = ends[0];
    return ends;
  }

  get status(): "open" | "aborted" | "reset" {
    if (this.abortedWith !== null) return "aborted";
    return this.#isReset ? "reset" : "open";
  }

  /** As the code under test takes it. */
  get asStream(): ByteStream {
    return this as unknown as ByteStream;
  }

  send(data: Uint8Array): boolean {
    if (this.isClosed || this.abortedWith !== null) throw new Error("the stream is closed");
    if (this.writableNeedsDrain) throw new Error("sent without waiting for drain");
    this.sent.push(data);
    this.#window -= data.length;
    this.#other?.deliver(data);
    this.writableNeedsDrain = this.#window <= 0;
    return !this.writableNeedsDrain;
  }

  /** Opens the window again. */
  allow(bytes: number): void {
    this.#window = bytes;
    this.writableNeedsDrain = false;
    this.dispatchEvent(new Event("drain"));
  }

  /** Bytes from the other side, in a later microtask as in libp2p. */
  deliver(data: Uint8Array): void {
    this.#unread.push(data);
    queueMicrotask(() => this.#dispatch());
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    queueMicrotask(() => this.#dispatch());
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#other?.endedByOther();
  }

  endedByOther(): void {
    this.#hasOtherEnded = true;
    queueMicrotask(() => this.#dispatch());
  }

  abort(error: Error): void {
    if (this.abortedWith !== null) return;
    this.abortedWith = error;
    // In this order, as libp2p does.
    this.dispatchEvent(new Event("end"));
    this.dispatchEvent(new CloseEvent(error));
    this.#other?.resetByOther();
  }

  resetByOther(): void {
    queueMicrotask(() => {
      this.isClosed = true;
      this.#isReset = true;
      this.dispatchEvent(new Event("end"));
      this.dispatchEvent(new CloseEvent(new Error("reset by the other side")));
    });
  }

  #dispatch(): void {
    while (!this.#isPaused && this.abortedWith === null) {
      const data = this.#unread.shift();
      if (data === undefined) break;
      this.dispatchEvent(new DataEvent(data));
    }
    if (this.#hasOtherEnded && this.#unread.length === 0) {
      this.#hasOtherEnded = false;
      this.dispatchEvent(new Event("end"));
    }
  }
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
