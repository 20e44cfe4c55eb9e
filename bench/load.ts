/**
 * A closed loop of HTTP clients: each sends its next request when the last was answered.
 *
 * Right for throughput and for the latency of an unloaded server; it hides stalls by waiting for them, so failover needs
 * fixed arrival times instead.
 */

import { Agent, request as httpRequest } from "node:http";
import { build, type Histogram } from "hdr-histogram-js";

const TIMEOUT_MS = 30_000;

export interface Request {
  readonly origin: string;
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  readonly path: string;
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

/** How long a load goes on: for so many requests, or for a time. */
export type Load = { readonly clients: number } & ({ readonly count: number } | { readonly seconds: number });

/**
 * Runs `clients` loops until the load is done.
 *
 * @param next - the i-th request, from 0
 */
export async function closedLoop(phase: string, load: Load, next: (i: number) => Request): Promise<LoadResult> {
  const { clients } = load;
  // node:http rather than undici, which closes the connection after each HEAD.
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const microseconds = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
  let issued = 0;
  let failed = 0;
  const began = performance.now();
  const isDone = () => ("count" in load ? issued >= load.count : performance.now() - began >= load.seconds * 1_000);
  const client = async () => {
    while (!isDone()) {
      const request = next(issued++);
      const sentAt = performance.now();
      const isOk = await send(agent, request);
      microseconds.recordValue(Math.max(1, Math.round((performance.now() - sentAt) * 1_000)));
      if (!isOk) failed++;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const seconds = (performance.now() - began) / 1_000;
  agent.destroy();
  return { phase, clients, requests: issued, failed, perSecond: issued / seconds, ...percentiles(microseconds) };
}

/** Runs `next` through a throw-away loop first, so that code is compiled and connections are warm. */
export async function warmUp(clients: number, count: number, next: (i: number) => Request): Promise<void> {
  await closedLoop("warm-up", { clients, count }, next);
}

/** @returns whether it was answered as expected; a benchmark counts what was not, and goes on */
function send(agent: Agent, { origin, method, path, body, expected = [] }: Request): Promise<boolean> {
  return new Promise((resolve) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      payload === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) };
    const sent = httpRequest(`${origin}${path}`, { agent, method, headers, timeout: TIMEOUT_MS }, (response) => {
      response.once("error", () => resolve(false));
      const { statusCode = 0 } = response;
      response.once("end", () => resolve(statusCode < 300 || expected.includes(statusCode)));
      response.resume();
    });
    sent.once("timeout", () => sent.destroy(new Error("no answer")));
    sent.once("error", () => resolve(false));
    sent.end(payload);
  });
}

function percentiles(microseconds: Histogram): { p50Ms: number; p99Ms: number; maxMs: number } {
  const at = (percentile: number) => microseconds.getValueAtPercentile(percentile) / 1_000;
  return { p50Ms: at(50), p99Ms: at(99), maxMs: microseconds.maxValue / 1_000 };
}
