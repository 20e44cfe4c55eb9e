/**
 * Nodes as a client meets them, on virtual time: each answers `fetch` after its distance, keeps the leases of its region, and can
 * be made to refuse, hang, or vanish.
 */

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { Environment } from "../../src/client/environment.ts";
import { seededRandom } from "../../src/util/random.ts";
import { VirtualClock } from "./virtual-clock.ts";

export type NodeMood =
  | "well"
  /** The connection is refused. */
  | "gone"
  /** Takes the request and never answers. */
  | "hanging"
  | { readonly status: number; readonly code: string; readonly [fact: string]: unknown };

export interface SeenRequest {
  readonly atMs: number;
  readonly node: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

export class FakeNode {
  readonly url: string;
  readonly region: FakeRegion;
  mood: NodeMood = "well";
  roundTripMs: number;

  constructor(url: string, region: FakeRegion, roundTripMs: number) {
    this.url = url;
    this.region = region;
    this.roundTripMs = roundTripMs;
  }
}

export interface FakeRegion {
  readonly name: string;
  /** Incarnation and record, by agent. */
  readonly agents: Map<string, { incarnation: number; record: unknown }>;
}

const LEASE_MS = 30_000;

export class FakeNodes {
  readonly clock = new VirtualClock();
  readonly nodes: FakeNode[] = [];
  readonly requests: SeenRequest[] = [];
  /** Where requests went, whether somebody was there or not. */
  readonly addressed = new Set<string>();
  readonly environment: Environment;
  /** Answers of other paths, by path. */
  readonly answers = new Map<string, (url: URL, node: FakeNode, request: SeenRequest) => Response>();
  #incarnation = 0;

  constructor(seed = 1) {
    this.environment = {
      fetch: (url, init) => this.#fetch(new URL(url), init),
      clock: this.clock,
      random: seededRandom(seed),
    };
  }

  addRegion(name: string, roundTripMs: number, hosts: readonly string[]): FakeNode[] {
    const region = { name, agents: new Map() };
    const added = hosts.map((host) => new FakeNode(`http://${host}:8000`, region, roundTripMs));
    this.nodes.push(...added);
    return added;
  }

  /** What agents asked for, in order: `PUT a`, `renew b`. Probes are left out. */
  asked(): string[] {
    return this.requests
      .filter(({ path }) => path.startsWith("/v1/agents"))
      .map(({ method, path, node }) => `${path.endsWith("/renew") ? "renew" : method} ${node}`);
  }

  /** Lets time pass until a promise is settled. */
  async until<Result>(promise: Promise<Result>, withinMs = 120_000): Promise<Result> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    const deadline = this.clock.now() + withinMs;
    while (!isSettled && this.clock.now() < deadline) await this.clock.advance(5);
    assert.ok(isSettled, `nothing came of it within ${withinMs} ms`);
    return promise;
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    this.addressed.add(url.origin);
    const node = this.nodes.find((node) => node.url === url.origin);
    if (node === undefined || node.mood === "gone")
      throw new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") });
    const request: SeenRequest = {
      atMs: this.clock.now(),
      node: url.hostname,
      method: init.method ?? "GET",
      path: `${url.pathname}${url.search}`,
      headers: init.headers as Record<string, string>,
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
    };
    this.requests.push(request);
    return this.#travel(node, init.signal ?? undefined, () => this.#answer(url, node, request));
  }

  /** What was sent is done when it arrives, also if nobody waits for the answer any more. */
  #travel({ mood, roundTripMs }: FakeNode, signal: AbortSignal | undefined, arrive: () => Response): Promise<Response> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (mood !== "hanging") this.clock.schedule(roundTripMs, () => resolve(arrive()));
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
  }

  #answer(url: URL, node: FakeNode, request: SeenRequest): Response {
    const { mood, region } = node;
    // A node that refuses a request is ready all the same; one that can not serve is not.
    if (typeof mood === "object" && (mood.status === 503 || url.pathname !== "/ready")) {
      const { status, ...error } = mood;
      return json(region, status, { error: { message: "as the test wants it", ...error } });
    }
    const other = this.answers.get(url.pathname);
    if (other !== undefined) return other(url, node, request);
    if (url.pathname === "/ready") return json(region, 200, { status: "ready", reasons: [] });
    if (url.pathname === "/v1/nodes") {
      const nodes = this.nodes.map(({ url, region }) => ({ http: url, region: region.name }));
      return json(region, 200, { nodes });
    }
    const [, id = "", action] = /^\/v1\/agents\/([^/]+)(\/renew)?$/.exec(url.pathname) ?? [];
    return this.#answerAgent(region, request, id, action !== undefined);
  }

  #answerAgent(region: FakeRegion, { method, body }: SeenRequest, id: string, isRenewal: boolean): Response {
    const held = region.agents.get(id);
    if (method === "PUT") {
      const isUnchanged = isDeepStrictEqual(held?.record, body);
      if (!isUnchanged) region.agents.set(id, { incarnation: ++this.#incarnation, record: body });
    } else if (held === undefined) return json(region, 404, { error: { code: "UNKNOWN_AGENT", message: "not here" } });
    else if (method === "DELETE") {
      region.agents.delete(id);
      return new Response(null, { status: 204, headers: headersOf(region) });
    } else if (isRenewal && held.incarnation !== (body as { incarnation: number }).incarnation) {
      return json(region, 410, { error: { code: "LEASE_LOST", message: "another one began" } });
    }
    const { incarnation } = region.agents.get(id)!;
    const leaseMs = (body as { leaseMs?: number } | undefined)?.leaseMs ?? LEASE_MS;
    return json(region, 200, { id, region: region.name, incarnation, leaseMs, renewInMs: leaseMs / 4 });
  }
}

export function json(region: FakeRegion, status: number, body: unknown): Response {
  return Response.json(body, { status, headers: headersOf(region) });
}

function headersOf(region: FakeRegion) {
  return { "x-atoll-region": region.name };
}
