/**
 * The nodes that the client knows: those it was given, and those that nodes name.
 *
 * It orders them by what was measured and by how they behaved, and decides nothing else. The number of nodes is bounded; a
 * node that was given is never forgotten.
 */

import { backoffMs } from "./backoff.ts";
import { AtollClientError, asClientError } from "./client-error.ts";
import type { Environment } from "./environment.ts";
import type { Transport } from "./transport.ts";

export const NODES_MAX = 64;
/** Of a large federation only so many are measured at once: ten thousand agents may do so together. */
const PROBED_MAX = 12;
const PROBE_TIMEOUT_MS = 1_500;
/** Once a node has answered, the others get as long again, at least this: whoever needs longer is not the nearest. */
const PROBE_GRACE_MS = 50;
/** A node that failed rests, longer each time. It is still asked when all the others failed too. */
const REST_MS_MAX = 30_000;

export interface KnownNode {
  readonly url: string;
  readonly isGiven: boolean;
  /** Undefined until it answered or another node told. */
  region: string | undefined;
  /** Undefined until it was measured. */
  roundTripMs: number | undefined;
  /** Since it last answered. */
  failures: number;
  restsUntil: number;
}

export class NodePool {
  readonly #nodes = new Map<string, KnownNode>();
  readonly #environment: Environment;
  readonly #transport: Transport;
  readonly #isSecure: boolean;
  /** Whether nodes that others name are used as well. */
  readonly isCurious: boolean;

  /** @throws AtollClientError INVALID_OPTION when there is no URL, or one is not an address of HTTP */
  constructor(urls: readonly string[], isCurious: boolean, environment: Environment, transport: Transport) {
    this.isCurious = isCurious;
    this.#environment = environment;
    this.#transport = transport;
    if (urls.length === 0 || urls.length > NODES_MAX)
      throw invalid(`urls has ${urls.length} addresses; give 1 to ${NODES_MAX}`);
    const bases = urls.map((url) => baseOf(url) ?? fail(`${url} in urls is not a URL such as http://127.0.0.1:8000`));
    this.#isSecure = bases.every((url) => url.startsWith("https:"));
    for (const url of bases) this.#nodes.set(url, newNode(url, true));
  }

  /** All nodes: those that rest last, then nearest first; who was not measured comes after who was. */
  ranked(): KnownNode[] {
    const now = this.#environment.clock.now();
    const restMs = ({ restsUntil }: KnownNode) => Math.max(0, restsUntil - now);
    const distance = ({ roundTripMs = Number.MAX_VALUE }: KnownNode) => roundTripMs;
    return [...this.#nodes.values()].sort(
      (a, b) => restMs(a) - restMs(b) || distance(a) - distance(b) || Number(b.isGiven) - Number(a.isGiven),
    );
  }

  get(url: string): KnownNode | undefined {
    return this.#nodes.get(url);
  }

  /**
   * Remembers a node that another one named. What is no address of HTTP is left out, and so is an unprotected one where all
   * that were given are https: a node's word must not make the client speak in the clear.
   */
  learn(address: string, region?: string): void {
    const url = this.isCurious ? baseOf(address) : undefined;
    if (url === undefined || (this.#isSecure && !url.startsWith("https:"))) return;
    const node = this.#nodes.get(url) ?? newNode(url, false);
    if (region !== undefined) node.region = region;
    this.#nodes.set(url, node);
    if (this.#nodes.size > NODES_MAX) this.#forgetWorst();
  }

  succeeded(url: string, region: string | undefined): void {
    const node = this.#nodes.get(url);
    if (node === undefined) return;
    node.failures = 0;
    node.restsUntil = 0;
    node.region = region ?? node.region;
  }

  /** Lets a node rest, and remembers whom it named instead. */
  failed(url: string, { retryAfterMs = 0, otherRegions }: AtollClientError): void {
    const node = this.#nodes.get(url);
    if (node !== undefined) {
      const { clock, random } = this.#environment;
      const restMs = Math.min(REST_MS_MAX, retryAfterMs + backoffMs(random, node.failures + 1, REST_MS_MAX));
      node.failures += 1;
      node.restsUntil = clock.now() + restMs;
    }
    for (const other of otherRegions) this.learn(other);
  }

  /**
   * Measures the round trip to the nodes, as that of `GET /ready`, and lets those rest that are not ready. Resolves soon after
   * the nearest one answered, and never rejects but for `signal`: who does not answer is not near.
   */
  async measure(signal?: AbortSignal): Promise<void> {
    const probed = this.#probed();
    if (probed.length < 2) return;
    const { clock } = this.#environment;
    const beganAt = clock.now();
    const ending = new AbortController();
    const end = () => ending.abort();
    signal?.addEventListener("abort", end, { once: true });
    let cancel = clock.schedule(PROBE_TIMEOUT_MS, end);
    let isFirst = true;
    const hurryOthers = () => {
      if (!isFirst) return;
      isFirst = false;
      cancel();
      cancel = clock.schedule(Math.max(PROBE_GRACE_MS, clock.now() - beganAt), end);
    };
    await Promise.all(
      probed.map(async (node) => {
        if (await this.#probe(node, ending.signal)) hurryOthers();
      }),
    );
    cancel();
    signal?.removeEventListener("abort", end);
    signal?.throwIfAborted();
  }

  /** Those that were given, then those that were named, drawn by lot: every client of a fleet measures others. */
  #probed(): KnownNode[] {
    const { random } = this.#environment;
    return [...this.#nodes.values()]
      .map((node) => ({ node, lot: (node.isGiven ? 0 : 1) + random.next() }))
      .sort((a, b) => a.lot - b.lot)
      .slice(0, PROBED_MAX)
      .map(({ node }) => node);
  }

  /** @returns whether it is ready, and its round trip was measured */
  async #probe(node: KnownNode, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#environment;
    const ready = () =>
      this.#transport.send(node.url, { method: "GET", path: "/ready" }, { timeoutMs: PROBE_TIMEOUT_MS, signal });
    let sentAt = clock.now();
    try {
      // The first request pays for the connection.
      await ready();
      sentAt = clock.now();
      const { region } = await ready();
      node.roundTripMs = clock.now() - sentAt;
      this.succeeded(node.url, region);
      return true;
    } catch (error) {
      // Cut short because another one is nearer: no fault of this one.
      if (signal.aborted) node.roundTripMs = clock.now() - sentAt;
      else this.failed(node.url, asClientError(error));
      return false;
    }
  }

  #forgetWorst(): void {
    const worst = this.ranked().findLast(({ isGiven }) => !isGiven);
    if (worst !== undefined) this.#nodes.delete(worst.url);
  }
}

function newNode(url: string, isGiven: boolean): KnownNode {
  return { url, isGiven, region: undefined, roundTripMs: undefined, failures: 0, restsUntil: 0 };
}

/** Without query, fragment and slash at the end; undefined for what `fetch` could not ask. */
function baseOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { protocol, username, password, origin, pathname } = new URL(address);
  if (!/^https?:$/.test(protocol) || username !== "" || password !== "") return undefined;
  return `${origin}${pathname}`.replace(/\/+$/, "");
}

function invalid(message: string): AtollClientError {
  return new AtollClientError({ code: "INVALID_OPTION", message });
}

function fail(message: string): never {
  throw invalid(message);
}
