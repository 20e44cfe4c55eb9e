/**
 * Watching a region: one stream after another, on whichever node, as if it were one.
 *
 * Each stream goes on after the last event that the one before brought, so on any node of the region nothing is lost and
 * nothing repeated. Where a node can not promise that, it says `resync`, and so does this: the caller then asks anew for what
 * it needs to know.
 */

import { waitMs } from "./backoff.ts";
import { AtollClientError, asClientError } from "./client-error.ts";
import { type Environment, sleep } from "./environment.ts";
import type { KnownNode, NodePool } from "./node-pool.ts";
import { SseParser } from "./sse-parser.ts";
import type { Query, Transport } from "./transport.ts";
import type { WatchEvent } from "./wire.ts";

/** Nodes say something at least every 15 seconds: after three silences nobody is there. */
const SILENCE_MS_MAX = 45_000;
/** A stream that lasted so long was no failure: the next one may begin on any node, without a pause. */
const STEADY_MS = 10_000;
const ROUND_WAIT_MS_MAX = 5_000;

export interface WatchParts {
  readonly pool: NodePool;
  readonly transport: Transport;
  readonly environment: Environment;
}

export interface Watching {
  readonly query: Query;
  /** Go on after this event. */
  readonly lastEventId: string | undefined;
  /** Told why a stream ended; the next one follows by itself. */
  readonly onFailure: (node: string, error: AtollClientError) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Yields events until the caller stops, or `signal` is aborted.
 *
 * @throws AtollClientError what a node refused the request with, when every node would
 */
export async function* watchRegion(parts: WatchParts, watching: Watching): AsyncGenerator<WatchEvent, void, undefined> {
  const { pool, environment } = parts;
  const { clock, random } = environment;
  const place: Place = { region: undefined, lastEventId: watching.lastEventId, retryMs: 0 };
  const tried = new Set<string>();
  let round = 0;
  for (;;) {
    watching.signal?.throwIfAborted();
    const node = nextNode(pool, tried, place.region);
    if (node === undefined) {
      await sleep(clock, waitMs(random, round++, place.retryMs, ROUND_WAIT_MS_MAX), watching.signal);
      tried.clear();
      continue;
    }
    const beganAt = clock.now();
    try {
      yield* readNode(parts, node, place, watching);
    } catch (error) {
      const failure = asClientError(error);
      if (failure.kind === "refused") throw failure;
      pool.failed(node.url, failure);
      watching.onFailure(node.url, failure);
    }
    if (clock.now() - beganAt >= STEADY_MS) {
      tried.clear();
      round = 0;
    }
    tried.add(node.url);
  }
}

interface Place {
  /** Of the last event: its nodes can go on without loss. */
  region: string | undefined;
  lastEventId: string | undefined;
  /** The nodes' advice of how long to stay away when all of them ended their streams. */
  retryMs: number;
}

/** The nearest of the region, then of the others. */
function nextNode(pool: NodePool, tried: ReadonlySet<string>, region: string | undefined): KnownNode | undefined {
  const left = pool.ranked().filter(({ url }) => !tried.has(url));
  return left.find((node) => region !== undefined && node.region === region) ?? left[0];
}

/** The events of one stream, until it ends or its node says goodbye. */
async function* readNode(
  { pool, transport }: WatchParts,
  node: KnownNode,
  place: Place,
  { query, signal }: Watching,
): AsyncGenerator<WatchEvent, void, undefined> {
  const { region, pieces } = await transport.open(node.url, requestOf(query, place), {
    timeoutMs: SILENCE_MS_MAX,
    signal,
  });
  pool.succeeded(node.url, region);
  const parser = new SseParser();
  parser.lastEventId = place.lastEventId;
  for await (const piece of pieces) {
    const events = parser.push(piece);
    place.retryMs = parser.retryMs ?? place.retryMs;
    for (const { event, data, id } of events) {
      if (event === "goodbye") return;
      place.region = node.region;
      yield parseEvent(node.url, event, data, id);
    }
    place.lastEventId = parser.lastEventId;
  }
}

function requestOf(query: Query, { lastEventId }: Place) {
  const resume: Record<string, string> = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  return { method: "GET", path: "/v1/watch", query, headers: { accept: "text/event-stream", ...resume } } as const;
}

function parseEvent(url: string, type: string, data: string, id: string | undefined): WatchEvent {
  try {
    return { ...JSON.parse(data), type, ...(id === undefined ? {} : { id }) };
  } catch (cause) {
    const message = `${url} sent an event that is not JSON. Is it the address of an Atoll node?`;
    throw new AtollClientError({ code: "UNEXPECTED_ANSWER", url, message }, { cause });
  }
}
