/** Virtual time: what is due, in order of time and, at one time, of scheduling. */

export class EventQueue {
  now = 0;
  #sequence = 0;
  /** A binary heap by (due, sequence). */
  readonly #heap: { readonly due: number; readonly sequence: number; readonly run: () => void }[] = [];

  schedule(delayMs: number, run: () => void): void {
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
  }

  /** Runs what is due next, unless that is after `deadline`. */
  runNext(deadline: number): boolean {
    const first = this.#heap[0];
    if (first === undefined || first.due > deadline) return false;
    this.#removeFirst();
    this.now = first.due;
    first.run();
    return true;
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

type Ordered = { readonly due: number; readonly sequence: number };

function isBefore(a: Ordered, b: Ordered): boolean {
  return a.due < b.due || (a.due === b.due && a.sequence < b.sequence);
}
