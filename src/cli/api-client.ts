/**
 * A typed client of a node's native HTTP API.
 *
 * Answers are what `/openapi.json` says; they are trusted to be that, since they come from the node the caller chose. Every
 * failure is a `CommandError` whose message says what to do.
 */

import type { AuditEntry } from "../security/audit.ts";
import type { LookupExplanation, RegionTrace } from "../types/lookup.ts";
import { messageOf } from "../util/errors.ts";
import { CommandError } from "./errors.ts";
import { type TlsClientOptions, tlsFetch } from "./tls-fetch.ts";

export interface NodeView {
  readonly name: string;
  readonly nodeId: string;
  readonly region: string;
  readonly role: string;
  readonly link: "self" | "connected" | "away";
  readonly http: string;
  readonly version?: string;
  readonly roundTripMs?: number;
}

export interface RegionView {
  readonly region: string;
  readonly link: "self" | "connected" | "away";
  readonly leader: string | null;
  readonly revision: number;
  readonly stalenessMs: number;
  readonly inSync: boolean;
  readonly agents: number;
  readonly capabilities: number;
  readonly nodes: readonly { readonly name: string; readonly http: string }[];
  /** These two are absent from older nodes. */
  readonly lagRevisions?: number;
  readonly silentMs?: number;
  readonly roundTripMs?: number;
  readonly breaker?: "closed" | "half-open" | "open";
  readonly distrust?: string;
}

export interface ClusterView {
  readonly federation: string;
  readonly region: string;
  /** Empty until the region is founded. */
  readonly cluster: string;
  readonly node: string;
  readonly role: string;
  readonly leader: string | null;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly stalenessMs: number;
  readonly members: readonly { readonly name: string; readonly votes: boolean }[];
  readonly agents: { readonly healthy: number; readonly unhealthy: number };
  /** Namespaces that other regions see: as the region has it, and as the node is configured. Absent from older nodes. */
  readonly export?: { readonly policy: readonly string[]; readonly configured: readonly string[] };
}

export interface MemberView {
  readonly name: string;
  readonly nodeId: string;
  readonly role: "leader" | "voter" | "learner" | "leaving";
  /** What it will be by itself. */
  readonly becomes: "voter" | "learner";
  readonly replaces: string | null;
  readonly link: "self" | "connected" | "away";
  readonly http: string;
  /** Null where no leader says. */
  readonly lagEntries: number | null;
  readonly silentMs: number | null;
}

export interface MembersView {
  readonly region: string;
  readonly leader: string | null;
  readonly term: number;
  /** A change is under way; until it ends no other one can begin. */
  readonly isChanging: boolean;
  readonly members: readonly MemberView[];
  /** Nodes that ask to join and wait to be added. */
  readonly waiting: readonly { readonly name: string; readonly nodeId: string; readonly http: string }[];
}

export interface RetiredRegionView {
  readonly region: string;
  readonly cluster: string;
}

export interface RegionKeyView {
  readonly region: string;
  /** Ed25519, 64 hex digits. */
  readonly publicKey: string;
}

export interface PeerView {
  readonly name: string;
  readonly isConfigured: boolean;
  /** Named while the region ran, for every node of it. */
  readonly isNamed: boolean;
  readonly nodes: readonly { readonly name: string; readonly nodeId: string; readonly region: string }[];
  readonly problem: string | null;
}

export interface TokenView {
  readonly id: string;
  readonly role: string;
  /** Null means all. */
  readonly namespaces: readonly string[] | null;
  readonly description: string;
  readonly createdBy: string;
  readonly createdAtMs: number | null;
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
}

export interface AuditView {
  readonly node: string;
  readonly entries: readonly AuditEntry[];
}

export interface NewTokenFields {
  readonly role: string;
  readonly namespaces?: readonly string[];
  readonly description?: string;
  readonly expiresInMs?: number;
}

export interface AgentView {
  readonly id: string;
  readonly name: string;
  readonly endpoint: string;
  readonly region: string;
  readonly health: "healthy" | "unhealthy";
  readonly revision: number;
  readonly capabilities: readonly { readonly name: string; readonly version: string }[];
}

export interface FoundAgentView {
  readonly id: string;
  readonly endpoint: string;
  readonly region: string;
  readonly capability: string;
  readonly version: string;
  readonly tags: readonly string[];
  readonly health: "healthy" | "unhealthy";
}

export interface LookupView {
  readonly agents: readonly FoundAgentView[];
  readonly complete: boolean;
  readonly regions: readonly {
    readonly region: string;
    readonly source: "local" | "live" | "cached" | "none";
    readonly stalenessMs: number;
    readonly agents: number;
    readonly error?: { readonly code: string; readonly message: string };
    readonly trace?: RegionTrace;
  }[];
  readonly nextCursor?: string;
  readonly explanation?: LookupExplanation;
}

export interface AgentPage {
  readonly agents: readonly AgentView[];
  readonly nextCursor?: string;
}

/** What an agent says of itself when it registers; `/openapi.json` lists every field. */
export interface Registration {
  readonly endpoint: string;
  readonly capabilities: readonly (
    | string
    | { readonly name: string; readonly version?: string; readonly tags?: readonly string[] }
  )[];
  readonly leaseMs?: number;
  readonly [field: string]: unknown;
}

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

interface ErrorBody {
  readonly error?: { readonly code?: string; readonly message?: string; readonly retryAfterMs?: number };
}

const TIMEOUT_MS = 10_000;
/** A stream of which nothing comes for so long has ended. */
const SILENCE_MS = 30_000;

/** What a header can carry. */
const HEADER_TEXT = /^[\x21-\x7e]{1,1024}$/;

/** How a connection ends that was there. */
const CUT_CODES = ["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"];

/** What a node answered instead of doing what it was asked for. */
export class Refusal extends CommandError {
  /** Undefined when another try would be refused as well. */
  readonly retryAfterMs: number | undefined;

  constructor(code: string, message: string, retryAfterMs: number | undefined) {
    super(code, message);
    this.retryAfterMs = retryAfterMs;
  }
}

export interface ApiClientOptions {
  readonly timeoutMs?: number;
  readonly token?: string;
  /** For https; what the platform trusts when absent. */
  readonly tls?: TlsClientOptions;
}

export class ApiClient {
  readonly #base: string;
  readonly #timeoutMs: number;
  readonly #token: string | undefined;
  readonly #fetchOnce: (url: string, init: RequestInit) => Promise<Response>;

  /** @throws CommandError INVALID_URL, INVALID_TOKEN */
  constructor(url: string, options: ApiClientOptions = {}) {
    if (!URL.canParse(url) || !/^https?:/.test(url)) {
      throw new CommandError("INVALID_URL", `${url} is not a URL such as http://127.0.0.1:8000 (--url or ATOLL_URL)`);
    }
    this.#base = url.replace(/\/+$/, "");
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#token = options.token;
    const { tls } = options;
    this.#fetchOnce = tls === undefined || !url.startsWith("https:") ? (at, init) => fetch(at, init) : tlsFetch(tls);
    if (this.#token !== undefined && !HEADER_TEXT.test(this.#token)) {
      throw new CommandError("INVALID_TOKEN", "the token holds what no token can: is it the right file or variable?");
    }
  }

  cluster(): Promise<ClusterView> {
    return this.#get("/v1/cluster");
  }

  /** Whether the node can serve its region: until it can, it refuses. */
  async isReady(): Promise<boolean> {
    const response = await this.#fetch("GET", "/ready", undefined);
    await this.#read(response, "GET");
    return response.ok;
  }

  async nodes(): Promise<readonly NodeView[]> {
    return (await this.#get<{ nodes: NodeView[] }>("/v1/nodes")).nodes;
  }

  async regions(): Promise<readonly RegionView[]> {
    return (await this.#get<{ regions: RegionView[] }>("/v1/regions")).regions;
  }

  members(): Promise<MembersView> {
    return this.#get("/v1/cluster/members");
  }

  /** Resolves when the node is a learner; one that is to be a voter is promoted by its region. */
  addMember(name: string, as: "voter" | "learner"): Promise<MembersView> {
    return this.#send("POST", "/v1/cluster/members", { name, as });
  }

  removeMember(member: string): Promise<MembersView> {
    return this.#send("DELETE", `/v1/cluster/members/${encodeURIComponent(member)}`);
  }

  promoteMember(member: string): Promise<MembersView> {
    return this.#send("POST", `/v1/cluster/members/${encodeURIComponent(member)}/promote`);
  }

  /** @param to - name or node id; the voter that is furthest along when absent */
  transferLeadership(to?: string): Promise<MembersView> {
    return this.#send("POST", "/v1/cluster/transfer", { ...(to !== undefined && { to }) });
  }

  retireRegion(region: string): Promise<RetiredRegionView> {
    return this.#send("POST", `/v1/regions/${encodeURIComponent(region)}/retire`);
  }

  admitRegion(region: string): Promise<{ readonly region: string }> {
    return this.#send("POST", `/v1/regions/${encodeURIComponent(region)}/admit`);
  }

  /** Has all other regions forget the node's own, for good. */
  retireOwnRegion(): Promise<RetiredRegionView> {
    return this.#send("POST", "/v1/cluster/retire");
  }

  rotateRegionKey(): Promise<RegionKeyView> {
    return this.#send("POST", "/v1/cluster/region-key/rotate");
  }

  async peers(): Promise<readonly PeerView[]> {
    return (await this.#get<{ peers: PeerView[] }>("/v1/cluster/peers")).peers;
  }

  async addPeer(name: string): Promise<readonly PeerView[]> {
    return (await this.#send<{ peers: PeerView[] }>("POST", "/v1/cluster/peers", { name })).peers;
  }

  async removePeer(name: string): Promise<readonly PeerView[]> {
    return (await this.#send<{ peers: PeerView[] }>("DELETE", `/v1/cluster/peers/${encodeURIComponent(name)}`)).peers;
  }

  audit(query: Query = {}): Promise<AuditView> {
    return this.#get("/v1/audit", query);
  }

  async tokens(): Promise<readonly TokenView[]> {
    return (await this.#get<{ tokens: TokenView[] }>("/v1/tokens")).tokens;
  }

  createToken(fields: NewTokenFields): Promise<TokenView & { readonly token: string }> {
    return this.#send("POST", "/v1/tokens", fields);
  }

  revokeToken(id: string): Promise<TokenView> {
    return this.#send("DELETE", `/v1/tokens/${encodeURIComponent(id)}`);
  }

  /** One page of the region's agents. */
  agents(query: Query = {}): Promise<AgentPage> {
    return this.#get("/v1/agents", query);
  }

  lookup(query: Query & { readonly capability: string }): Promise<LookupView> {
    return this.#get("/v1/lookup", query);
  }

  register(
    id: string,
    registration: Registration,
  ): Promise<{ readonly incarnation: number; readonly revision: number }> {
    return this.#send("PUT", `/v1/agents/${encodeURIComponent(id)}`, registration);
  }

  /**
   * A backup of the node's region, as it arrives. Whether all of it came, its end tells (`storage/backup-format.ts`).
   *
   * @param stop - gives it up
   * @throws Refusal, CommandError; what comes fails with the reason when the node falls silent
   */
  async backup(stop: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const silence = new Silence(SILENCE_MS);
    const path = "/v1/cluster/backup";
    try {
      const signal = AbortSignal.any([stop, silence.signal]);
      const response = await this.#fetch("GET", path, undefined, signal);
      if (response.ok && response.body !== null) return silence.during(response.body);
      throw this.#refusalOf(response, path, parseJson(await this.#read(response, "GET")));
    } catch (error) {
      silence.end();
      throw error;
    }
  }

  #get<Answer>(path: string, query: Query = {}): Promise<Answer> {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      for (const item of [value].flat()) if (item !== undefined) parameters.append(name, String(item));
    }
    return this.#send("GET", parameters.size > 0 ? `${path}?${parameters}` : path);
  }

  async #send<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await this.#fetch(method, path, body);
    const text = await this.#read(response, method);
    const answer = parseJson(text);
    if (response.ok && answer !== undefined) return answer as Answer;
    throw this.#refusalOf(response, path, answer);
  }

  #refusalOf({ status }: Response, path: string, answer: unknown): CommandError {
    const { code, message, retryAfterMs } = (answer as ErrorBody | undefined)?.error ?? {};
    if (code !== undefined) return new Refusal(code, message ?? `answered ${status}`, retryAfterMs);
    return new CommandError(
      "UNEXPECTED_ANSWER",
      `${this.#base}${path} answered ${status} and no JSON of ours: is it an Atoll node? Name one with --url or ATOLL_URL`,
    );
  }

  async #fetch(
    method: string,
    path: string,
    body: unknown,
    signal: AbortSignal = AbortSignal.timeout(this.#timeoutMs),
  ): Promise<Response> {
    try {
      return await this.#fetchOnce(`${this.#base}${path}`, {
        method,
        signal,
        headers: {
          ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    } catch (error) {
      throw this.#unreachable(error, method);
    }
  }

  async #read(response: Response, method: string): Promise<string> {
    try {
      return await response.text();
    } catch (error) {
      throw this.#unreachable(error, method);
    }
  }

  #unreachable(error: unknown, method: string): CommandError {
    const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
    const cause = (error as Error).cause ?? error;
    const reason = isTimeout ? `no answer within ${this.#timeoutMs} ms` : messageOf(cause);
    const wasAsked = isTimeout || CUT_CODES.includes(String((cause as { code?: unknown }).code));
    const message =
      wasAsked && method !== "GET"
        ? `${this.#base} was asked and did not answer (${reason}). It may have done it all the same: see how things are ` +
          "before asking again, of another node with --url or ATOLL_URL if this one stopped"
        : `no node answers at ${this.#base} (${reason}). Start one with atoll start or atoll dev, or name another with --url or ATOLL_URL`;
    return new CommandError("UNREACHABLE", message, { cause: error });
  }
}

/** Ends what is silent for too long. */
class Silence {
  readonly #stop = new AbortController();
  readonly #ms: number;
  #timer: NodeJS.Timeout;

  constructor(ms: number) {
    this.#ms = ms;
    this.#timer = this.#wait();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Passes on what comes. Time that its reader takes is not counted. */
  async *during(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const piece of pieces) {
        clearTimeout(this.#timer);
        yield piece;
        this.#timer = this.#wait();
      }
    } finally {
      this.end();
    }
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #wait(): NodeJS.Timeout {
    const reason = new Error(`nothing came for ${this.#ms} ms`);
    return setTimeout(() => this.#stop.abort(reason), this.#ms);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
