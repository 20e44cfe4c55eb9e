/**
 * One request to one node: a deadline, a bound on the answer, and every failure as an `AtollClientError`.
 *
 * Nothing is repeated here; who is asked next is decided by `failover.ts` and `registration.ts`.
 */

import { AtollClientError } from "./client-error.ts";
import { Deadline } from "./deadline.ts";
import type { Environment } from "./environment.ts";

/** A page of a thousand records of the largest size. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** Hints are advice: more than these are not worth remembering. */
const HINTS_MAX = 16;

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface Request {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RequestLimits {
  /** Of an answer: from the first byte sent to the last received. Of a stream: from one piece to the next. Milliseconds. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Answered<Body> {
  readonly body: Body;
  /** Whose node it was; undefined where the answer does not show it, as in a browser. */
  readonly region: string | undefined;
}

export interface OpenStream {
  readonly region: string | undefined;
  readonly pieces: AsyncGenerator<string, void, undefined>;
}

export class Transport {
  readonly #environment: Environment;
  readonly #token: string | undefined;

  constructor(environment: Environment, token: string | undefined) {
    this.#environment = environment;
    this.#token = token;
  }

  /**
   * Asks a node once.
   *
   * @param base - the node's address, without a slash at the end
   * @throws AtollClientError UNREACHABLE, TIMEOUT, UNEXPECTED_ANSWER, and whatever code the node answered
   * @throws the reason of `limits.signal` once that is aborted
   */
  async send<Body>(base: string, request: Request, { timeoutMs, signal }: RequestLimits): Promise<Answered<Body>> {
    const url = urlOf(base, request);
    const { fetch, clock } = this.#environment;
    const deadline = new Deadline(clock, url, signal);
    deadline.allow(timeoutMs);
    try {
      const response = await fetch(url, this.#init(request, deadline.signal));
      const text = await readText(response, url);
      return { body: parseAnswer<Body>(response, text, url), region: regionOf(response) };
    } catch (error) {
      throw deadline.errorOf(error);
    } finally {
      deadline.end();
    }
  }

  /**
   * Opens a stream of text. Its pieces fail as `send` does, and with TIMEOUT when it is silent for longer than
   * `limits.timeoutMs`. Whoever has opened it reads it, or aborts `limits.signal`.
   */
  async open(base: string, request: Request, { timeoutMs, signal }: RequestLimits): Promise<OpenStream> {
    const url = urlOf(base, request);
    const { fetch, clock } = this.#environment;
    const deadline = new Deadline(clock, url, signal);
    deadline.allow(timeoutMs);
    try {
      const response = await fetch(url, this.#init(request, deadline.signal));
      if (response.ok && response.body !== null) {
        return { region: regionOf(response), pieces: readPieces(response.body, deadline, timeoutMs) };
      }
      parseAnswer(response, await readText(response, url), url);
      throw unexpected(url, response.status);
    } catch (error) {
      const failure = deadline.errorOf(error);
      deadline.end();
      throw failure;
    }
  }

  #init({ method, body, headers: more }: Request, signal: AbortSignal): RequestInit {
    const headers: Record<string, string> = { accept: "application/json", ...more };
    if (this.#token !== undefined) headers.authorization = `Bearer ${this.#token}`;
    if (body === undefined) return { method, headers, signal };
    headers["content-type"] = "application/json";
    return { method, headers, signal, body: JSON.stringify(body) };
  }
}

function urlOf(base: string, { path, query = {} }: Request): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of [value].flat()) if (item !== undefined) parameters.append(name, String(item));
  }
  return parameters.size > 0 ? `${base}${path}?${parameters}` : `${base}${path}`;
}

function regionOf(response: Response): string | undefined {
  return response.headers.get("x-atoll-region") ?? undefined;
}

async function readText(response: Response, url: string): Promise<string> {
  let text = "";
  let bytes = 0;
  const decoder = new TextDecoder();
  for await (const piece of chunksOf(response.body)) {
    bytes += piece.byteLength;
    if (bytes > ANSWER_BYTES_MAX) throw unexpected(url, response.status, `more than ${ANSWER_BYTES_MAX} bytes`);
    text += decoder.decode(piece, { stream: true });
  }
  return text + decoder.decode();
}

async function* readPieces(body: ReadableStream<Uint8Array>, deadline: Deadline, silenceMsMax: number) {
  const decoder = new TextDecoder();
  try {
    for await (const piece of chunksOf(body)) {
      deadline.allow(silenceMsMax);
      yield decoder.decode(piece, { stream: true });
    }
  } catch (error) {
    throw deadline.errorOf(error);
  } finally {
    deadline.end();
  }
}

/** Not every browser can iterate over a stream. */
async function* chunksOf(body: ReadableStream<Uint8Array> | null) {
  if (body === null) return;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

interface ErrorBody {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly field?: unknown;
  readonly retryAfterMs?: unknown;
  readonly otherRegions?: unknown;
}

function parseAnswer<Body>(response: Response, text: string, url: string): Body {
  if (response.status === 204) return undefined as Body;
  const answer = parseJson(text);
  if (response.ok && answer !== undefined) return answer as Body;
  const error = (answer as { error?: ErrorBody } | undefined)?.error;
  const retryAfterMs = retryAfter(response, error);
  if (typeof error?.code !== "string") throw unexpected(url, response.status, undefined, retryAfterMs);
  const { code, message, field, otherRegions } = error;
  throw new AtollClientError({
    code,
    message: typeof message === "string" ? message : `answered ${response.status}`,
    url,
    status: response.status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(typeof field === "string" ? { field } : {}),
    ...(Array.isArray(otherRegions) ? { otherRegions: otherRegions.filter(isText).slice(0, HINTS_MAX) } : {}),
  });
}

/** The body's is finer than the header's, which counts seconds; proxies know only the header. */
function retryAfter(response: Response, error: ErrorBody | undefined): number | undefined {
  if (typeof error?.retryAfterMs === "number" && error.retryAfterMs >= 0) return error.retryAfterMs;
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return seconds >= 0 ? seconds * 1_000 : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unexpected(url: string, status: number, what = "nothing that a node says", retryAfterMs?: number) {
  return new AtollClientError({
    code: "UNEXPECTED_ANSWER",
    url,
    status,
    message: `${url} answered ${status} and ${what}. Is it the address of an Atoll node, or of a proxy before one?`,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}
