/**
 * A closed loop of HTTP clients: each sends its next request when the last was answered.
 *
 * Right for throughput and for the latency of an unloaded server; it hides stalls by waiting for them, so failover needs
 * fixed arrival times instead (`open-loop.ts`).
 */

import { HttpClient, type HttpRequest, isAcknowledged } from "./http-client.ts";
import { Latencies } from "./latencies.ts";

const TIMEOUT_MS = 30_000;
const JSON_BODY = { "content-type": "application/json" };

export interface Request {
  readonly origin: string;
  readonly method: HttpRequest["method"];
  readonly path: string;
  readonly headers?: HttpRequest["headers"];
  /** Text is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  /** Statuses beside 2xx that are no failure. */
  readonly expected?: readonly number[];
}

export interface LoadResult {
  readonly phase: string;
  readonly clients: number;
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** How long a load goes on: for so many requests, or for a time, and no longer than until `signal` is aborted. */
export type Load = { readonly clients: number; readonly signal?: AbortSignal } & (
  | { readonly count: number }
  | { readonly seconds: number }
);

/**
 * Runs `clients` loops until the load is done.
 *
 * @param next - the i-th request, from 0
 */
export async function closedLoop(phase: string, load: Load, next: (i: number) => Request): Promise<LoadResult> {
  const { clients, signal } = load;
  const http = new HttpClient({ connectionsMax: clients, timeoutMs: TIMEOUT_MS });
  const latencies = new Latencies();
  let issued = 0;
  let failed = 0;
  const began = performance.now();
  const isDone = () =>
    signal?.aborted === true ||
    ("count" in load ? issued >= load.count : performance.now() - began >= load.seconds * 1_000);
  const client = async () => {
    while (!isDone()) {
      const request = next(issued++);
      const sentAt = performance.now();
      const isOk = await send(http, request);
      latencies.add(performance.now() - sentAt);
      if (!isOk) failed++;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - began) / 1_000;
  await http.close();
  return { phase, clients, requests: issued, failed, perSecond: issued / seconds, ...latencies.summary() };
}

/** Runs `next` through a throw-away loop first, so that code is compiled and connections are warm. */
export async function warmUp(clients: number, count: number, next: (i: number) => Request): Promise<void> {
  await closedLoop("warm-up", { clients, count }, next);
}

/** @returns whether it was answered as expected; a benchmark counts what was not, and goes on */
async function send(http: HttpClient, { origin, method, path, headers, body, expected }: Request): Promise<boolean> {
  const content =
    body === undefined ? {} : { headers: JSON_BODY, body: typeof body === "string" ? body : JSON.stringify(body) };
  const answer = await http.send(origin, { method, path, ...content, ...(headers && { headers }) });
  return isAcknowledged(answer) || (expected?.includes(answer.status) ?? false);
}
