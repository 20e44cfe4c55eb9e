/**
 * Every metric of a node, in Prometheus' text format.
 *
 * Names are `atoll_<area>_*` in seconds and bytes, plus the `mcp_registry_*` names of the contract and the usual
 * `process_*` and `nodejs_*`. Each call has a register of its own, so that a whole federation in one process does not mix
 * its numbers.
 */

import { collectDefaultMetrics, Registry } from "prom-client";
import type { Clock } from "../util/clock.ts";
import { exposeFederation } from "./federation-metrics.ts";
import { createHttpMetrics, type HttpMetrics } from "./http-metrics.ts";
import { lazyGauge } from "./lazy.ts";
import { exposeLoad } from "./load-metrics.ts";
import { exposeNetwork } from "./network-metrics.ts";
import { exposeNode } from "./node-metrics.ts";
import { createRaftMetrics, type RaftMetrics } from "./raft-metrics.ts";
import { createRegistryMetrics, type RegistryMetrics } from "./registry-metrics.ts";
import type { MetricsSource } from "./source.ts";
import { createWatchMetrics, type WatchMetrics } from "./watch-metrics.ts";

export interface Metrics {
  readonly http: HttpMetrics;
  readonly registry: RegistryMetrics;
  readonly watch: WatchMetrics;
  readonly raft: RaftMetrics;
  /** MIME type of `render`. */
  readonly contentType: string;
  /** Reads every part once and answers with the text. Rejects only if the source throws. */
  render(): Promise<string>;
}

export interface MetricsOptions {
  readonly source: MetricsSource;
  readonly clock: Clock;
  /** Who this node is: the labels of `atoll_node_info`, to be joined by `instance`. */
  readonly node: { readonly region: string; readonly name: string; readonly version: string };
  /** Memory, CPU, event loop and garbage collector of this process. Off where several nodes share one process. */
  readonly includeProcess: boolean;
}

/** Between two samples of how late the event loop is: 10 ms, the library's own, would wake an idle process more than all else. */
const LAG_PRECISION_MS = 100;

export function createMetrics({ source, clock, node, includeProcess }: MetricsOptions): Metrics {
  const register = new Registry();
  const startedAt = clock.now();
  const info = { name: "atoll_node_info", help: "Always 1.", labelNames: ["region", "node", "version"] } as const;
  lazyGauge<"region" | "node" | "version">(register, info, () => [
    [{ region: node.region, node: node.name, version: node.version }, 1],
  ]);
  const http = createHttpMetrics(register);
  const registry = createRegistryMetrics(
    register,
    () => source.registry(),
    () => (clock.now() - startedAt) / 1000,
  );
  const watch = createWatchMetrics(register);
  const raft = createRaftMetrics(register, () => source.raft());
  exposeNode(register, source);
  exposeLoad(register, source);
  exposeFederation(register, () => source.federation());
  exposeNetwork(register, () => source.network());
  if (includeProcess) collectDefaultMetrics({ register, eventLoopMonitoringPrecision: LAG_PRECISION_MS });
  return { http, registry, watch, raft, contentType: register.contentType, render: () => register.metrics() };
}
