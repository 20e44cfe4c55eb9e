/**
 * Sends one HTTP request and says what became of it: nothing is repeated here, and nothing is thrown.
 *
 * Connections are kept alive, as those of real clients are. What is over `connectionsMax` waits for a connection in this
 * process, which an open loop counts as latency, because it counts from the intended time.
 */

import { Agent, type Dispatcher, errors } from "undici";

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
  /** From the request to the last byte of its answer, milliseconds. */
  readonly timeoutMs: number;
}

const CONNECT_TIMEOUT_MS = 1_000;
/** Node closes an idle connection after 5 s; before that, or a request may meet the close. */
const KEEP_ALIVE_MS = 4_000;

export class HttpClient {
  readonly #agent: Agent;
  readonly #timeoutMs: number;

  constructor({ connectionsMax, timeoutMs }: HttpClientOptions) {
    this.#timeoutMs = timeoutMs;
    this.#agent = new Agent({
      connections: connectionsMax,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // The whole answer is bounded below; these count from other moments.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: CONNECT_TIMEOUT_MS },
    });
  }

  /** @param origin - such as `http://127.0.0.1:8000` */
  async send(origin: string, { method, path, headers = {}, body }: HttpRequest): Promise<HttpAnswer> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#timeoutMs);
    try {
      const options: Dispatcher.RequestOptions = {
        origin,
        method,
        path,
        headers,
        body: body ?? null,
        signal: deadline.signal,
        // By default a connection is closed after each HEAD, as if every server answered it wrongly.
        reset: false,
      };
      const response = await this.#agent.request(options);
      return { status: response.statusCode, headers: response.headers, body: await response.body.text() };
    } catch (error) {
      const failure = deadline.signal.aborted ? "TIMEOUT" : failureOf(error);
      return { status: 0, headers: {}, body: "", failure };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends every connection; what waits for an answer fails. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

export function isAcknowledged({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300;
}

function failureOf(error: unknown): string {
  if (error instanceof errors.UndiciError || error instanceof Error) {
    return (error as { code?: string }).code ?? error.name;
  }
  return String(error);
}
