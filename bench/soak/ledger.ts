/**
 * What clients of one region know of their agents: which writes were acknowledged, when, and what else may be true.
 *
 * One operation at a time changes an agent, and each change is a higher version, so that any answer can be held against what
 * was acknowledged before it was asked for. An attempt that nobody answered may be done later, by a node that was paused. So
 * an agent of which one is out is left alone until none can be (`QUIET_MS`), and until then either outcome is possible.
 */

import { type Random, randomInteger } from "../../src/util/random.ts";

/** One agent. Versions are 1, 2, 3, ...; `null` means that it is not there. */
export interface Entry {
  readonly id: string;
  readonly capability: string;
  /** Acknowledged changes, oldest first, with the moment of the acknowledgement. */
  readonly acknowledged: { readonly version: number | null; readonly atMs: number }[];
  /** The highest version that anybody was asked for. */
  attempted: number;
  /** Somebody was asked to take it away. */
  isRemovalAttempted: boolean;
  isBusy: boolean;
  /** Nothing is to be changed before. */
  quietUntilMs: number;
}

export type Change = "new" | "changed" | "unregistered";

/** What became of a change. */
export interface Outcome {
  readonly isAcknowledged: boolean;
  /** More than one node was asked, or nobody answered: something may be out. */
  readonly isAmbiguous: boolean;
  readonly doneMs: number;
}

/** Longer than a node is paused, with all that it has to catch up on. */
const QUIET_MS = 30_000;
/** Questions choose among so many agents that were changed last. */
const LATELY = 64;
const CHOICES_MAX = 16;

export class Ledger {
  readonly #region: string;
  readonly #random: Random;
  readonly #capabilities: number;
  readonly #population: number;
  /** Those that are there, or may be. */
  readonly #entries: Entry[] = [];
  readonly #lately: Entry[] = [];
  /** Acknowledged to be gone. */
  readonly #gone = new Map<string, Entry>();
  #made = 0;

  /** @param population - agents that there are at a time, about */
  constructor(region: string, options: { random: Random; capabilities: number; population: number }) {
    this.#region = region;
    this.#random = options.random;
    this.#capabilities = options.capabilities;
    this.#population = options.population;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  get gone(): ReadonlyMap<string, Entry> {
    return this.#gone;
  }

  /** Begins a change of some agent: as many come as go, once there are enough. */
  begin(nowMs: number): { readonly change: Change; readonly entry: Entry } {
    const change = this.#nextChange();
    const known = change === "new" ? undefined : this.#choose(nowMs);
    const entry = known ?? this.#create();
    entry.isBusy = true;
    if (known !== undefined && change === "unregistered") {
      entry.isRemovalAttempted = true;
      return { change, entry };
    }
    entry.attempted++;
    return { change: known === undefined ? "new" : "changed", entry };
  }

  end(entry: Entry, change: Change, { isAcknowledged, isAmbiguous, doneMs }: Outcome): void {
    entry.isBusy = false;
    if (isAmbiguous) entry.quietUntilMs = doneMs + QUIET_MS;
    if (!isAcknowledged) {
      // Nobody says whether it is there: it is left as it is to the end.
      entry.quietUntilMs = Number.POSITIVE_INFINITY;
      return;
    }
    const version = change === "unregistered" ? null : entry.attempted;
    entry.acknowledged.push({ version, atMs: doneMs });
    this.#lately[this.#lately.length < LATELY ? this.#lately.length : randomInteger(this.#random, 0, LATELY - 1)] =
      entry;
    if (version !== null) return;
    const at = this.#entries.indexOf(entry);
    const last = this.#entries.pop();
    if (last !== undefined && last !== entry) this.#entries[at] = last;
    this.#gone.set(entry.id, entry);
  }

  /** One of those that were changed lately. */
  recent(): Entry | undefined {
    return this.#lately[randomInteger(this.#random, 0, this.#lately.length - 1)];
  }

  #nextChange(): Change {
    const share = this.#entries.length / this.#population;
    if (share < 0.9) return "new";
    if (share > 1.1) return "unregistered";
    return (["new", "changed", "unregistered"] as const)[randomInteger(this.#random, 0, 2)] ?? "new";
  }

  /** Any that nobody changes now; undefined when none is found soon. */
  #choose(nowMs: number): Entry | undefined {
    for (let tries = 0; tries < CHOICES_MAX; tries++) {
      const entry = this.#entries[randomInteger(this.#random, 0, this.#entries.length - 1)];
      if (entry !== undefined && !entry.isBusy && entry.quietUntilMs <= nowMs) return entry;
    }
    return undefined;
  }

  #create(): Entry {
    const i = this.#made++;
    const entry: Entry = {
      id: `soak-${this.#region}-${i}`,
      capability: `skill-${this.#region}-${i % this.#capabilities}`,
      acknowledged: [],
      attempted: 0,
      isRemovalAttempted: false,
      isBusy: false,
      quietUntilMs: 0,
    };
    this.#entries.push(entry);
    return entry;
  }
}

/**
 * What is wrong with an answer that is to show everything that was acknowledged by `asOfMs`; undefined when nothing is.
 *
 * @param shown - the version in the answer; null when the agent is not in it
 */
export function contradiction(entry: Entry, asOfMs: number, shown: number | null): string | undefined {
  const known = entry.acknowledged.findLast(({ atMs }) => atMs <= asOfMs);
  if (shown !== null && shown > entry.attempted) return `${entry.id} is shown as ${shown}, which nobody wrote`;
  if (known === undefined) return undefined;
  if (known.version === null) {
    return shown === null ? undefined : `${entry.id} is shown as ${shown}, and was unregistered`;
  }
  if (shown === null)
    return entry.isRemovalAttempted ? undefined : `${entry.id} is missing, and was written ${known.version}`;
  return shown < known.version ? `${entry.id} is shown as ${shown}, and was written ${known.version}` : undefined;
}
