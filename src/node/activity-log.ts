/**
 * What happened to the cluster as this node saw it, lately: a bounded list that readers follow at their own pace.
 *
 * Agents come and go all the time, leaders seldom: each kind gives up its own oldest entries only, so that the many do not
 * push out the few. It is a node's own observation, kept in memory: it begins anew with the process, which `run` tells apart.
 */

import type { Activity, ActivityEntry, ActivityEvent } from "../api/ports.ts";
import type { Clock } from "../util/clock.ts";

export interface ActivityBounds {
  readonly agentEntriesMax: number;
  readonly otherEntriesMax: number;
}

export const ACTIVITY_BOUNDS: ActivityBounds = { agentEntriesMax: 256, otherEntriesMax: 256 };

export class ActivityLog implements Activity {
  readonly run: string;
  readonly #clock: Clock;
  /** By sequence number, in the order of it. */
  readonly #entries = new Map<number, ActivityEntry>();
  readonly #agents: Kept;
  readonly #others: Kept;
  readonly #listeners = new Set<() => void>();
  #last = 0;
  #lostUpTo = 0;

  constructor(clock: Clock, { agentEntriesMax, otherEntriesMax } = ACTIVITY_BOUNDS) {
    this.#clock = clock;
    this.#agents = { sequences: [], max: agentEntriesMax };
    this.#others = { sequences: [], max: otherEntriesMax };
    this.run = Math.floor(clock.wallTime()).toString(36);
  }

  get last(): number {
    return this.#last;
  }

  get lostUpTo(): number {
    return this.#lostUpTo;
  }

  after(sequence: number): ActivityEntry | undefined {
    const [oldest = this.#last] = this.#entries.keys();
    for (let next = Math.max(sequence + 1, oldest); next <= this.#last; next++) {
      const entry = this.#entries.get(next);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(events: readonly ActivityEvent[]): void {
    if (events.length === 0) return;
    const atMs = Math.round(this.#clock.wallTime());
    for (const event of events) this.#keep({ sequence: ++this.#last, atMs, event });
    for (const listener of this.#listeners) listener();
  }

  #keep(entry: ActivityEntry): void {
    this.#entries.set(entry.sequence, entry);
    const { sequences, max } = entry.event.kind === "agents" ? this.#agents : this.#others;
    sequences.push(entry.sequence);
    if (sequences.length <= max) return;
    const oldest = sequences.shift()!;
    this.#entries.delete(oldest);
    this.#lostUpTo = Math.max(this.#lostUpTo, oldest);
  }
}

interface Kept {
  readonly sequences: number[];
  readonly max: number;
}
