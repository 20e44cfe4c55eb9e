/**
 * The sockets of one port: how many there may be, and how long a client that is slow or silent holds one.
 *
 * Whoever comes when all places are taken is closed unanswered, before anything is read, and counted: its client asks another
 * node. A place is free again when its client is done, or too slow: within `headersMs` for what was not said (TLS's handshake and
 * the headers of a request), `requestMs` for a request that does not end, `idleMs` between two requests, and `stalledMs` for an
 * answer that nobody reads.
 *
 * A server that closes waits for what is under way, and would wait for who never says anything too, as browsers do that
 * connect ahead of time: those are closed at once, and all others after `graceMs`.
 */

import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
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

/** Told once until this share of the places was free again. */
const FREE_SHARE = 0.1;

export interface PortSocketsOptions {
  readonly port: Port;
  /** Most connections at one time, at least 1. */
  readonly connectionsMax: number;
  readonly times: SocketTimes;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Has the certificates of a server replaced when their files are. */
  readonly follow?: (server: TlsServer) => void;
}

export class PortSockets {
  readonly #options: PortSocketsOptions;
  readonly #open = new Set<Socket>();
  #droppedTotal = 0;
  #isFull = false;

  constructor(options: PortSocketsOptions) {
    this.#options = options;
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

  /** Makes a server that does not listen yet. A name that stands for several addresses has one for each of them. */
  createServer(handler: RequestListener, tls: TlsServerOptions | undefined): Server {
    const { connectionsMax, times, follow } = this.#options;
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
    server.maxConnections = connectionsMax;
    server.on("connection", (socket) => {
      this.#open.add(socket);
      socket.once("close", () => this.#closed(socket));
    });
    server.on("drop", () => this.#dropped());
    if (server instanceof TlsServer) follow?.(server);
    return server;
  }

  /** To be called when the servers are about to close. */
  close(): void {
    const { clock, times } = this.#options;
    for (const socket of this.#open) if (socket.bytesRead === 0) socket.destroy();
    clock.schedule(times.graceMs, () => {
      for (const socket of this.#open) socket.destroy();
    });
  }

  #closed(socket: Socket): void {
    this.#open.delete(socket);
    const { connectionsMax } = this.#options;
    if (this.#open.size <= connectionsMax * (1 - FREE_SHARE)) this.#isFull = false;
  }

  #dropped(): void {
    this.#droppedTotal += 1;
    if (this.#isFull) return;
    this.#isFull = true;
    const { logger, port, connectionsMax } = this.#options;
    logger.warn({ code: "CONNECTIONS_FULL", port, connectionsMax }, "all connections are taken: new ones are closed");
  }
}
