/**
 * Sends one HTTP request and says what became of it: nothing is repeated here, and nothing is thrown.
 *
 * Connections are kept alive, as those of real clients are. What is over `connectionsMax` waits for a connection in this
 * process, which an open loop counts as latency, because it counts from the intended time. Patience begins when it has one:
 * otherwise, after a stall, each would be sent with little of it left, be done in vain, and end its connection.
 */

import { type Dispatcher, errors, Pool } from "undici";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpAnswer {
  /** 0 when there was none. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Why there was none: a code such as ECONNREFUSED, or TIMEOUT. */
  readonly failure?: string;
}

export interface HttpClientOptions {
  /** To each node, at most. */
  readonly connectionsMax: number;
  /** From when a request has a connection, or waits for one to open, to the last byte of its answer, milliseconds. */
  readonly timeoutMs: number;
  /** An idle connection is closed after this long; by default before Node's own servers would. */
  readonly keepAliveMs?: number;
  /** Sent with every request, such as what a client proves itself with. */
  readonly headers?: Readonly<Record<string, string>>;
}

const CONNECT_TIMEOUT_MS = 1_000;
/** Node closes an idle connection after 5 s; before that, or a request may meet the close. */
const KEEP_ALIVE_MS = 4_000;

export class HttpClient {
  readonly #timeoutMs: number;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #poolOptions: Pool.Options;
  readonly #lines = new Map<string, Line>();

  constructor({ connectionsMax, timeoutMs, keepAliveMs = KEEP_ALIVE_MS, headers = {} }: HttpClientOptions) {
    this.#timeoutMs = timeoutMs;
    this.#headers = headers;
    this.#poolOptions = {
      connections: connectionsMax,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      // The whole answer is bounded below; these count from other moments.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: CONNECT_TIMEOUT_MS },
    };
  }

  /** @param origin - such as `http://127.0.0.1:8000` */
  send(origin: string, { method, path, headers = {}, body }: HttpRequest): Promise<HttpAnswer> {
    const options: Dispatcher.DispatchOptions = {
      origin,
      method,
      path,
      headers: { ...this.#headers, ...headers },
      body: body ?? null,
      // By default a connection is closed after each HEAD, as if every server answered it wrongly.
      reset: false,
    };
    return new Promise((resolve) => this.#lineTo(origin).join(new Exchange(options, this.#timeoutMs, resolve)));
  }

  #lineTo(origin: string): Line {
    let line = this.#lines.get(origin);
    if (line === undefined) {
      line = new Line(new Pool(origin, this.#poolOptions), this.#poolOptions.connections!);
      this.#lines.set(origin, line);
    }
    return line;
  }

  /** Ends every connection; what waits for an answer fails. */
  async close(): Promise<void> {
    await Promise.all([...this.#lines.values()].map((line) => line.close()));
  }
}

/**
 * What is asked of one node: as much at once as there may be connections, the rest in the order in which it came.
 *
 * Each has a pool of its own. undici's `Agent` (7.30) would have them all, but replaces a pool whose last connection ended, and then
 * takes the end of the old one's connections for that of the new: from then on each request has a connection of its own.
 */
class Line {
  readonly #pool: Pool;
  #free: number;
  /** In the order in which they came: to take the first of an array would move all the others. */
  readonly #waiting = new Set<Exchange>();
  #isMoving = false;

  constructor(pool: Pool, connectionsMax: number) {
    this.#pool = pool;
    this.#free = connectionsMax;
  }

  join(exchange: Exchange): void {
    this.#waiting.add(exchange);
    this.#move();
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }

  #move(): void {
    // What fails at once releases its place in here.
    if (this.#isMoving) return;
    this.#isMoving = true;
    for (const exchange of this.#waiting) {
      if (this.#free === 0) break;
      this.#waiting.delete(exchange);
      this.#free--;
      exchange.begin(this.#pool, () => this.#release());
    }
    this.#isMoving = false;
  }

  #release(): void {
    this.#free++;
    this.#move();
  }
}

/**
 * What becomes of one request, event by event: a third less processor time than a promise, a stream and a signal for each,
 * which counts where the generator shares the machine with what it measures.
 */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: Dispatcher.DispatchOptions;
  readonly #timeoutMs: number;
  readonly #resolve: (answer: HttpAnswer) => void;
  #deadline: NodeJS.Timeout | undefined;
  #release: () => void = () => {};
  /** Absent while its connection opens. */
  #controller: Dispatcher.DispatchController | undefined;
  #isLate = false;
  #status = 0;
  #headers: HttpAnswer["headers"] = {};
  readonly #pieces: Buffer[] = [];

  constructor(options: Dispatcher.DispatchOptions, timeoutMs: number, resolve: (answer: HttpAnswer) => void) {
    this.#options = options;
    this.#timeoutMs = timeoutMs;
    this.#resolve = resolve;
  }

  /** @param release - called when its connection is free again, which may be after it was given up */
  begin(pool: Pool, release: () => void): void {
    this.#release = release;
    this.#deadline = setTimeout(() => this.#giveUp(), this.#timeoutMs);
    pool.dispatch(this.#options, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isLate) this.#giveUp();
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: HttpAnswer["headers"]): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_: Dispatcher.DispatchController, piece: Buffer): void {
    this.#pieces.push(piece);
  }

  onResponseEnd(): void {
    const [first = EMPTY, ...more] = this.#pieces;
    const body = more.length === 0 ? first : Buffer.concat(this.#pieces);
    this.#end({ status: this.#status, headers: this.#headers, body: body.toString("utf8") });
    this.#release();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#end({ status: 0, headers: {}, body: "", failure: this.#isLate ? "TIMEOUT" : failureOf(error) });
    this.#release();
  }

  #giveUp(): void {
    this.#isLate = true;
    this.#end({ status: 0, headers: {}, body: "", failure: "TIMEOUT" });
    this.#controller?.abort(new Error("no answer in time"));
  }

  /** The first end counts; a late one resolves nothing. */
  #end(answer: HttpAnswer): void {
    clearTimeout(this.#deadline);
    this.#resolve(answer);
  }
}

const EMPTY = Buffer.alloc(0);

export function isAcknowledged({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300;
}

function failureOf(error: unknown): string {
  if (error instanceof errors.UndiciError || error instanceof Error) {
    return (error as { code?: string }).code ?? error.name;
  }
  return String(error);
}
