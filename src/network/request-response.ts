/**
 * Requests and answers, many at a time on one long-lived stream per peer and direction.
 *
 * A new stream for each request costs ten times as much. Answers come as they are ready, matched by the id the asker chose.
 * When the link ends, whoever waits learns it at once.
 */

import type { NodeId } from "../types/ids.ts";
import type { Tracing } from "../types/tracing.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { AtollError, InvariantViolation, invariant, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { asArray, asBoolean, asCount, asText, asTraceparent, DecodeError, pack, unpack } from "./codec.ts";
import { type ByteStream, FrameChannel } from "./frame-channel.ts";
import { NetworkError, type PeerInfo, type RequestHandler, type RequestResponse } from "./interface.ts";
import type { Links } from "./links.ts";
import type { LogLimiter } from "./log-limiter.ts";
import type { NetworkMetrics } from "./metrics.ts";
import {
  ERROR_CODE_LENGTH_MAX,
  ERROR_MESSAGE_LENGTH_MAX,
  METHOD_LENGTH_MAX,
  REQUEST_FRAME_BYTES_MAX,
  REQUEST_PAYLOAD_BYTES_MAX,
  REQUEST_PROTOCOL,
} from "./protocols.ts";
import { printable } from "./snapshot-stream.ts";

export interface RequestResponseParts {
  readonly links: Links;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logLimiter: LogLimiter;
  readonly metrics: NetworkMetrics;
  /** Requests of one peer that are served at a time; more are answered OVERLOADED. */
  readonly servedMax: number;
  readonly tracing?: Tracing | undefined;
}

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: NetworkError) => void;
  readonly cancelTimeout: CancelTimer;
}

interface TracedRequest {
  readonly tracing: Tracing;
  /** The traceparent that came with it. */
  readonly parent: string;
}

/** The asking side of one peer. */
interface Caller {
  readonly waiting: Map<number, Waiting>;
  channel: FrameChannel | null;
  /** Frames that wait for the stream. */
  early: { readonly id: number; readonly frame: Uint8Array }[] | null;
  earlyBytes: number;
}

const QUEUE_BYTES_MAX = 16 * 1024 * 1024;
/** Requests of ours to one peer that may wait at a time. */
const ASKED_MAX = 10_000;

export class Libp2pRequestResponse implements RequestResponse {
  readonly #parts: RequestResponseParts;
  readonly #handlers = new Map<string, RequestHandler>();
  readonly #callers = new Map<NodeId, Caller>();
  readonly #served = new Map<NodeId, number>();
  #lastId = 0;

  constructor(parts: RequestResponseParts) {
    this.#parts = parts;
    parts.links.serve(REQUEST_PROTOCOL, (stream, from) => this.#accept(stream, from));
    parts.links.onLink({ onUp: () => {}, onDown: ({ nodeId }) => this.#dropCaller(nodeId) });
  }

  handle(method: string, handler: RequestHandler): void {
    invariant(method.length > 0 && method.length <= METHOD_LENGTH_MAX, `${method} is too long for a method`);
    this.#handlers.set(method, handler);
  }

  request(to: NodeId, method: string, payload: unknown, { timeoutMs }: { timeoutMs: number }): Promise<unknown> {
    const { tracing } = this.#parts;
    if (tracing?.current() === undefined) return this.#request(to, method, payload, timeoutMs);
    const span = tracing.start({ name: method, kind: "client", attributes: this.#callOf(method, to) });
    const asked = this.#request(to, method, payload, timeoutMs, span.traceparent);
    asked.then(
      () => span.end(),
      (error) => span.end({ error: codeOf(error) }),
    );
    return asked;
  }

  async #request(to: NodeId, method: string, payload: unknown, timeoutMs: number, trace?: string): Promise<unknown> {
    const { links, clock } = this.#parts;
    const body = pack(payload);
    if (body.length > REQUEST_PAYLOAD_BYTES_MAX) throw tooLarge(body.length);
    if (links.get(to) === undefined)
      throw new NetworkError(`no connection to ${to}`, { code: "NOT_CONNECTED", peer: to });
    const caller = this.#callerTo(to);
    if (caller.waiting.size >= ASKED_MAX) throw overloaded(to);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const cancelTimeout = clock.schedule(timeoutMs, () => {
      const detail = { code: "TIMEOUT", peer: to, timeoutMs } as const;
      this.#settle(caller, id)?.reject(new NetworkError(`${method} was not answered in ${timeoutMs} ms`, detail));
    });
    caller.waiting.set(id, { resolve, reject, cancelTimeout });
    this.#ask(to, caller, id, pack(trace === undefined ? [id, method, body] : [id, method, body, trace]));
    return promise;
  }

  /** As OpenTelemetry names calls between programs. */
  #callOf(method: string, peer: NodeId) {
    const { name = "", region = "" } = this.#parts.links.get(peer) ?? {};
    return { "rpc.system.name": "atoll", "rpc.method": method, "atoll.peer.name": name, "atoll.peer.region": region };
  }

  stop(): void {
    for (const nodeId of [...this.#callers.keys()]) this.#dropCaller(nodeId);
  }

  #callerTo(nodeId: NodeId): Caller {
    const known = this.#callers.get(nodeId);
    if (known !== undefined) return known;
    const caller: Caller = { waiting: new Map(), channel: null, early: null, earlyBytes: 0 };
    this.#callers.set(nodeId, caller);
    return caller;
  }

  #dropCaller(nodeId: NodeId): void {
    const caller = this.#callers.get(nodeId);
    if (caller === undefined) return;
    this.#callers.delete(nodeId);
    caller.channel?.reset(new Error("the link is down"));
    this.#failAll(nodeId, caller, "PEER_LOST");
  }

  #failAll(peer: NodeId, caller: Caller, code: "PEER_LOST" | "NOT_CONNECTED"): void {
    caller.channel = null;
    caller.early = null;
    caller.earlyBytes = 0;
    for (const id of [...caller.waiting.keys()]) {
      this.#settle(caller, id)?.reject(new NetworkError(`the link to ${peer} broke`, { code, peer }));
    }
  }

  #settle(caller: Caller, id: number): Waiting | undefined {
    const waiting = caller.waiting.get(id);
    caller.waiting.delete(id);
    waiting?.cancelTimeout();
    return waiting;
  }

  #ask(to: NodeId, caller: Caller, id: number, frame: Uint8Array): void {
    if (caller.channel !== null) {
      if (!caller.channel.send(frame, "bulk")) this.#settle(caller, id)?.reject(overloaded(to));
      return;
    }
    if (caller.earlyBytes > 0 && caller.earlyBytes + frame.length > QUEUE_BYTES_MAX) {
      this.#settle(caller, id)?.reject(overloaded(to));
      return;
    }
    caller.earlyBytes += frame.length;
    if (caller.early !== null) {
      caller.early.push({ id, frame });
      return;
    }
    caller.early = [{ id, frame }];
    this.#parts.links.open(to, REQUEST_PROTOCOL).then(
      (stream) => {
        if (this.#callers.get(to) !== caller) return stream.abort(new Error("the link is down"));
        this.#use(to, caller, stream);
      },
      () => this.#failAll(to, caller, "NOT_CONNECTED"),
    );
  }

  #use(to: NodeId, caller: Caller, stream: ByteStream): void {
    const { metrics } = this.#parts;
    const early = caller.early ?? [];
    caller.early = null;
    caller.earlyBytes = 0;
    const channel = new FrameChannel(stream, {
      frameBytesMax: REQUEST_FRAME_BYTES_MAX,
      queueBytesMax: QUEUE_BYTES_MAX,
      onFrame: (payload) => this.#onAnswer(to, caller, payload),
      onClose: (error) => {
        this.#onBadFrame(to, error);
        if (caller.channel === channel) this.#failAll(to, caller, "PEER_LOST");
      },
      onBytes: (direction, bytes) => metrics.bytes(direction, "request", bytes),
    });
    caller.channel = channel;
    for (const { id, frame } of early) if (caller.waiting.has(id)) this.#ask(to, caller, id, frame);
  }

  /** An answer that nobody waits for came too late; that is not an error. */
  #onAnswer(peer: NodeId, caller: Caller, payload: Uint8Array): void {
    const [id, isGood, body, message] = asArray(unpack(payload), "answer", 4);
    const requestId = asCount(id, "request id");
    if (asBoolean(isGood, "success")) {
      if (!(body instanceof Uint8Array)) throw new DecodeError("the answer is not binary");
      const value = unpack(body);
      this.#settle(caller, requestId)?.resolve(value);
      return;
    }
    const remoteCode = asText(body, "code", ERROR_CODE_LENGTH_MAX);
    const text = asText(message, "message", ERROR_MESSAGE_LENGTH_MAX);
    this.#settle(caller, requestId)?.reject(new NetworkError(text, { code: "REMOTE", peer, remoteCode }));
  }

  #accept(stream: ByteStream, from: NodeId): void {
    const { metrics } = this.#parts;
    const channel = new FrameChannel(stream, {
      frameBytesMax: REQUEST_FRAME_BYTES_MAX,
      queueBytesMax: QUEUE_BYTES_MAX,
      onFrame: (payload) => this.#onRequest(channel, from, payload),
      onClose: (error) => this.#onBadFrame(from, error),
      onBytes: (direction, bytes) => metrics.bytes(direction, "request", bytes),
    });
  }

  #onRequest(channel: FrameChannel, from: NodeId, payload: Uint8Array): void {
    const fields = asArray(unpack(payload), "request");
    const [id, name, body, trace] = asArray(fields, "request", fields.length === 4 ? 4 : 3);
    const requestId = asCount(id, "request id");
    const method = asText(name, "method", METHOD_LENGTH_MAX);
    if (!(body instanceof Uint8Array)) throw new DecodeError("the payload is not binary");
    if (body.length > REQUEST_PAYLOAD_BYTES_MAX) throw new DecodeError(`a payload of ${body.length} bytes`);
    const value = unpack(body);
    const parent = trace === undefined ? undefined : asTraceparent(trace);
    const peer = this.#parts.links.get(from);
    if (peer === undefined) return;
    const served = this.#served.get(from) ?? 0;
    if (served >= this.#parts.servedMax) {
      this.#parts.metrics.dropped("request-overloaded");
      this.#answer(channel, encodeFailure(requestId, "OVERLOADED", "too many requests of this node are being served"));
      return;
    }
    this.#served.set(from, served + 1);
    // What nobody traces is not traced here either: most of what nodes ask of each other is nobody's request.
    const { tracing } = this.#parts;
    const serving =
      tracing === undefined || parent === undefined
        ? this.#serve(peer, method, value)
        : this.#serveTraced(peer, method, value, { tracing, parent });
    void serving.then((answer) => {
      this.#release(from);
      this.#answer(channel, answer(requestId));
    });
  }

  #release(from: NodeId): void {
    const left = (this.#served.get(from) ?? 1) - 1;
    if (left > 0) this.#served.set(from, left);
    else this.#served.delete(from);
  }

  /** A peer that asks and does not read its answers is cut off. */
  #answer(channel: FrameChannel, frame: Uint8Array): void {
    if (channel.isClosed || channel.send(frame, "bulk")) return;
    channel.reset(new Error("answers are not read"));
  }

  async #serveTraced(peer: PeerInfo, method: string, payload: unknown, { tracing, parent }: TracedRequest) {
    const attributes = this.#callOf(method, peer.nodeId);
    const span = tracing.start({ name: method, kind: "server", attributes, parent });
    const answer = await span.run(() => this.#serve(peer, method, payload));
    span.end();
    return answer;
  }

  /** Whatever the handler throws becomes an answer, but a bug of ours stops the node. */
  async #serve(peer: PeerInfo, method: string, payload: unknown): Promise<(id: number) => Uint8Array> {
    const handler = this.#handlers.get(method);
    if (handler === undefined) return (id) => encodeFailure(id, "UNKNOWN_METHOD", `${method} is not known here`);
    try {
      const body = pack(await handler(peer, payload));
      if (body.length > REQUEST_PAYLOAD_BYTES_MAX) throw tooLarge(body.length);
      return (id) => pack([id, true, body, null]);
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      if (error instanceof AtollError) {
        const { code } = error.detail;
        return (id) => encodeFailure(id, code, error.message);
      }
      const { logger, logLimiter } = this.#parts;
      if (logLimiter.mayLog(`handler ${method}`)) {
        logger.error({ code: "REQUEST_FAILED", method, reason: messageOf(error) }, "a request of a peer failed here");
      }
      return (id) => encodeFailure(id, "INTERNAL", "the request failed");
    }
  }

  #onBadFrame(peer: NodeId, error: Error | undefined): void {
    if (!(error instanceof DecodeError)) return;
    const { metrics, logger, logLimiter } = this.#parts;
    metrics.badFrame("request");
    if (!logLimiter.mayLog(`request ${peer}`)) return;
    logger.warn({ code: "BAD_FRAME", protocol: "request", peer, reason: error.message }, "a peer's stream was reset");
  }
}

function codeOf(error: unknown): string {
  if (!(error instanceof NetworkError)) return "INTERNAL";
  return error.detail.code === "REMOTE" ? error.detail.remoteCode : error.detail.code;
}

function encodeFailure(id: number, code: string, message: string): Uint8Array {
  return pack([id, false, code.slice(0, ERROR_CODE_LENGTH_MAX), printable(message)]);
}

function tooLarge(bytes: number): NetworkError {
  const detail = { code: "TOO_LARGE", bytes, bytesMax: REQUEST_PAYLOAD_BYTES_MAX } as const;
  return new NetworkError(`a payload of ${bytes} bytes, at most ${REQUEST_PAYLOAD_BYTES_MAX} are allowed`, detail);
}

function overloaded(peer: NodeId): NetworkError {
  return new NetworkError(`too many requests wait for ${peer}`, { code: "OVERLOADED", peer });
}
