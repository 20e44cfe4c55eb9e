/**
 * The sockets of one port: how many there may be, and how long a client that is slow or silent holds one.
 *
 * Whoever comes when all places are taken is closed unanswered, before anything is read, and counted: its client asks another
 * node. A place is free again when its client is done, or too slow: within `headersMs` for what was not said (TLS's handshake and
 * the headers of a request), `requestMs` for a request that does not end, `idleMs` between two requests, and `stalledMs` for an
 * answer that nobody reads.
 *
 * libuv accepts one client in a turn of the event loop from each socket that listens. So several share the port: a burst is accepted in a few
 * turns, and whether clients wait to be accepted is seen by how many of these sockets had one (accept-queue.ts, ADR 0028).
 *
 * A server that closes waits for what is under way, and would wait for who never says anything too, as browsers do that
 * connect ahead of time: those are closed at once, and all others after `graceMs`.
 */

import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createNetServer, type Server as NetServer, type Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { AcceptQueue } from "./accept-queue.ts";
import type { TlsServerOptions } from "./modules.ts";

export type Port = "main" | "metrics" | "admin";

export interface SocketTimes {
  readonly headersMs: number;
  readonly requestMs: number;
  readonly idleMs: number;
  readonly stalledMs: number;
  /** How often requests are looked at for being late. */
  readonly lookMs: number;
  /** What is under way when the server closes has so long. */
  readonly graceMs: number;
}

export const SOCKET_TIMES: SocketTimes = {
  headersMs: 10_000,
  requestMs: 30_000,
  // Longer than a load balancer keeps a connection that it may use again: it must not use one that ends at that moment.
  idleMs: 72_000,
  // Longer than the longest call that `/proxy` waits for; streams of events are never silent for so long.
  stalledMs: 15 * 60_000,
  lookMs: 1_000,
  // As long as calls of agents have; with the search for another leader, and the rest, a stop stays within its 8 s.
  graceMs: 4_000,
};

/** Of the ports that few ask. */
export const CONNECTIONS_MAX_APART = 256;

/** Sockets that listen on a port that many ask at one time. */
export const LISTENING_SOCKETS = 16;
/**
 * Clients that wait at each of them. So few in all that who waits is accepted before he gives up: who finds the queue full asks again
 * after a second, in his kernel (F19).
 */
const BACKLOG = 64;

/** Told once until this share of the places was free again. */
const FREE_SHARE = 0.1;
/** That clients are sent away is not told again within this time. */
const SHED_TOLD_MS = 60_000;

export interface PortSocketsOptions {
  readonly port: Port;
  /** Most connections at one time, at least 1. */
  readonly connectionsMax: number;
  /** That listen, from 1: more than one only where the system lets sockets share a port, as Linux does. */
  readonly listening: number;
  readonly times: SocketTimes;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Has the certificates of a server replaced when their files are. */
  readonly follow?: (server: TlsServer) => void;
}

/** What has a server of these listen. */
export interface Listener {
  listen(options: { host: string; port: number; backlog: number; reusePort: boolean }): Promise<unknown>;
}

export class PortSockets {
  readonly #options: PortSocketsOptions;
  readonly #queue: AcceptQueue;
  readonly #servers: NetServer[] = [];
  /** Those that listen beside the server that they belong to. */
  readonly #beside: NetServer[] = [];
  readonly #open = new Set<Socket>();
  readonly #drained = Promise.withResolvers<void>();
  #sharesPort = false;
  #admits = true;
  #isClosing = false;
  #droppedTotal = 0;
  #shedTotal = 0;
  #isFull = false;
  #shedToldMs = Number.NEGATIVE_INFINITY;

  constructor(options: PortSocketsOptions) {
    this.#options = options;
    const { clock, listening: sockets } = options;
    this.#queue = new AcceptQueue({ sockets, clock, changed: () => this.#admit() });
  }

  get port(): Port {
    return this.#options.port;
  }

  get connectionsMax(): number {
    return this.#options.connectionsMax;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Connections that were closed unanswered, since all places were taken. */
  get droppedTotal(): number {
    return this.#droppedTotal;
  }

  /** Connections that were closed unanswered, since more clients waited than could be accepted. */
  get shedTotal(): number {
    return this.#shedTotal;
  }

  /** Makes a server that does not listen yet. A name that stands for several addresses has one for each of them. */
  createServer(handler: RequestListener, tls: TlsServerOptions | undefined): Server {
    const { times, follow } = this.#options;
    const options = {
      headersTimeout: Math.min(times.headersMs, times.requestMs),
      requestTimeout: times.requestMs,
      keepAliveTimeout: times.idleMs,
      connectionsCheckingInterval: times.lookMs,
    };
    const server =
      tls === undefined
        ? createHttpServer(options, handler)
        : createHttpsServer({ ...options, ...tls, handshakeTimeout: times.headersMs }, handler);
    server.timeout = times.stalledMs;
    server.on("connection", (socket) => this.#accepted(socket));
    server.on("drop", () => this.#sentAway());
    server.on("listening", () => {
      if (this.#sharesPort) this.#listenBeside(server);
    });
    this.#servers.push(server);
    if (server instanceof TlsServer) follow?.(server);
    return server;
  }

  /**
   * Has a server that this made listen, and others beside it.
   *
   * @param place - port 0 is any that is free
   * @throws EADDRINUSE and whatever else the system has against that place
   */
  async listen(listener: Listener, place: { readonly host: string; readonly port: number }): Promise<void> {
    this.#sharesPort = this.#options.listening > 1;
    // Sockets that share a port would share it with another process of this user, too.
    if (this.#sharesPort && place.port !== 0) await refuseIfTaken(place);
    await listener.listen({ ...place, backlog: BACKLOG, reusePort: this.#sharesPort });
  }

  /**
   * To be called when the servers are about to close.
   *
   * @returns once no connection is open
   */
  close(): Promise<void> {
    const { clock, times } = this.#options;
    this.#isClosing = true;
    for (const server of this.#beside) server.close();
    for (const socket of this.#open) if (socket.bytesRead === 0) socket.destroy();
    clock.schedule(times.graceMs, () => {
      for (const socket of this.#open) socket.destroy();
    });
    if (this.#open.size === 0) this.#drained.resolve();
    return this.#drained.promise;
  }

  #listenBeside(server: Server): void {
    const { port: name, listening, logger } = this.#options;
    const { address: host, port } = server.address() as AddressInfo;
    // As a server of HTTP, and of HTTPS, has the sockets that it accepts itself.
    const options = { allowHalfOpen: !(server instanceof TlsServer), noDelay: true };
    for (let i = 1; i < listening; i++) {
      const beside = createNetServer(options, (socket) => server.emit("connection", socket));
      beside.on("drop", () => this.#sentAway());
      beside.on("error", (error) =>
        logger.warn(
          { code: "LISTENING_LESS", port: name, cause: messageOf(error) },
          "fewer sockets listen than should: bursts of new connections wait longer",
        ),
      );
      beside.listen({ host, port, backlog: BACKLOG, reusePort: true });
      this.#servers.push(beside);
      this.#beside.push(beside);
    }
  }

  #accepted(socket: Socket): void {
    this.#open.add(socket);
    socket.once("close", () => this.#closed(socket));
    this.#queue.came();
    this.#admit();
  }

  #closed(socket: Socket): void {
    this.#open.delete(socket);
    const { connectionsMax } = this.#options;
    if (this.#open.size <= connectionsMax * (1 - FREE_SHARE)) this.#isFull = false;
    this.#admit();
    if (this.#isClosing && this.#open.size === 0) this.#drained.resolve();
  }

  /** Accepts whoever comes next, or closes his connection before anything is made for it. */
  #admit(): void {
    const admits = this.#queue.isOpen && !this.#hasAllPlacesTaken();
    if (admits === this.#admits) return;
    this.#admits = admits;
    for (const server of this.#servers) server.maxConnections = admits ? Number.POSITIVE_INFINITY : 0;
  }

  #hasAllPlacesTaken(): boolean {
    return this.#open.size >= this.#options.connectionsMax;
  }

  #sentAway(): void {
    this.#queue.came();
    if (this.#hasAllPlacesTaken()) this.#dropped();
    else this.#shed();
  }

  #dropped(): void {
    this.#droppedTotal += 1;
    if (this.#isFull) return;
    this.#isFull = true;
    const { logger, port, connectionsMax } = this.#options;
    logger.warn({ code: "CONNECTIONS_FULL", port, connectionsMax }, "all connections are taken: new ones are closed");
  }

  #shed(): void {
    this.#shedTotal += 1;
    const { clock, logger, port } = this.#options;
    if (clock.now() - this.#shedToldMs < SHED_TOLD_MS) return;
    this.#shedToldMs = clock.now();
    logger.warn(
      { code: "CONNECTIONS_SHED", port },
      "more clients connect than can be accepted: most new connections are closed, as long as that is so",
    );
  }
}

/** @throws EADDRINUSE */
async function refuseIfTaken(place: { readonly host: string; readonly port: number }): Promise<void> {
  const probe = createNetServer().listen({ ...place, exclusive: true });
  await once(probe, "listening");
  probe.close();
  await once(probe, "close");
}
