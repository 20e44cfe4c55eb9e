/**
 * What happened to a region's agents, lately: for those who watch, and for those who come back and ask what they missed.
 *
 * Every node keeps the same feed, since it follows the log: a change is named by the revision that made it and its place
 * among the changes of that revision. So whoever saw everything up to some point can go on from there on any node. The
 * feed is bounded by number and bytes; what it no longer holds it says, and never passes over (F24).
 *
 * The command that changes an agent pays for one append and nothing else: text is made later, between turns of the event
 * loop, and once for all who watch.
 *
 * Elsewhere: who watches and how fast they read (`api/v1/watchers.ts`), what the text looks like (`api/v1/watch-frames.ts`).
 */

import type { AgentId } from "../types/ids.ts";
import type { Clock } from "../util/clock.ts";
import { invariant } from "../util/errors.ts";
import type { KeptAgent } from "./agent-index.ts";
import type { StateObserver } from "./registry-state-machine.ts";

export type AgentChangeKind = "registered" | "updated" | "unhealthy" | "recovered" | "removed";

/** A place in the region's history: after the change at `position` of `revision`. */
export interface FeedPosition {
  readonly revision: number;
  /** Counts the changes of one revision from 0; `WHOLE_REVISION` stands after the last. */
  readonly position: number;
}

export const WHOLE_REVISION = Number.POSITIVE_INFINITY;

export interface AgentChange extends FeedPosition {
  readonly kind: AgentChangeKind;
  /** As it is after the change; as it last was, when it was removed. */
  readonly agent: KeptAgent;
}

/** What another region offers under one name, as its summary says; `total` 0 when nobody does any more. */
export interface CapabilityAbroad {
  readonly region: string;
  readonly name: string;
  readonly healthy: number;
  readonly total: number;
  /** Of that region. */
  readonly revision: number;
}

/** What the feed shows of other regions; the node asks the federation. */
export interface CapabilitiesAbroad {
  /** All that is known, or what is known under these names. */
  list(names: readonly string[] | null): Iterable<CapabilityAbroad>;
}

/** The text of a change: a part that names its place, then the rest. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly idBytes: number;
}

/** What makes text of changes, for all readers at once. */
export interface FrameRenderer {
  change(change: AgentChange): Frame;
  capability(capability: CapabilityAbroad): Frame;
}

/** One change as the feed keeps it: what filters ask for, and its text. */
export interface FeedEntry extends FeedPosition {
  readonly kind: AgentChangeKind | "capability";
  /** Null for what happened in another region. */
  readonly agentId: AgentId | null;
  /** Of before and after the change, so that who watches one hears that it went. */
  readonly capabilities: readonly string[];
  readonly namespaces: readonly string[];
  readonly types: readonly string[];
  readonly frame: Frame;
}

export interface FeedBounds {
  readonly eventsMax: number;
  readonly bytesMax: number;
}

export const FEED_BOUNDS: FeedBounds = { eventsMax: 8_192, bytesMax: 16 * 1024 * 1024 };

/** Text made in one turn of the event loop: a few milliseconds of it. */
const CHANGES_PER_TURN = 256;
const BYTES_PER_TURN = 256 * 1024;

export interface ChangeFeedOptions {
  /** Log index applied to the state; null while the node has no place in a region. */
  readonly revision: () => number | null;
  readonly renderer: FrameRenderer;
  readonly abroad: CapabilitiesAbroad;
  readonly clock: Clock;
  readonly bounds?: Partial<FeedBounds>;
}

/** Who is told, after their text was made, of the changes with these sequence numbers. */
export interface FeedListener {
  /** `last` is included. */
  appended(first: number, last: number): void;
  /** Changes were lost to all: the state was replaced, or they came faster than text can be made. */
  reset(): void;
}

interface Change {
  readonly before: KeptAgent | undefined;
  readonly after: KeptAgent | undefined;
}

interface PendingChange extends Change, FeedPosition {}

export class ChangeFeed implements StateObserver {
  readonly #options: ChangeFeedOptions;
  readonly #bounds: FeedBounds;
  readonly #listeners = new Set<FeedListener>();
  /** A ring: an entry lies at its sequence number modulo the length. */
  readonly #entries: (FeedEntry | undefined)[];
  #first = 0;
  #end = 0;
  #bytes = 0;
  /** Everything after this place is in the feed, or pending; null until the group has said where the state stands. */
  #floor: FeedPosition | null = null;
  /** Of the newest entry. */
  #newest: FeedPosition | null = null;
  /** Of the command that is being applied. */
  #unstamped: Change[] = [];
  #pending: PendingChange[] = [];
  readonly #pendingAbroad = new Map<string, CapabilityAbroad>();
  #followersAbroad = 0;
  #isRestoring = false;
  /** Listeners were not told of a loss yet. */
  #isLost = false;
  #isAwake = false;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#bounds = { ...FEED_BOUNDS, ...options.bounds };
    this.#entries = new Array(this.#bounds.eventsMax);
  }

  // ------------------------------------------------------------------ what happens

  agentChanged(before: KeptAgent | undefined, after: KeptAgent | undefined): void {
    this.#unstamped.push({ before, after });
  }

  applied(_capabilities: ReadonlySet<string>, revision: number): void {
    if (this.#unstamped.length === 0) return;
    this.#floor ??= { revision: revision - 1, position: WHOLE_REVISION };
    this.#unstamped.forEach((change, position) => {
      this.#pending.push({ ...change, revision, position });
    });
    this.#unstamped = [];
    if (this.#pending.length > this.#bounds.eventsMax) this.#forgetAll();
    this.#wake();
  }

  restored(): void {
    // The group says which index this state is of only when it is done; until then there is no place to begin at.
    this.#isRestoring = true;
    this.#forgetAll();
    this.#floor = null;
    this.#options.clock.afterIo(() => {
      this.#isRestoring = false;
      this.#wake();
    });
  }

  /** Tells what another region's summary has come to show; only the newest of each capability is kept for the next turn. */
  capabilityChanged(capability: CapabilityAbroad): void {
    if (this.#followersAbroad === 0) return;
    const key = JSON.stringify([capability.region, capability.name]);
    this.#pendingAbroad.set(key, capability);
    if (this.#pendingAbroad.size > this.#bounds.eventsMax) this.#forgetAll();
    this.#wake();
  }

  /** Fixes where the feed begins, if it is known by now. The node calls it as soon as it has its place in the region. */
  settle(): void {
    if (this.#floor !== null || this.#isRestoring) return;
    const revision = this.#options.revision();
    if (revision !== null) this.#floor = { revision, position: WHOLE_REVISION };
  }

  // ------------------------------------------------------------------ what is read

  /** Changes of other regions are kept only while somebody asks for them. Call what is returned to let go. */
  followAbroad(): () => void {
    this.#followersAbroad++;
    return () => {
      this.#followersAbroad--;
    };
  }

  listen(listener: FeedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Log index that the region's state shows here; null while that is not known. */
  revision(): number | null {
    this.settle();
    return this.#floor === null ? null : this.#options.revision();
  }

  /** Every change up to here has its entry, or had one; null while `revision` is, or while a loss is yet to be told. */
  told(): FeedPosition | null {
    const revision = this.revision();
    if (revision === null || this.#isLost) return null;
    if (this.#pending.length === 0) return { revision, position: WHOLE_REVISION };
    return this.#newest ?? this.#floor;
  }

  /** Sequence number of the oldest entry. */
  get first(): number {
    return this.#first;
  }

  /** Sequence number of the next entry to come. */
  get end(): number {
    return this.#end;
  }

  /** @param sequence - at least `first`, less than `end` */
  at(sequence: number): FeedEntry {
    const entry = this.#entries[sequence % this.#entries.length];
    invariant(entry !== undefined && sequence >= this.#first && sequence < this.#end, "the feed holds what it says");
    return entry;
  }

  /** Sequence number of the first entry after `place`; null when changes between the two are no longer held. */
  sequenceAfter(place: FeedPosition): number | null {
    if (this.#floor === null || isAfter(this.#floor, place)) return null;
    let low = this.#first;
    let high = this.#end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAfter(this.at(middle), place)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  capabilitiesAbroad(names: readonly string[] | null): Iterable<CapabilityAbroad> {
    return this.#options.abroad.list(names);
  }

  // ------------------------------------------------------------------ from changes to entries

  #wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.#options.clock.afterIo(() => this.#run());
  }

  #run(): void {
    this.#isAwake = false;
    this.settle();
    if (this.#isLost && this.#floor !== null) {
      this.#isLost = false;
      for (const listener of this.#listeners) listener.reset();
    }
    const first = this.#end;
    this.#takePending();
    if (this.#pending.length === 0) this.#takeAbroad();
    if (this.#end > first) {
      for (const listener of this.#listeners) listener.appended(first, this.#end - 1);
    }
    if (this.#pending.length > 0) this.#wake();
  }

  #takePending(): void {
    let taken = 0;
    for (let bytes = 0; taken < CHANGES_PER_TURN && bytes < BYTES_PER_TURN; taken++) {
      const change = this.#pending[taken];
      if (change === undefined) break;
      bytes += this.#append(this.#entryOf(change));
    }
    this.#pending = this.#pending.slice(taken);
  }

  #takeAbroad(): void {
    const place = this.told();
    if (place === null) return;
    for (const capability of this.#pendingAbroad.values()) {
      const frame = this.#options.renderer.capability(capability);
      const { revision, position } = place;
      const none = { agentId: null, namespaces: [], types: [] };
      this.#append({ ...none, kind: "capability", capabilities: [capability.name], revision, position, frame });
    }
    this.#pendingAbroad.clear();
  }

  #entryOf({ before, after, revision, position }: PendingChange): FeedEntry {
    const agent = after ?? before;
    invariant(agent !== undefined, "a change is one of an agent");
    const kind = kindOf(before, after);
    const records = [before?.record, after?.record].filter((record) => record !== undefined);
    return {
      kind,
      revision,
      position,
      agentId: agent.id,
      capabilities: distinct(records.flatMap(({ capabilities }) => capabilities.map(({ name }) => name))),
      namespaces: distinct(records.map(({ namespace }) => namespace)),
      types: distinct(records.map(({ type }) => type)),
      frame: this.#options.renderer.change({ kind, agent, revision, position }),
    };
  }

  /** @returns its bytes */
  #append(entry: FeedEntry): number {
    const bytes = entry.frame.bytes.length;
    const { eventsMax, bytesMax } = this.#bounds;
    while (this.#first < this.#end && (this.#end - this.#first >= eventsMax || this.#bytes + bytes > bytesMax)) {
      this.#evict();
    }
    this.#entries[this.#end % this.#entries.length] = entry;
    this.#end++;
    this.#bytes += bytes;
    this.#newest = { revision: entry.revision, position: entry.position };
    return bytes;
  }

  #evict(): void {
    const { revision, position, frame } = this.at(this.#first);
    this.#entries[this.#first % this.#entries.length] = undefined;
    this.#first++;
    this.#bytes -= frame.bytes.length;
    this.#floor = { revision, position };
  }

  /** All there was is lost to all readers. Sequence numbers go on, so that nobody takes new entries for old. */
  #forgetAll(): void {
    const revision = this.#floor === null ? null : this.#options.revision();
    this.#entries.fill(undefined);
    this.#first = this.#end;
    this.#bytes = 0;
    this.#pending = [];
    this.#unstamped = [];
    this.#pendingAbroad.clear();
    this.#newest = null;
    this.#floor = revision === null ? null : { revision, position: WHOLE_REVISION };
    this.#isLost = true;
  }
}

export function isAfter(a: FeedPosition, b: FeedPosition): boolean {
  return a.revision > b.revision || (a.revision === b.revision && a.position > b.position);
}

function kindOf(before: KeptAgent | undefined, after: KeptAgent | undefined): AgentChangeKind {
  if (before === undefined) return "registered";
  if (after === undefined) return "removed";
  if (before.health === after.health) return "updated";
  return after.health === "healthy" ? "recovered" : "unhealthy";
}

function distinct(values: readonly string[]): readonly string[] {
  return values.length < 2 ? values : [...new Set(values)];
}
