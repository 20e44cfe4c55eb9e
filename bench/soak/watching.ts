/** Follows a region's changes as a dashboard would, and tells the fleet of leases that end. */

import { AtollClient } from "../../src/client/index.ts";
import { type Clock, sleep } from "../../src/util/clock.ts";
import type { SoakRegion } from "./cluster.ts";
import type { Fleet } from "./leases.ts";

export class Watching {
  /** Times that something was lost, as the node said itself. */
  resyncs = 0;
  events = 0;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #client: AtollClient;
  readonly #fleet: Fleet;
  readonly #done: Promise<void>;

  constructor(region: SoakRegion, fleet: Fleet, clock: Clock) {
    this.#clock = clock;
    this.#fleet = fleet;
    this.#client = new AtollClient({ urls: region.urls, token: region.readerToken, discover: false });
    this.#done = this.#follow(region);
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error("the run is over"));
    await this.#done;
  }

  async #follow({ name }: SoakRegion): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        for await (const event of this.#client.watch({ capability: `fleet-${name}`, signal })) {
          this.events++;
          if (event.type === "resync") this.resyncs++;
          if (event.type === "unhealthy") this.#fleet.seenEnded(event.agent.id, this.#clock.now(), "told unhealthy");
        }
      } catch {
        // Refused by every node, as while none has a leader: what is missed meanwhile is asked for when it is overdue.
        if (!signal.aborted) await sleep(this.#clock, 1_000);
      }
    }
  }
}
