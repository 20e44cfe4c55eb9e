/**
 * An agent's registration: keeps its lease until it is closed, whatever happens to nodes and regions.
 *
 * It renews when the node says, at the node that holds the lease. When that one fails, the other nodes of the region are
 * asked at once, and those of other regions when all of them failed. A region that has no leader, or too much to do, is
 * given half of the lease to recover: all its agents see the same, and must not fall upon their neighbours for an election
 * (F19). A lease that the region does not know any more is registered anew, never revived (F21). An agent that had to leave
 * the region which it had found nearest goes back some minutes after that has returned.
 *
 * No request lasts longer than a third of what is left of the lease, so one that hangs can not cost it.
 */

import { waitMs } from "./backoff.ts";
import { AtollClientError, asClientError } from "./client-error.ts";
import { type Environment, sleep } from "./environment.ts";
import type { Failover } from "./failover.ts";
import type { KnownNode, NodePool } from "./node-pool.ts";
import type { RegistrationEvent, RegistrationListener } from "./registration-event.ts";
import type { Request } from "./transport.ts";
import type { AgentDescription, LeaseAnswer, NodeView } from "./wire.ts";

const LEASE_MS_DEFAULT = 30_000;
export const WAIT_MS_DEFAULT = 30_000;
/** Agents that registered together were told the same: each comes up to this share earlier. */
const RENEWAL_JITTER = 0.15;
const TRY_TIMEOUT_MS_MIN = 100;
const WAIT_MS_MIN = 250;
/** At least; at most twice that. Who knows last minute's nodes finds one of them. */
const LOOK_INTERVAL_MS = 60_000;
/** Times in a row that a home must be seen to be back, so that one that flaps does not make its agents flap. */
const SIGHTINGS_OF_HOME = 2;
/** Of a try to take leave of a region that is left already: its lease ends there by itself. */
const LEAVE_TIMEOUT_MS = 1_000;
const NODES = { method: "GET", path: "/v1/nodes" } as const;
export const CLOSE_TIMEOUT_MS = 5_000;

export interface RegistrationParts {
  readonly pool: NodePool;
  readonly failover: Failover;
  readonly environment: Environment;
  readonly tryTimeoutMs: number;
  readonly onEvent: RegistrationListener;
}

/** Where the lease is held. */
interface Place {
  readonly url: string;
  readonly region: string;
  readonly incarnation: number;
  readonly leaseMs: number;
}

export interface WaitOptions {
  /** Of all tries together, in milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export class Registration {
  readonly id: string;
  readonly #parts: RegistrationParts;
  #description: AgentDescription;
  #place: Place | undefined;
  /** The record changed, or the region lost it: a renewal would not do. */
  #mustRegister = true;
  #renewInMs = 0;
  #acknowledgedAt: number;
  #lostAt: number | undefined;
  #looksAroundAt = Number.NEGATIVE_INFINITY;
  /** The region that took the agent in first: it was the nearest. */
  #home: string | undefined;
  #sightingsOfHome = 0;
  /** Regions that may still hold an older lease of this agent. */
  readonly #left = new Set<string>();
  readonly #closing = new AbortController();
  #keeping: Promise<void> = Promise.resolve();
  /** One change of the lease at a time. */
  #holding: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /** Made by `AtollClient.register`. */
  constructor(description: AgentDescription, parts: RegistrationParts) {
    this.id = description.id;
    this.#description = description;
    this.#parts = parts;
    this.#acknowledgedAt = parts.environment.clock.now();
  }

  /** Address of the node that holds the lease. */
  get node(): string {
    return this.#held.url;
  }

  get region(): string {
    return this.#held.region;
  }

  /** Names this lease within its region. */
  get incarnation(): number {
    return this.#held.incarnation;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /**
   * Registers, and keeps the lease from then on. Called once, by `AtollClient.register`.
   *
   * @throws AtollClientError what a node refused it with, or NO_ANSWER when the time was up
   */
  async open({ timeoutMs = WAIT_MS_DEFAULT, signal }: WaitOptions = {}): Promise<void> {
    await this.#hold(timeoutMs, signal);
    this.#keeping = this.#keep();
    if (!signal?.aborted) return;
    await this.close();
    throw signal.reason;
  }

  /**
   * Replaces what the agent says of itself. Resolves when its region has acknowledged it.
   *
   * @throws AtollClientError what a node refused it with, and what was registered before stays so; NO_ANSWER when the time
   *   was up, and it is tried again with the next renewal
   */
  async update(
    description: Omit<AgentDescription, "id">,
    { timeoutMs = WAIT_MS_DEFAULT, signal }: WaitOptions = {},
  ): Promise<void> {
    if (this.isClosed) throw closed(this.id);
    await this.#oneAtATime(async () => {
      const before = { description: this.#description, mustRegister: this.#mustRegister };
      this.#description = { ...description, id: this.id };
      this.#mustRegister = true;
      const isOver = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])]);
      try {
        await this.#hold(timeoutMs, isOver);
      } catch (error) {
        if (error instanceof AtollClientError && error.kind === "refused") {
          this.#description = before.description;
          this.#mustRegister = before.mustRegister;
        }
        throw error;
      }
    });
  }

  /**
   * Ends the registration: the agent is not found any more once this resolved. Calling it again gives the same promise.
   *
   * @throws AtollClientError NO_ANSWER when no node of its region took it; the lease then ends by itself
   */
  close({ timeoutMs = CLOSE_TIMEOUT_MS, signal }: WaitOptions = {}): Promise<void> {
    this.#closed ??= this.#close(timeoutMs, signal);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Callers get a registration only once it has a place. */
  get #held(): Place {
    return this.#place!;
  }

  get #leaseMs(): number {
    return this.#place?.leaseMs ?? this.#description.leaseMs ?? LEASE_MS_DEFAULT;
  }

  get #sinceAcknowledgedMs(): number {
    return this.#parts.environment.clock.now() - this.#acknowledgedAt;
  }

  /** A third of what is left of the lease; once it has run out, of a whole one. */
  get #shareOfLeaseMs(): number {
    const leftMs = this.#leaseMs - this.#sinceAcknowledgedMs;
    return (leftMs > 0 ? leftMs : this.#leaseMs) / 3;
  }

  async #keep(): Promise<void> {
    const { clock } = this.#parts.environment;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        await this.#lookAround(signal);
        await sleep(clock, this.#renewInMs, signal);
        await this.#oneAtATime(() => this.#hold(Number.POSITIVE_INFINITY, signal));
      } catch (error) {
        if (signal.aborted) return;
        // Every node would say so now, but nobody else keeps this lease: a token that was replaced may be put back.
        if (asClientError(error).kind !== "refused") throw error;
      }
    }
  }

  #oneAtATime<Result>(run: () => Promise<Result>): Promise<Result> {
    const result = this.#holding.then(run, run);
    this.#holding = result.catch(() => {});
    return result;
  }

  /** Has the lease acknowledged, round after round. */
  async #hold(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, random } = this.#parts.environment;
    const deadline = clock.now() + timeoutMs;
    for (let round = 0; ; round++) {
      const failure = await this.#holdSomewhere(signal);
      if (failure === undefined) return;
      if (failure.kind === "refused") throw failure;
      this.#noticeExpiry();
      const pauseMs = waitMs(random, round, failure.retryAfterMs ?? 0, Math.max(WAIT_MS_MIN, this.#shareOfLeaseMs));
      if (clock.now() + pauseMs >= deadline) throw noAnswer(this.id, timeoutMs, failure);
      await sleep(clock, pauseMs, signal);
    }
  }

  /** One round: each node at most once. @returns why none of them did it */
  async #holdSomewhere(signal: AbortSignal | undefined): Promise<AtollClientError | undefined> {
    const tried = new Set<string>();
    const full = new Set<string>();
    let last: AtollClientError | undefined;
    for (;;) {
      signal?.throwIfAborted();
      const node = await this.#next(tried, full, signal);
      if (node === undefined) return last ?? noNode(this.id);
      tried.add(node.url);
      try {
        await this.#holdAt(node, signal);
        return undefined;
      } catch (error) {
        last = asClientError(error);
        this.#tell({ type: "failed", node: node.url, error: last });
        if (last.kind === "refused") return last;
        if (last.kind === "full" && node.region !== undefined) full.add(node.region);
        if (last.kind === "later" && this.#isWorthWaiting()) return last;
      }
    }
  }

  /** The node of the lease, then its neighbours, then those abroad, measured anew. */
  async #next(
    tried: ReadonlySet<string>,
    full: ReadonlySet<string>,
    signal: AbortSignal | undefined,
  ): Promise<KnownNode | undefined> {
    const { pool } = this.#parts;
    const place = this.#place;
    const isOpen = ({ url, region }: KnownNode) => !tried.has(url) && !(region !== undefined && full.has(region));
    if (place === undefined) return pool.ranked().find(isOpen);
    const home = pool.ranked().filter(({ region }) => region === place.region);
    const atHome = [...home.filter(({ url, failures }) => url === place.url && failures === 0), ...home].find(isOpen);
    if (atHome !== undefined) return atHome;
    const isFirstAbroad = [...tried].every((url) => pool.get(url)?.region === place.region);
    if (isFirstAbroad) await pool.measure(signal);
    return pool.ranked().find(isOpen);
  }

  /** A region with a hiccup is waited for while the lease has time; an agent that has none yet goes where it is taken. */
  #isWorthWaiting(): boolean {
    return this.#place !== undefined && this.#sinceAcknowledgedMs < this.#leaseMs / 2;
  }

  async #holdAt(node: KnownNode, signal: AbortSignal | undefined): Promise<void> {
    const place = this.#place;
    if (place !== undefined && place.region === node.region && !this.#mustRegister) {
      try {
        return await this.#renew(node, place.incarnation, signal);
      } catch (error) {
        if (asClientError(error).kind !== "gone") throw error;
        this.#mustRegister = true;
        this.#lose("refused");
      }
    }
    await this.#register(node);
  }

  async #renew(node: KnownNode, incarnation: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#ask({ method: "POST", path: `${pathOf(this.id)}/renew`, body: { incarnation } }, node, signal);
  }

  /** Never cut short: what was sent could be done after the deregistration that follows. */
  async #register(node: KnownNode): Promise<void> {
    const { id, ...description } = this.#description;
    const body = { runtime: "typescript", ...description };
    await this.#ask({ method: "PUT", path: pathOf(id), body }, node, undefined);
    this.#mustRegister = false;
  }

  async #ask(request: Request, node: KnownNode, signal: AbortSignal | undefined): Promise<void> {
    const timeoutMs = Math.max(TRY_TIMEOUT_MS_MIN, Math.min(this.#parts.tryTimeoutMs, this.#shareOfLeaseMs));
    const sentAt = this.#parts.environment.clock.now();
    const { body } = await this.#parts.failover.askNode<LeaseAnswer>(node, request, { timeoutMs, signal });
    this.#acknowledge(node, body, sentAt);
  }

  /** @param sentAt - the lease runs from some time after that */
  #acknowledge(node: KnownNode, { region, incarnation, leaseMs, renewInMs }: LeaseAnswer, sentAt: number): void {
    const { clock, random } = this.#parts.environment;
    const before = this.#place;
    const lostAt = this.#lostAt;
    node.region = region;
    this.#home ??= region;
    this.#place = { url: node.url, region, incarnation, leaseMs };
    this.#renewInMs = Math.max(1, Math.min(renewInMs, leaseMs / 2) * (1 - RENEWAL_JITTER * random.next()));
    this.#acknowledgedAt = sentAt;
    this.#lostAt = undefined;
    this.#left.delete(region);
    const isNewLease = before?.region !== region || before.incarnation !== incarnation;
    if (isNewLease) this.#tell({ type: "registered", node: node.url, region, incarnation });
    else this.#tell({ type: "renewed", node: node.url, region, renewInMs: this.#renewInMs });
    if (before !== undefined && before.url !== node.url) this.#noticeMove(before, node.url, region);
    if (lostAt !== undefined) {
      this.#tell({ type: "recovered", node: node.url, region, lostForMs: clock.now() - lostAt });
    }
  }

  #noticeMove(from: Place, node: string, region: string): void {
    if (from.region !== region) this.#left.add(from.region);
    this.#looksAroundAt = Number.NEGATIVE_INFINITY;
    this.#sightingsOfHome = 0;
    this.#tell({ type: "moved", from: from.url, fromRegion: from.region, node, region });
  }

  #noticeExpiry(): void {
    if (this.#place !== undefined && this.#sinceAcknowledgedMs >= this.#leaseMs) this.#lose("expired");
  }

  #lose(reason: "refused" | "expired"): void {
    if (this.#lostAt !== undefined) return;
    this.#lostAt = this.#parts.environment.clock.now();
    this.#tell({ type: "lost", reason });
  }

  /** Now and then: who else there is, and whether a lost home is back. A failure costs little, and is told. */
  async #lookAround(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts.environment;
    if (clock.now() < this.#looksAroundAt) return;
    try {
      if (this.#parts.pool.isCurious) await this.#learnNodes(signal);
      // A fleet that began together does not ask together.
      this.#looksAroundAt = clock.now() + LOOK_INTERVAL_MS * (1 + random.next());
      if (this.region !== this.#home) await this.#lookForHome(signal);
    } catch (error) {
      this.#tell({ type: "failed", node: this.node, error: asClientError(error) });
    }
  }

  async #learnNodes(signal: AbortSignal): Promise<void> {
    const { pool, failover, tryTimeoutMs } = this.#parts;
    const node = pool.get(this.node);
    if (node === undefined) return;
    const limits = { timeoutMs: Math.min(tryTimeoutMs, this.#renewInMs), signal };
    const { body } = await failover.askNode<{ readonly nodes: readonly NodeView[] }>(node, NODES, limits);
    for (const { http, region } of body.nodes) pool.learn(http, region);
  }

  async #lookForHome(signal: AbortSignal): Promise<void> {
    const { pool } = this.#parts;
    await pool.measure(signal);
    const node = pool.ranked().find(({ region, failures }) => region === this.#home && failures === 0);
    this.#sightingsOfHome = node === undefined ? 0 : this.#sightingsOfHome + 1;
    if (node === undefined || this.#sightingsOfHome < SIGHTINGS_OF_HOME) return;
    const { region } = this;
    await this.#oneAtATime(() => this.#holdAt(node, signal));
    await this.#leave(region, LEAVE_TIMEOUT_MS, signal);
  }

  async #close(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    this.#closing.abort();
    await this.#keeping;
    await this.#holding;
    const leaveTimeoutMs = Math.min(timeoutMs, LEAVE_TIMEOUT_MS);
    await Promise.all([...this.#left].map((region) => this.#leave(region, leaveTimeoutMs, signal)));
    await this.#deregister(this.region, timeoutMs, signal);
    this.#tell({ type: "closed" });
  }

  /** Takes the agent off a region where it is no more. Otherwise its lease ends there by itself. */
  async #leave(region: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#deregister(region, timeoutMs, signal);
      this.#left.delete(region);
    } catch (error) {
      this.#tell({ type: "failed", node: this.node, error: asClientError(error) });
    }
  }

  async #deregister(region: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { failover, tryTimeoutMs } = this.#parts;
    try {
      await failover.ask({ method: "DELETE", path: pathOf(this.id) }, { timeoutMs, tryTimeoutMs, region, signal });
    } catch (error) {
      if (asClientError(error).kind !== "gone") throw error;
    }
  }

  /** What a listener throws is its own affair: it reaches the process, not the lease. */
  #tell(event: RegistrationEvent): void {
    try {
      this.#parts.onEvent(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

function pathOf(id: string): string {
  return `/v1/agents/${encodeURIComponent(id)}`;
}

function closed(id: string): AtollClientError {
  return new AtollClientError({ code: "CLOSED", message: `the registration of ${id} was closed. Register it again` });
}

function noNode(id: string): AtollClientError {
  return new AtollClientError({ code: "UNREACHABLE", message: `no node is left that could take ${id}` });
}

function noAnswer(id: string, timeoutMs: number, cause: AtollClientError): AtollClientError {
  const message = `No node took ${id} within ${timeoutMs} ms; the last try: ${cause.message}`;
  return new AtollClientError({ code: "NO_ANSWER", message }, { cause });
}
