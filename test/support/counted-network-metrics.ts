/** Network metrics that remember what was counted. */

import type { DropKind, NetworkMetrics, Protocol, RefusalCode } from "../../src/network/metrics.ts";

export class CountedNetworkMetrics implements NetworkMetrics {
  readonly refusals: RefusalCode[] = [];
  readonly drops: DropKind[] = [];
  readonly badFrames: Protocol[] = [];
  #onCount = () => {};

  refused(code: RefusalCode): void {
    this.refusals.push(code);
    this.#onCount();
  }

  dropped(kind: DropKind): void {
    this.drops.push(kind);
    this.#onCount();
  }

  badFrame(protocol: Protocol): void {
    this.badFrames.push(protocol);
    this.#onCount();
  }

  bytes(): void {}

  /** Resolves once `isDone`, asked after each count. */
  until(isDone: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#onCount = () => {
        if (isDone()) resolve();
      };
      this.#onCount();
    });
  }
}
