/**
 * Can the operations on one register be put in an order that explains every answer?
 *
 * The search of Wing & Gong (1993) with the memory of Lowe (2017): take any operation that nothing else must precede, see
 * whether its answer fits, go on; when stuck, go back; never enter the same configuration twice. That is exponential in
 * the number of operations under way at a time. A register allows to skip most of it, because some moves are always safe:
 *
 *   1. A look that fits the state now changes nothing, so it may come now.
 *   2. A set that nobody will look at (no unplaced look has its value) may come now, if any set has to: whatever else
 *      follows begins with a set as well, which hides it. One of unknown outcome need not come at all.
 *   3. Of several sets to the same value, the one that must be done first may come first.
 *
 * And one is hopeless: leaving a value that somebody still has to see, when nobody sets it again. What remains to be tried
 * are the sets to values that are looked at, each followed at once by all who look at it, so a history in which no value is
 * set twice is searched in nearly linear time. The search is deterministic, synchronous, and cheap to start.
 */

import type { Value } from "./history.ts";

export interface RegisterOperation {
  readonly kind: "set" | "look";
  /** Null is absence, which the register begins with. */
  readonly value: Value;
  /** Positions in the history. A set completed at Infinity may take effect at any time after its invocation, or never. */
  readonly invokedAt: number;
  readonly completedAt: number;
}

export type Verdict = "linearizable" | "violation" | "undecided";

export interface SearchResult {
  readonly verdict: Verdict;
  /** Configurations tried: what the bound bounds. */
  readonly steps: number;
}

/** The head of the list of operations that must be placed and are not yet. */
const HEAD = 0;
const ABSENT = 0;

/**
 * @param operations - in the order of their invocations; looks are complete
 * @param stepsMax - configurations to try before it gives up as undecided
 */
export function searchRegister(operations: readonly RegisterOperation[], stepsMax: number): SearchResult {
  return new RegisterSearch(operations).run(stepsMax);
}

interface Choice {
  /** What may come next from here; those before `next` were tried. */
  readonly candidates: readonly number[];
  next: number;
  /** How much was placed by then. */
  readonly placedCount: number;
}

class RegisterSearch {
  /** Operations are numbered from 1, values from 0. */
  readonly #operations: readonly RegisterOperation[];
  readonly #valueOf: Int32Array;
  /** A list of those that must be placed, linked so that taking one out can be taken back. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Of each value: looks not placed, sets not placed. */
  readonly #looks: number[] = [];
  readonly #sets: number[] = [];
  /** Sets of unknown outcome, by value, in the order of invocations; and how many of them were placed. */
  readonly #optional = new Map<number, { readonly operations: number[]; placed: number }>();
  readonly #placed: number[] = [];
  #state = ABSENT;

  constructor(operations: readonly RegisterOperation[]) {
    this.#operations = operations;
    this.#valueOf = new Int32Array(operations.length + 1);
    this.#next = new Int32Array(operations.length + 1);
    this.#previous = new Int32Array(operations.length + 1);
    const values = new Map<Value, number>([[null, ABSENT]]);
    this.#addValue();
    for (const [i, { value }] of operations.entries()) {
      const number = values.get(value) ?? this.#addValue();
      values.set(value, number);
      this.#add(i + 1, number);
    }
  }

  #addValue(): number {
    this.#looks.push(0);
    return this.#sets.push(0) - 1;
  }

  #add(operation: number, value: number): void {
    const { kind, completedAt } = this.#at(operation);
    this.#valueOf[operation] = value;
    const counts = kind === "look" ? this.#looks : this.#sets;
    counts[value]!++;
    if (completedAt === Number.POSITIVE_INFINITY) {
      const optional = this.#optional.get(value) ?? { operations: [], placed: 0 };
      this.#optional.set(value, optional);
      optional.operations.push(operation);
      return;
    }
    const last = this.#previous[HEAD]!;
    this.#link(last, operation);
    this.#link(operation, HEAD);
  }

  run(stepsMax: number): SearchResult {
    if (this.#seesWhatNobodySet()) return { verdict: "violation", steps: 0 };
    const choices: Choice[] = [];
    const tried = new Set<string>();
    for (;;) {
      this.#placeWhatIsSafe();
      if (this.#next[HEAD] === HEAD) return { verdict: "linearizable", steps: tried.size };
      const configuration = this.#configuration();
      if (!tried.has(configuration)) {
        if (tried.size === stepsMax) return { verdict: "undecided", steps: stepsMax };
        tried.add(configuration);
        choices.push({ candidates: this.#candidates(), next: 0, placedCount: this.#placed.length });
      }
      if (!this.#takeNext(choices)) return { verdict: "violation", steps: tried.size };
    }
  }

  #seesWhatNobodySet(): boolean {
    return this.#looks.some((looks, value) => value !== ABSENT && looks > 0 && this.#sets[value] === 0);
  }

  /** Goes on with the latest choice that has an alternative left. */
  #takeNext(choices: Choice[]): boolean {
    for (let choice = choices.at(-1); choice !== undefined; choice = choices.at(-1)) {
      const candidate = choice.candidates[choice.next++];
      this.#takeBackTo(choice.placedCount);
      if (candidate !== undefined) {
        this.#place(candidate);
        return true;
      }
      choices.pop();
    }
    return false;
  }

  /** Rules 1 and 2, for as long as they say anything. */
  #placeWhatIsSafe(): void {
    for (;;) {
      this.#placeLooks();
      if (this.#isStateNeeded()) return;
      if (!this.#placeUnseenSets()) return;
    }
  }

  #placeLooks(): void {
    let limit = Number.POSITIVE_INFINITY;
    for (let i = this.#next[HEAD]!; i !== HEAD && this.#at(i).invokedAt < limit; i = this.#next[i]!) {
      const { kind, completedAt } = this.#at(i);
      if (kind === "look" && this.#valueOf[i] === this.#state) this.#place(i);
      else limit = Math.min(limit, completedAt);
    }
  }

  #placeUnseenSets(): boolean {
    const unseen = this.#window().filter((i) => this.#isSet(i) && !this.#isLookedAt(this.#valueOf[i]!));
    for (const i of unseen) this.#place(i);
    return unseen.length > 0;
  }

  /** What may come next: one set for each value that is looked at, those that are due first in front. */
  #candidates(): number[] {
    if (this.#isStateNeeded()) return [];
    const window = this.#window();
    const byValue = new Map<number, number>();
    for (const i of window) {
      if (!this.#isSet(i)) continue;
      const other = byValue.get(this.#valueOf[i]!);
      if (other === undefined || this.#at(i).completedAt < this.#at(other).completedAt) {
        byValue.set(this.#valueOf[i]!, i);
      }
    }
    const limit = this.#limit(window);
    for (const [value, { operations, placed }] of this.#optional) {
      const first = operations[placed];
      if (first === undefined || byValue.has(value) || !this.#isLookedAt(value)) continue;
      if (this.#at(first).invokedAt < limit) byValue.set(value, first);
    }
    return [...byValue.values()].sort((a, b) => compareTimes(this.#at(a).completedAt, this.#at(b).completedAt));
  }

  /** Somebody still has to see the state as it is, and nobody will set it again. */
  #isStateNeeded(): boolean {
    return this.#isLookedAt(this.#state) && this.#sets[this.#state] === 0;
  }

  #isLookedAt(value: number): boolean {
    return this.#looks[value]! > 0;
  }

  /** Those not placed that nothing not placed must precede: each was invoked before any of them was completed. */
  #window(): number[] {
    const window: number[] = [];
    let limit = Number.POSITIVE_INFINITY;
    for (let i = this.#next[HEAD]!; i !== HEAD && this.#at(i).invokedAt < limit; i = this.#next[i]!) {
      window.push(i);
      limit = Math.min(limit, this.#at(i).completedAt);
    }
    return window;
  }

  #limit(window: readonly number[]): number {
    return window.reduce((limit, i) => Math.min(limit, this.#at(i).completedAt), Number.POSITIVE_INFINITY);
  }

  /**
   * All that the future depends on: what is placed. Of that, the window tells, because nothing beyond its limit is placed;
   * of the sets of unknown outcome those matter that are looked at. The state is left out: a set comes next.
   */
  #configuration(): string {
    let text = this.#window().join();
    for (const [value, { placed }] of this.#optional) {
      if (placed > 0 && this.#isLookedAt(value)) text += `|${value}:${placed}`;
    }
    return text;
  }

  #place(i: number): void {
    const value = this.#valueOf[i]!;
    this.#placed.push(i);
    if (this.#isSet(i)) {
      this.#sets[value]!--;
      this.#state = value;
    } else {
      this.#looks[value]!--;
    }
    if (this.#isOptional(i)) this.#optional.get(value)!.placed++;
    else this.#link(this.#previous[i]!, this.#next[i]!);
  }

  /** The state is not taken back: a candidate comes next, and sets it. */
  #takeBackTo(placedCount: number): void {
    while (this.#placed.length > placedCount) this.#takeBack(this.#placed.pop()!);
  }

  /** Undoes the latest `#place`: the neighbours are those it had. */
  #takeBack(i: number): void {
    const value = this.#valueOf[i]!;
    const counts = this.#isSet(i) ? this.#sets : this.#looks;
    counts[value]!++;
    if (this.#isOptional(i)) {
      this.#optional.get(value)!.placed--;
      return;
    }
    this.#link(this.#previous[i]!, i);
    this.#link(i, this.#next[i]!);
  }

  #link(before: number, after: number): void {
    this.#next[before] = after;
    this.#previous[after] = before;
  }

  #isSet(i: number): boolean {
    return this.#at(i).kind === "set";
  }

  #isOptional(i: number): boolean {
    return this.#at(i).completedAt === Number.POSITIVE_INFINITY;
  }

  #at(i: number): RegisterOperation {
    return this.#operations[i - 1]!;
  }
}

/** Infinities are equal, which a difference would not say. */
function compareTimes(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
