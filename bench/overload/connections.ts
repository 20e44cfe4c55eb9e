/**
 * HTTP by hand over plain sockets: so little work for each request that a generator on one core can ask a node for several
 * times what it bears, and is not what it measures.
 *
 * Only what a node answers is understood: a status line, headers with a `content-length` or none, a body of that length.
 */

import { connect, type Socket } from "node:net";
import type { HttpRequest } from "../load/http-client.ts";

export interface Answered {
  /** 0 when there was no answer. */
  readonly status: number;
  readonly hasRetryAfter: boolean;
  /** Why there was none: a code such as ECONNRESET, or TIMEOUT. */
  readonly failure?: string;
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface AskOptions {
  /** From now to the last byte of the answer. */
  readonly timeoutMs: number;
  /** Otherwise a new connection is opened for this request, and closed after it. */
  readonly isKept: boolean;
}

type Done = (answer: Answered) => void;

const HEAD_END = "\r\n\r\n";
const NO_ANSWER = { status: 0, hasRetryAfter: false };
/** Of the loopback network: so many clients, each with the ports that one address has. */
const CLIENT_ADDRESSES = 64;

/** One connection of one client: a request at a time, opened when it is needed, kept as long as the node keeps it. */
export class Connection {
  readonly #place: Place;
  readonly #localAddress: string;
  #socket: Socket | undefined;
  #done: Done | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #isKept = true;
  #hasBody = true;
  #received = "";

  /** @param number - any; which of the clients' addresses it comes from */
  constructor(place: Place, number: number) {
    this.#place = place;
    this.#localAddress = `127.0.1.${1 + (number % CLIENT_ADDRESSES)}`;
  }

  get isFree(): boolean {
    return this.#done === undefined;
  }

  ask({ method, path, body = "" }: HttpRequest, { timeoutMs, isKept }: AskOptions, done: Done): void {
    this.#done = done;
    this.#isKept = isKept;
    this.#hasBody = method !== "HEAD";
    this.#received = "";
    this.#deadline = setTimeout(() => this.#giveUp(), timeoutMs);
    if (!isKept) this.#drop();
    this.#socket ??= this.#open();
    const content = body === "" ? "" : `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
    const lasts = isKept ? "" : "connection: close\r\n";
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nhost: node\r\n${content}${lasts}\r\n${body}`, "latin1");
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    const socket = connect({ ...this.#place, localAddress: this.#localAddress, noDelay: true });
    socket.setEncoding("latin1");
    socket.on("data", (text: unknown) => this.#take(String(text)));
    socket.on("error", (error: NodeJS.ErrnoException) => this.#lost(socket, error.code ?? error.name));
    socket.on("close", () => this.#lost(socket, "CLOSED"));
    return socket;
  }

  /** An answer may lie unread because this process was busy: that is looked at once more before the node is blamed. */
  #giveUp(): void {
    const done = this.#done;
    setImmediate(() => {
      if (this.#done !== done || done === undefined) return;
      this.#socket?.destroy();
      this.#end({ ...NO_ANSWER, failure: "TIMEOUT" });
    });
  }

  #take(text: string): void {
    this.#received += text;
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd === -1) return;
    const head = this.#received.slice(0, headEnd).toLowerCase();
    const bodyLength = this.#hasBody ? Number(/\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0) : 0;
    if (this.#received.length < headEnd + HEAD_END.length + bodyLength) return;
    if (!this.#isKept || head.includes("\nconnection: close")) this.#drop();
    this.#end({ status: Number(head.slice(9, 12)), hasRetryAfter: head.includes("\nretry-after: ") });
  }

  #drop(): void {
    // Not in order: what is closed in order keeps its port for a minute.
    this.#socket?.resetAndDestroy();
    this.#socket = undefined;
  }

  #lost(socket: Socket, failure: string): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    if (this.#done !== undefined) this.#end({ ...NO_ANSWER, failure });
  }

  #end(answer: Answered): void {
    const done = this.#done;
    clearTimeout(this.#deadline);
    this.#done = undefined;
    done?.(answer);
  }
}
