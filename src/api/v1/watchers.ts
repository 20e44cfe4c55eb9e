/**
 * Everybody who watches a node, and the order in which they are served.
 *
 * A watcher has no queue of its own. It has a place in the feed that all share, and a stream that takes so many bytes: who
 * reads slowly falls behind in the feed, and is told `resync` once the feed has gone on without it. So memory does not
 * grow with what watchers leave unread, and none of them can hold up another (F24).
 *
 * Watches come after everything else a node does (P12). They are served between turns of the event loop, a few at a time;
 * the more there is to tell, the more of it goes into one write.
 *
 * Elsewhere: the feed (`registry/change-feed.ts`), the text (`watch-frames.ts`), the request (`watch.ts`).
 */

import { Readable } from "node:stream";
import type { WatchMetrics } from "../../metrics/watch-metrics.ts";
import {
  type AgentChangeKind,
  type ChangeFeed,
  type FeedEntry,
  type FeedListener,
  type FeedPosition,
  isAfter,
  WHOLE_REVISION,
} from "../../registry/change-feed.ts";
import { RegistryError } from "../../registry/errors.ts";
import type { ListedAgent, Registry } from "../../registry/interface.ts";
import type { AgentType } from "../../types/agent.ts";
import type { AgentId } from "../../types/ids.ts";
import { type CancelTimer, type Clock, repeat } from "../../util/clock.ts";
import { compareText } from "../../util/compare.ts";
import { jitter, type Random } from "../../util/random.ts";
import { ApiError } from "../api-error.ts";
import { sayGoodbye } from "./event-stream.ts";
import {
  capabilityEvent,
  formatEventId,
  heartbeat,
  listedAgentEvent,
  listedKind,
  parseEventId,
  type ResyncReason,
  readyEvent,
  resyncEvent,
  retryAdvice,
} from "./watch-frames.ts";

export type WatchedKind = AgentChangeKind | "capability";

/** What one watcher wants to hear of; an absent field means anything. */
export interface WatchFilter {
  /** Any of these. */
  readonly capabilities?: readonly string[];
  readonly namespace?: string;
  readonly agent?: AgentId;
  readonly type?: AgentType;
  readonly kinds?: ReadonlySet<WatchedKind>;
  /** Also what changes in other regions, as their summaries tell it. Only `capabilities` and `kinds` bear upon that. */
  readonly isFederated: boolean;
}

export interface WatchRequest {
  readonly filter: WatchFilter;
  /** Begin with what there is, unless the reader can go on from `lastEventId`. */
  readonly isInitial: boolean;
  /** The last thing the reader has seen, as an event id. */
  readonly lastEventId?: string;
}

export interface WatchLimits {
  readonly watchersMax: number;
  /** Written and not yet taken by the connection, for each watcher; one event more may be on top. */
  readonly bufferBytesMax: number;
  readonly heartbeatMs: number;
  /** A watcher whose connection takes nothing for so long is closed. */
  readonly stallMs: number;
  /** When clients whose connection broke should come again, on average. */
  readonly retryMs: number;
}

export const WATCH_LIMITS: WatchLimits = {
  watchersMax: 4_096,
  bufferBytesMax: 64 * 1024,
  heartbeatMs: 15_000,
  stallMs: 60_000,
  retryMs: 2_000,
};

/** Watchers, and bytes, served in one turn of the event loop; then the others have it for a while. */
const SERVED_PER_TURN = 32;
const BYTES_PER_TURN = 256 * 1024;
const PAUSE_MS = 2;
const LISTED_PER_PAGE = 100;

export interface WatchersOptions {
  readonly registry: Registry;
  readonly feed: ChangeFeed;
  readonly cluster: () => string;
  readonly metrics: WatchMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<WatchLimits>;
}

export class Watchers implements FeedListener {
  readonly #options: WatchersOptions;
  readonly #limits: WatchLimits;
  readonly #all = new Set<Watcher>();
  readonly #byAgent = new WatcherIndex();
  readonly #byCapability = new WatcherIndex();
  /** Those whom no name rules out. */
  readonly #others = new Set<Watcher>();
  /** Who has seen more than the feed tells yet. */
  readonly #ahead = new Set<Watcher>();
  /** Who may have something to be told, in the order in which they are served. */
  readonly #due = new Set<Watcher>();
  readonly #stops: CancelTimer[] = [];
  #isArmed = false;
  #isClosed = false;

  constructor(options: WatchersOptions) {
    this.#options = options;
    this.#limits = { ...WATCH_LIMITS, ...options.limits };
    const { clock, feed } = options;
    this.#stops.push(
      feed.listen(this),
      repeat(clock, this.#limits.heartbeatMs, () => this.#beat()),
    );
  }

  /**
   * Begins a watch. It ends when the stream is destroyed, which the server does when its connection closes.
   *
   * @throws ApiError OVERLOADED: as many watch as may
   * @throws RegistryError STOPPING; NO_LEADER when this node lags behind the id and nobody can say by how much
   */
  async open(request: WatchRequest): Promise<Readable> {
    this.#admit();
    const start = await this.#startOf(request.lastEventId);
    // Others may have come while this one waited.
    this.#admit();
    const watcher = new Watcher(request, this.#limits.bufferBytesMax, (hungry) => this.#makeDue(hungry));
    watcher.stream.once("close", () => this.#remove(watcher));
    this.#add(watcher);
    this.#begin(watcher, start, retryAdvice(jitter(this.#options.random, this.#limits.retryMs, 0.5)));
    return watcher.stream;
  }

  /** Says goodbye to all, so that they go elsewhere at once, and takes nobody in any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    sayGoodbye(this.#all, this.#options);
  }

  appended(first: number, last: number): void {
    const { feed } = this.#options;
    for (const watcher of this.#ahead) this.#makeDue(watcher);
    for (let sequence = Math.max(first, feed.first); sequence <= last; sequence++) {
      const entry = feed.at(sequence);
      for (const watchers of this.#candidates(entry)) {
        for (const watcher of watchers) this.#offer(watcher, entry, sequence);
      }
    }
  }

  reset(): void {
    for (const watcher of this.#all) this.#restart(watcher, "replaced");
  }

  // ------------------------------------------------------------------ who watches

  #admit(): void {
    const { region } = this.#options.registry;
    if (this.#isClosed) throw new RegistryError("this node is shutting down", { code: "STOPPING", region });
    const { watchersMax } = this.#limits;
    if (this.#all.size >= watchersMax) throw new ApiError({ code: "OVERLOADED", watchersMax });
  }

  #add(watcher: Watcher): void {
    this.#all.add(watcher);
    const { agent, capabilities, isFederated } = watcher.filter;
    if (capabilities !== undefined) this.#byCapability.add(capabilities, watcher);
    else if (agent !== undefined && !isFederated) this.#byAgent.add([agent], watcher);
    else this.#others.add(watcher);
    if (isFederated) watcher.letGo = this.#options.feed.followAbroad();
    this.#options.metrics.watchers(this.#all.size);
  }

  #remove(watcher: Watcher): void {
    if (!this.#all.delete(watcher)) return;
    const { agent, capabilities = [] } = watcher.filter;
    this.#byCapability.remove(capabilities, watcher);
    if (agent !== undefined) this.#byAgent.remove([agent], watcher);
    for (const watchers of [this.#others, this.#ahead, this.#due]) watchers.delete(watcher);
    watcher.letGo();
    this.#options.metrics.watchers(this.#all.size);
  }

  /** Nobody else can want to hear of the entry. */
  *#candidates({ agentId, capabilities }: FeedEntry): Iterable<Iterable<Watcher>> {
    yield this.#others;
    if (agentId !== null) yield this.#byAgent.of(agentId);
    for (const name of capabilities) yield this.#byCapability.of(name);
  }

  #offer(watcher: Watcher, entry: FeedEntry, sequence: number): void {
    // Who has something to be told already comes to this entry by itself.
    if (watcher.next !== null || !watcher.wants(entry, sequence)) return;
    watcher.next = sequence;
    this.#makeDue(watcher);
  }

  // ------------------------------------------------------------------ where a watch begins

  /** @returns the place after which to go on, null for now, or why there is no such place */
  async #startOf(lastEventId: string | undefined): Promise<FeedPosition | ResyncReason | null> {
    const { registry, feed, cluster } = this.#options;
    // Before the region is founded there is nothing to watch, and this says so.
    await registry.read("stale");
    if (lastEventId === undefined) return null;
    const parsed = parseEventId(lastEventId);
    if (parsed === null || parsed.cluster !== cluster()) return "foreign";
    const { place } = parsed;
    const isAhead = () => place.revision > (feed.revision() ?? 0);
    // Another node told what this one has not applied yet. It was committed, so that a barrier reaches it.
    if (isAhead()) await registry.read("linearizable");
    return isAhead() ? "unknown" : place;
  }

  #begin(watcher: Watcher, start: FeedPosition | ResyncReason | null, retry: string): void {
    if (typeof start === "string") return this.#restart(watcher, start, retry);
    const { feed } = this.#options;
    const next = start === null ? feed.end : feed.sequenceAfter(start);
    if (next === null) return this.#restart(watcher, "expired", retry);
    const isListing = start === null && watcher.request.isInitial;
    watcher.after = start ?? this.#now();
    watcher.next = next;
    watcher.hasIds = !isListing;
    watcher.opening = this.#opening(watcher, { prelude: retry, isListing });
    this.#makeDue(watcher);
  }

  /** Begins anew with a word that something was lost. */
  #restart(watcher: Watcher, reason: ResyncReason, retry = ""): void {
    const { feed, metrics } = this.#options;
    const { isInitial } = watcher.request;
    const now = this.#now();
    // Should the connection break while what there is is being listed, only a new list is of use.
    const id = isInitial ? "" : this.#idOf(now);
    watcher.after = now;
    watcher.next = feed.end;
    watcher.listing = null;
    watcher.isReady = false;
    watcher.hasIds = !isInitial;
    const prelude = `${retry}${resyncEvent(id, now.revision, reason)}`;
    watcher.opening = this.#opening(watcher, { prelude, isListing: isInitial });
    metrics.resync(reason);
    this.#makeDue(watcher);
  }

  /** What a watcher is told before the feed; made as it is read, so that a long list waits for a slow reader. */
  *#opening(watcher: Watcher, { prelude, isListing }: { prelude: string; isListing: boolean }): Iterator<Uint8Array> {
    yield Buffer.from(prelude);
    if (isListing) yield* this.#list(watcher);
    if (watcher.filter.isFederated) yield* this.#listAbroad(watcher);
  }

  *#list(watcher: Watcher): Iterable<Uint8Array> {
    const { registry, feed, metrics } = this.#options;
    const { kinds } = watcher.filter;
    const listing = new Listing();
    watcher.listing = listing;
    for (let after: string | undefined; ; ) {
      const page = this.#page(watcher.filter, after);
      listing.add(page.last, feed.revision() ?? 0);
      for (const agent of page.agents) {
        const kind = listedKind(agent);
        if (kinds !== undefined && !kinds.has(kind)) continue;
        metrics.event(kind);
        yield Buffer.from(listedAgentEvent(registry.region, agent));
      }
      if (page.last === null) return;
      after = page.last;
    }
  }

  /** `last`: the id up to which the page says everything; null when there are no more. */
  #page(filter: WatchFilter, after: string | undefined): { agents: readonly ListedAgent[]; last: string | null } {
    const { registry } = this.#options;
    const { agent, capabilities, namespace, type } = filter;
    const exact = {
      ...(capabilities !== undefined && { capabilities }),
      ...(namespace !== undefined && { namespace }),
      ...(type !== undefined && { type }),
    };
    if (agent !== undefined) {
      const held = registry.get(agent);
      return { agents: held !== undefined && isOf(held, filter) ? [held] : [], last: null };
    }
    const page = { limit: LISTED_PER_PAGE, ...(after !== undefined && { after }) };
    const { agents, hasMore } = registry.list(exact, page);
    return { agents, last: hasMore ? (agents.at(-1)?.id ?? null) : null };
  }

  *#listAbroad(watcher: Watcher): Iterable<Uint8Array> {
    const { feed, metrics } = this.#options;
    const { capabilities = null, kinds } = watcher.filter;
    watcher.abroadFrom = feed.end;
    if (kinds !== undefined && !kinds.has("capability")) return;
    for (const capability of feed.capabilitiesAbroad(capabilities)) {
      metrics.event("capability");
      yield Buffer.from(capabilityEvent(capability));
    }
  }

  // ------------------------------------------------------------------ serving them

  #makeDue(watcher: Watcher): void {
    this.#due.add(watcher);
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#options.clock.afterIo(() => this.#serveSome());
  }

  #serveSome(): void {
    let bytes = 0;
    let served = 0;
    for (const watcher of this.#due) {
      if (served === SERVED_PER_TURN || bytes >= BYTES_PER_TURN) break;
      this.#due.delete(watcher);
      const written = this.#serve(watcher);
      bytes += written;
      if (written > 0) served++;
    }
    // No sooner than after a pause, also for what becomes due meanwhile: it then goes into one write.
    this.#options.clock.schedule(PAUSE_MS, () => {
      this.#isArmed = false;
      const [due] = this.#due;
      if (due !== undefined) this.#makeDue(due);
    });
  }

  /** Writes what a watcher has to be told, as much as its connection takes. @returns bytes written */
  #serve(watcher: Watcher): number {
    if (this.#isClosed || watcher.isBlocked || watcher.stream.destroyed) return 0;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    while (bytes < this.#limits.bufferBytesMax) {
      const chunk = this.#next(watcher);
      if (chunk === null) break;
      chunks.push(chunk);
      bytes += chunk.length;
    }
    if (bytes === 0) return 0;
    const [only] = chunks;
    watcher.push(
      chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, bytes),
      this.#options.clock.now(),
    );
    if (!watcher.isBlocked && bytes >= this.#limits.bufferBytesMax) this.#due.add(watcher);
    return bytes;
  }

  /** The next piece for a watcher; null when there is none now. */
  #next(watcher: Watcher): Uint8Array | null {
    const { feed } = this.#options;
    // A loss is about to be told; until then there is no place to speak of.
    if (feed.told() === null) return null;
    const opened = watcher.opening?.next();
    if (opened !== undefined && !opened.done) return opened.value;
    watcher.opening = null;
    if (watcher.next !== null && watcher.next < feed.first) {
      this.#restart(watcher, "slow");
      return this.#next(watcher);
    }
    while (watcher.next !== null && watcher.next < feed.end) {
      const sequence = watcher.next++;
      const entry = feed.at(sequence);
      if (watcher.wants(entry, sequence)) return this.#textOf(watcher, entry);
    }
    return this.#atEnd(watcher);
  }

  #textOf(watcher: Watcher, { kind, frame }: FeedEntry): Uint8Array {
    this.#options.metrics.event(kind);
    return watcher.hasIds ? frame.bytes : frame.bytes.subarray(frame.idBytes);
  }

  /** The watcher has been told everything that the feed holds. */
  #atEnd(watcher: Watcher): Uint8Array | null {
    const told = this.#options.feed.told();
    if (told === null) return null;
    // It has seen more than the feed tells yet: an id given now would have what follows told twice.
    if (isAfter(watcher.after, told) || watcher.listing?.isPast(told) === false) {
      this.#ahead.add(watcher);
      return null;
    }
    this.#ahead.delete(watcher);
    watcher.next = null;
    watcher.listing = null;
    watcher.hasIds = true;
    if (!watcher.isReady) {
      watcher.isReady = true;
      return Buffer.from(readyEvent(this.#idOf(told), this.#options.registry.region, told.revision));
    }
    if (!watcher.isHeartbeatDue) return null;
    watcher.isHeartbeatDue = false;
    return Buffer.from(heartbeat(this.#idOf(told)));
  }

  #beat(): void {
    const stalledSince = this.#options.clock.now() - this.#limits.stallMs;
    for (const watcher of this.#all) {
      if (watcher.isBlocked && watcher.blockedAtMs <= stalledSince) {
        watcher.stream.destroy();
        continue;
      }
      watcher.isHeartbeatDue = true;
      this.#makeDue(watcher);
    }
  }

  #idOf(place: FeedPosition): string {
    return formatEventId(this.#options.cluster(), place);
  }

  /** Where the region's state stands: whoever begins here is told nothing of what was before. */
  #now(): FeedPosition {
    return { revision: this.#options.feed.revision() ?? 0, position: WHOLE_REVISION };
  }
}

/** One who watches. */
class Watcher {
  readonly request: WatchRequest;
  readonly filter: WatchFilter;
  readonly stream: Readable;
  /** Gives back what it keeps others doing. */
  letGo: () => void = () => {};
  /** What it is told first; null once it has been. */
  opening: Iterator<Uint8Array> | null = null;
  /** Sequence number of the next entry to look at; null while nothing in the feed is for it. */
  next: number | null = null;
  /** It has seen everything up to here, or does not ask for it. */
  after: FeedPosition = { revision: 0, position: WHOLE_REVISION };
  /** Entries of other regions before this one are older than what it was listed. */
  abroadFrom = 0;
  listing: Listing | null = null;
  /** It was told that it is up to date. */
  isReady = false;
  /** Whether to say where it is, so that it can go on from there: not while half a list was told. */
  hasIds = true;
  isHeartbeatDue = false;
  /** Its stream holds as much as it may. */
  isBlocked = false;
  blockedAtMs = 0;

  /** @param onHungry - called when it takes more again */
  constructor(request: WatchRequest, bufferBytesMax: number, onHungry: (watcher: Watcher) => void) {
    this.request = request;
    this.filter = request.filter;
    this.stream = new Readable({
      highWaterMark: bufferBytesMax,
      read: () => {
        if (!this.isBlocked) return;
        this.isBlocked = false;
        onHungry(this);
      },
    });
  }

  push(bytes: Uint8Array, nowMs: number): void {
    this.isBlocked = !this.stream.push(bytes);
    this.blockedAtMs = nowMs;
  }

  wants(entry: FeedEntry, sequence: number): boolean {
    const { kinds, capabilities, agent, namespace, type, isFederated } = this.filter;
    if (kinds !== undefined && !kinds.has(entry.kind)) return false;
    if (capabilities !== undefined && !capabilities.some((name) => entry.capabilities.includes(name))) return false;
    if (entry.agentId === null) return isFederated && sequence >= this.abroadFrom;
    if (agent !== undefined && agent !== entry.agentId) return false;
    if (namespace !== undefined && !entry.namespaces.includes(namespace)) return false;
    if (type !== undefined && !entry.types.includes(type)) return false;
    if (!isAfter(entry, this.after)) return false;
    return this.listing === null || !this.listing.shows(entry.agentId, entry.revision);
  }
}

/** What a list in pages has shown: each page is of a revision of its own. */
class Listing {
  readonly #pages: { readonly last: string | null; readonly revision: number }[] = [];

  /** @param last - the id up to which the page says everything; null for the last page */
  add(last: string | null, revision: number): void {
    this.#pages.push({ last, revision });
  }

  /** Whether the list was of this change, or of a later one of the same agent. */
  shows(id: AgentId, revision: number): boolean {
    const page = this.#pages.find(({ last }) => last === null || compareText(id, last) <= 0);
    return page !== undefined && revision <= page.revision;
  }

  /** Whether nothing that follows `place` can be in it. */
  isPast(place: FeedPosition): boolean {
    const newest = this.#pages.at(-1)?.revision ?? 0;
    return place.revision > newest || (place.revision === newest && place.position === WHOLE_REVISION);
  }
}

class WatcherIndex {
  readonly #watchers = new Map<string, Set<Watcher>>();

  add(keys: readonly string[], watcher: Watcher): void {
    for (const key of keys) {
      const watchers = this.#watchers.get(key) ?? new Set();
      this.#watchers.set(key, watchers.add(watcher));
    }
  }

  remove(keys: readonly string[], watcher: Watcher): void {
    for (const key of keys) {
      const watchers = this.#watchers.get(key);
      watchers?.delete(watcher);
      if (watchers?.size === 0) this.#watchers.delete(key);
    }
  }

  of(key: string): Iterable<Watcher> {
    return this.#watchers.get(key) ?? [];
  }
}

function isOf(agent: ListedAgent, { capabilities, namespace, type }: WatchFilter): boolean {
  const { record } = agent;
  if (namespace !== undefined && namespace !== record.namespace) return false;
  if (type !== undefined && type !== record.type) return false;
  return capabilities === undefined || record.capabilities.some(({ name }) => capabilities.includes(name));
}
