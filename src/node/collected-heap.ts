/**
 * What lives of this process's heap: what full collections of garbage leave.
 *
 * What is used between them says little, since it grows until the next one. A node whose load is steady and whose collections
 * leave more and more keeps what it should let go. They may be minutes apart, too long for who must know of a lack of memory
 * in time: that is `heap-guard.ts`.
 */

import { constants, type NodeGCPerformanceDetail, PerformanceObserver } from "node:perf_hooks";
import type { HeapNumbers } from "./heap-guard.ts";

export class CollectedHeap {
  readonly #read: () => Pick<HeapNumbers, "usedBytes">;
  readonly #observer: PerformanceObserver;
  #liveBytes = 0;

  /** @param read - of the old generation, now */
  constructor(read: () => Pick<HeapNumbers, "usedBytes">) {
    this.#read = read;
    this.#observer = new PerformanceObserver((list) => {
      if (list.getEntries().some(isFull)) this.#liveBytes = this.#read().usedBytes;
    });
  }

  start(): void {
    this.#observer.observe({ entryTypes: ["gc"] });
  }

  stop(): void {
    this.#observer.disconnect();
  }

  /** What the last full collection left in the old generation, and what came there in the turn of the event loop after it; 0 before the first. */
  get liveBytes(): number {
    return this.#liveBytes;
  }
}

/** @param entry - one of kind `gc` */
function isFull(entry: object): boolean {
  return (entry as { readonly detail: NodeGCPerformanceDetail }).detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}
