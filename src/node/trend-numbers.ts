/** Reads what a sample of the trend is made of from what the metrics have already. */

import type { Metrics } from "../metrics/metrics.ts";
import type { MetricsSource } from "../metrics/source.ts";
import type { TrendNumbers } from "../metrics/trend.ts";

export function trendNumbers(source: MetricsSource, { http, registry }: Metrics): TrendNumbers {
  const { healthyAgents, unhealthyAgents } = source.registry();
  const { term, hasLeader, commitIndex, appliedIndex } = source.raft();
  const { lookups, renewals, writes } = registry.totals();
  return {
    agents: healthyAgents + unhealthyAgents,
    healthyAgents,
    lookupsTotal: lookups,
    renewalsTotal: renewals,
    writesTotal: writes,
    latencies: http.latencies(),
    term,
    hasLeader,
    lagRevisions: Math.max(0, commitIndex - appliedIndex),
  };
}
