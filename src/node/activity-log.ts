/**
 * What happened to the cluster as this node saw it, lately: a bounded list that readers follow at their own pace.
 *
 * It is a node's own observation, kept in memory: it begins anew with the process, which `run` tells apart.
 */

import type { Activity, ActivityEntry, ActivityEvent } from "../api/ports.ts";
import type { Clock } from "../util/clock.ts";

export const ACTIVITY_ENTRIES_MAX = 512;

export class ActivityLog implements Activity {
  readonly run: string;
  readonly #clock: Clock;
  readonly #entriesMax: number;
  readonly #entries: ActivityEntry[] = [];
  readonly #listeners = new Set<() => void>();
  #last = 0;

  constructor(clock: Clock, entriesMax = ACTIVITY_ENTRIES_MAX) {
    this.#clock = clock;
    this.#entriesMax = entriesMax;
    this.run = Math.floor(clock.wallTime()).toString(36);
  }

  get first(): number {
    return this.#entries[0]?.sequence ?? this.#last + 1;
  }

  get last(): number {
    return this.#last;
  }

  at(sequence: number): ActivityEntry | undefined {
    return this.#entries[sequence - this.first];
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(events: readonly ActivityEvent[]): void {
    if (events.length === 0) return;
    const atMs = Math.round(this.#clock.wallTime());
    for (const event of events) {
      this.#last++;
      this.#entries.push({ sequence: this.#last, atMs, event });
      if (this.#entries.length > this.#entriesMax) this.#entries.shift();
    }
    for (const listener of this.#listeners) listener();
  }
}
