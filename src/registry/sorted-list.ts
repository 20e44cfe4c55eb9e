/**
 * Items in order, however many. Pure.
 *
 * They stand in chunks: room for one more is made within its chunk, so that it costs as much among a million as among a
 * thousand. In one array (`sorted-array.ts`) it would move half of all each time.
 */

import { type Compare, insertSorted, lowerBound } from "./sorted-array.ts";

/** A chunk that reaches this is halved. To move as many is about as quick as to find the chunk. */
const CHUNK_MAX = 512;

export class SortedList<T> {
  readonly #compare: Compare<T>;
  /** None is empty. */
  readonly #chunks: T[][] = [];
  #size = 0;

  constructor(compare: Compare<T>) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns false, with nothing changed, when an equal item is there already */
  add(item: T): boolean {
    const at = Math.min(this.#chunkOf(item), this.#chunks.length - 1);
    const chunk = this.#chunks[at];
    if (chunk === undefined) this.#chunks.push([item]);
    else if (!insertSorted(chunk, item, this.#compare)) return false;
    else if (chunk.length >= CHUNK_MAX) this.#chunks.splice(at + 1, 0, chunk.splice(chunk.length / 2));
    this.#size++;
    return true;
  }

  /** Removes the item that compares equal; does nothing when there is none. */
  remove(item: T): void {
    const at = this.#chunkOf(item);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    const place = lowerBound(chunk, item, this.#compare);
    if (this.#compare(chunk[place]!, item) !== 0) return;
    chunk.splice(place, 1);
    this.#size--;
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** All of them, or those that are not before `first`. The list must not change meanwhile. */
  *from(first?: T): Generator<T, void, undefined> {
    let at = first === undefined ? 0 : this.#chunkOf(first);
    let place =
      first === undefined || at === this.#chunks.length ? 0 : lowerBound(this.#chunks[at]!, first, this.#compare);
    for (; at < this.#chunks.length; at++) {
      const chunk = this.#chunks[at]!;
      for (; place < chunk.length; place++) yield chunk[place]!;
      place = 0;
    }
  }

  [Symbol.iterator](): Generator<T, void, undefined> {
    return this.from();
  }

  /** The first chunk whose last item is not before `item`: where it is, if it is there. */
  #chunkOf(item: T): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(this.#chunks[middle]!.at(-1)!, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
