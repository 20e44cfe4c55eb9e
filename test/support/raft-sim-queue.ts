/** Virtual time: what is due, in order of time and, at one time, of scheduling. */

export interface ScheduledEvent {
  readonly due: number;
  readonly sequence: number;
  /** Null once it was cancelled: it stays in the heap, empty, until it would have been due. */
  run: (() => void) | null;
}

export class EventQueue {
  now = 0;
  #sequence = 0;
  /** A binary heap by (due, sequence). */
  readonly #heap: ScheduledEvent[] = [];

  /** @returns the event, to be cancelled by taking its `run` away */
  schedule(delayMs: number, run: () => void): ScheduledEvent {
    const event = { due: this.now + Math.max(0, delayMs), sequence: this.#sequence++, run };
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
    return event;
  }

  /** Runs what is due next, unless that is after `deadline`. */
  runNext(deadline: number): boolean {
    for (let first = this.#heap[0]; first !== undefined && first.due <= deadline; first = this.#heap[0]) {
      this.#removeFirst();
      if (first.run === null) continue;
      this.now = first.due;
      first.run();
      return true;
    }
    return false;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.due < b.due || (a.due === b.due && a.sequence < b.sequence);
}
