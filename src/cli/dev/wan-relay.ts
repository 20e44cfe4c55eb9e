/**
 * The wide-area network of a local federation: TCP relays between regions that can be slow, and can be cut.
 *
 * Each pair of a source region and a target node has a listening port of its own, so the relay knows which two regions a
 * connection joins. Chunks are held back for the one-way delay, in order. A cut is a black hole in both directions: sockets
 * stay open, nothing passes, not even a close; new connections are accepted and get nothing. As TCP would after a cable is
 * mended, a heal delivers what was held. What is held per direction is bounded: beyond it the sender is made to wait.
 */

import { connect, createServer, type Server, type Socket } from "node:net";
import type { CancelTimer, Clock } from "../../util/clock.ts";

export interface WanRelayOptions {
  readonly clock: Clock;
  /** One way, 0 or more. */
  readonly delayMs: number;
  /** Most bytes held per direction of a connection, plus one chunk of the socket. */
  readonly heldBytesMax?: number;
}

const HOST = "127.0.0.1";
const HELD_BYTES_MAX = 1024 * 1024;
/** Per listening port. Far above what nodes need; redials into a cut must not pile up for ever. */
const CONNECTIONS_MAX = 256;

export class WanRelay {
  readonly #options: Required<WanRelayOptions>;
  readonly #links = new Map<string, Link>();
  readonly #servers: Server[] = [];

  constructor(options: WanRelayOptions) {
    this.#options = { heldBytesMax: HELD_BYTES_MAX, ...options };
  }

  /**
   * Opens the way from a region to one node of another.
   *
   * @param targetPort - where the node listens, on this machine
   * @returns the port to dial instead of it
   * @throws the error of the socket, when nothing can be listened on
   */
  async open(from: string, to: string, targetPort: number): Promise<number> {
    const link = this.#link(from, to);
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => this.#accept(near, targetPort, link));
    server.maxConnections = CONNECTIONS_MAX;
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, HOST, () => resolve());
    });
    return (server.address() as { port: number }).port;
  }

  cut(a: string, b: string): void {
    this.#link(a, b).cut();
  }

  heal(a: string, b: string): void {
    this.#link(a, b).heal();
  }

  isCut(a: string, b: string): boolean {
    return this.#link(a, b).isCut;
  }

  /** Bytes that came through between two regions so far, both ways together. */
  carriedBytes(a: string, b: string): number {
    return this.#link(a, b).carriedBytes;
  }

  async close(): Promise<void> {
    for (const link of this.#links.values()) link.close();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #link(a: string, b: string): Link {
    const name = [a, b].sort().join(" ");
    const link = this.#links.get(name) ?? new Link();
    this.#links.set(name, link);
    return link;
  }

  #accept(near: Socket, targetPort: number, link: Link): void {
    link.add(new Connection(near, targetPort, link, this.#options));
  }
}

/** The state of the wire between two regions, and what runs over it. */
class Link {
  isCut = false;
  carriedBytes = 0;
  readonly #connections = new Set<Connection>();

  add(connection: Connection): void {
    this.#connections.add(connection);
    connection.onGone(() => this.#connections.delete(connection));
    connection.pass();
  }

  cut(): void {
    this.isCut = true;
  }

  heal(): void {
    this.isCut = false;
    for (const connection of this.#connections) connection.pass();
  }

  close(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

/** One connection through the relay: the accepted socket, and the dialled one once the wire is whole. */
class Connection {
  readonly #near: Socket;
  readonly #targetPort: number;
  readonly #link: Link;
  readonly #outward: Lane;
  #far: Socket | undefined;
  #inward: Lane | undefined;
  readonly #options: Required<WanRelayOptions>;
  #onGone: () => void = () => {};

  constructor(near: Socket, targetPort: number, link: Link, options: Required<WanRelayOptions>) {
    this.#near = near;
    this.#targetPort = targetPort;
    this.#link = link;
    this.#options = options;
    this.#outward = new Lane(near, link, options);
    near.once("end", () => {
      // A dialler that gave up before the wire was whole: there is nobody to deliver to, and nothing to keep.
      if (this.#far === undefined) near.destroy();
    });
    near.once("close", () => this.#onClose());
  }

  onGone(listener: () => void): void {
    this.#onGone = listener;
  }

  /** Moves on, as far as the wire allows. */
  pass(): void {
    if (this.#link.isCut) return;
    if (this.#far === undefined) this.#dial();
    this.#outward.pass();
    this.#inward?.pass();
  }

  destroy(): void {
    this.#near.destroy();
    this.#far?.destroy();
  }

  #dial(): void {
    const far = connect({ host: HOST, port: this.#targetPort, allowHalfOpen: true, noDelay: true });
    this.#far = far;
    this.#inward = new Lane(far, this.#link, this.#options);
    this.#inward.deliverTo(this.#near);
    this.#outward.deliverTo(far);
    far.once("close", () => this.#onClose());
  }

  #onClose(): void {
    if (!this.#near.destroyed || this.#far?.destroyed === false) return;
    this.#outward.stop();
    this.#inward?.stop();
    this.#onGone();
  }
}

type Parcel =
  | { readonly dueMs: number; readonly what: "data"; readonly chunk: Buffer }
  | { readonly dueMs: number; readonly what: "end" | "reset" };

/** One direction of a connection: what came out of one socket waits here until it may go into the other. */
class Lane {
  readonly #source: Socket;
  readonly #link: Link;
  readonly #options: Required<WanRelayOptions>;
  #sink: Socket | undefined;
  #parcels: Parcel[] = [];
  #heldBytes = 0;
  #isSinkFull = false;
  #hasEnded = false;
  #cancelTimer: CancelTimer | undefined;

  constructor(source: Socket, link: Link, options: Required<WanRelayOptions>) {
    this.#source = source;
    this.#link = link;
    this.#options = options;
    source.on("data", (chunk: Buffer) => this.#takeChunk(chunk));
    source.once("end", () => {
      this.#hasEnded = true;
      this.#take({ dueMs: this.#due(), what: "end" });
    });
    // Every error is followed by a close.
    source.on("error", () => {});
    source.once("close", (hadError: boolean) => {
      if (hadError || !this.#hasEnded) this.#take({ dueMs: this.#due(), what: "reset" });
    });
  }

  deliverTo(sink: Socket): void {
    this.#sink = sink;
    sink.on("drain", () => {
      this.#isSinkFull = false;
      this.pass();
    });
  }

  /** Delivers what is due, while the wire is whole and the receiver takes it. */
  pass(): void {
    const sink = this.#sink;
    if (sink === undefined || this.#link.isCut) return;
    const nowMs = this.#options.clock.now();
    while (!this.#isSinkFull && this.#parcels[0] !== undefined && this.#parcels[0].dueMs <= nowMs) {
      this.#deliver(this.#parcels.shift()!, sink);
    }
    if (this.#heldBytes < this.#options.heldBytesMax) this.#source.resume();
    this.#setTimer(nowMs);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#parcels = [];
  }

  #takeChunk(chunk: Buffer): void {
    this.#heldBytes += chunk.length;
    if (this.#heldBytes >= this.#options.heldBytesMax) this.#source.pause();
    this.#take({ dueMs: this.#due(), what: "data", chunk });
  }

  #take(parcel: Parcel): void {
    this.#parcels.push(parcel);
    this.pass();
  }

  #due(): number {
    return this.#options.clock.now() + this.#options.delayMs;
  }

  #deliver(parcel: Parcel, sink: Socket): void {
    if (parcel.what === "data") {
      this.#heldBytes -= parcel.chunk.length;
      this.#link.carriedBytes += parcel.chunk.length;
      if (!sink.destroyed) this.#isSinkFull = !sink.write(parcel.chunk);
    } else if (parcel.what === "end") {
      sink.end();
    } else {
      sink.resetAndDestroy();
    }
  }

  #setTimer(nowMs: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const next = this.#parcels[0];
    if (next === undefined || this.#isSinkFull) return;
    this.#cancelTimer = this.#options.clock.schedule(Math.max(0, next.dueMs - nowMs), () => this.pass());
  }
}
