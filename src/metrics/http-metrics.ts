/** Requests: how many, how long, how they ended. One histogram, since each further one costs every request. */

import { Histogram, type Registry } from "prom-client";
import { increment } from "../util/counts.ts";
import { LatencyCounts } from "./latency-counts.ts";
import { byKey, just, lazyCounter } from "./lazy.ts";

export interface HttpMetrics {
  /**
   * Notes one answered request.
   *
   * @param route - the pattern of the route, never the path: its values must be few
   */
  observe(method: string, route: string, status: number, seconds: number): void;
  /** Notes that a request was answered with an error. @param code - as in docs/errors.md */
  refused(code: string): void;
  /** Notes how long an answer took that was this node's alone to give: no stream of events, no call of an agent. */
  observeLatency(seconds: number): void;
  /** What that came to so far. */
  latencies(): readonly number[];
}

const BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createHttpMetrics(register: Registry): HttpMetrics {
  let requests = 0;
  let errors = 0;
  const latencies = new LatencyCounts();
  const durations = new Histogram({
    name: "atoll_http_request_duration_seconds",
    help: "Time from a request's arrival to the end of its answer.",
    labelNames: ["method", "route", "status"] as const,
    buckets: BUCKETS_SECONDS,
    registers: [register],
  });
  lazyCounter(register, { name: "mcp_registry_requests_total", help: "Requests answered, whatever the answer." }, () =>
    just(requests),
  );
  lazyCounter(register, { name: "mcp_registry_errors_total", help: "Requests answered with a 5xx status." }, () =>
    just(errors),
  );
  const refusals = new Map<string, number>();
  lazyCounter<"code">(
    register,
    { name: "atoll_http_refused_total", help: "Requests answered with an error, by its code.", labelNames: ["code"] },
    () => byKey("code", refusals),
  );
  return {
    refused: (code) => increment(refusals, code),
    observe(method, route, status, seconds) {
      requests += 1;
      if (status >= 500) errors += 1;
      durations.observe({ method, route, status }, seconds);
    },
    observeLatency: (seconds) => latencies.observe(seconds),
    latencies: () => latencies.read(),
  };
}
