/** Other regions as this node knows them. */

import type { Registry } from "prom-client";
import { byKey, just, lazyCounter, lazyGauge, type Reading } from "./lazy.ts";
import type { FederationNumbers, RemoteRegionNumbers } from "./source.ts";

export function exposeFederation(register: Registry, read: () => FederationNumbers): void {
  const perRegion = (name: string, help: string, value: (region: RemoteRegionNumbers) => number) =>
    lazyGauge<"region">(register, { name, help, labelNames: ["region"] }, () =>
      read().regions.map((numbers): Reading<"region"> => [{ region: numbers.region }, value(numbers)]),
    );
  const counter = (name: string, help: string, value: (numbers: FederationNumbers) => number) =>
    lazyCounter(register, { name, help }, () => just(value(read())));

  perRegion("atoll_federation_region_connected", "1 while a node of the region is linked.", (r) =>
    r.isConnected ? 1 : 0,
  );
  perRegion("atoll_federation_region_in_sync", "1 while the summary held equals its newest signed header.", (r) =>
    r.isInSync ? 1 : 0,
  );
  perRegion("atoll_federation_summary_age_seconds", "Time since the newest proof of the region's summary.", (r) => {
    return r.summaryAgeMs / 1000;
  });
  perRegion("atoll_federation_region_revision", "Revision that the region's summary shows.", (r) => r.revision);
  perRegion("atoll_federation_region_agents", "Agents that the region says it has.", (r) => r.agents);
  perRegion("atoll_federation_round_trip_seconds", "Round trip to the nearest node of the region.", (r) => {
    return (r.roundTripMs ?? Number.NaN) / 1000;
  });
  perRegion(
    "atoll_federation_region_breaker_open",
    "1 while lookups leave the region out, as it keeps failing.",
    (r) => {
      return r.isBreakerOpen ? 1 : 0;
    },
  );
  perRegion("atoll_federation_region_distrusted", "1 while what speaks for the region is not believed.", (r) => {
    return r.isDistrusted ? 1 : 0;
  });
  counter("atoll_federation_summaries_published_total", "Summary messages published by this node.", (n) => {
    return n.summariesPublishedTotal;
  });
  counter("atoll_federation_published_bytes_total", "Bytes of summary messages published by this node.", (n) => {
    return n.bytesPublishedTotal;
  });
  counter(
    "atoll_federation_gossip_accepted_total",
    "Summary messages taken from gossip.",
    (n) => n.gossipAcceptedTotal,
  );
  lazyCounter<"reason">(
    register,
    {
      name: "atoll_federation_refused_total",
      help: "Summary messages and answers not believed, by reason.",
      labelNames: ["reason"],
    },
    () => byKey("reason", read().refusedTotal),
  );
  counter("atoll_federation_gaps_total", "Headers that showed something of a summary to be missing here.", (n) => {
    return n.gapsTotal;
  });
  lazyCounter<"outcome">(
    register,
    {
      name: "atoll_federation_pulls_total",
      help: "Comparisons with another region's summary, by how they ended.",
      labelNames: ["outcome"],
    },
    () => byKey("outcome", read().pullsTotal),
  );
  counter("atoll_federation_pull_rounds_total", "Answers to pulls; a repair takes several.", (n) => n.pullRoundsTotal);
  counter("atoll_federation_pull_buckets_total", "Summary buckets fetched because they differed.", (n) => {
    return n.pullBucketsTotal;
  });
}
