/** Who watches, what they are told, and how often that they missed something. Counted in plain numbers: events are many. */

import type { Registry } from "prom-client";
import { increment } from "../util/counts.ts";
import { byKey, just, lazyCounter, lazyGauge } from "./lazy.ts";

export interface WatchMetrics {
  /** How many watch now. */
  watchers(count: number): void;
  /** One event, written to one watcher. */
  event(kind: string): void;
  /** One watcher was told that it missed something, and why. */
  resync(reason: string): void;
}

export function createWatchMetrics(register: Registry): WatchMetrics {
  let watching = 0;
  const events = new Map<string, number>();
  const resyncs = new Map<string, number>();
  lazyGauge(register, { name: "atoll_watchers", help: "Watchers connected to this node." }, () => just(watching));
  lazyCounter<"event">(
    register,
    {
      name: "atoll_watch_events_total",
      help: "Events written to watchers, each watcher counted.",
      labelNames: ["event"],
    },
    () => byKey("event", events),
  );
  lazyCounter<"reason">(
    register,
    {
      name: "atoll_watch_resyncs_total",
      help: "Times a watcher was told that it missed something, by why.",
      labelNames: ["reason"],
    },
    () => byKey("reason", resyncs),
  );
  return {
    watchers(count) {
      watching = count;
    },
    event: (kind) => increment(events, kind),
    resync: (reason) => increment(resyncs, reason),
  };
}
