/**
 * The client of an Atoll federation: registers agents and keeps their leases, finds agents, and watches.
 *
 * It needs nothing but `fetch`, and no node in particular: it is given some addresses, learns others, prefers the nearest, and
 * goes on with the rest when one fails. What is asked again is always safe to repeat.
 */

import { AtollClientError } from "./client-error.ts";
import { type Environment, systemEnvironment } from "./environment.ts";
import { Failover } from "./failover.ts";
import { NodePool } from "./node-pool.ts";
import { Registration, type WaitOptions } from "./registration.ts";
import type { RegistrationListener } from "./registration-event.ts";
import { type Request, Transport } from "./transport.ts";
import { watchRegion } from "./watch.ts";
import type { AgentDescription, AgentType, LookupAnswer, NodeView, WatchEvent } from "./wire.ts";

const TRY_TIMEOUT_MS = 3_000;
const TIMEOUT_MS = 10_000;

export interface AtollClientOptions {
  /** Nodes of one or more regions, in any order: `http://a.example:8000`. One is enough, where it can name others. */
  readonly urls: readonly string[];
  /** Sent as a bearer token. */
  readonly token?: string;
  /** A node that has not answered after this many milliseconds is passed over; 3,000 when absent. */
  readonly tryTimeoutMs?: number;
  /** Of a call with all its tries, in milliseconds; 10,000 when absent. */
  readonly timeoutMs?: number;
  /** Whether to use nodes that other nodes name. Say `false` where only `urls` can be reached from here; true when absent. */
  readonly discover?: boolean;
  readonly environment?: Partial<Environment>;
}

export interface RegisterOptions extends WaitOptions {
  /** Told of everything that happens to the registration. */
  readonly onEvent?: RegistrationListener;
}

export interface LookupOptions extends WaitOptions {
  /** `t` required, `+t` preferred, `-t` forbidden, `a|b` one of them. */
  readonly tags?: readonly string[];
  /** A constraint such as `^1.2` or `>=1 <3`. */
  readonly version?: string;
  readonly namespace?: string;
  /** `federation` when absent. */
  readonly scope?: "region" | "federation";
  /** Only agents of this region. */
  readonly region?: string;
  /** Where you are: of equally good agents of your region, those of this zone come first. The node's own zone when absent. */
  readonly zone?: string;
  /** `healthy` when absent. */
  readonly health?: "healthy" | "any";
  /** `stale` when absent. */
  readonly consistency?: "stale" | "linearizable";
  /** Older data is fetched anew, or the region's report says why it is missing. */
  readonly maxStalenessMs?: number;
  /** Also tell how the answer came about. */
  readonly explain?: boolean;
  /** Agents in a page, 1 to 1,000; 100 when absent. */
  readonly limit?: number;
}

export interface WatchOptions {
  readonly capability?: string | readonly string[];
  readonly namespace?: string;
  readonly agent?: string;
  readonly type?: AgentType;
  /** Kinds of events; all when absent. `ready` and `resync` are told in any case. */
  readonly event?:
    | Exclude<WatchEvent["type"], "ready" | "resync">
    | readonly Exclude<WatchEvent["type"], "ready" | "resync">[];
  /** `federation`: also what other regions come to offer. `region` when absent. */
  readonly scope?: "region" | "federation";
  /** First what matches now, then what changes. */
  readonly initial?: boolean;
  /** Go on after this event, whose `id` it is. */
  readonly lastEventId?: string;
  /** Told why a stream ended; the next one follows by itself. */
  readonly onFailure?: (node: string, error: AtollClientError) => void;
  readonly signal?: AbortSignal;
}

export class AtollClient {
  readonly #environment: Environment;
  readonly #transport: Transport;
  readonly #pool: NodePool;
  readonly #failover: Failover;
  readonly #tryTimeoutMs: number;
  readonly #timeoutMs: number;
  /** The first request finds out who is near; all others wait for that. */
  #measured: Promise<void> | undefined;

  /** @throws AtollClientError INVALID_OPTION */
  constructor({
    urls,
    token,
    tryTimeoutMs = TRY_TIMEOUT_MS,
    timeoutMs = TIMEOUT_MS,
    discover = true,
    environment,
  }: AtollClientOptions) {
    this.#environment = { ...systemEnvironment, ...environment };
    this.#transport = new Transport(this.#environment, token);
    this.#pool = new NodePool(urls, discover, this.#environment, this.#transport);
    this.#failover = new Failover(this.#pool, this.#transport, this.#environment);
    this.#tryTimeoutMs = positive("tryTimeoutMs", tryTimeoutMs);
    this.#timeoutMs = positive("timeoutMs", timeoutMs);
  }

  /**
   * Registers an agent with the nearest node, and keeps its lease until the registration is closed. Resolves when a majority
   * of the node's region has the agent on disk.
   *
   * @param options.timeoutMs - of all tries together, 30,000 when absent
   * @throws AtollClientError what a node refused the agent with; NO_ANSWER when no node took it in time
   */
  async register(
    agent: AgentDescription,
    { onEvent = () => {}, ...wait }: RegisterOptions = {},
  ): Promise<Registration> {
    const registration = new Registration(agent, {
      pool: this.#pool,
      failover: this.#failover,
      environment: this.#environment,
      tryTimeoutMs: this.#tryTimeoutMs,
      onEvent,
    });
    await this.#measure();
    await registration.open(wait);
    return registration;
  }

  /**
   * Ends an agent's registration in one region; for a `Registration` of this process call its `close`.
   *
   * @param options.region - the agent's; that of the nearest node when absent
   * @returns false when it was not there
   * @throws AtollClientError NO_ANSWER, or what a node refused it with
   */
  async deregister(id: string, { region, ...wait }: WaitOptions & { readonly region?: string } = {}): Promise<boolean> {
    try {
      const request = { method: "DELETE", path: `/v1/agents/${encodeURIComponent(id)}` } as const;
      await this.#ask(request, wait, region ?? (await this.#nearestRegion(wait)));
      return true;
    } catch (error) {
      if (error instanceof AtollClientError && error.kind === "gone") return false;
      throw error;
    }
  }

  /**
   * Finds the agents that offer a capability: the first page, best first, and a report on each region.
   *
   * @throws AtollClientError NO_ANSWER, or what a node refused it with
   */
  async lookup(capability: string, options: LookupOptions = {}): Promise<LookupAnswer> {
    return (await this.#ask<LookupAnswer>(lookupRequest(capability, options), options)).body;
  }

  /**
   * Finds the agents that offer a capability, page by page. All pages come from nodes of one region, since only they know the
   * place where the page before ended.
   *
   * @throws AtollClientError as `lookup` does; NO_ANSWER also when that region is lost between two pages
   */
  async *lookupAll(capability: string, options: LookupOptions = {}): AsyncGenerator<LookupAnswer, void, undefined> {
    let page = await this.#ask<LookupAnswer>(lookupRequest(capability, options), options);
    for (;;) {
      yield page.body;
      const { nextCursor } = page.body;
      if (nextCursor === undefined) return;
      page = await this.#ask<LookupAnswer>(lookupRequest(capability, options, nextCursor), options, page.region);
    }
  }

  /**
   * Watches the nearest node's region, on whichever of its nodes can be had, until the caller stops asking or the signal is
   * aborted. Nothing is lost without a `resync`; it also comes first when the watch had to go on in another region.
   *
   * @throws AtollClientError what a node refused it with
   */
  async *watch(options: WatchOptions = {}): AsyncGenerator<WatchEvent, void, undefined> {
    const { lastEventId, onFailure = () => {}, signal, ...query } = options;
    await this.#measure();
    const parts = { pool: this.#pool, transport: this.#transport, environment: this.#environment };
    yield* watchRegion(parts, { query, lastEventId, onFailure, signal });
  }

  /** All nodes that the nearest one knows, itself first. From then on the client knows them too. */
  async nodes(wait: WaitOptions = {}): Promise<readonly NodeView[]> {
    const { body } = await this.#ask<{ readonly nodes: readonly NodeView[] }>(
      { method: "GET", path: "/v1/nodes" },
      wait,
    );
    for (const { http, region } of body.nodes) this.#pool.learn(http, region);
    return body.nodes;
  }

  async #ask<Body>(request: Request, { timeoutMs = this.#timeoutMs, signal }: WaitOptions, region?: string) {
    await this.#measure();
    const limits = { timeoutMs, tryTimeoutMs: this.#tryTimeoutMs, signal, region };
    return this.#failover.ask<Body>(request, limits);
  }

  /** Of the node that answers first; asking is how its region is learned. */
  async #nearestRegion(wait: WaitOptions): Promise<string | undefined> {
    const [self] = await this.nodes(wait);
    return self?.region;
  }

  #measure(): Promise<void> {
    this.#measured ??= this.#pool.measure();
    return this.#measured;
  }
}

function lookupRequest(capability: string, options: LookupOptions, cursor?: string): Request {
  const { tags, version, namespace, scope, region, zone, health, consistency, maxStalenessMs, explain, limit } =
    options;
  const filter = { capability, tags, version, namespace, scope, region, zone, health, consistency, explain };
  return { method: "GET", path: "/v1/lookup", query: { ...filter, max_staleness_ms: maxStalenessMs, limit, cursor } };
}

function positive(name: string, value: number): number {
  if (value > 0) return value;
  throw new AtollClientError({
    code: "INVALID_OPTION",
    message: `${name} is ${value}; give milliseconds, more than 0`,
  });
}
