/**
 * One snapshot on one stream: preamble, header, chunks, end; then one answer back.
 *
 * Back-pressure holds both ways: the sender reads the next chunk from disk when the last has left, and the receiver pauses
 * the stream while chunks wait to be written. A transfer in which nothing moves for `STALL_MS` is given up.
 */

import type { ClusterId, NodeId } from "../types/ids.ts";
import type { SnapshotHeader } from "../types/raft.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { AtollError, InvariantViolation, messageOf } from "../util/errors.ts";
import { asArray, asBoolean, asCount, asText, DecodeError, pack, unpack } from "./codec.ts";
import { type ByteStream, FrameChannel } from "./frame-channel.ts";
import { NetworkError } from "./interface.ts";
import type { NetworkMetrics } from "./metrics.ts";
import {
  ERROR_CODE_LENGTH_MAX,
  ERROR_MESSAGE_LENGTH_MAX,
  HELLO_FRAME_BYTES_MAX,
  SNAPSHOT_FRAME_BYTES_MAX,
} from "./protocols.ts";
import { decodeSnapshotHeader, encodeSnapshotHeader } from "./raft-codec.ts";

const CHUNK = 1;
const END = 2;

const STALL_MS = 60_000;
/** Chunks wait in memory up to this, then the sender is held up. */
const UNREAD_BYTES_MAX = 2 * 1024 * 1024;
const UNSENT_BYTES_MAX = 256 * 1024;

export interface SnapshotSenderParts {
  open(): Promise<ByteStream>;
  readonly to: NodeId;
  readonly clock: Clock;
  readonly metrics: NetworkMetrics;
}

/**
 * Resolves when the receiver has installed the snapshot.
 *
 * @throws NetworkError PEER_LOST, TOO_LARGE (a chunk), TIMEOUT (stalled) or REMOTE (refused)
 */
export async function sendSnapshot(
  parts: SnapshotSenderParts,
  preamble: Uint8Array,
  header: SnapshotHeader,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { to, clock, metrics } = parts;
  const lost = () => new NetworkError(`the link to ${to} broke`, { code: "PEER_LOST", peer: to });
  const stream = await parts.open().catch((error) => {
    throw new NetworkError(`no stream to ${to}`, { code: "NOT_CONNECTED", peer: to }, { cause: error });
  });
  const answer = Promise.withResolvers<void>();
  let isAnswered = false;
  const settle = (error?: Error) => {
    isAnswered = true;
    if (error === undefined) answer.resolve();
    else answer.reject(error);
  };
  const stall = new StallTimer(clock, () => {
    settle(new NetworkError(`the snapshot for ${to} stalled`, { code: "TIMEOUT", peer: to, timeoutMs: STALL_MS }));
    channel.reset(new Error("stalled"));
  });
  const channel = new FrameChannel(stream, {
    frameBytesMax: HELLO_FRAME_BYTES_MAX,
    queueBytesMax: UNSENT_BYTES_MAX,
    onFrame: (payload) => settle(decodeAnswer(payload, to)),
    onClose: () => settle(lost()),
    onBytes: (direction, bytes) => {
      stall.touch();
      metrics.bytes(direction, "snapshot", bytes);
    },
  });
  // It may be answered before the last chunk, also while nobody waits for the answer yet.
  answer.promise.catch(() => {});
  try {
    channel.send(preamble);
    channel.send(encodeSnapshotHeader(header));
    for await (const chunk of chunks) {
      if (isAnswered) break;
      const frame = Buffer.concat([Buffer.of(CHUNK), chunk]);
      if (frame.length > SNAPSHOT_FRAME_BYTES_MAX) {
        const detail = { code: "TOO_LARGE", bytes: chunk.length, bytesMax: SNAPSHOT_FRAME_BYTES_MAX - 1 } as const;
        throw new NetworkError("a snapshot chunk is too large", detail);
      }
      await channel.drained(0);
      channel.send(frame, "bulk");
    }
    channel.send(Uint8Array.of(END), "bulk");
    await answer.promise;
  } finally {
    stall.stop();
    channel.reset(new Error("the transfer is over"));
  }
}

function decodeAnswer(payload: Uint8Array, peer: NodeId): Error | undefined {
  const [isInstalled, code, message] = asArray(unpack(payload), "answer", 3);
  if (asBoolean(isInstalled, "installed")) return undefined;
  const remoteCode = asText(code, "code", ERROR_CODE_LENGTH_MAX);
  const text = asText(message, "message", ERROR_MESSAGE_LENGTH_MAX);
  return new NetworkError(`${peer} did not install the snapshot: ${text}`, { code: "REMOTE", peer, remoteCode });
}

export interface SnapshotReceiverParts {
  readonly cluster: ClusterId;
  readonly clock: Clock;
  readonly metrics: NetworkMetrics;
  /** @throws DecodeError */
  checkPreamble(bytes: Uint8Array): void;
}

/** Resolves when the stream ended, whatever was answered. @throws DecodeError when it broke the protocol */
export async function receiveSnapshot(
  stream: ByteStream,
  parts: SnapshotReceiverParts,
  install: (header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const { clock, metrics, cluster } = parts;
  const closed = Promise.withResolvers<void>();
  const inbox = new ChunkInbox({
    onFull: () => channel.pause(),
    onRoom: () => channel.resume(),
  });
  const stall = new StallTimer(clock, () => channel.reset(new Error("stalled")));
  let state: "preamble" | "header" | "chunks" | "ended" = "preamble";

  const channel = new FrameChannel(stream, {
    frameBytesMax: SNAPSHOT_FRAME_BYTES_MAX,
    queueBytesMax: HELLO_FRAME_BYTES_MAX,
    onFrame(payload) {
      if (state === "preamble") {
        parts.checkPreamble(payload);
        state = "header";
      } else if (state === "header") {
        const header = decodeSnapshotHeader(payload, cluster);
        state = "chunks";
        void answer(header);
      } else if (state === "chunks" && payload[0] === CHUNK) {
        inbox.push(payload.subarray(1));
      } else if (state === "chunks" && payload[0] === END && payload.length === 1) {
        state = "ended";
        // From here on the sender waits for us.
        stall.stop();
        inbox.end();
      } else {
        throw new DecodeError(`snapshot frame ${asCount(payload[0] ?? 0, "kind")} is out of turn`);
      }
    },
    onClose(error) {
      stall.stop();
      if (state !== "ended") inbox.fail(error ?? new Error("the sender broke the snapshot off"));
      if (error instanceof DecodeError) closed.reject(error);
      else closed.resolve();
    },
    onBytes(direction, bytes) {
      stall.touch();
      metrics.bytes(direction, "snapshot", bytes);
    },
  });

  async function answer(header: SnapshotHeader): Promise<void> {
    let reply: readonly unknown[];
    try {
      await install(header, inbox);
      reply = [true, null, null];
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      const code = error instanceof AtollError ? error.detail.code : "INTERNAL";
      reply = [false, code, printable(messageOf(error))];
    }
    // What was not wanted need not be kept.
    inbox.discard();
    channel.send(pack(reply));
    await channel.end();
  }

  await closed.promise;
}

/** Text as `asText` will accept it. */
export function printable(message: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  const clean = message.replace(/[\u0000-\u001f\u007f]/g, " ").slice(0, ERROR_MESSAGE_LENGTH_MAX);
  return clean.length > 0 ? clean : "no message";
}

/** Chunks between the stream that brings them and the one reader that writes them away. */
class ChunkInbox implements AsyncIterable<Uint8Array> {
  readonly #hooks: { onFull(): void; onRoom(): void };
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isFull = false;
  #end: { readonly error: Error | null } | null = null;
  #isDiscarding = false;
  #wake = () => {};

  constructor(hooks: { onFull(): void; onRoom(): void }) {
    this.#hooks = hooks;
  }

  push(chunk: Uint8Array): void {
    if (this.#isDiscarding) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (!this.#isFull && this.#bytes > UNREAD_BYTES_MAX) {
      this.#isFull = true;
      this.#hooks.onFull();
    }
    this.#wake();
  }

  end(): void {
    this.#end ??= { error: null };
    this.#wake();
  }

  fail(error: Error): void {
    this.#end ??= { error };
    this.#wake();
  }

  discard(): void {
    this.#isDiscarding = true;
    this.#chunks = [];
    this.#bytes = 0;
    this.#reopen();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.length;
        if (this.#bytes <= UNREAD_BYTES_MAX / 2) this.#reopen();
        yield chunk;
        continue;
      }
      if (this.#end !== null) {
        if (this.#end.error !== null) throw this.#end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #reopen(): void {
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#hooks.onRoom();
  }
}

/** Fires once nothing was touched for `STALL_MS`. */
class StallTimer {
  readonly #clock: Clock;
  readonly #onStall: () => void;
  #touchedAt: number;
  #cancel: CancelTimer = () => {};

  constructor(clock: Clock, onStall: () => void) {
    this.#clock = clock;
    this.#onStall = onStall;
    this.#touchedAt = clock.now();
    this.#arm(STALL_MS);
  }

  touch(): void {
    this.#touchedAt = this.#clock.now();
  }

  stop(): void {
    this.#cancel();
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#clock.schedule(delayMs, () => {
      const idleMs = this.#clock.now() - this.#touchedAt;
      if (idleMs >= STALL_MS) this.#onStall();
      else this.#arm(STALL_MS - idleMs);
    });
  }
}
